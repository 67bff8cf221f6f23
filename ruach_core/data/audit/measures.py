"""What can be measured of one clip's audio without knowing its text."""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import soundfile

from ruach_core.data.audio import FFMPEG_OPTIONS, Waveform, load_native_audio
from ruach_core.types import Utterance

MAX_CLIP_S = 30.0
"""Whisper's window; what is longer isn't decoded, so that memory doesn't follow the longest file.
"""
_FRAME_S = 0.02
_SPEECH_RANGE_DB = 30.0
"""Frames this far below the loudest ones count as pauses."""
_DIGITAL_SILENCE_DB = -100.0
"""Below the noise of 16 bits: a program wrote these frames, no microphone."""
_NO_SOUND_DB = -200.0
_NOISE_SHARE, _PEAK_SHARE = 0.10, 0.95
_CLIP_TOLERANCE = 2e-4
_CLIP_RUN = 3
_LEAST_CLIPPED_PEAK = 0.05
_DEAD_DB = -80.0
_OPPOSITE = -0.8
_MAX_COMPARED = 8_000_000
"""Samples of all channels together, so that memory stays bounded."""
_N_FFT = 1024
_N_SPECTRA = 48
_FLOOR = 1e-20

Decibels = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class AudioMeasures:
    """One clip's figures; levels are relative to full scale.

    Attributes:
        duration_s: seconds.
        rate: the file's own sampling rate in Hz.
        n_channels: of the file.
        peak_db: highest sample, without the mean.
        level_db: power of the frames that aren't pauses.
        snr_db: estimated signal-to-noise ratio (`estimate_snr`); NaN where it can't be told.
        clipped_share: share of samples in flat runs at the highest or lowest value.
        offset: the mean.
        speech_share: share of frames that aren't pauses.
        edge_s: the longer of the pauses at both ends, seconds.
        gap_s: the longest run of zeros between sounds, seconds.
        cliff_db: how far the spectrum falls at 4 kHz; NaN where the rate is too low to tell.
        is_dead: one channel is silent while another isn't.
        is_opposite: two channels have opposite signs, so their mean cancels.
        digest: of the samples at 16 bits without zeros at both ends; 0 for no sound at all.
    """

    duration_s: float
    rate: int
    n_channels: int
    peak_db: float
    level_db: float
    snr_db: float
    clipped_share: float
    offset: float
    speech_share: float
    edge_s: float
    gap_s: float
    cliff_db: float
    is_dead: bool
    is_opposite: bool
    digest: int


def measure(utterance: Utterance) -> AudioMeasures:
    """Decode a clip and measure it; for any thread.

    Raises:
        AudioError: the audio can't be used, or is longer than `MAX_CLIP_S`.
    """
    wave, rate = load_native_audio(
        utterance.audio,
        start_s=utterance.start_s,
        end_s=utterance.end_s,
        max_duration_s=MAX_CLIP_S,
    )
    n_channels = _count_channels(utterance.audio)
    is_dead, is_opposite = (
        _compare_channels(utterance, rate, n_channels) if n_channels > 1 else (False, False)
    )
    offset = float(wave.mean(dtype=np.float64))
    centered = wave - np.float32(offset)
    frames = _frame_levels(centered, rate)
    # Zeros that a program wrote, which an offset would lift out of silence.
    frames[_frame_levels(wave, rate) < _DIGITAL_SILENCE_DB] = _NO_SOUND_DB
    loud = float(np.quantile(frames, _PEAK_SHARE))
    is_speech = frames > max(loud - _SPEECH_RANGE_DB, _DIGITAL_SILENCE_DB)
    spoken = np.flatnonzero(is_speech)
    edge = max(spoken[0], len(frames) - 1 - spoken[-1]) if len(spoken) else len(frames)
    return AudioMeasures(
        duration_s=len(wave) / rate,
        rate=rate,
        n_channels=n_channels,
        peak_db=_decibels(float(np.abs(centered).max()) ** 2),
        level_db=_mean_level(frames[is_speech]),
        snr_db=estimate_snr(frames),
        clipped_share=_clipped_share(wave),
        offset=offset,
        speech_share=len(spoken) / len(frames),
        edge_s=float(edge) * _FRAME_S,
        gap_s=_longest_gap(wave) / rate,
        cliff_db=_cliff(centered, rate),
        is_dead=is_dead,
        is_opposite=is_opposite,
        digest=_digest(wave),
    )


def header_duration_s(utterance: Utterance) -> float:
    """Seconds of a clip by its times or its file's header; NaN where neither tells."""
    start_s = utterance.start_s or 0.0
    if utterance.end_s is not None:
        return utterance.end_s - start_s
    try:
        # To open a pipe would wait for its writer for ever.
        if not utterance.audio.is_file():
            return float("nan")
        return float(soundfile.info(str(utterance.audio)).duration) - start_s
    except (RuntimeError, OSError, ValueError, TypeError):
        return float("nan")


