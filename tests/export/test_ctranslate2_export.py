from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ruach_core.errors import UserError
from ruach_core.features import MAX_SAMPLES
from ruach_core.plugins import Plugins
from ruach_core.testing.tiny import write_tiny_whisper

pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def exporter():
    return Plugins.load(None).exporter("ctranslate2")


def test_unknown_quantization(exporter, tiny_whisper, tmp_path):
    with pytest.raises(UserError, match="int4") as caught:
        exporter.export(tiny_whisper, tmp_path, quantization="int4")
    assert "float16" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json"])
def test_what_faster_whisper_would_fetch_must_be_there(exporter, tiny_whisper, tmp_path, name):
    model, export = tmp_path / "model", tmp_path / "export"
    shutil.copytree(tiny_whisper, model)
    export.mkdir()
    (model / name).unlink()
    with pytest.raises(UserError, match=name):
        exporter.export(model, export, quantization="float16")
    assert list(export.iterdir()) == []


def test_the_export_is_complete_and_says_nothing(exporter, tiny_whisper, tmp_path, capfd):
    exporter.export(tiny_whisper, tmp_path, quantization="float32")
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json", "model.bin", "preprocessor_config.json", "tokenizer.json",
        "vocabulary.json",
    }  # fmt: skip
    for name in ("tokenizer.json", "preprocessor_config.json"):
        assert (tmp_path / name).read_bytes() == (tiny_whisper / name).read_bytes()
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    # Read from generation_config.json; without it language detection would break.
    assert sorted(config["lang_ids"]) == list(range(50259, 50358))
    assert config["alignment_heads"] == [[1, 0], [1, 2]]


SIZES = {"float32": 4, "float16": 2, "int8_float32": 1}


def test_quantizations_load_and_differ_in_size(exporter, tiny_whisper, tmp_path):
    import ctranslate2

    sizes = {}
    for quantization in SIZES:
        folder = tmp_path / quantization
        folder.mkdir()
        exporter.export(tiny_whisper, folder, quantization=quantization)
        sizes[quantization] = (folder / "model.bin").stat().st_size
        model = ctranslate2.models.Whisper(str(folder), compute_type="float32", intra_threads=1)
        assert model.is_multilingual
        assert model.n_mels == 80
    assert sizes["float32"] > 1.9 * sizes["float16"] > 3 * sizes["int8_float32"]


def test_large_v3s_layout_keeps_its_128_mels_and_its_ids(exporter, tmp_path):
    """A wrong preprocessor or tokenizer there is silently replaced by that of another model."""
    import numpy as np
    from faster_whisper import WhisperModel

    from ruach_core.evaluation.ct2_decode import Ct2Recognizer

    export = tmp_path / "export"
    export.mkdir()
    model = write_tiny_whisper(tmp_path / "v3", n_mels=128, has_cantonese=True)
    exporter.export(model, export, quantization="float32")
    recognizer = Ct2Recognizer(export, language="yue", max_new_tokens=4)
    assert recognizer.tokens.prompt == [50258, 50358, 50360, 50364]
    assert len(recognizer.decode([np.zeros(16_000, dtype=np.float32)])) == 1
    stock = WhisperModel(str(export), device="cpu", local_files_only=True)
    assert stock.feature_extractor.mel_filters.shape[0] == 128
    features = stock.feature_extractor(np.zeros(MAX_SAMPLES, dtype=np.float32))
    assert features.shape[0] == 128
    assert stock.hf_tokenizer.token_to_id("<|yue|>") == 50358


def test_a_folder_that_is_no_model(exporter, tmp_path):
    export = tmp_path / "export"
    export.mkdir()
    with pytest.raises(UserError, match="tokenizer"):
        exporter.export(Path(tmp_path / "absent"), export, quantization="float16")
