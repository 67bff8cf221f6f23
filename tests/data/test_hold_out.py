from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ruach_core.data.split import MIN_SPEAKERS, hold_out


def check(sentences, speakers, held):
    train = [i for i in range(len(sentences)) if i not in held.validation | held.conflicts]
    assert not {sentences[i] for i in train} & {sentences[i] for i in held.validation}
    assert not held.validation & held.conflicts
    if held.is_speaker_disjoint:
        assert not {speakers[i] for i in train} & {speakers[i] for i in held.validation}
    return train


def test_share_is_near_the_wanted_one():
    sentences = [f"s{i}" for i in range(1000)]
    for seed in range(5):
        held = hold_out(sentences, [None] * 1000, share=0.1, at_most=300, seed=seed)
        assert 50 <= len(held.validation) <= 150
        assert "no speakers are named" in held.note
        check(sentences, [None] * 1000, held)


def test_cap_holds():
    sentences = [f"s{i}" for i in range(5000)]
    held = hold_out(sentences, [None] * 5000, share=0.1, at_most=100, seed=1)
    assert 50 <= len(held.validation) <= 100


def test_same_seed_same_choice_whatever_the_order():
    sentences = [f"s{i}" for i in range(300)]
    one = hold_out(sentences, [None] * 300, share=0.1, at_most=300, seed=3)
    two = hold_out(sentences[::-1], [None] * 300, share=0.1, at_most=300, seed=3)
    other = hold_out(sentences, [None] * 300, share=0.1, at_most=300, seed=4)
    chosen = {sentences[i] for i in one.validation}
    assert chosen == {sentences[::-1][i] for i in two.validation}
    assert chosen != {sentences[i] for i in other.validation}


def test_clips_that_are_added_move_none():
    sentences = [f"s{i}" for i in range(2000)]
    before = hold_out(sentences[:800], [None] * 800, share=0.1, at_most=300, seed=42)
    after = hold_out(sentences, [None] * 2000, share=0.1, at_most=300, seed=42)
    assert {i for i in after.validation if i < 800} == before.validation


def test_enough_speakers_are_kept_apart():
    speakers = [f"p{i % 40}" for i in range(800)]
    sentences = [f"s{i}" for i in range(800)]
    held = hold_out(sentences, speakers, share=0.1, at_most=300, seed=42)
    assert held.is_speaker_disjoint
    assert 40 <= len(held.validation) <= 120
    check(sentences, speakers, held)


def test_a_few_shared_sentences_are_set_aside_not_leaked():
    speakers = [f"p{i % 40}" for i in range(800)]
    sentences = [f"s{i % 790}" for i in range(800)]
    conflicts = 0
    for seed in range(10):
        held = hold_out(sentences, speakers, share=0.1, at_most=300, seed=seed)
        check(sentences, speakers, held)
        conflicts += len(held.conflicts)
    assert conflicts


def test_few_speakers_or_common_sentences_fall_back_to_sentences():
    n = 400
    few = hold_out(
        [f"s{i}" for i in range(n)], [f"p{i % 3}" for i in range(n)],
        share=0.1, at_most=300, seed=1,
    )  # fmt: skip
    assert not few.is_speaker_disjoint
    assert f"3 speakers, fewer than {MIN_SPEAKERS}" in few.note
    sentences = [f"s{i // 20}" for i in range(n)]
    speakers = [f"p{i % 20}" for i in range(n)]
    common = hold_out(sentences, speakers, share=0.1, at_most=300, seed=1)
    assert not common.is_speaker_disjoint
    assert "share too many sentences" in common.note
    assert 20 <= len(common.validation) <= 60
    check(sentences, speakers, common)


def test_clips_without_a_speaker_forbid_the_claim():
    speakers = [None] + [f"p{i % 40}" for i in range(799)]
    held = hold_out([f"s{i}" for i in range(800)], speakers, share=0.1, at_most=300, seed=1)
    assert not held.is_speaker_disjoint
    assert "1 clips name no speaker" in held.note


def test_tiny_and_degenerate_sets():
    assert len(hold_out(["a", "b"], [None] * 2, share=0.49, at_most=300, seed=1).validation) == 1
    assert not hold_out(["a"] * 50, [None] * 50, share=0.1, at_most=300, seed=1).validation
    two = hold_out(["a"] * 500 + ["b"] * 400, [None] * 900, share=0.1, at_most=300, seed=1)
    assert two.validation == frozenset(range(500, 900))


def test_sentences_of_test_stay_in_train_where_there_are_others():
    sentences = [f"s{i}" for i in range(200)]
    avoid = set(sentences[:100])
    held = hold_out(sentences, [None] * 200, share=0.1, at_most=300, seed=1, avoid=avoid)
    assert held.validation
    assert min(held.validation) >= 100
    every = hold_out(sentences, [None] * 200, share=0.1, at_most=300, seed=1, avoid=set(sentences))
    assert every.validation


@given(
    clips=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=2, max_size=120),
    share=st.floats(0.01, 0.49),
    at_most=st.integers(1, 50),
    seed=st.integers(0, 5),
)
def test_always_disjoint_and_never_everything(clips, share, at_most, seed):
    sentences = [f"s{a}" for a, _ in clips]
    speakers = [f"p{b}" for _, b in clips]
    held = hold_out(sentences, speakers, share=share, at_most=at_most, seed=seed)
    train = check(sentences, speakers, held)
    assert train
    assert bool(held.validation) == (len(set(sentences)) > 1)
