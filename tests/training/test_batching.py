from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.config import AugmentConfig, WindowConfig
from ruach_core.features import MAX_SAMPLES
from ruach_core.training.augment import choose_speed
from ruach_core.training.batching import POOL_BATCHES, Batch, MicroBatch, plan_epoch
from ruach_core.types import SAMPLING_RATE, Utterance

NO_LIMIT_S = 1e6
WINDOW = WindowConfig(policy="trim", margin_s=0.3, jitter_s=1.3, full_share=0.1)
FULL_SHARE_ALONE = {"policy": "trim", "jitter_s": 1.3}


def clips(durations_s: list[float]) -> list[Utterance]:
    return [
        Utterance(id=f"{i}.wav", audio=Path(f"{i}.wav"), transcript="a", split="train",
                  duration_s=duration_s, reference="a")
        for i, duration_s in enumerate(durations_s)
    ]  # fmt: skip


def random_clips(n: int, *, longest_s: float = 5.0) -> list[Utterance]:
    rng = random.Random(n)
    return clips([rng.uniform(0.2, longest_s) for _ in range(n)])


def plan(
    utterances: list[Utterance],
    *,
    window: WindowConfig = WINDOW,
    batch_size: int = 8,
    micro_batch_s: float = 60.0,
    seed: int = 1,
    epoch: int = 0,
    n_tokens: list[int] | None = None,
) -> list[Batch]:
    return plan_epoch(
        utterances,
        window,
        batch_size=batch_size,
        micro_batch_s=micro_batch_s,
        seed=seed,
        epoch=epoch,
        n_tokens=[20] * len(utterances) if n_tokens is None else n_tokens,
    )


def micro_batches(batches: list[Batch]) -> list[MicroBatch]:
    return [micro for batch in batches for micro in batch.micro_batches]


def in_full_windows(batches: list[Batch]) -> set[int]:
    return {i for m in micro_batches(batches) if m.n_samples == MAX_SAMPLES for i in m.indices}


@settings(max_examples=60, deadline=None)
@given(
    durations_s=st.lists(st.floats(0.2, 30.0), min_size=1, max_size=80),
    batch_size=st.integers(1, 40),
    micro_batch_s=st.floats(1.0, 200.0),
    share=st.floats(0.0, 1.0),
    policy=st.sampled_from(["trim", "mix", "pack", "full"]),
    seed=st.integers(0, 5),
)
def test_every_clip_once_in_every_epoch(
    durations_s, batch_size, micro_batch_s, share, policy, seed
):
    shares = {"packed_share": share, "full_share": 0.5 * (1 - share)} if policy == "mix" else {}
    window = WindowConfig(policy=policy, **shares)
    utterances = clips(durations_s)
    n_batches = -(-len(utterances) // batch_size)
    for epoch in range(4):
        batches = plan(utterances, window=window, batch_size=batch_size,
                       micro_batch_s=micro_batch_s, seed=seed, epoch=epoch)  # fmt: skip
        assert sorted(i for batch in batches for i in batch.indices) == list(range(len(utterances)))
        # The loop counts on this number of updates.
        assert len(batches) == n_batches
        assert all(0 < len(batch.indices) < 2 * batch_size for batch in batches) or batch_size == 1
        for micro in micro_batches(batches):
            assert len(micro.windows) == 1 or micro.window_s <= micro_batch_s + 1e-9
            longest_s = max(durations_s[i] for i in micro.indices)
            assert micro.n_samples >= min(MAX_SAMPLES, round(longest_s * SAMPLING_RATE))
            assert micro.n_samples <= MAX_SAMPLES


def test_plan_depends_on_nothing_but_seed_and_epoch():
    utterances = random_clips(300)
    first = plan(utterances, seed=3, epoch=2)
    plan(utterances, seed=9, epoch=7)  # nothing is carried over from one call to the next
    assert plan(utterances, seed=3, epoch=2) == first
    assert plan(utterances, seed=4, epoch=2) != first
    assert plan(utterances, seed=3, epoch=3) != first


def test_batches_come_in_no_order_of_length():
    utterances = random_clips(2000, longest_s=20.0)
    means = [
        sum(utterances[i].duration_s for i in batch.indices) / len(batch.indices)
        for batch in plan(utterances)
    ]
    rises = sum(a < b for a, b in pairwise(means))
    assert 0.4 < rises / (len(means) - 1) < 0.6


def test_clips_of_a_batch_have_like_lengths():
    utterances = random_clips(POOL_BATCHES * 8 * 5, longest_s=20.0)

    def mean_spread(groups: list[tuple[int, ...]]) -> float:
        spreads = []
        for group in groups:
            durations = [utterances[i].duration_s for i in group]
            spreads.append(max(durations) - min(durations))
        return sum(spreads) / len(spreads)

    order = list(range(len(utterances)))
    random.Random(0).shuffle(order)
    at_random = mean_spread([tuple(order[k : k + 8]) for k in range(0, len(order), 8)])
    assert mean_spread([batch.indices for batch in plan(utterances)]) < at_random / 8


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 1.0])
def test_share_of_clips_in_a_full_window(share):
    utterances = random_clips(3000)
    for epoch in range(2):
        batches = plan(
            utterances, window=WindowConfig(**FULL_SHARE_ALONE, full_share=share), epoch=epoch
        )
        found = len(in_full_windows(batches)) / len(utterances)
        # Four standard deviations of a binomial share.
        assert abs(found - share) <= 4 * (share * (1 - share) / len(utterances)) ** 0.5


