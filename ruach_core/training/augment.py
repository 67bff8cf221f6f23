"""Changes to what the model hears, as pure functions of (seed, epoch, utterance)."""

from __future__ import annotations

import numpy as np
import soxr

from ruach_core.config import AugmentConfig
from ruach_core.features import MAX_WINDOW_S, FloatArray
from ruach_core.training.randomness import generator
from ruach_core.types import SAMPLING_RATE, Utterance


def choose_speed(utterance: Utterance, config: AugmentConfig, *, seed: int, epoch: int) -> float:
    """How fast a clip is played in an epoch: slower, as it is, or faster, each a third.

    Changing the speed changes the pitch too, as if another person spoke (T. Ko et al., "Audio
    augmentation for speech recognition", Interspeech 2015). A clip that would no longer fit a
    30 s window keeps its speed.
    """
    if not config.speed:
        return 1.0
    drawn = int(generator("speed", seed, epoch, utterance.id).integers(0, 3))
    speed = (1.0 - config.speed, 1.0, 1.0 + config.speed)[drawn]
    return speed if (utterance.duration_s or MAX_WINDOW_S) / speed <= MAX_WINDOW_S else 1.0


def change_speed(waveform: FloatArray, speed: float) -> FloatArray:
    """The waveform, mono at 16 kHz, played `speed` times as fast."""
    if speed == 1.0:
        return waveform
    changed: FloatArray = soxr.resample(waveform, SAMPLING_RATE * speed, SAMPLING_RATE, "MQ")
    return changed


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
