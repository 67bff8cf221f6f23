"""How often each clip is drawn in an epoch: what a source's weight means.

A clip of weight w is drawn floor(p + (e + 1) w) - floor(p + e w) times in epoch e, where p is drawn
from [0, 1) by seed and clip. So any run of epochs draws each clip as evenly as whole numbers allow:
with 0.5 in every second epoch, which one differing from clip to clip; with 2 twice in each; and in
n epochs never more than w n times, rounded up. It is a pure function of (seed, epoch, clip), as the
changes to what is heard are: a clip that is drawn twice in an epoch is heard alike both times.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ruach_core.errors import DataError
from ruach_core.training.randomness import generator
from ruach_core.types import Utterance

_UNIT = 1_000_000
"""Weights and phases are counted in millionths: sums of floats would drift over the epochs."""

_Ints = npt.NDArray[np.int64]


def draw_clips(utterances: Sequence[Utterance], *, seed: int, epoch: int) -> list[int]:
    """The clips of an epoch as indices, one after the other; a clip drawn twice is there twice.

    Args:
        utterances: the training clips, each with its weight.
        seed: of the run.
        epoch: counted from 0.
    """
    if all(utterance.weight == 1.0 for utterance in utterances):
        return list(range(len(utterances)))
    counts = _count_draws(*_weights_and_phases(utterances, seed), epoch)
    return [int(i) for i in np.repeat(np.arange(len(utterances)), counts)]


def epoch_sizes(utterances: Sequence[Utterance], *, seed: int, n_epochs: int) -> list[int]:
    """How many clips each of the first epochs draws.

    Raises:
        DataError: one of them would draw none.
    """
    if all(utterance.weight == 1.0 for utterance in utterances):
        return [len(utterances)] * n_epochs
    weights, phases = _weights_and_phases(utterances, seed)
    sizes = [int(_count_draws(weights, phases, epoch).sum()) for epoch in range(n_epochs)]
    if 0 in sizes:
        raise DataError(
            f"epoch {sizes.index(0) + 1} would draw none of the {len(utterances)} training clips; "
            "give their sources higher weights"
        )
    return sizes


def expected_size(utterances: Sequence[Utterance]) -> int:
    """How many clips an epoch draws on the average; never 0."""
    if all(utterance.weight == 1.0 for utterance in utterances):
        return len(utterances)
    return max(1, round(sum(utterance.weight for utterance in utterances)))


def _weights_and_phases(utterances: Sequence[Utterance], seed: int) -> tuple[_Ints, _Ints]:
    """Of each utterance, in millionths, shape (n_utterances,)."""
    weights = [round(u.weight * _UNIT) for u in utterances]
    phases = [int(generator("draw", seed, u.id).integers(_UNIT)) for u in utterances]
    return np.array(weights, dtype=np.int64), np.array(phases, dtype=np.int64)


def _count_draws(weights: _Ints, phases: _Ints, epoch: int) -> _Ints:
    """How often each clip is drawn, shape (n_utterances,)."""
    return (phases + weights * (epoch + 1)) // _UNIT - (phases + weights * epoch) // _UNIT
