"""Changes to what the model hears, as pure functions of (seed, epoch, utterance)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr

from ruach_core.config import AugmentConfig
from ruach_core.evaluation.silence import background_noise
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


def add_noise(waveform: FloatArray, config: AugmentConfig, rng: np.random.Generator) -> FloatArray:
    """Louder or softer by up to `gain_db`, and now and then with noise behind it.

    The noise is between white and brown, at a signal-to-noise ratio drawn from `noise_snr_db` up to
    20 dB more.
    """
    gain_db = rng.uniform(-config.gain_db, config.gain_db)
    if rng.random() < config.noise_share and len(waveform):
        noise = _colored_noise(len(waveform), rng)
        snr_db = config.noise_snr_db + rng.uniform(0.0, 20.0)
        power, noise_power = np.mean(waveform**2), np.mean(noise**2)
        waveform = waveform + noise * np.sqrt(power / (noise_power + 1e-12) / 10 ** (snr_db / 10))
    return np.asarray(waveform * np.float32(10 ** (gain_db / 20)), dtype=np.float32)


def draw_noise(waveform: FloatArray, speech: FloatArray, rng: np.random.Generator) -> None:
    """Lay into a silent waveform, in place, what a microphone hears when nobody speaks.

    Half of the time the background of a clip, else noise from white to brown at -80 to -30 dB of
    full scale; one in five is digital silence. As behind a clip, up to half of the window stays
    silent.

    Args:
        waveform: zeros, mono at 16 kHz.
        speech: a clip with the background, likewise; may be empty.
        rng: draws the kind, the length and the noise.
    """
    kind = rng.random()
    heard = waveform[: max(1, round(len(waveform) * rng.uniform(0.5, 1.0)))]
    if kind < 0.5:
        heard[:] = background_noise(speech, len(heard), rng)
    elif kind < 0.8:
        noise = _colored_noise(len(heard), rng)
        level = 10 ** (rng.uniform(-80.0, -30.0) / 20)
        heard[:] = noise * np.float32(level / np.sqrt(np.mean(noise**2) + 1e-12))


def _colored_noise(n_samples: int, rng: np.random.Generator) -> FloatArray:
    """Noise whose power falls with the frequency by an exponent of 0 (white) to 2 (brown)."""
    spectrum = np.fft.rfft(rng.standard_normal(n_samples))
    fall = np.arange(1, len(spectrum) + 1) ** (-rng.uniform(0.0, 2.0) / 2)
    return np.asarray(np.fft.irfft(spectrum * fall, n=n_samples), dtype=np.float32)


def augment_waveform(
    waveform: FloatArray, utterance: Utterance, config: AugmentConfig, *, seed: int, epoch: int
) -> FloatArray:
    """The clip as it is played in an epoch: its speed, its level, the noise behind it."""
    speed = choose_speed(utterance, config, seed=seed, epoch=epoch)
    waveform = change_speed(waveform, speed)
    if not config.gain_db and not config.noise_share:
        return waveform
    return add_noise(waveform, config, generator("noise", seed, epoch, utterance.id))


@dataclass(frozen=True, slots=True)
class Masks:
    """What SpecAugment hides of one clip.

    Attributes:
        start: the clip's first frame in its window.
        end: the frame behind its last.
        times: stretches of frames, counted from `start`.
        frequencies: bands of mel bins.
    """

    start: int
    end: int
    times: tuple[tuple[int, int], ...]
    frequencies: tuple[tuple[int, int], ...]


def draw_masks(
    start: int, end: int, config: AugmentConfig, rng: np.random.Generator, *, n_mels: int
) -> Masks:
    """Draw stretches of time and bands of frequency (arXiv 1904.08779, section 2).

    Masks lie within the clip, and how wide they are depends on its own length: a short clip in a
    long window is masked as much as it would be alone.

    Args:
        start: the clip's first frame in its window.
        end: the frame behind its last.
        config: how many masks, how wide.
        rng: where the masks lie.
        n_mels: mel bands.
    """
    n_real = end - start
    longest = int(n_real * config.time_mask_share)
    times = (_draw_span(n_real, longest, rng) for _ in range(config.time_masks))
    widest = min(config.frequency_mask_bins, n_mels)
    frequencies = (_draw_span(n_mels, widest, rng) for _ in range(config.frequency_masks))
    return Masks(start, end, tuple(times), tuple(frequencies))


def _draw_span(length: int, widest: int, rng: np.random.Generator) -> tuple[int, int]:
    width = int(rng.integers(0, widest + 1))
    first = int(rng.integers(0, length - width + 1))
    return first, first + width
