"""Layers that a window leaves out, on a tiny Whisper."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ruach_core.training.packing import TrainingWindow
from ruach_core.types import Utterance

pytestmark = pytest.mark.slow
torch = pytest.importorskip("torch")

CLIPS = [Utterance(f"{n}.wav", Path(f"{n}.wav"), "a", "train") for n in range(400)]


@pytest.fixture
def model(tiny_whisper):
    from transformers import WhisperForConditionalGeneration

    return WhisperForConditionalGeneration.from_pretrained(tiny_whisper)


def encode(model, n: int):
    mel = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 80, 3000)).astype(np.float32))
    return model.get_encoder()(mel.expand(n, -1, -1)).last_hidden_state


def test_each_window_leaves_out_its_own_layers_the_deeper_the_more(model):
    from ruach_core.training.stochastic_depth import StochasticDepth

    depth = StochasticDepth(model, 0.5)
    windows = [TrainingWindow.of_clip(i) for i in range(400)]
    depth.choose(windows, CLIPS, seed=1, epoch=0)
    kept = depth._scales.numpy()
    assert kept.shape == (4, 400)  # two encoder layers, two decoder layers
    for row, rate in zip(kept, (0.25, 0.5, 0.25, 0.5), strict=True):
        np.testing.assert_allclose(np.unique(row), [0.0, 1 / (1 - rate)], rtol=1e-6)
        assert abs((row == 0).mean() - rate) < 0.1
    depth.choose(windows[::-1], CLIPS, seed=1, epoch=0)
    np.testing.assert_array_equal(depth._scales.numpy()[:, ::-1], kept)
    depth.choose(windows, CLIPS, seed=1, epoch=1)
    assert not np.array_equal(depth._scales.numpy(), kept)


def test_a_layer_left_out_passes_its_input_on(model):
    from ruach_core.training.stochastic_depth import StochasticDepth

    model.train()
    plain = encode(model, 3)
    depth = StochasticDepth(model, 0.5)
    assert torch.equal(encode(model, 3), plain)  # nothing was chosen yet
    depth._scales = torch.ones(4, 3)
    torch.testing.assert_close(encode(model, 3), plain)
    depth._scales[:2, 1] = 0.0
    found = encode(model, 3)
    torch.testing.assert_close(found[[0, 2]], plain[[0, 2]])
    encoder = model.get_encoder()
    with torch.no_grad():
        for layer in encoder.layers:
            layer.forward = lambda hidden, *_, **__: hidden
        torch.testing.assert_close(found[1], encode(model, 1)[0])


def test_a_model_that_is_measured_keeps_all_its_layers(model):
    from ruach_core.training.stochastic_depth import StochasticDepth

    model.eval()
    plain = encode(model, 2)
    depth = StochasticDepth(model, 0.9)
    depth.choose([TrainingWindow.of_clip(i) for i in (0, 1)], CLIPS, seed=1, epoch=0)
    assert torch.equal(encode(model, 2), plain)
