"""Short windows, against transformers' own encoder and CTranslate2's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ruach_core.models.windows import allow_short_windows
from ruach_core.testing.tiny import write_tiny_whisper

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_whisper(tmp_path_factory.mktemp("windows") / "tiny")


def load(folder: Path) -> Any:
    import torch
    from transformers import WhisperForConditionalGeneration

    return WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()


def features(n_frames: int, *, batch: int = 2) -> Any:
    import torch

    return torch.randn(batch, 80, n_frames, generator=torch.Generator().manual_seed(n_frames))


def encode(model: Any, inputs: Any) -> np.ndarray:
    import torch

    with torch.inference_mode():
        return model.get_encoder()(inputs).last_hidden_state.numpy()


def test_the_full_window_is_transformers_own_to_the_bit(tiny):
    model = load(tiny)
    inputs = features(3000)
    stock = encode(model, inputs)
    assert stock.shape == (2, 1500, 32)
    np.testing.assert_array_equal(encode(allow_short_windows(model), inputs), stock)


@pytest.mark.parametrize("n_frames", [2, 100, 130, 998, 2998])
def test_a_short_window_equals_an_encoder_made_for_it(tiny, n_frames):
    """The oracle: transformers' own encoder, built with so many positions."""
    import torch
    from transformers import WhisperForConditionalGeneration
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    model = load(tiny)
    config = WhisperForConditionalGeneration.from_pretrained(tiny).config
    config.max_source_positions = n_frames // 2
    oracle = WhisperEncoder(config).eval()
    weights = dict(model.get_encoder().state_dict())
    weights["embed_positions.weight"] = weights["embed_positions.weight"][: n_frames // 2]
    oracle.load_state_dict(weights)
    inputs = features(n_frames)
    with torch.inference_mode():
        expected = oracle(inputs).last_hidden_state.numpy()
    found = encode(allow_short_windows(model), inputs)
    assert found.shape == (2, n_frames // 2, 32)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.parametrize("n_frames", [130, 1000])
def test_a_short_window_equals_ctranslate2s(tiny, tmp_path_factory, n_frames):
    import ctranslate2
    from ctranslate2.converters import TransformersConverter

    folder = tmp_path_factory.getbasetemp() / "windows-ct2"
    if not folder.exists():
        TransformersConverter(str(tiny)).convert(str(folder), quantization="float32")
    inputs = features(n_frames)
    runtime = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
    states = runtime.encode(ctranslate2.StorageView.from_array(inputs.numpy()))
    found = encode(allow_short_windows(load(tiny)), inputs)
    np.testing.assert_allclose(found, np.array(states), atol=1e-5)


@pytest.mark.parametrize("n_frames", [3001, 3002, 6000])
def test_more_than_30_seconds_is_refused(tiny, n_frames):
    model = allow_short_windows(load(tiny))
    with pytest.raises(ValueError, match=f"{n_frames} frames: a window has at most 3000"):
        encode(model, features(n_frames, batch=1))


def test_the_whole_model_trains_in_a_short_window(tiny):
    import torch

    model = allow_short_windows(load(tiny)).train()
    logits = model(
        input_features=features(130), decoder_input_ids=torch.tensor([[50258, 50259]] * 2)
    ).logits
    assert logits.shape == (2, 2, 51865)
    logits.sum().backward()
    assert model.get_encoder().conv1.weight.grad.abs().sum() > 0


def test_what_is_saved_is_a_stock_model(tiny, tmp_path):
    import json

    model = allow_short_windows(load(tiny))
    model.save_pretrained(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text(encoding="utf-8"))
    assert config["max_source_positions"] == 1500
    inputs = features(3000)
    np.testing.assert_array_equal(
        encode(load(tmp_path / "saved"), inputs), encode(load(tiny), inputs)
    )
    with pytest.raises(ValueError, match="3000"):
        encode(load(tmp_path / "saved"), features(130))
