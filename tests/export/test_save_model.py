from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from ruach_core.export.folder import COPIED, save_model
from ruach_core.models.special_tokens import SpecialTokens
from ruach_core.training.preparation import load_model

pytest.importorskip("transformers")


@pytest.fixture
def model(tiny_whisper):
    # The text holds "#", which Whisper suppresses by default.
    return load_model(tiny_whisper, SpecialTokens.read(tiny_whisper, "am"), [[2, 40, 41]])


def test_a_folder_that_transformers_loads_as_it_was(model, tiny_whisper, tmp_path):
    from transformers import WhisperForConditionalGeneration

    save_model(model, tiny_whisper, tmp_path)
    loaded = WhisperForConditionalGeneration.from_pretrained(tmp_path, local_files_only=True)
    before = dict(model.named_parameters())
    after = dict(loaded.named_parameters())
    assert before.keys() == after.keys()
    for name, parameter in after.items():
        np.testing.assert_array_equal(
            parameter.detach().numpy(), before[name].detach().numpy(), err_msg=name
        )


def test_the_tokenizer_is_copied_to_the_byte(model, tiny_whisper, tmp_path):
    save_model(model, tiny_whisper, tmp_path)
    present = [name for name in COPIED if (tiny_whisper / name).is_file()]
    assert {"tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"} <= set(present)
    for name in present:
        assert (tmp_path / name).read_bytes() == (tiny_whisper / name).read_bytes()


def test_every_run_times_tokenizer_file_goes_along(model, tiny_whisper, tmp_path):
    base, saved = tmp_path / "base", tmp_path / "saved"
    shutil.copytree(tiny_whisper, base)
    saved.mkdir()
    for name in COPIED:
        (base / name).write_text(f"the base model's {name}", encoding="utf-8")
    (base / "notes.txt").write_text("private", encoding="utf-8")
    save_model(model, base, saved)
    for name in COPIED:
        assert (saved / name).read_text(encoding="utf-8") == f"the base model's {name}"
    assert not (saved / "notes.txt").exists()


def test_generation_config_is_fixed_to_the_language(model, tiny_whisper, tmp_path):
    save_model(model, tiny_whisper, tmp_path)
    config = json.loads((tmp_path / "generation_config.json").read_text(encoding="utf-8"))
    base = json.loads((tiny_whisper / "generation_config.json").read_text(encoding="utf-8"))
    assert (config["language"], config["task"]) == ("am", "transcribe")
    assert config.get("forced_decoder_ids") is None
    # What the texts hold may be generated; the rest stays suppressed.
    assert 2 in base["suppress_tokens"]
    assert config["suppress_tokens"] == [i for i in base["suppress_tokens"] if i != 2]
    for name in ("lang_to_id", "task_to_id", "alignment_heads", "no_timestamps_token_id",
                 "begin_suppress_tokens", "is_multilingual"):  # fmt: skip
        assert config[name] == base[name], name


def test_weights_are_safetensors(model, tiny_whisper, tmp_path):
    save_model(model, tiny_whisper, tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    assert not [p for p in tmp_path.iterdir() if p.suffix in (".bin", ".pt", ".ckpt", ".pkl")]
