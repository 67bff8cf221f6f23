"""The weights that a run ends with: the best epoch's, or a mean that validation likes better.

The mean of the last epochs' weights lies in a flatter place than any one of them (P. Izmailov et
al., "Averaging weights leads to wider optima", arXiv 1803.05407), and a little of the base model
mixed in keeps what training on few clips would lose (M. Wortsman et al., "Robust fine-tuning of
zero-shot models", arXiv 2109.01903). Neither costs anything when the model is used. Which one is
taken is measured on validation, with the beam that the report on test uses; test chooses nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruach_core.training.checkpoint import is_complete, write_weights

if TYPE_CHECKING:
    import torch

PREFIX = "epoch-"
BASE_SHARES = (0.1, 0.2)
"""Parts of the base model that are tried in the best of the means."""

Weights = dict[str, "torch.Tensor"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Weights that a run could end with, and how they did on validation.

    `epochs` are averaged; `base_share` of the base model is mixed in; rates are strict fractions.
    """

    epochs: tuple[int, ...]
    base_share: float
    wer: float
    cer: float

    def __str__(self) -> str:
        """What it is, for a reader."""
        first, last = self.epochs[0], self.epochs[-1]
        text = f"epoch {last}" if first == last else f"mean of epochs {first} to {last}"
        return f"{text}, {self.base_share:.0%} of the base model" if self.base_share else text


def keep_epoch(folder: Path, epoch: int, model: Any, *, n_kept: int) -> None:
    """Write an epoch's weights, in half precision, and remove all but the newest `n_kept`."""
    if n_kept < 2:
        return
    write_weights(folder / f"{PREFIX}{epoch}", model, is_half=True)
    for old in folder.glob(f"{PREFIX}*"):
        if int(old.name.removeprefix(PREFIX)) <= epoch - n_kept:
            shutil.rmtree(old)


def kept_epochs(folder: Path) -> list[int]:
    """The epochs whose weights are there and whole, in order; the newest run of them."""
    found = sorted(
        int(path.name.removeprefix(PREFIX))
        for path in folder.glob(f"{PREFIX}*")
        if path.name.removeprefix(PREFIX).isdigit() and is_complete(path)
    )
    return [e for e in found if set(range(e, found[-1])) <= set(found)]


def choose_weights(
    model: Any,
    folder: Path,
    best_epoch: int,
    base: Mapping[str, torch.Tensor],
    measure: Callable[[str], tuple[float, float]],
) -> list[Candidate]:
    """Try the means and leave the best weights in the model.

    Args:
        model: has the best epoch's weights; is left with the chosen ones.
        folder: where `keep_epoch` wrote.
        best_epoch: the epoch that `model` has.
        base: the weights before training, by parameter name.
        measure: strict WER and CER of the model as it is now, on validation; takes a title.

    Returns:
        What was tried, the chosen one first.
    """
    best = _parameters(model)
    tried: list[tuple[Candidate, Weights]] = []

    def attempt(epochs: Sequence[int], base_share: float, weights: Weights) -> None:
        _put(weights, model)
        unnamed = Candidate(tuple(epochs), base_share, 0.0, 0.0)
        candidate = Candidate(tuple(epochs), base_share, *measure(str(unnamed)))
        tried.append((candidate, weights))
        # Only the leader's weights are kept in memory.
        tried.sort(key=lambda pair: (pair[0].wer, pair[0].cer))
        tried[1:] = [(other, {}) for other, _ in tried[1:]]

    attempt([best_epoch], 0.0, best)
    kept = kept_epochs(folder)
    for n in _numbers(len(kept)):
        attempt(kept[-n:], 0.0, _mean([folder / f"{PREFIX}{e}" for e in kept[-n:]]))
    leader, leading = tried[0]
    for share in BASE_SHARES:
        mixed = {
            # The base model has no CTC head.
            name: (1 - share) * value + share * base[name].to(value) if name in base else value
            for name, value in leading.items()
        }
        attempt(leader.epochs, share, mixed)
    _put(tried[0][1], model)
    return [candidate for candidate, _ in tried]


def candidate_lines(candidates: Sequence[Candidate]) -> list[str]:
    """What was tried, as a table, the chosen one first."""
    lines = [f"{'weights, on validation':<44}{'WER':>9}{'CER':>9}"]
    for n, tried in enumerate(candidates):
        mark = "" if n else "  <- chosen"
        lines.append(f"{tried!s:<44}{100 * tried.wer:>7.1f} %{100 * tried.cer:>7.1f} %{mark}")
    return lines


def _numbers(n_kept: int) -> list[int]:
    """How many epochs the means are over: 2, 3, 5, 8 ... and all that are kept."""
    numbers, n, following = [], 2, 3
    while n < n_kept:
        numbers.append(n)
        n, following = following, n + following
    return [*numbers, n_kept] if n_kept >= 2 else []


def _mean(folders: Sequence[Path]) -> Weights:
    from safetensors.torch import load_file

    total: Weights = {}
    for folder in folders:
        for name, value in load_file(folder / "model.safetensors").items():
            total[name] = total[name].add_(value.float()) if name in total else value.float()
    return {name: value.div_(len(folders)) for name, value in total.items()}


def _parameters(model: Any) -> Weights:
    return {n: p.detach().to("cpu", copy=True) for n, p in model.named_parameters()}


def _put(weights: Weights, model: Any) -> None:
    for name, parameter in model.named_parameters():
        parameter.data.copy_(weights[name])
