from __future__ import annotations

from itertools import pairwise

import pytest

from ruach_core.config import TrainingConfig
from ruach_core.training.optimizer import (
    build_optimizer,
    default_batch_size,
    default_learning_rate,
    learning_rate_at,
    set_learning_rate,
)


def rates(n_updates: int, **settings: float) -> list[float]:
    config = TrainingConfig(**settings)
    return [learning_rate_at(update, n_updates, 2.0, config) for update in range(n_updates)]


@pytest.mark.parametrize("n_updates", [1, 2, 3, 10, 101, 1000])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_schedule_rises_to_the_peak_and_falls_to_just_above_zero(n_updates, share):
    schedule = rates(n_updates, warmup_share=share)
    top = schedule.index(max(schedule))
    assert max(schedule) == 2.0
    assert min(schedule) > 0.0
    assert all(a < b for a, b in pairwise(schedule[: top + 1]))
    assert all(a >= b for a, b in pairwise(schedule[top:]))


def test_schedule_is_linear_and_ends_at_zero():
    schedule = rates(1000, warmup_share=0.1)
    assert schedule[49] == pytest.approx(1.0)
    assert schedule[99] == pytest.approx(2.0)
    assert schedule[550] == pytest.approx(1.0)
    assert learning_rate_at(1000, 1000, 2.0, TrainingConfig()) == 0.0


SIZES = {"tiny": 384, "base": 512, "small": 768, "medium": 1024, "large": 1280}


def test_default_learning_rate_falls_with_size_and_rises_for_unknown_languages():
    seen = [default_learning_rate(d_model, 0.2)[0] for d_model in SIZES.values()]
    unseen = [default_learning_rate(d_model, 0.95)[0] for d_model in SIZES.values()]
    assert seen == sorted(seen, reverse=True)
    assert unseen == sorted(unseen, reverse=True)
    assert all(a < b for a, b in zip(seen, unseen, strict=True))
    # OpenAI's rule: a fortieth of the rate of pre-training (1e-3 for base, 2e-4 for large-v2).
    assert seen[1] == pytest.approx(1e-3 / 40)
    assert seen[4] == pytest.approx(2e-4 / 40)
    assert unseen == [default_learning_rate(d_model, None)[0] for d_model in SIZES.values()]


def test_default_learning_rate_says_why():
    assert "knows the language" in default_learning_rate(512, 0.31)[1]
    assert "31%" in default_learning_rate(512, 0.31)[1]
    assert "new to the base model" in default_learning_rate(512, 1.2)[1]
    assert "unknown" in default_learning_rate(512, None)[1]


def test_odd_sizes_take_the_nearest():
    assert default_learning_rate(32, None) == default_learning_rate(384, None)
    assert default_learning_rate(1300, None) == default_learning_rate(1280, None)


def test_small_data_gets_small_batches():
    sizes = [default_batch_size(n) for n in (1, 10, 100, 1_000, 5_000, 20_000, 10**6)]
    assert sizes == sorted(sizes)
    # A hundred clips or so still give some twenty updates an epoch.
    assert sizes[2] <= 8
    assert sizes[0] >= 1
    assert 16 <= sizes[-1] <= 64


def test_only_matrices_are_decayed_and_frozen_positions_are_left_out():
    import torch

    model = torch.nn.ModuleDict(
        {"linear": torch.nn.Linear(3, 4), "norm": torch.nn.LayerNorm(4),
         "positions": torch.nn.Embedding(5, 3)}
    )  # fmt: skip
    model["positions"].requires_grad_(False)
    optimizer = build_optimizer(model, TrainingConfig(weight_decay=0.25), peak=1e-4)
    decayed, others = optimizer.param_groups
    assert [p is model["linear"].weight for p in decayed["params"]] == [True]
    assert decayed["weight_decay"] == 0.25
    assert {id(p) for p in others["params"]} == {
        id(p) for p in (model["linear"].bias, model["norm"].weight, model["norm"].bias)
    }
    assert others["weight_decay"] == 0.0
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
