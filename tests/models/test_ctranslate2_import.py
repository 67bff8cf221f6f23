"""CTranslate2 -> transformers, on a tiny random Whisper and on files that aren't one."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ruach_core.errors import UserError
from ruach_core.models.ctranslate2_file import read_ct2_file
from ruach_core.models.ctranslate2_import import convert_ctranslate2_model

TYPES = ("float32", "int8", "int16", "int32", "float16")
KEYS_BIAS = "encoder/layer_0/self_attention/linear_0/bias"


@pytest.fixture(scope="module")
def imported(tiny_whisper: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output_dir = tmp_path_factory.mktemp("imported") / "model"
    convert_ctranslate2_model(tiny_whisper.ct2_dir, output_dir)
    return output_dir


def read_tensors(folder: Path) -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return dict(load_file(folder / "model.safetensors"))


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_ct2(
    path: Path,
    variables: Mapping[str, np.ndarray],
    *,
    aliases: Mapping[str, str] | None = None,
    spec: str = "WhisperSpec",
    version: int = 6,
) -> None:
    """Write a model.bin from scratch, after the layout that ctranslate2_file documents."""

    def string(text: str) -> bytes:
        return struct.pack("<H", len(text) + 1) + text.encode() + b"\0"

    parts = [struct.pack("<I", version), string(spec), struct.pack("<II", 3, len(variables))]
    for name, values in variables.items():
        parts += [string(name), struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)]
        parts += [struct.pack("<BI", TYPES.index(values.dtype.name), values.nbytes)]
        parts += [values.tobytes()]
    parts.append(struct.pack("<I", len(aliases or {})))
    for alias, name in (aliases or {}).items():
        parts += [string(alias), string(name)]
    path.write_bytes(b"".join(parts))


def stored_variables(folder: Path) -> dict[str, np.ndarray]:
    """The float variables and the integer settings of a float32 conversion."""
    file = read_ct2_file(folder / "model.bin")
    values: dict[str, np.ndarray] = {}
    for name, stored in file.variables.items():
        if stored.shape:
            values[name] = file.array(name)
        else:
            values[name] = np.array(file.scalar(name), dtype=stored.dtype)
    return values


@pytest.fixture
def tampered(tiny_whisper: Any, tmp_path: Path) -> Callable[..., Path]:
    """A copy of the tiny model with changed variables (None takes one away)."""

    def build(changes: Mapping[str, np.ndarray | None] | None = None, **options: Any) -> Path:
        folder = tmp_path / "tampered"
        folder.mkdir()
        for name in ("config.json", "tokenizer.json"):
            (folder / name).write_bytes((tiny_whisper.ct2_dir / name).read_bytes())
        values: dict[str, np.ndarray | None] = {**stored_variables(tiny_whisper.ct2_dir)}
        values |= changes or {}
        kept = {name: value for name, value in values.items() if value is not None}
        options.setdefault("aliases", {"decoder/projection/weight": "decoder/embeddings/weight"})
        write_ct2(folder / "model.bin", kept, **options)
        return folder

    return build


def assert_refused(ct2_dir: Path, tmp_path: Path, *words: str) -> None:
    """It is one line that holds the words, and nothing at all is left behind."""
    parent = tmp_path / "out"
    parent.mkdir(exist_ok=True)
    with pytest.raises(UserError) as caught:
        convert_ctranslate2_model(ct2_dir, parent / "model")
    message = str(caught.value)
    assert "\n" not in message
    assert "; " in message, "no remedy"
    for word in words:
        assert word in message
    assert list(parent.iterdir()) == []


def test_every_tensor_comes_back_to_the_bit(tiny_whisper: Any, imported: Path) -> None:
    original = read_tensors(tiny_whisper.transformers_dir)
    converted = read_tensors(imported)
    original.pop("proj_out.weight", None)
    assert converted.keys() == original.keys()
    for name, values in original.items():
        assert converted[name].dtype == np.float32
        np.testing.assert_array_equal(converted[name], values, err_msg=name)


def test_transformers_loads_it_whole_and_alike(tiny_whisper: Any, imported: Path) -> None:
    import torch
    from transformers import WhisperForConditionalGeneration as Whisper

    original = Whisper.from_pretrained(tiny_whisper.transformers_dir).eval()
    model, info = Whisper.from_pretrained(imported, output_loading_info=True)
    assert not any(info.values()), info
    wanted, found = original.config.to_dict(), model.config.to_dict()
    for key in ("_name_or_path", "transformers_version"):
        wanted.pop(key, None)
        found.pop(key, None)
    assert found == wanted
    mel = torch.randn(1, 128, 2000)
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        logits = [m.eval()(mel, decoder_input_ids=ids).logits for m in (original, model)]
    assert torch.equal(logits[0], logits[1])


@pytest.mark.parametrize("fixture", ["tiny_whisper", "tiny_whisper_v3"])
def test_generation_config_is_complete(
    fixture: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    tiny = request.getfixturevalue(fixture)
    convert_ctranslate2_model(tiny.ct2_dir, tmp_path / "model")
    found = read_json(tmp_path / "model" / "generation_config.json")
    ids = {
        t["content"]: t["id"] for t in read_json(tiny.ct2_dir / "tokenizer.json")["added_tokens"]
    }
    n_languages = 100 if fixture.endswith("v3") else 99
    assert len(found["lang_to_id"]) == n_languages
    assert found["lang_to_id"]["<|am|>"] == 256 + 3
    tasks = {task: ids[f"<|{task}|>"] for task in ("transcribe", "translate")}
    assert found["task_to_id"] == tasks
    assert found["no_timestamps_token_id"] == 256 + n_languages + 7
    assert found["prev_sot_token_id"] == ids["<|startofprev|>"]
    assert found["decoder_start_token_id"] == 257
    assert found["eos_token_id"] == found["pad_token_id"] == found["bos_token_id"] == 256
    assert found["alignment_heads"] == [[1, 0], [2, 1]]
    assert found["suppress_tokens"] == [1, 2, ids["<|startofprev|>"]]
    assert found["begin_suppress_tokens"] == [5, 256]
    assert found["max_length"] == 64
    assert found["max_initial_timestamp_index"] == 50
    assert found["is_multilingual"] is True
    assert found["return_timestamps"] is False


def test_processor_loads_offline(imported: Path) -> None:
    from transformers import WhisperProcessor

    processor = WhisperProcessor.from_pretrained(imported)
    assert processor.feature_extractor.feature_size == 128
    assert processor.feature_extractor.n_samples == 20 * 16_000
    tokenizer = processor.tokenizer
    tokenizer.set_prefix_tokens(language="en", task="transcribe")
    ids = tokenizer("ሰላም hello").input_ids
    assert ids[:2] == [257, 258]
    assert ids[-1] == 256
    assert tokenizer.decode(ids, skip_special_tokens=True) == "ሰላም hello"
    # Where transformers looks for the first timestamp.
    assert tokenizer.all_special_ids[-1] == 256 + 99 + 7


def test_preprocessor_is_the_standard_one(tmp_path: Path) -> None:
    from transformers import WhisperFeatureExtractor

    from ruach_core.models.whisper_files import WhisperShape, _preprocessor_config

    shape = WhisperShape(512, 80, 51865, 6, 6, 8, 8, 2048, 2048, 1500, 448, False, True)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(_preprocessor_config(shape)))
    loaded = WhisperFeatureExtractor.from_pretrained(tmp_path)
    found = {key: value for key, value in loaded.to_dict().items() if key != "processor_class"}
    assert found == WhisperFeatureExtractor().to_dict()


def test_converting_back_gives_the_same_file(
    tiny_whisper: Any, imported: Path, tmp_path: Path
) -> None:
    from ctranslate2.converters import TransformersConverter

    back = tmp_path / "back"
    TransformersConverter(str(imported)).convert(str(back))
    first = tiny_whisper.ct2_dir
    assert (back / "model.bin").read_bytes() == (first / "model.bin").read_bytes()
    assert read_json(back / "config.json") == read_json(first / "config.json")
    assert read_json(back / "vocabulary.json") == read_json(first / "vocabulary.json")


@pytest.mark.parametrize(
    ("quantization", "step"),
    [
        ("float16", 2.0**-10),
        ("bfloat16", 2.0**-7),
        ("int16", 1.0 / 1024),
        ("int8", 1.0 / 127),
        ("int8_float16", 1.0 / 127),
        ("int8_bfloat16", 1.0 / 127),
    ],
)
def test_quantized_weights_come_back_within_half_a_step(
    tiny_whisper: Any, tmp_path: Path, quantization: str, step: float
) -> None:
    convert_ctranslate2_model(tiny_whisper.converted(quantization), tmp_path / "model")
    original = read_tensors(tiny_whisper.transformers_dir)
    for name, values in read_tensors(tmp_path / "model").items():
        wanted = original[name]
        assert np.isfinite(values).all()
        # int8 has a step a row, int16 one in all; floats round each value by itself.
        rows = wanted.reshape(len(wanted), -1)
        largest = np.abs(rows).max(axis=1, keepdims=True)
        if quantization == "int16":
            largest = np.full_like(largest, 5.0)  # q, k and v share a scale; all are below 5.x
        tolerance = largest * max(step, 2.0**-7 if "bfloat16" in quantization else 0.0) * 0.51
        difference = np.abs(values.reshape(rows.shape) - rows)
        assert (difference <= tolerance + 1e-6).all(), (name, difference.max())


def test_quantized_weights_are_really_quantized(tiny_whisper: Any) -> None:
    file = read_ct2_file(tiny_whisper.converted("int8") / "model.bin")
    types = {stored.dtype for stored in file.variables.values() if len(stored.shape) > 1}
    assert "int8" in types


def test_file_cut_short_anywhere_is_refused(tiny_whisper: Any, tmp_path: Path) -> None:
    whole = (tiny_whisper.ct2_dir / "model.bin").read_bytes()
    folder = tmp_path / "short"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json"):
        (folder / name).write_bytes((tiny_whisper.ct2_dir / name).read_bytes())
    sizes = [0, 1, 3, 4, 5, 9, 18, 22, 30, len(whole) // 3, len(whole) - 30, len(whole) - 1]
    for size in sizes:
        (folder / "model.bin").write_bytes(whole[:size])
        assert_refused(folder, tmp_path, "model.bin", "cut short")


def test_trailing_bytes_are_refused(tiny_whisper: Any, tampered: Any, tmp_path: Path) -> None:
    folder = tampered()
    with (folder / "model.bin").open("ab") as file:
        file.write(b"xy")
    assert_refused(folder, tmp_path, "2 bytes follow")


@pytest.mark.parametrize(
    "content",
    [
        b"PK\x03\x04" + bytes(100),
        b"\x80\x02}q\x00(X\x05\x00\x00\x00model" + bytes(100),
        b'{"model_type": "whisper"}',
        bytes(range(7, 71)),
    ],
    ids=["zip", "pickle", "json", "noise"],
)
def test_foreign_file_is_refused(tampered: Any, tmp_path: Path, content: bytes) -> None:
    folder = tampered()
    (folder / "model.bin").write_bytes(content)
    assert_refused(folder, tmp_path, "model.bin", "binary version")


def test_other_models_and_versions_are_refused(tampered: Any, tmp_path: Path) -> None:
    folder = tampered(spec="TransformerSpec")
    assert_refused(folder, tmp_path, "TransformerSpec", "not a Whisper")
    write_ct2(folder / "model.bin", {}, version=5)
    assert_refused(folder, tmp_path, "starts with 5")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"encoder/conv1/weight": None}, ("encoder/conv1/weight",)),
        ({"decoder/layer_2/attention/linear_1/weight": None}, ("layer_2/attention/linear_1",)),
        ({"decoder/layer_1/ffn/layer_norm/beta": None}, ("layer_1/ffn/layer_norm/beta",)),
        ({"encoder/layer_0/extra": np.zeros(3, np.float32)}, ("encoder/layer_0/extra",)),
        ({KEYS_BIAS: np.ones(96, np.float32)}, ("bias on its keys",)),
        ({KEYS_BIAS: None}, ("q_proj has no bias",)),
        ({"decoder/activation": np.array(0, np.int8)}, ("GELU",)),
        ({"encoder/conv1/weight": np.zeros((32, 128), np.float32)}, ("conv1",)),
        ({"encoder/conv1/weight": np.zeros((32, 128, 3), np.int8)}, ("weight_scale",)),
        ({"encoder/layer_norm/beta": np.zeros(32, np.int32)}, ("int32",)),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_misfit_is_refused(
    tampered: Any, tmp_path: Path, changes: dict[str, Any], words: tuple[str, ...]
) -> None:
    assert_refused(tampered(changes), tmp_path, *words)


@pytest.mark.parametrize("scale", [np.zeros(32), np.full(32, np.nan), np.ones(31)])
def test_unusable_scale_is_refused(tampered: Any, tmp_path: Path, scale: np.ndarray) -> None:
    changes = {
        "encoder/conv1/weight": np.ones((32, 128, 3), np.int8),
        "encoder/conv1/weight_scale": scale.astype(np.float32),
    }
    assert_refused(tampered(changes), tmp_path, "encoder/conv1/weight_scale")


def test_alias_of_nothing_is_refused(tampered: Any, tmp_path: Path) -> None:
    folder = tampered(aliases={"decoder/projection/weight": "decoder/nothing"})
    assert_refused(folder, tmp_path, "decoder/nothing")


def test_heads_are_derived_where_the_file_has_none(tampered: Any, tmp_path: Path) -> None:
    folder = tampered({"encoder/num_heads": None, "decoder/num_heads": None})
    convert_ctranslate2_model(folder, tmp_path / "model")
    config = read_json(tmp_path / "model" / "config.json")
    assert config["encoder_attention_heads"] == config["decoder_attention_heads"] == 1


def test_untied_projection_is_kept(tiny_whisper: Any, tampered: Any, tmp_path: Path) -> None:
    from transformers import WhisperForConditionalGeneration as Whisper

    embeddings = stored_variables(tiny_whisper.ct2_dir)["decoder/embeddings/weight"]
    folder = tampered({"decoder/projection/weight": embeddings + 1}, aliases={})
    convert_ctranslate2_model(folder, tmp_path / "model")
    model = Whisper.from_pretrained(tmp_path / "model")
    np.testing.assert_array_equal(model.proj_out.weight.detach().numpy(), embeddings + 1)
    np.testing.assert_array_equal(model.model.decoder.embed_tokens.weight.detach(), embeddings)


def test_tokenizer_of_another_whisper_is_refused(
    tiny_whisper_v3: Any, tampered: Any, tmp_path: Path
) -> None:
    folder = tampered()
    other = tiny_whisper_v3.ct2_dir / "tokenizer.json"
    (folder / "tokenizer.json").write_bytes(other.read_bytes())
    assert_refused(folder, tmp_path, "belongs to another Whisper")
    (folder / "tokenizer.json").write_text('{"model": {"vocab": {}}, "added_tokens": []}')
    assert_refused(folder, tmp_path, "not a Whisper tokenizer")
    (folder / "tokenizer.json").write_text("{")
    assert_refused(folder, tmp_path, "tokenizer.json")
    (folder / "tokenizer.json").unlink()
    assert_refused(folder, tmp_path, "tokenizer.json is missing")


def test_taken_output_is_left_alone(tiny_whisper: Any, tmp_path: Path) -> None:
    taken = tmp_path / "out" / "model"
    taken.mkdir(parents=True)
    (taken / "mine.txt").write_text("keep")
    with pytest.raises(UserError, match="empty or new folder"):
        convert_ctranslate2_model(tiny_whisper.ct2_dir, taken)
    assert [p.name for p in taken.parent.iterdir()] == ["model"]
    assert (taken / "mine.txt").read_text() == "keep"


def test_reading_a_header_costs_no_memory(tiny_whisper: Any) -> None:
    file = read_ct2_file(tiny_whisper.ct2_dir / "model.bin")
    assert file.spec == "WhisperSpec"
    assert file.revision == 3
    assert isinstance(file._data, np.memmap)
    with pytest.raises(UserError, match="no variable"):
        file.array("encoder/nothing")
    assert file.scalar("encoder/nothing") is None
