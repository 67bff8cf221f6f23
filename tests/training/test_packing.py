"""Several clips in one window: what is laid where, and what the decoder is taught of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.features import MAX_SAMPLES
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.batching import MicroBatch
from ruach_core.training.collate import IGNORED, Collator, decoder_ids
from ruach_core.training.packing import TrainingWindow, pack_clips, steps
from ruach_core.training.randomness import generator
from ruach_core.types import Utterance

START, LANGUAGE, TRANSCRIBE, PREVIOUS, NO_TIMESTAMPS, END = (
    50258, 50334, 50359, 50361, 50363, 50257,
)  # fmt: skip
TOKENS = SpecialTokens(
    whisper_language="am", start=START, language=LANGUAGE, transcribe=TRANSCRIBE,
    no_timestamps=NO_TIMESTAMPS, end=END, previous=PREVIOUS, no_speech=50362,
)  # fmt: skip
TIME_0 = NO_TIMESTAMPS + 1


def clip(n: int, speaker: str | None = None) -> Utterance:
    return Utterance(f"{n}.wav", Path(f"{n}.wav"), "a", "train", speaker_id=speaker)


@settings(max_examples=150, deadline=None)
@given(
    clips=st.lists(
        st.tuples(st.floats(0.2, 30.0), st.integers(0, 444), st.sampled_from(["a", "b", None])),
        max_size=60,
    ),
    max_clips=st.integers(1, 20),
    prompt_share=st.sampled_from([0.0, 0.5, 1.0]),
    timed_share=st.sampled_from([0.0, 0.5, 1.0]),
    seed=st.integers(0, 3),
)
def test_every_clip_once_within_the_window_and_the_decoder(
    clips, max_clips, prompt_share, timed_share, seed
):
    durations_s = {i: c[0] for i, c in enumerate(clips)}
    n_tokens = [c[1] for c in clips]
    utterances = [clip(i, c[2]) for i, c in enumerate(clips)]
    windows = pack_clips(
        list(range(len(clips))), utterances, durations_s, n_tokens,
        rng=generator("t", seed), max_clips=max_clips,
        timed_share=timed_share, prompt_share=prompt_share,
    )  # fmt: skip
    assert sorted(i for w in windows for i in w.indices) == list(range(len(clips)))
    inputs, _ = decoder_ids(windows, [[1] * n for n in n_tokens], TOKENS) if windows else ([], [])
    assert all(len(row) <= 448 for row in inputs)
    for window in windows:
        assert len(window.indices) <= max_clips
        assert window.starts[0] == 0
        lengths = [steps(durations_s[i]) for i in window.indices]
        ends = [start + n for start, n in zip(window.starts, lengths, strict=True)]
        assert ends[-1] <= 1500
        for end, start in zip(ends, window.starts[1:], strict=False):
            assert 5 <= start - end <= 25
        assert window.ends in ((), tuple(ends))
        assert window.ends or timed_share < 1.0 or len(window.indices) == 1
        assert not window.ends or timed_share > 0.0
        if window.previous is not None:
            first = window.indices[0]
            assert utterances[window.previous].speaker_id == utterances[first].speaker_id
            assert window.previous not in window.indices


def test_speakers_stay_together():
    utterances = [clip(i, "ab"[i % 2]) for i in range(40)]
    windows = pack_clips(
        list(range(40)), utterances, dict.fromkeys(range(40), 3.0), [10] * 40,
        rng=generator("t"), max_clips=8, timed_share=1.0, prompt_share=0.0,
    )  # fmt: skip
    mixed = [w for w in windows if len({utterances[i].speaker_id for i in w.indices}) > 1]
    assert len(windows) == 5
    assert len(mixed) <= 1


def test_timestamps_and_prompts_as_whisper_writes_them():
    texts = [[10, 11], [20], [30, 31, 32]]
    windows = [
        TrainingWindow((0, 2), starts=(0, 60), ends=(50, 150), previous=1),
        TrainingWindow((1,), starts=(0,), ends=(50,)),
    ]
    inputs, targets = decoder_ids(windows, texts, TOKENS)
    whole = [START, LANGUAGE, TRANSCRIBE, TIME_0, 10, 11, TIME_0 + 50,
             TIME_0 + 60, 30, 31, 32, TIME_0 + 150, END]  # fmt: skip
    assert inputs[0].tolist() == [PREVIOUS, 20, *whole[:-1]]
    # The prompt is heard and never taught, the start token neither.
    assert targets[0].tolist() == [IGNORED, IGNORED, *whole[1:]]
    alone = [START, LANGUAGE, TRANSCRIBE, TIME_0, 20, TIME_0 + 50, END]
    assert inputs[1, :6].tolist() == alone[:-1]
    assert targets[1, :6].tolist() == alone[1:]
    assert set(targets[1, 6:].tolist()) == {IGNORED}


def test_without_timestamps_the_texts_are_joined():
    windows = [TrainingWindow((0, 2), starts=(0, 60), previous=1)]
    inputs, targets = decoder_ids(windows, [[10, 11], [20], [30, 31, 32]], TOKENS)
    whole = [START, LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS, 10, 11, 30, 31, 32, END]
    assert inputs[0].tolist() == [PREVIOUS, 20, *whole[:-1]]
    assert targets[0].tolist() == [IGNORED, IGNORED, *whole[1:]]


def test_clips_lie_where_their_timestamps_say(tone):
    utterances = [tone(0, 0.5), tone(1, 0.8)]
    collator = Collator(utterances, [[1], [2, 3]], TOKENS, n_mels=80)
    window = TrainingWindow((0, 1), starts=(0, 40), ends=(25, 80), previous=1)
    tensors = collator(MicroBatch((window,), MAX_SAMPLES), 0)
    heard = np.flatnonzero(np.abs(tensors.waveforms[0].numpy()) > 1e-3) / 16_000
    assert heard[heard < 0.7].max() < 0.5
    assert 0.8 <= heard[heard > 0.7].min() < 0.81
    assert 1.59 < heard.max() < 1.6
    n_counted = int((tensors.target_ids != IGNORED).sum())
    assert collator.n_target_tokens([window]) == n_counted


def test_a_clip_is_masked_within_itself_wherever_it_lies(tone):
    from ruach_core.config import AugmentConfig

    utterances = [tone(0, 0.5), tone(1, 0.8)]
    collator = Collator(utterances, [[1], [2]], TOKENS, n_mels=80, augment=AugmentConfig(speed=0))
    packed = TrainingWindow((0, 1), starts=(0, 40), ends=(25, 80))
    (masks,) = collator(MicroBatch((packed,), MAX_SAMPLES), 0).masks
    assert [(m.start, m.end) for m in masks] == [(0, 50), (80, 160)]
    ((alone,),) = collator(MicroBatch.of_clips((1,), MAX_SAMPLES), 0).masks
    assert replace(alone, start=80, end=160) == masks[1]


def test_nothing_is_written_where_nobody_speaks(tone):
    windows = [TrainingWindow((), (), silence=n) for n in range(8)]
    inputs, targets = decoder_ids(windows, [], TOKENS)
    # Of each: that nobody speaks, where decoders ask for it, and no text.
    assert inputs.tolist() == [[START, LANGUAGE, TRANSCRIBE, NO_TIMESTAMPS]] * 8
    assert targets.tolist() == [[50362, IGNORED, IGNORED, END]] * 8
    hum = np.sin(np.arange(8_000, dtype=np.float32)) * np.float32(0.001)
    collator = Collator([tone(0, 0.5)], [[1]], TOKENS, n_mels=80, read=lambda _: hum)
    tensors = collator(MicroBatch(tuple(windows), 32_000), 0)
    levels = tensors.waveforms.square().mean(1).sqrt()
    assert collator.n_target_tokens(windows) == int((tensors.target_ids != IGNORED).sum())
    assert float(levels.max()) <= 10 ** (-30 / 20) * 1.01
    assert len(set(levels.tolist())) > 4
    assert torch_equal(collator(MicroBatch((windows[3],), 32_000), 0), tensors, 3)


def torch_equal(alone, among, row: int) -> bool:
    return np.array_equal(alone.waveforms[0].numpy(), among.waveforms[row].numpy())