def test_policy_full_puts_every_clip_in_a_full_window():
    batches = plan(random_clips(50), window=WindowConfig(policy="full"))
    assert {micro.n_samples for micro in micro_batches(batches)} == {MAX_SAMPLES}


def test_other_clips_in_the_full_window_in_another_epoch():
    utterances = random_clips(1000)
    first, second = (in_full_windows(plan(utterances, epoch=epoch)) for epoch in (0, 1))
    assert first != second


def test_a_full_window_never_stretches_trimmed_clips():
    utterances = random_clips(3000)
    # With no limit on memory nothing but the jump in length cuts a batch.
    batches = plan(utterances, micro_batch_s=NO_LIMIT_S)
    longest = max(m.n_samples for m in micro_batches(batches) if m.n_samples < MAX_SAMPLES)
    assert longest <= (5.0 + 0.3 + 1.3 + 0.1) * SAMPLING_RATE
    assert 0.08 < len(in_full_windows(batches)) / len(utterances) < 0.12
    assert any(len(batch.micro_batches) == 2 for batch in batches)


def test_whether_a_clip_is_full_depends_on_no_other_clip():
    utterances = random_clips(400)
    of_all = in_full_windows(plan(utterances))
    of_some = in_full_windows(plan(utterances[:150], batch_size=3, micro_batch_s=10.0))
    assert of_some == {i for i in of_all if i < 150}
    assert of_some


def test_windows_hold_the_margin_and_at_most_the_jitter():
    window = WindowConfig(policy="trim", margin_s=0.4, jitter_s=0.9)
    utterances = random_clips(2000, longest_s=10.0)
    silences = []
    for batch in plan(utterances, window=window, micro_batch_s=NO_LIMIT_S):
        (micro,) = batch.micro_batches
        longest_s = max(utterances[i].duration_s for i in micro.indices)
        silences.append(micro.n_samples / SAMPLING_RATE - longest_s)
    assert min(silences) >= 0.4 - 1e-6
    assert max(silences) <= 0.4 + 0.9 + 0.1 + 1e-6
    # Drawn anew for each batch, over the whole range.
    assert min(silences) < 0.6
    assert max(silences) > 1.1


def test_without_jitter_the_margin_alone_counts():
    window = WindowConfig(policy="trim", margin_s=0.5)
    (batch,) = plan(clips([1.0, 2.0]), window=window)
    assert [micro.n_samples for micro in batch.micro_batches] == [round(2.5 * SAMPLING_RATE)]


def test_a_clip_above_the_limit_gets_a_pass_of_its_own():
    window = WindowConfig(policy="trim")
    (batch,) = plan(clips([25.0, 1.0, 1.2]), window=window, micro_batch_s=5.0)
    assert [micro.indices for micro in batch.micro_batches] == [(1, 2), (0,)]


def test_windows_hold_the_clips_at_the_speed_of_the_epoch():
    utterances = random_clips(64, longest_s=20.0)
    augment = AugmentConfig(speed=0.2)
    batches = plan_epoch(
        utterances, WindowConfig(policy="trim"), batch_size=8, micro_batch_s=60, seed=3, epoch=1,
        n_tokens=[20] * 64, augment=augment,
    )  # fmt: skip
    for micro in micro_batches(batches):
        for i in micro.indices:
            speed = choose_speed(utterances[i], augment, seed=3, epoch=1)
            assert micro.n_samples >= utterances[i].duration_s / speed * SAMPLING_RATE


def test_windows_without_speech_come_beside_the_clips():
    utterances = random_clips(400)
    batches = plan_epoch(
        utterances, WindowConfig(policy="trim"), batch_size=8, micro_batch_s=60, seed=3, epoch=1,
        n_tokens=[20] * 400, augment=AugmentConfig(silence_share=0.1),
    )  # fmt: skip
    silent = [w for b in batches for w in b.windows if not w.indices]
    assert len(silent) == 40
    assert {w.silence for w in silent} == set(range(40))
    assert len(batches) == 50
    assert sorted(i for batch in batches for i in batch.indices) == list(range(400))