def estimate_snr(frames: Decibels) -> float:
    """Signal-to-noise ratio from the levels of 20 ms frames, in dB; NaN for under 10 frames.

    The level of the loud frames (95th percentile) over that of the quiet ones (10th), after
    NIST's `stnr` (Speech Quality Assurance Package 2.3), which reads both off the histogram of
    frame levels. Frames of digital silence are left out. A clip cut so tight that it has no pause
    has no quiet frames: its figure is too low, by as much as its speech is even.
    """
    heard = frames[frames > _DIGITAL_SILENCE_DB]
    if len(heard) < 10:
        return float("nan")
    return float(np.quantile(heard, _PEAK_SHARE)) - float(np.quantile(heard, _NOISE_SHARE))


def _count_channels(path: Path) -> int:
    try:
        return int(soundfile.info(str(path)).channels)
    except (RuntimeError, OSError, ValueError, TypeError):
        pass
    try:
        with closing(av.open(f"file:{path}", options=FFMPEG_OPTIONS)) as container:
            return int(container.streams.audio[0].codec_context.channels)
    except (av.FFmpegError, ValueError, IndexError, AttributeError):
        return 1


def _compare_channels(utterance: Utterance, rate: int, n_channels: int) -> tuple[bool, bool]:
    """Whether a channel is dead, and whether two cancel each other."""
    first = round((utterance.start_s or 0.0) * rate)
    try:
        samples, _ = soundfile.read(
            utterance.audio,
            frames=min(round(MAX_CLIP_S * rate), _MAX_COMPARED // n_channels),
            start=first,
            dtype="float32",
            always_2d=True,
        )
    except (RuntimeError, OSError, ValueError, TypeError):
        return False, False
    centered = samples - samples.mean(axis=0)
    powers = np.asarray(np.square(centered).mean(axis=0), np.float64)
    levels = 10 * np.log10(powers + _FLOOR)
    is_dead = bool(levels.min() < _DEAD_DB < levels.max() - 20)
    product = float(np.mean(centered[:, 0] * centered[:, 1], dtype=np.float64))
    size = float(np.sqrt(powers[0] * powers[1]))
    return is_dead, size > 1e-8 and product / size < _OPPOSITE


def _frame_levels(wave: Waveform, rate: int) -> Decibels:
    n = max(1, round(rate * _FRAME_S))
    n_frames = len(wave) // n
    frames = wave[: n_frames * n].reshape(n_frames, n) if n_frames else wave[None]
    powers = np.einsum("ij,ij->i", frames, frames, dtype=np.float64) / frames.shape[1]
    levels: Decibels = 10 * np.log10(powers + _FLOOR)
    return levels


def _mean_level(frames: Decibels) -> float:
    return _decibels(float(np.mean(10 ** (frames / 10)))) if len(frames) else _NO_SOUND_DB


def _decibels(power: float) -> float:
    return 10 * float(np.log10(power + _FLOOR))


def _clipped_share(wave: Waveform) -> float:
    """Share of samples in runs of three and more at either end of the clip's own range.

    Its own, since a clipped recording may have been turned down afterwards.
    """
    high, low = float(wave.max()), float(wave.min())
    n_clipped = 0
    for limit, at_limit in (
        (high, wave >= high - _CLIP_TOLERANCE * abs(high)),
        (low, wave <= low + _CLIP_TOLERANCE * abs(low)),
    ):
        if abs(limit) < _LEAST_CLIPPED_PEAK:
            continue
        places = np.flatnonzero(at_limit)
        edges = np.flatnonzero(np.diff(places, prepend=-2, append=len(wave) + 1) > 1)
        lengths = np.diff(edges)
        n_clipped += int(lengths[lengths >= _CLIP_RUN].sum())
    return n_clipped / len(wave)


def _longest_gap(wave: Waveform) -> int:
    sounding = np.flatnonzero(wave)
    return int(np.diff(sounding).max(initial=1)) - 1 if len(sounding) > 1 else 0


def _cliff(wave: Waveform, rate: int) -> float:
    """Mean level of 3.0 to 3.6 kHz over that of 4.4 to 7 kHz.

    Speech falls by some 10 dB there; what was recorded at 8 kHz and resampled falls off a cliff.
    """
    if rate < 15_000 or len(wave) < _N_FFT:
        return float("nan")
    starts = np.linspace(0, len(wave) - _N_FFT, _N_SPECTRA).astype(np.int64)
    frames = wave[starts[:, None] + np.arange(_N_FFT)] * np.hanning(_N_FFT).astype(np.float32)
    power = np.mean(np.abs(np.fft.rfft(frames, axis=1)) ** 2, axis=0)
    hertz = np.fft.rfftfreq(_N_FFT, 1 / rate)
    below = float(power[(hertz >= 3_000) & (hertz <= 3_600)].mean())
    above = float(power[(hertz >= 4_400) & (hertz <= 7_000)].mean())
    return _decibels(below) - _decibels(above)


def _digest(wave: Waveform) -> int:
    """64 bits over the samples: equal for copies in another lossless format, or padded."""
    pcm = np.rint(wave * np.float32(32_767)).astype("<i4")
    sounding = np.flatnonzero(pcm)
    if not len(sounding):
        return 0
    content = pcm[sounding[0] : sounding[-1] + 1].tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big") or 1
