from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ruach_core.config import AugmentConfig
from ruach_core.training.augment import change_speed, choose_speed, spec_augment
from ruach_core.training.randomness import generator
from ruach_core.types import SAMPLING_RATE, Utterance

N_MELS, N_FRAMES, N_REAL = 80, 700, 400


@pytest.fixture
def log_mel() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N_MELS, N_FRAMES)).astype(np.float32)


def masked_places(before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows that are masked over the whole real part."""
    changed = (before != after)[:, :N_REAL]
    return np.flatnonzero(changed.all(axis=0)), np.flatnonzero(changed.all(axis=1))


def test_padding_is_left_alone_and_the_input_too(log_mel):
    before = log_mel.copy()
    changed = 0
    for n in range(50):
        after = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("t", n))
        np.testing.assert_array_equal(after[:, N_REAL:], before[:, N_REAL:])
        changed += not np.array_equal(after, before)
    np.testing.assert_array_equal(log_mel, before)
    assert changed == 50


def test_masks_are_within_their_bounds_and_reach_them(log_mel):
    config = AugmentConfig(time_masks=2, time_mask_share=0.05, frequency_masks=2,
                           frequency_mask_bins=20)  # fmt: skip
    n_columns, n_rows = [], []
    for n in range(300):
        after = spec_augment(log_mel, N_REAL, config, generator("t", n))
        columns, rows = masked_places(log_mel, after)
        n_columns.append(len(columns))
        n_rows.append(len(rows))
    assert max(n_columns) <= 2 * 0.05 * N_REAL
    assert max(n_columns) > 1.5 * 0.05 * N_REAL
    assert max(n_rows) <= 2 * 20
    assert max(n_rows) > 1.5 * 20


def test_every_part_of_the_clip_is_masked_now_and_then(log_mel):
    hit = np.zeros((N_MELS, N_REAL), dtype=bool)
    for n in range(600):
        after = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("t", n))
        hit |= (after != log_mel)[:, :N_REAL]
    assert hit[:-1, :-1].all()


def test_masked_values_are_the_mean_of_the_real_frames(log_mel):
    after = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("t", 1))
    changed = after[after != log_mel]
    assert changed.size
    np.testing.assert_allclose(changed, log_mel[:, :N_REAL].mean(), rtol=1e-5)


def test_it_is_a_pure_function_of_the_key(log_mel):
    first = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("augment", 42, 3, "a.wav"))
    again = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("augment", 42, 3, "a.wav"))
    other = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("augment", 42, 4, "a.wav"))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_the_same_masks_in_a_longer_window(log_mel):
    """The padding behind a clip, which is drawn anew for each update, moves no mask."""
    short = spec_augment(log_mel[:, :450], N_REAL, AugmentConfig(), generator("t", 5))
    long = spec_augment(log_mel, N_REAL, AugmentConfig(), generator("t", 5))
    np.testing.assert_array_equal(short[:, :N_REAL], long[:, :N_REAL])


def test_no_masks_changes_nothing(log_mel):
    config = AugmentConfig(time_masks=0, frequency_masks=0)
    np.testing.assert_array_equal(spec_augment(log_mel, N_REAL, config, generator("t", 1)), log_mel)


@pytest.mark.parametrize("n_real", [1, 3, 19])
def test_very_short_clips_and_masks_wider_than_the_mel(n_real):
    log_mel = np.random.default_rng(0).normal(size=(8, 40)).astype(np.float32)
    for n in range(50):
        after = spec_augment(log_mel, n_real, AugmentConfig(), generator("t", n))
        np.testing.assert_array_equal(after[:, n_real:], log_mel[:, n_real:])
        assert np.isfinite(after).all()


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
