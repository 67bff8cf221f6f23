from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ruach_core.config import AugmentConfig
from ruach_core.training.augment import (
    Masks,
    add_noise,
    change_speed,
    choose_speed,
    draw_masks,
    draw_noise,
)
from ruach_core.training.randomness import generator
from ruach_core.types import SAMPLING_RATE, Utterance

N_MELS, N_FRAMES, START, END = 80, 700, 100, 500
N_REAL = END - START


def drawn(rng: np.random.Generator, config: AugmentConfig = AugmentConfig()) -> Masks:  # noqa: B008
    return draw_masks(START, END, config, rng, n_mels=N_MELS)


def hidden(masks: Masks) -> np.ndarray:
    """Where a mel of the window's size is masked."""
    places = np.zeros((N_MELS, N_FRAMES), dtype=bool)
    for first, last in masks.times:
        places[:, masks.start + first : masks.start + last] = True
    for first, last in masks.frequencies:
        places[first:last, masks.start : masks.end] = True
    return places


def test_masks_are_within_their_bounds_and_reach_them():
    config = AugmentConfig(time_masks=2, time_mask_share=0.05, frequency_masks=2,
                           frequency_mask_bins=20)  # fmt: skip
    times, bands = [], []
    for n in range(300):
        masks = drawn(generator("t", n), config)
        assert len(masks.times) == len(masks.frequencies) == 2
        times += [last - first for first, last in masks.times]
        bands += [last - first for first, last in masks.frequencies]
    assert (min(times), max(times)) == (0, 0.05 * N_REAL)
    assert (min(bands), max(bands)) == (0, 20)


def test_every_part_of_the_clip_is_masked_now_and_then_and_nothing_else():
    hit = np.zeros((N_MELS, N_FRAMES), dtype=bool)
    for n in range(900):
        hit |= hidden(drawn(generator("t", n)))
    assert hit[:, START:END].all()
    assert not hit[:, :START].any()
    assert not hit[:, END:].any()


def test_masks_are_a_pure_function_of_the_key():
    first = drawn(generator("augment", 42, 3, "a.wav"))
    assert drawn(generator("augment", 42, 3, "a.wav")) == first
    assert drawn(generator("augment", 42, 4, "a.wav")) != first


def test_no_masks():
    masks = drawn(generator("t", 1), AugmentConfig(time_masks=0, frequency_masks=0))
    assert masks == Masks(START, END, (), ())


@pytest.mark.parametrize("n_real", [1, 3, 19])
def test_very_short_clips_and_masks_wider_than_the_mel(n_real):
    for n in range(50):
        masks = draw_masks(5, 5 + n_real, AugmentConfig(), generator("t", n), n_mels=8)
        assert all(0 <= first <= last <= n_real for first, last in masks.times)
        assert all(0 <= first <= last <= 8 for first, last in masks.frequencies)


def test_noise_and_gain_stay_within_their_bounds():
    config = AugmentConfig(gain_db=6.0, noise_share=1.0, noise_snr_db=10.0)
    wave = np.sin(np.arange(16_000, dtype=np.float32) / 10)
    ratios_db, gains_db = [], []
    for n in range(200):
        noisy = add_noise(wave, config, generator("t", n))
        assert noisy.dtype == np.float32
        gain = float(noisy @ wave / (wave @ wave))
        noise = noisy / gain - wave
        ratios_db.append(10 * np.log10(np.mean(wave**2) / np.mean(noise**2)))
        gains_db.append(20 * np.log10(gain))
    assert 9.5 < min(ratios_db) < 11
    assert 29 < max(ratios_db) < 30.5
    assert -6.5 < min(gains_db) < -5
    assert 5 < max(gains_db) < 6.5


def test_silence_stays_silence_under_noise():
    config = AugmentConfig(gain_db=6.0, noise_share=1.0)
    quiet = add_noise(np.zeros(1_000, dtype=np.float32), config, generator("t", 0))
    assert not quiet.any()


def test_windows_without_speech_have_a_clips_background_or_noise_or_nothing_and_then_silence():
    # As no other noise is: all of it between 3 and 5 kHz, and 20 dB below full scale.
    spectrum = np.zeros(SAMPLING_RATE + 1, dtype=np.complex128)
    spectrum[6_000:10_000] = np.exp(6.283j * np.random.default_rng(0).random(4_000))
    speech = np.fft.irfft(spectrum)
    speech = (speech / speech.std() * 0.1).astype(np.float32)
    kinds, lengths = [], []
    for n in range(400):
        waveform = np.zeros(8_000, dtype=np.float32)
        draw_noise(waveform, speech, generator("t", n))
        if not waveform.any():
            kinds.append("nothing")
            continue
        lengths.append(np.flatnonzero(waveform)[-1] + 1)
        heard = waveform[: lengths[-1]]
        power = np.abs(np.fft.rfft(heard)) ** 2
        hertz = np.fft.rfftfreq(len(heard), 1 / SAMPLING_RATE)
        is_background = power[(hertz > 2_900) & (hertz < 5_100)].sum() > 0.9 * power.sum()
        level = np.sqrt(np.mean(heard**2))
        assert 0.07 < level < 0.13 if is_background else level < 10 ** (-30 / 20) * 1.01
        kinds.append("background" if is_background else "noise")
    shares = {kind: kinds.count(kind) / len(kinds) for kind in ("background", "noise", "nothing")}
    wanted = {"background": 0.5, "noise": 0.3, "nothing": 0.2}
    assert shares == pytest.approx(wanted, abs=0.08)
    assert 4_000 <= min(lengths) < 4_200
    assert 7_800 < max(lengths) <= 8_000


def clip(n: int, duration_s: float = 3.0) -> Utterance:
    return Utterance(f"{n}.wav", Path(f"{n}.wav"), "a", "train", duration_s=duration_s)


def test_each_speed_comes_as_often_and_the_same_again():
    speeds = [choose_speed(clip(n), AugmentConfig(), seed=1, epoch=2) for n in range(600)]
    assert speeds == [choose_speed(clip(n), AugmentConfig(), seed=1, epoch=2) for n in range(600)]
    assert speeds != [choose_speed(clip(n), AugmentConfig(), seed=1, epoch=3) for n in range(600)]
    assert {s: speeds.count(s) > 150 for s in set(speeds)} == {0.9: True, 1.0: True, 1.1: True}


def test_a_clip_that_would_not_fit_keeps_its_speed():
    speeds = {choose_speed(clip(n, 28.0), AugmentConfig(), seed=1, epoch=0) for n in range(60)}
    assert speeds == {1.0, 1.1}


def test_speed_changes_length_and_pitch():
    time_s = np.arange(2 * SAMPLING_RATE, dtype=np.float32) / SAMPLING_RATE
    tone = np.sin(2 * np.pi * 1000 * time_s).astype(np.float32)
    for speed in (0.9, 1.1):
        changed = change_speed(tone, speed)
        assert abs(len(changed) - len(tone) / speed) <= 2
        spectrum = np.abs(np.fft.rfft(changed))
        peak_hz = spectrum.argmax() * SAMPLING_RATE / len(changed)
        assert abs(peak_hz - 1000 * speed) < 5
    assert change_speed(tone, 1.0) is tone
