"""What each clip costs is counted as it is learnt, and clips that cost too much come first."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest

from ruach_core.sources import DataSources
from ruach_core.training.clip_losses import ClipLosses
from ruach_core.training.loop import InterruptedRunError
from ruach_core.training.packing import TrainingWindow
from ruach_core.training.ranks import Ranks
from ruach_core.training.suspicion import add_hypotheses, misfit, rank_clips, score_clips
from ruach_core.types import Hypothesis, Utterance

IGNORED = -100
END, LANGUAGE, TASK, PLAIN, TIME = 50, 51, 52, 53, 60
"""As in Whisper, all that isn't text has larger ids."""


def count(windows, rows, n_tokens, n_clips):
    """The figures of one pass whose k-th target that counts costs 2 to the k."""
    width = max(map(len, rows))
    targets = np.array([[*row, *[IGNORED] * (width - len(row))] for row in rows])
    n_counted = int((targets != IGNORED).sum())
    losses = ClipLosses(n_clips)
    costs = (2.0 ** np.arange(n_counted)).astype(np.float32)
    losses.add(7, windows, n_tokens, targets, costs, ignored=IGNORED)
    losses.end_epoch(Ranks())
    return losses.epochs[0]


def test_a_clip_alone_has_its_text_and_its_end():
    windows = [TrainingWindow.of_clip(1), TrainingWindow.of_clip(0, 1.0, is_timed=True)]
    rows = [[LANGUAGE, TASK, PLAIN, 1, 2, END], [LANGUAGE, TASK, TIME, 3, TIME + 50, END]]
    figures = count(windows, rows, [1, 2], 3)
    assert figures[0].tolist() == [2**9 + 2**11, 2**3 + 2**4 + 2**5, 0]
    assert figures[1].tolist() == [2, 3, 0]
    assert figures[2].tolist() == [14, 21, 0]


@pytest.mark.parametrize("is_timed", [True, False])
def test_packed_clips_have_their_texts(is_timed):
    windows = [TrainingWindow((2, 0), (0, 60), (50, 90) if is_timed else (), previous=1)]
    prompt = [IGNORED, IGNORED, IGNORED]
    if is_timed:
        row = [*prompt, LANGUAGE, TASK, TIME, 1, 2, TIME + 50, TIME + 60, 3, TIME + 90, END]
        expected = [2**7, 0, 2**3 + 2**4]
    else:
        row = [*prompt, LANGUAGE, TASK, PLAIN, 1, 2, 3, END]
        expected = [2**5, 0, 2**3 + 2**4]
    figures = count(windows, [row], [1, 5, 2], 3)
    assert figures[0].tolist() == expected
    assert figures[1].tolist() == [1, 0, 2]


def test_silence_and_what_another_process_computes_cost_no_clip():
    windows = [TrainingWindow((), (), silence=0), TrainingWindow.of_clip(0)]
    rows = [[51, END, IGNORED, IGNORED], [IGNORED] * 4]
    assert not count(windows, rows, [1], 1).any()


def test_a_run_counts_every_clip_in_every_epoch(longer):
    loop = longer.loop(**{"training.epochs": 2, "training.batch_size": 2})
    mean_losses = []
    loop.run()
    for epoch in loop.updater.clip_losses.epochs:
        n_texts = [n + 1 for n in loop._plan.collator.n_tokens]
        assert epoch[1].tolist() == n_texts
        assert (epoch[0] > 0).all()
        assert sorted(set((epoch[2] / epoch[1]).tolist()))[0] >= 0
        mean_losses.append(epoch[0].sum() / epoch[1].sum())
    assert mean_losses[1] < mean_losses[0]
    first = loop.updater.clip_losses.epochs[0]
    assert sorted((first[2] / first[1]).tolist()) == [0, 0, 1, 1, 2, 2]


def test_a_run_that_was_stopped_has_the_same_figures(longer):
    flags = {"training.epochs": 2, "training.batch_size": 2}
    whole = longer.loop(**flags)
    whole.run()

    def stop(line):
        if "'epoch': 1.33" in line:
            broken._stop_signal = 15

    broken = longer.loop(on_line=stop, **flags)
    with pytest.raises(InterruptedRunError):
        broken.run()
    resumed = longer.loop(**flags)
    resumed.run(resume=True)
    pairs = zip(resumed.updater.clip_losses.epochs, whole.updater.clip_losses.epochs, strict=True)
    for mine, theirs in pairs:
        assert mine.tolist() == theirs.tolist()


def epochs_of(n=200, n_epochs=3, hard=(5, 150), seed=0):
    """Losses that fall while an epoch goes on and with the text's length; two clips stand out."""
    rng = np.random.default_rng(seed)
    n_tokens = rng.integers(5, 40, n).astype(float)
    for epoch in range(n_epochs):
        updates = rng.permutation(n) + epoch * n
        loss = 4.0 * np.exp(-updates / n) * (1 + 8 / n_tokens) * np.exp(0.1 * rng.normal(size=n))
        loss[list(hard)] *= 1.5
        yield np.stack([loss * n_tokens, n_tokens, updates * n_tokens])


