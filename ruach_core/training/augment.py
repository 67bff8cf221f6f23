"""SpecAugment over a clip's real frames, as a pure function of (seed, epoch, utterance)."""

from __future__ import annotations

import numpy as np

from ruach_core.config import AugmentConfig
from ruach_core.features import FloatArray


def spec_augment(
    log_mel: FloatArray, n_real: int, config: AugmentConfig, rng: np.random.Generator
) -> FloatArray:
    """Mask stretches of time and bands of frequency (arXiv 1904.08779, section 2).

    Masks lie within the first `n_real` frames, so a short clip in a long window is masked as much
    as it would be alone. Masked values are the clip's mean.

    Args:
        log_mel: shape (n_mels, n_frames).
        n_real: frames that hold the clip; the rest is padding.
        config: how many masks, how wide.
        rng: where the masks lie.

    Returns:
        A masked copy.
    """
    masked = log_mel.copy()
    fill = float(log_mel[:, :n_real].mean())
    longest = int(n_real * config.time_mask_share)
    for _ in range(config.time_masks):
        width = int(rng.integers(0, longest + 1))
        start = int(rng.integers(0, max(1, n_real - width)))
        masked[:, start : start + width] = fill
    for _ in range(config.frequency_masks):
        width = int(rng.integers(0, config.frequency_mask_bins + 1))
        start = int(rng.integers(0, max(1, log_mel.shape[0] - width)))
        masked[start : start + width, :n_real] = fill
    return masked
