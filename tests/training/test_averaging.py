from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.training.averaging import (
    Candidate,
    candidate_lines,
    choose_weights,
    keep_epoch,
    kept_epochs,
)

torch = pytest.importorskip("torch")


class Scalar(torch.nn.Module):
    """A model of one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = torch.nn.Parameter(torch.tensor([float(value)]))


def number(model: Scalar) -> float:
    return round(float(model.value.detach()), 4)


def kept(folder: Path, values: list[float], n_kept: int = 9) -> None:
    for epoch, value in enumerate(values, start=1):
        keep_epoch(folder, epoch, Scalar(value), n_kept=n_kept)


def choose(folder: Path, best: float, wanted: float, base: float = 0.0) -> tuple[Scalar, list]:
    """The measure is the distance from what is wanted."""
    model = Scalar(best)
    candidates = choose_weights(
        model, folder, 2, {"value": torch.tensor([base])},
        lambda _: (abs(number(model) - wanted), 0.5),
    )  # fmt: skip
    return model, candidates


def test_only_the_last_epochs_are_kept(tmp_path):
    kept(tmp_path, [1, 2, 3, 4, 5], n_kept=3)
    assert kept_epochs(tmp_path) == [3, 4, 5]
    kept(tmp_path / "none", [1, 2, 3], n_kept=1)
    assert kept_epochs(tmp_path / "none") == []


def test_a_damaged_epoch_ends_the_run_of_them(tmp_path):
    kept(tmp_path, [1, 2, 3, 4, 5])
    (tmp_path / "epoch-3" / "model.safetensors").write_bytes(b"")
    assert kept_epochs(tmp_path) == [4, 5]


@pytest.mark.parametrize(
    ("wanted", "expected", "said"),
    [
        (10.0, 10.0, "epoch 2"),
        (4.5, 4.5, "mean of epochs 4 to 5"),
        (4.0, 4.0, "mean of epochs 3 to 5"),
        (3.0, 3.0, "mean of epochs 1 to 5"),
        (9.0, 9.0, "epoch 2, 10% of the base model"),
        (8.1, 8.0, "epoch 2, 20% of the base model"),
    ],
)
def test_what_validation_likes_best_is_left_in_the_model(tmp_path, wanted, expected, said):
    kept(tmp_path, [1, 2, 3, 4, 5])
    model, candidates = choose(tmp_path, 10.0, wanted)
    assert number(model) == pytest.approx(expected)
    assert str(candidates[0]) == said
    assert [c.wer for c in candidates] == sorted(c.wer for c in candidates)
    assert len(candidates) == 6


def test_without_kept_epochs_the_best_one_stays(tmp_path):
    model, candidates = choose(tmp_path, 10.0, 10.0)
    assert number(model) == 10.0
    assert len(candidates) == 3


def test_ties_go_to_what_was_tried_first(tmp_path):
    kept(tmp_path, [1, 2, 3])
    model = Scalar(7.0)
    tried = choose_weights(model, tmp_path, 2, {"value": torch.tensor([0.0])}, lambda _: (0.5, 0.2))
    assert str(tried[0]) == "epoch 2"
    assert number(model) == 7.0


def test_table():
    lines = candidate_lines([Candidate((3, 4), 0.1, 0.25, 0.1), Candidate((4,), 0.0, 0.5, 0.2)])
    assert lines[1].startswith("mean of epochs 3 to 4, 10% of the base model")
    assert lines[1].endswith("25.0 %   10.0 %  <- chosen")
    assert lines[2].endswith("50.0 %   20.0 %")
