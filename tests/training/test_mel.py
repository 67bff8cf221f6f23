"""The batched log-mel is the one of `ruach_core.features`, and masks hide what they say."""

from __future__ import annotations

import numpy as np
import pytest

from ruach_core.features import log_mel
from ruach_core.training.augment import Masks

torch = pytest.importorskip("torch")

from ruach_core.training.mel import batch_log_mel, mask_log_mel  # noqa: E402


@pytest.mark.parametrize("n_mels", [80, 128])
@pytest.mark.parametrize("n_samples", [1_600, 16_000, 48_160])
def test_same_values_as_the_definition(n_mels, n_samples):
    rng = np.random.default_rng(0)
    waves = (rng.normal(size=(3, n_samples)) * [[0.5], [0.01], [0.1]]).astype(np.float32)
    waves[2, n_samples // 2 :] = 0.0  # padded, as a short clip in a batch is
    found = batch_log_mel(torch.from_numpy(waves), n_mels=n_mels).numpy()
    expected = np.stack([log_mel(wave, n_mels=n_mels) for wave in waves])
    assert found.shape == (3, n_mels, n_samples // 160)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_digital_silence():
    found = batch_log_mel(torch.zeros(1, 16_000), n_mels=80)
    assert (found == found[0, 0, 0]).all()
    assert torch.isfinite(found).all()


def test_masks_set_the_clips_own_mean():
    mel = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 8, 40)).astype(np.float32))
    before = mel.clone()
    first = Masks(0, 10, ((2, 5),), ())
    second = Masks(20, 40, (), ((3, 4),))
    after = mask_log_mel(mel, [[first, second], []])
    assert torch.allclose(after[0, :, 2:5], before[0, :, 0:10].mean())
    assert torch.allclose(after[0, 3, 20:40], before[0, :, 20:40].mean())
    is_changed = after != before
    assert not is_changed[1].any()
    assert is_changed[0].sum() == 8 * 3 + 20
