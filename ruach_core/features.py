"""Waveform -> log-mel, as Whisper defines it; numpy only, so training and run time share it.

The constants are Whisper's (arXiv 2212.04356, section 2.2): 25 ms Hann windows every 10 ms,
80 or 128 Slaney mel bands over 0 to 8 kHz, log10, and a floor 8 below the clip's maximum.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ruach_core.types import SAMPLING_RATE

N_FFT = 400
HOP_LENGTH = 160
FRAMES_PER_SECOND = SAMPLING_RATE // HOP_LENGTH
MAX_WINDOW_S = 30.0
MAX_FRAMES = 3_000
MAX_SAMPLES = MAX_FRAMES * HOP_LENGTH

FloatArray = npt.NDArray[np.float32]


def log_mel(waveform: FloatArray, *, n_mels: int = 80) -> FloatArray:
    """Log-mel spectrogram of a waveform, exactly as long as the waveform.

    For a longer window pad the waveform, never the mel: silence isn't zero after the logarithm.

    Args:
        waveform: mono at 16 kHz, shape (n_samples,), at least 201 samples.
        n_mels: mel bands, 80 (up to large-v2) or 128 (large-v3 and turbo).

    Returns:
        Shape (n_mels, n_samples // 160), float32, mostly between -1 and 1.
    """
    padded = np.pad(waveform.astype(np.float32, copy=False), N_FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP_LENGTH]
    frames = frames[: len(waveform) // HOP_LENGTH]
    spectrum = np.fft.rfft(frames * _hann_window(), axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2).astype(np.float32)
    mel = mel_filters(n_mels) @ power.T
    log_spec = np.log10(np.maximum(mel, 1e-10))
    log_spec = np.maximum(log_spec, log_spec.max() - 8.0)
    return np.ascontiguousarray((log_spec + 4.0) / 4.0, dtype=np.float32)


def pad_waveform(waveform: FloatArray, n_samples: int) -> FloatArray:
    """The waveform with zeros behind it, or cut, to exactly `n_samples`."""
    if len(waveform) >= n_samples:
        return waveform[:n_samples]
    return np.pad(waveform, (0, n_samples - len(waveform)))


def window_samples(duration_s: float, *, margin_s: float, multiple_s: float = 0.1) -> int:
    """Samples of the window that holds a clip: its length plus a margin, rounded up, 30 s at most.

    Rounding keeps the number of different shapes small, and even frame counts give whole encoder
    positions (the second convolution halves the frames).
    """
    steps = int(np.ceil((duration_s + margin_s) / multiple_s - 1e-9))
    return min(MAX_SAMPLES, max(1, steps) * round(multiple_s * SAMPLING_RATE))


@lru_cache(maxsize=1)
def _hann_window() -> FloatArray:
    return np.hanning(N_FFT + 1)[:-1].astype(np.float32)


@lru_cache(maxsize=2)
def mel_filters(n_mels: int) -> FloatArray:
    """Slaney mel filter bank, shape (n_mels, 201), each band with unit area.

    Formula: linear below 1 kHz (3 mel per 200 Hz), logarithmic above (27 mel per factor 6.4);
    M. Slaney, Auditory Toolbox, technical report 1998-010.
    """
    centers = _mel_to_hz(np.linspace(0.0, _hz_to_mel(SAMPLING_RATE / 2), n_mels + 2))
    bins = np.fft.rfftfreq(N_FFT, 1.0 / SAMPLING_RATE)
    widths = np.diff(centers)
    slopes = centers[:, None] - bins[None, :]
    rising = -slopes[:-2] / widths[:-1, None]
    falling = slopes[2:] / widths[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(filters * (2.0 / (centers[2:] - centers[:-2]))[:, None], dtype=np.float32)


_BREAK_HZ = 1_000.0
_BREAK_MEL = 15.0
_LOG_STEP = np.log(6.4) / 27.0


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz * 3.0 / 200.0
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    linear = mel * 200.0 / 3.0
    logarithmic = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, linear, logarithmic)
