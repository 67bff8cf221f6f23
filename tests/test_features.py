from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ruach_core.features import (
    HOP_LENGTH,
    MAX_FRAMES,
    MAX_SAMPLES,
    log_mel,
    pad_waveform,
    window_samples,
)

LENGTHS = (400, 1_600, 16_000, 16_001, 16_159, 54_321, MAX_SAMPLES)


def speech(n_samples: int, seed: int = 0) -> np.ndarray:
    """Harmonics with pauses between them: loud and silent parts, as in speech."""
    rng = np.random.default_rng(seed)
    times = np.arange(n_samples) / 16_000
    wave = sum(np.sin(2 * np.pi * 140 * k * times + k) / k for k in range(1, 30))
    wave = 0.1 * wave * (np.sin(2 * np.pi * 2.5 * times) > -0.3)
    return (wave + 1e-4 * rng.standard_normal(n_samples)).astype(np.float32)


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", LENGTHS)
def test_equals_faster_whispers(n_mels, n_samples):
    from faster_whisper.feature_extractor import FeatureExtractor

    wave = speech(n_samples)
    expected = FeatureExtractor(feature_size=n_mels)(wave, padding=0)
    found = log_mel(wave, n_mels=n_mels)
    assert found.shape == (n_mels, n_samples // HOP_LENGTH)
    assert found.dtype == np.float32
    # With nothing behind the waveform it leaves out the last frame.
    n_frames = min(found.shape[1], expected.shape[1])
    assert n_frames >= found.shape[1] - 1
    np.testing.assert_allclose(found[:, :n_frames], expected[:, :n_frames], atol=1e-4)


@pytest.mark.parametrize("n_mels", [80, 128])
def test_equals_transformers(n_mels):
    transformers = pytest.importorskip("transformers")
    extractor = transformers.WhisperFeatureExtractor(feature_size=n_mels)
    for n_samples in LENGTHS:
        wave = speech(n_samples, seed=n_samples)
        expected = extractor(
            wave, sampling_rate=16_000, return_tensors="np", padding=False, truncation=False
        )["input_features"][0]
        found = log_mel(wave, n_mels=n_mels)
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_equals_transformers_in_the_full_window():
    transformers = pytest.importorskip("transformers")
    wave = speech(70_000)
    expected = transformers.WhisperFeatureExtractor()(
        wave, sampling_rate=16_000, return_tensors="np"
    )["input_features"][0]
    found = log_mel(pad_waveform(wave, MAX_SAMPLES))
    assert found.shape == expected.shape == (80, MAX_FRAMES)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_silence_is_not_zero():
    """The reason to pad waveforms, not mels."""
    np.testing.assert_allclose(log_mel(np.zeros(16_000, dtype=np.float32)), -1.5, atol=1e-5)
    padded = log_mel(pad_waveform(speech(16_000), 32_000))
    assert np.abs(padded[:, 120:]).min() > 0.1


def test_a_window_changes_only_the_last_frames_of_the_clip():
    wave = speech(16_000)
    short, long = log_mel(wave), log_mel(pad_waveform(wave, 32_000))
    # The floor hangs on the clip's maximum, which the cut edge can move a little.
    np.testing.assert_allclose(long[:, :98], short[:, :98], atol=2e-3)


def test_padding_and_cutting():
    wave = np.arange(5, dtype=np.float32)
    assert pad_waveform(wave, 8).tolist() == [0, 1, 2, 3, 4, 0, 0, 0]
    assert pad_waveform(wave, 5) is wave or pad_waveform(wave, 5).tolist() == wave.tolist()
    assert pad_waveform(wave, 3).tolist() == [0, 1, 2]
    assert pad_waveform(wave, 8).dtype == np.float32


@pytest.mark.parametrize(
    ("duration_s", "margin_s", "expected_s"),
    [
        (1.0, 0.3, 1.3),
        (1.01, 0.3, 1.4),
        (0.0, 0.0, 0.1),
        (0.35, 0.35, 0.7),  # no step more for a rounding error
        (29.8, 0.3, 30.0),
        (30.0, 5.0, 30.0),
        (0.1 + 0.2, 0.0, 0.3),
    ],
)
def test_window_lengths(duration_s, margin_s, expected_s):
    n_samples = window_samples(duration_s, margin_s=margin_s)
    assert n_samples == round(expected_s * 16_000)
    # Whole encoder positions: two frames each.
    assert n_samples % (2 * HOP_LENGTH) == 0


def test_windows_hold_their_clip():
    for duration_s in np.linspace(0.01, 30.0, 997):
        n_samples = window_samples(float(duration_s), margin_s=0.2)
        assert n_samples >= min(MAX_SAMPLES, (duration_s + 0.2) * 16_000 - 1)
        assert n_samples - (duration_s + 0.2) * 16_000 <= 1_600


def test_needs_numpy_alone():
    script = (
        "import sys, ruach_core.features;"
        "heavy = ('torch', 'transformers', 'ctranslate2', 'librosa');"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"
