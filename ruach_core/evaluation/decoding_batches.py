"""Clips of like lengths together: what is decoded at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruach_core.evaluation.export_info import Window
from ruach_core.features import MAX_SAMPLES, window_samples
from ruach_core.types import SAMPLING_RATE


@dataclass(frozen=True, slots=True)
class DecodingBatch:
    """Clips that are decoded together, by their index, in a window of `n_samples`."""

    indices: list[int]
    n_samples: int


def plan_batches(
    lengths: Sequence[int], *, window: Window, margin_s: float, batch_s: float
) -> list[DecodingBatch]:
    """Clips of like lengths together, the longest first, so that memory peaks at once.

    Args:
        lengths: samples of each clip.
        window: `trim` or `full`.
        margin_s: silence behind a batch's longest clip in the `trim` window.
        batch_s: most seconds of window in a batch; a single clip always fits.
    """
    batches: list[DecodingBatch] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        current = batches[-1] if batches else None
        if current and (len(current.indices) + 1) * current.n_samples <= batch_s * SAMPLING_RATE:
            current.indices.append(i)
            continue
        n_samples = window_samples(lengths[i] / SAMPLING_RATE, margin_s=margin_s)
        batches.append(DecodingBatch([i], MAX_SAMPLES if window == "full" else n_samples))
    return batches
