"""What a source's weight does to an epoch."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.config import WindowConfig
from ruach_core.errors import DataError
from ruach_core.training.batching import plan_epoch
from ruach_core.training.drawing import draw_clips, epoch_sizes, expected_size
from ruach_core.types import Utterance


def clips(weights: list[float], speaker: str | None = None) -> list[Utterance]:
    return [
        Utterance(id=f"{i}.wav", audio=Path(f"{i}.wav"), transcript="a", split="train",
                  duration_s=1.0 + i % 7, reference="a", weight=weight, speaker_id=speaker)
        for i, weight in enumerate(weights)
    ]  # fmt: skip


weights = st.lists(st.sampled_from([0.05, 0.1, 1 / 3, 0.5, 1.0, 1.5, 2.0, 3.7]), min_size=1,
                   max_size=30)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(weights=weights, seed=st.integers(0, 9), first=st.integers(0, 20), n=st.integers(1, 20))
def test_a_clip_is_drawn_as_often_as_its_weight_says(
    weights: list[float], seed: int, first: int, n: int
) -> None:
    utterances = clips(weights)
    total: Counter[int] = Counter()
    for epoch in range(first, first + n):
        drawn = Counter(draw_clips(utterances, seed=seed, epoch=epoch))
        assert all(count <= math.ceil(weights[i]) for i, count in drawn.items())
        assert all(drawn[i] >= math.floor(weight) for i, weight in enumerate(weights))
        total += drawn
    # Over any run of epochs, not only in the long run. A millionth is what weights are counted in.
    for i, weight in enumerate(weights):
        assert math.floor(weight * n - 1e-4) <= total[i] <= math.ceil(weight * n + 1e-4)


def test_an_epoch_draws_about_the_share() -> None:
    utterances = clips([0.3] * 2000)
    for epoch in range(5):
        assert 500 < len(draw_clips(utterances, seed=1, epoch=epoch)) < 700
    assert expected_size(utterances) == 600
    assert epoch_sizes(utterances, seed=1, n_epochs=3) == [
        len(draw_clips(utterances, seed=1, epoch=e)) for e in range(3)
    ]


def test_whether_a_clip_is_drawn_depends_on_no_other_clip() -> None:
    many, few = clips([0.5] * 400), clips([0.5] * 50)
    of_many = [i for i in draw_clips(many, seed=1, epoch=3) if i < 50]
    assert of_many == draw_clips(few, seed=1, epoch=3)
    other = [replace(u, weight=2.0) if i >= 50 else u for i, u in enumerate(many)]
    assert [i for i in draw_clips(other, seed=1, epoch=3) if i < 50] == of_many
    assert draw_clips(few, seed=2, epoch=3) != of_many


def test_without_weights_all_clips_come_once() -> None:
    utterances = clips([1.0] * 30)
    assert draw_clips(utterances, seed=1, epoch=7) == list(range(30))
    assert epoch_sizes(utterances, seed=1, n_epochs=4) == [30] * 4


def test_an_epoch_without_clips_is_refused() -> None:
    with pytest.raises(DataError, match="higher weights"):
        epoch_sizes(clips([0.01, 0.01]), seed=1, n_epochs=5)


@settings(max_examples=40, deadline=None)
@given(
    weights=weights,
    batch_size=st.integers(1, 12),
    policy=st.sampled_from(["trim", "mix", "pack", "full"]),
    epoch=st.integers(0, 5),
)
def test_an_epochs_batches_hold_what_it_draws(
    weights: list[float], batch_size: int, policy: str, epoch: int
) -> None:
    utterances = clips(weights, speaker="s")

    def plan() -> list[list[int]]:
        batches = plan_epoch(
            utterances, WindowConfig(policy=policy), batch_size=batch_size, micro_batch_s=60.0,
            seed=1, epoch=epoch, n_tokens=[3] * len(weights),
        )  # fmt: skip
        for window in (window for batch in batches for window in batch.windows):
            assert window.previous not in window.indices
        return [list(batch.indices) for batch in batches]

    batches = plan()
    drawn = draw_clips(utterances, seed=1, epoch=epoch)
    assert sorted(i for batch in batches for i in batch) == drawn
    assert len(batches) == math.ceil(len(drawn) / batch_size)
    assert all(batches)
    assert plan() == batches
