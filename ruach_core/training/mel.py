"""Log-mel of a whole batch on the device that trains, with SpecAugment's masks.

`ruach_core.features.log_mel` is the definition, for one clip and without torch; this is the same
for a batch, where the model is: a GPU would wait for one core's transforms otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from ruach_core.features import HOP_LENGTH, N_FFT, mel_filters
from ruach_core.training.augment import Masks

if TYPE_CHECKING:
    import torch


def batch_log_mel(waveforms: torch.Tensor, *, n_mels: int) -> torch.Tensor:
    """Log-mel spectrograms, each floored by its own maximum.

    Args:
        waveforms: float32, (batch, n_samples), mono at 16 kHz, padded as waveforms.
        n_mels: mel bands, 80 or 128.

    Returns:
        float32, (batch, n_mels, n_samples // 160), on the waveforms' device.
    """
    import torch

    window, filters = _constants(n_mels, str(waveforms.device))
    spectrum = torch.stft(waveforms, N_FFT, HOP_LENGTH, window=window, return_complex=True)
    n_frames = waveforms.shape[-1] // HOP_LENGTH
    power = torch.view_as_real(spectrum[..., :n_frames]).square().sum(-1)
    log_spec = (filters @ power).clamp_(min=1e-10).log10_()
    floor = log_spec.amax(dim=(1, 2), keepdim=True) - 8.0
    return torch.maximum(log_spec, floor).add_(4.0).div_(4.0)


def mask_log_mel(log_mel: torch.Tensor, masks: Sequence[Sequence[Masks]]) -> torch.Tensor:
    """Set what SpecAugment hides to the clip's mean, in place.

    Args:
        log_mel: (batch, n_mels, n_frames).
        masks: of each window, those of its clips.

    Returns:
        The same tensor.
    """
    for row, clips in zip(log_mel, masks, strict=True):
        for clip in clips:
            part = row[:, clip.start : clip.end]
            mean = part.mean()
            for start, end in clip.times:
                part[:, start:end] = mean
            for start, end in clip.frequencies:
                part[start:end] = mean
    return log_mel


@lru_cache(maxsize=4)
def _constants(n_mels: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    window = torch.hann_window(N_FFT, periodic=True, device=device)
    return window, torch.from_numpy(mel_filters(n_mels)).to(device)
