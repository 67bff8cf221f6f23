"""No sentence in two splits, whatever the corpus; old clips stay where they are."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruach_core.data.assign import Shares, assign_splits
from ruach_core.errors import DataError

SHARES = Shares(0.1, 0.1)
CLIPS = st.lists(
    st.tuples(st.integers(0, 40), st.one_of(st.none(), st.integers(0, 25)), st.integers(0, 20)),
    min_size=1, max_size=150,
)  # fmt: skip


def assign(clips, *, shares=SHARES, seed=42, disjoint=None):
    return assign_splits(
        [f"s{sentence}" for sentence, _, _ in clips],
        [None if speaker is None else f"p{speaker}" for _, speaker, _ in clips],
        [duration for _, _, duration in clips],
        shares=shares,
        seed=seed,
        disjoint=disjoint,
    )


def parts_of(clips, done, field):
    """For each sentence or speaker, the splits that it is in."""
    found = {}
    for clip, split in zip(clips, done.splits, strict=True):
        found.setdefault(clip[field], set()).add(split)
    return found


def corpus(n, *, n_speakers, seed=0, n_sentences=None):
    """Clips; each speaker has sentences of their own unless `n_sentences` is given."""
    rng = random.Random(seed)
    clips = []
    for i in range(n):
        speaker = i % n_speakers
        sentence = i if n_sentences is None else rng.randrange(n_sentences)
        clips.append((sentence, speaker, rng.uniform(1, 9)))
    return clips


@given(CLIPS, st.floats(0, 0.45), st.floats(0, 0.45), st.integers(0, 3))
def test_no_sentence_is_in_two_splits(clips, validation, test, seed):
    done = assign(clips, shares=Shares(validation, test), seed=seed)
    assert len(done.splits) == len(clips)
    assert all(len(splits) == 1 for splits in parts_of(clips, done, 0).values())
    if done.disjoint == "both":
        assert all(len(splits) == 1 for splits in parts_of(clips, done, 1).values())
    assert "train" in done.splits


@given(CLIPS, st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(clips, rng):
    numbered = list(enumerate(clips))
    rng.shuffle(numbered)
    shuffled = assign([clip for _, clip in numbered])
    by_number = {n: split for (n, _), split in zip(numbered, shuffled.splits, strict=True)}
    straight = assign(clips)
    assert straight.splits == tuple(by_number[n] for n in range(len(clips)))
    assert straight.notes == shuffled.notes


@pytest.mark.parametrize("n_sentences", [None, 900])
@pytest.mark.parametrize("n", [1000, 3000])
def test_shares_are_near_the_wanted_ones(n, n_sentences):
    for seed in range(5):
        clips = corpus(n, n_speakers=60, seed=seed, n_sentences=n_sentences)
        counts = Counter(assign(clips, seed=seed).splits)
        for split in ("validation", "test"):
            assert 0.05 * n <= counts[split] <= 0.15 * n


def test_speakers_are_parted_where_they_can_be():
    done = assign(corpus(1200, n_speakers=60))
    assert done.disjoint == "both"
    assert done.notes == ("no two splits share a speaker or a sentence",)


def test_added_clips_of_old_and_new_speakers_move_none():
    old = corpus(2000, n_speakers=100)
    more = [(10_000 + i, 40 + i % 80, 3.0) for i in range(400)]
    before, after = assign(old), assign(old + more)
    assert before.disjoint == after.disjoint == "both"
    assert after.splits[: len(old)] == before.splits


def test_added_clips_move_few_sentences():
    """At most one in a hundred, where a part of the corpus is brought back to its share."""
    n_still = 0
    for seed in range(10):
        old = corpus(2000, n_speakers=3, n_sentences=1500, seed=seed)
        more = [(sentence + 700, speaker, duration_s) for sentence, speaker, duration_s in corpus(
            800, n_speakers=5, n_sentences=1500, seed=seed + 100)]  # fmt: skip
        before, after = assign(old, seed=seed), assign(old + more, seed=seed)
        assert before.disjoint == after.disjoint == "sentence"
        n_moved = sum(a != b for a, b in zip(before.splits, after.splits, strict=False))
        assert n_moved <= 20
        n_still += n_moved == 0
    assert n_still >= 4


@given(st.integers(0, 1000))
def test_added_clips_move_few_of_a_small_corpus(seed):
    """The bound that the documentation states: what joins two groups moves one of them at most."""
    rng = random.Random(seed)
    old = [(i, i % 80, 3.0) for i in range(400)]
    # A clip with a speaker of one group and a sentence of another.
    link = (rng.randrange(400), rng.randrange(80), 3.0)
    before, after = assign(old), assign([*old, link])
    assert before.disjoint == after.disjoint == "both"
    moved = [clip for clip, a, b in zip(old, before.splits, after.splits, strict=False) if a != b]
    assert len({speaker for _, speaker, _ in moved}) <= 1


def test_few_speakers_are_named_with_their_number():
    clips = corpus(500, n_speakers=3)
    done = assign(clips)
    assert done.disjoint == "sentence"
    assert "share speakers (3 speakers, fewer than 10)" in done.notes[0]
    with pytest.raises(DataError, match="can't be disjoint in speaker: 3 speakers"):
        assign(clips, disjoint="both")


def test_unnamed_speakers_are_counted():
    clips = [*corpus(500, n_speakers=30), (9_999, None, 1.0)]
    assert "(1 of 501 clips name no speaker)" in assign(clips).notes[0]


def test_one_giant_group_is_described():
    shared = [(0, speaker, 2.0) for speaker in range(18)]
    own = [(100 + i, i % 20, 2.0) for i in range(600)]
    done = assign(shared + own)
    assert done.disjoint == "sentence"
    assert (
        "the 20 speakers are 3 groups; the largest has 18 speakers and 558 of 618 clips (90%)"
        in done.notes[0]
    )
    assert assign(own).disjoint == "both"


def test_one_sentence_for_all_is_all_train_and_said():
    done = assign([(0, i % 3, 1.0) for i in range(100)])
    assert set(done.splits) == {"train"}
    assert any("test has 0 of 100 clips, 10 were wanted" in note for note in done.notes)


def test_no_share_no_split():
    counts = Counter(assign(corpus(300, n_speakers=2), shares=Shares(0.2, 0)).splits)
    assert set(counts) == {"train", "validation"}


def test_each_speaker_and_length_has_its_share():
    """A tenth of the clips is long and by one speaker; chance alone misses it now and then."""
    clips = [(i, 0, 2.0) for i in range(1800)] + [(5000 + i, 1, 12.0) for i in range(200)]
    for seed in range(200):
        rare = Counter(assign(clips, seed=seed).splits[1800:])
        assert 10 <= rare["test"] <= 30
        assert 9 <= rare["validation"] <= 30