def test_clips_that_cost_more_than_their_like_stand_out():
    scores = score_clips(list(epochs_of()))
    assert set(np.argsort(-scores.score)[:2]) == {5, 150}
    others = np.delete(scores.score, [5, 150])
    assert scores.score[[5, 150]].min() > 2.5 > others.max()
    assert abs(np.median(others)) < 0.2
    # The plain loss is no measure: it tells when a clip's turn came, and how long its text is.
    first = next(epochs_of())
    assert set(np.argsort(-first[0] / first[1])[:2]) != {5, 150}
    assert scores.loss[5] / scores.usual[5] == pytest.approx(1.5, rel=0.2)


def test_a_clip_that_was_never_drawn_has_no_score():
    epochs = list(epochs_of())
    for epoch in epochs:
        epoch[:, 3] = 0
    epochs[0][:, 4] = 0
    scores = score_clips(epochs)
    assert np.isnan(scores.score[3])
    assert np.isfinite(np.delete(scores.score, 3)).all()


def clips_of(n, split, source=""):
    prefix = f"{source}:" if source else ""
    return tuple(
        Utterance(f"{prefix}{split}/{i}.wav", None, "abcdef", split, duration_s=1.0,
                  reference="abcdef", source=source)
        for i in range(n)
    )  # fmt: skip


def prepared_of(train, validation=(), accepted=(), sources=("mine",)):
    corpus = SimpleNamespace(source=DataSources.parse(sources), accepted=frozenset(accepted))
    return SimpleNamespace(train=train, validation=tuple(validation), corpus=corpus)


def losses_of(train, validation=()):
    losses = ClipLosses(200)
    losses.epochs, losses.validation = list(train), list(validation)
    return losses


def test_the_ranking_leaves_out_what_a_person_accepted():
    train = clips_of(200, "train")
    ranked = rank_clips(prepared_of(train), losses_of(epochs_of()), n_most=5)
    assert {clip.id for _, clip in ranked[:2]} == {"train/5.wav", "train/150.wav"}
    assert [clip.rank for _, clip in ranked] == [1, 2, 3, 4, 5]
    assert {clip.source for _, clip in ranked} == {"mine"}
    prepared = prepared_of(train, accepted=[ranked[0][0].id])
    again = rank_clips(prepared, losses_of(epochs_of()), n_most=5)
    assert again[0][1].id == ranked[1][1].id


def test_both_splits_are_in_one_ranking_that_has_a_fifth_at_most():
    train, validation = clips_of(200, "train", "a"), clips_of(40, "validation", "b")
    prepared = prepared_of(train, validation, sources=("a", "b"))
    losses = losses_of(epochs_of(), epochs_of(40, hard=(7,), seed=1))
    ranked = rank_clips(prepared, losses, n_most=1000)
    assert len(ranked) == 48
    first = {(clip.source, clip.id) for _, clip in ranked[:3]}
    assert first == {("a", "train/5.wav"), ("a", "train/150.wav"), ("b", "validation/7.wav")}


def test_a_handful_of_clips_has_no_ranking():
    prepared = prepared_of(clips_of(6, "train"))
    assert rank_clips(prepared, losses_of(epochs_of(6, hard=())), n_most=9) == []


def test_a_text_that_is_too_short_for_its_audio_stands_out():
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 60, 100)
    seconds = lengths / 12 * np.exp(0.1 * rng.normal(size=100))
    lengths[3] //= 2
    clips = tuple(
        Utterance(f"{i}.wav", None, "", "train", duration_s=s, reference="a" * n)
        for i, (n, s) in enumerate(zip(lengths, seconds, strict=True))
    )
    off = misfit(clips)
    assert off[3] > 4 > np.abs(np.delete(off, 3)).max()
    losses = losses_of(epochs_of(100, hard=()))
    assert rank_clips(prepared_of(clips), losses, n_most=1)[0][1].id == "3.wav"
    (_, first), *_ = rank_clips(prepared_of(clips), losses, n_most=1)
    assert "the text is short for its audio" in first.why


class Plain:
    name = "plain"

    def normalize(self, text, *, purpose):
        return text


@pytest.mark.parametrize(
    ("heard", "why"),
    [
        ("abcdefghijkl", "the model hears more than the text says"),
        ("abc", "the model hears less than the text says"),
        ("uvwxyz", "the model hears something else"),
        ("abcdeg", None),
    ],
)
def test_the_ranking_says_what_stands_out(heard, why):
    ranked = rank_clips(
        prepared_of(clips_of(200, "train")), losses_of(epochs_of(hard=(5,))), n_most=2
    )
    first, second = add_hypotheses(ranked, [Hypothesis("train/5.wav", heard)], normalizer=Plain())
    assert first.hypothesis == heard
    assert re.match(r"costs 1\.[3-7] times what clips like it do", first.why)
    assert (first.why.partition("; ")[2] or None) == why
    assert (second.hypothesis, second.cer) == (None, None)
