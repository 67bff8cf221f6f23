"""Where the model is before anything is measured with it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from ruach_core.config import build_config
from ruach_core.models.resolve import ResolvedModel
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.training.ranks import Ranks
from ruach_core.training.run import _build_model

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")


@pytest.mark.parametrize("number", [0, 1])
def test_it_is_on_the_device_of_its_process_from_the_start(tiny_whisper, monkeypatch, number):
    """On the CPU of a machine with a GPU, the base model would be measured for hours."""
    device = torch.device("meta")  # as good as a GPU to tell where it went
    monkeypatch.setattr("accelerate.PartialState", lambda: SimpleNamespace(device=device))
    base = ResolvedModel("tiny", tiny_whisper, "path")
    tokens = SpecialTokens.of(WhisperTokenizer.read(tiny_whisper), "en")
    model = _build_model(build_config({}, {"lang": "qaa"}), base, tokens, [], Ranks(number, 2))
    assert {parameter.device for parameter in model.parameters()} == {device}
