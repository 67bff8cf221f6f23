"""Runs that stop early, are refused or meet bad data; through the command line, no network."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.packs import find_pack
from ruach_core.testing.plugins import write_pack, write_plugin

pytestmark = pytest.mark.slow

SHORT = ("--epochs", "1", "--training.batch_size", "2", "--evaluation.zero_shot_clips", "0",
         "--export.parity_threshold", "9")  # fmt: skip


def sample() -> Path:
    directory = find_pack("qaa").directory
    assert directory is not None
    return directory / "sample"


def test_early_stopping_keeps_the_best(ruach):
    """So low a rate that nothing improves: the first epoch stays the best."""
    finished = ruach.run("--epochs", "20", "--training.learning_rate", "1e-12",
                         "--training.patience", "3", "--evaluation.zero_shot_clips", "0",
                         "--export.parity_threshold", "9")  # fmt: skip
    assert finished.status == 0, finished.err
    assert [f["epoch"] for f in finished.figures if "eval_wer" in f] == [1.0, 2.0, 3.0, 4.0]
    record = json.loads((ruach.models / "whisper-qaa-sample" / "run.json").read_text("utf-8"))
    assert record["best_epoch"] == 1
    assert record["zero_shot"] is None
    (best,) = [line for line in finished.out.splitlines() if line.endswith("<- best")]
    assert best.split()[0] == "1"


NOISY = '''
import shutil, tempfile
from pathlib import Path

class NoisyExporter:
    """Converts another model than the one it is given: it says one word for ever."""

    name = "noisy"

    def export(self, model_dir, output_dir, *, quantization):
        from ctranslate2.converters import TransformersConverter
        from safetensors.torch import load_file, save_file
        from tokenizers import Tokenizer

        with tempfile.TemporaryDirectory() as folder:
            noisy = Path(folder) / "model"
            shutil.copytree(model_dir, noisy)
            tensors = load_file(noisy / "model.safetensors")
            word = Tokenizer.from_file(str(noisy / "tokenizer.json")).token_to_id("a\\u0120")
            tensors["model.decoder.embed_tokens.weight"].zero_()[word] = 1.0
            tensors["model.decoder.layer_norm.weight"].zero_()
            tensors["model.decoder.layer_norm.bias"].fill_(1.0)
            save_file(tensors, noisy / "model.safetensors", metadata={"format": "pt"})
            TransformersConverter(str(noisy)).convert(
                str(output_dir), quantization=quantization, force=True
            )
        for name in ("tokenizer.json", "preprocessor_config.json"):
            shutil.copyfile(model_dir / name, output_dir / name)

@hookimpl
def ruach_exporters():
    return [NoisyExporter()]
'''


def sample_with_more_test_clips(folder: Path) -> str:
    """The bundled sample with nine test clips: on its own three nothing can be told."""
    data = shutil.copytree(sample(), folder / "data")
    with (data / "test" / "metadata.csv").open("a", encoding="utf-8", newline="") as file:
        for i, text in enumerate(("Ba na.", "Be bi.", "Bi bu.", "Bo ba.", "Bu bi.", "Na bu.")):
            wave = 0.3 * np.sin(2 * np.pi * (300 + 70 * i) * np.arange(9_600) / 16_000)
            soundfile.write(data / "test" / f"{i}.wav", wave, 16_000)
            csv.writer(file).writerow((f"{i}.wav", text, "one"))
    return str(data)


def test_parity_gate_refuses_an_export_that_is_not_the_model(ruach):
    write_plugin(ruach.site, "noisy", NOISY)
    flags = ("--data", sample_with_more_test_clips(ruach.folder),
             "--epochs", "1", "--training.batch_size", "2", "--evaluation.zero_shot_clips", "0",
             "--training.learning_rate", "1e-2")  # fmt: skip
    refused = ruach.run(*flags, "--export.format", "noisy")
    assert refused.status == 1
    assert "export refused" in refused.error
    assert "points above the model's" in refused.error
    model, export = "whisper-qaa", "whisper-qaa-ct2"
    assert f"models/{model}" in refused.error
    # The table comes first, so that the reader sees by how much.
    assert "computed in" in refused.out
    assert ruach.written() == {model, f"{model}.run"}
    record = json.loads((ruach.models / model / "run.json").read_text(encoding="utf-8"))
    assert record["parity"] == []
    weights = (ruach.models / model / "model.safetensors").read_bytes()

    # The trained model isn't lost: another exporter finishes the run without training again.
    mended = ruach.run(*flags, "--resume", "--export.parity_threshold", "9")
    assert mended.status == 0, mended.err
    assert not any("loss" in figures for figures in mended.figures)
    assert ruach.written() == {model, export}
    assert (ruach.models / model / "model.safetensors").read_bytes() == weights


def test_an_export_refused_leaves_no_earlier_one_beside_the_new_model(ruach):
    write_plugin(ruach.site, "noisy", NOISY)
    export = ruach.models / "whisper-qaa-ct2"
    export.mkdir(parents=True)
    (export / "model.bin").write_bytes(b"of an earlier run")
    refused = ruach.run(*SHORT[:-2], "--training.max_steps", "1", "--overwrite",
                        "--data", sample_with_more_test_clips(ruach.folder),
                        "--export.format", "noisy")  # fmt: skip
    assert "export refused" in refused.error
    assert not (export / "model.bin").exists()


def test_a_model_that_cannot_be_reached(ruach):
    finished = ruach.run("--model", "openai/whisper-tiny")
    assert finished.status == 1
    for remedy in ("openai/whisper-tiny", "pip install ruach-model-whisper-base", "HF_HUB_OFFLINE",
                   "--model PATH"):  # fmt: skip
        assert remedy in finished.error
    assert ruach.written() == set()
    assert "epoch" not in finished.out


def test_no_dataset_and_no_sample(ruach):
    write_pack(ruach.site, "qab", keys={"iso639_3": '"qab"'})
    finished = ruach.run(lang="qab")
    assert finished.status == 1
    assert "dataset/data" in finished.error
    assert "--data" in finished.error
    assert "metadata.csv" in finished.error
    assert ruach.written() == set()


@pytest.fixture
def bad_dataset(tmp_path) -> Path:
    """The sample with every kind of faulty clip among the good ones."""
    folder = tmp_path / "recordings"
    shutil.copytree(sample(), folder)
    audio = folder / "train" / "audio"
    (audio / "empty.wav").write_bytes(b"")
    (audio / "text.wav").write_text("this is no audio\n" * 50, encoding="utf-8")
    (audio / "half.flac").write_bytes((audio / "02.flac").read_bytes()[:40])
    soundfile.write(audio / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(audio / "long.wav", 0.1 * np.random.default_rng(0).random(31 * 16_000), 16_000)
    soundfile.write(audio / "short.wav", 0.1 * np.ones(160), 16_000)
    shutil.copy(audio / "01.wav", audio / "wordy.wav")
    shutil.copy(audio / "01.wav", audio / "mute.wav")
    rows = [
        ("audio/missing.wav", "Ba"), ("audio/empty.wav", "Ba"), ("audio/text.wav", "Ba"),
        ("audio/half.flac", "Ba"), ("audio/silent.wav", "Ba"), ("audio/long.wav", "Ba"),
        ("audio/short.wav", "Ba"), ("audio/wordy.wav", "ba " * 150), ("audio/mute.wav", " "),
        ("../../secret.wav", "Ba"),
    ]  # fmt: skip
    with (folder / "train" / "metadata.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows((*row, "three") for row in rows)
    return folder


def test_faulty_clips_are_set_aside_and_the_run_goes_on(ruach, bad_dataset):
    finished = ruach.run(*SHORT, "--data", str(bad_dataset), "--export.quantization", "int8")
    assert finished.status == 0, finished.err
    with (ruach.models / "whisper-qaa" / "set_aside.csv").open(encoding="utf-8") as file:
        rows = {Path(row["utterance_id"]).name: row for row in csv.DictReader(file)}
    assert {name: row["reason"] for name, row in rows.items()} == {
        "missing.wav": "missing", "empty.wav": "empty", "text.wav": "unreadable",
        "half.flac": "unreadable", "silent.wav": "silent", "long.wav": "too-long",
        "short.wav": "too-short", "wordy.wav": "label-too-long", "mute.wav": "no-transcript",
        "secret.wav": "outside-folder",
    }  # fmt: skip
    assert all(row["detail"] and "metadata.csv" in row["row"] for row in rows.values())
    assert "set aside" in finished.out
    record = json.loads((ruach.models / "whisper-qaa" / "run.json").read_text(encoding="utf-8"))
    assert record["data"]["n_set_aside"] == 10
    assert record["data"]["splits"]["train"]["n_utterances"] == 5
    assert record["is_sample"] is False
    assert {row["compute_type"] for row in record["parity"]} == {"int8_float32"}


def test_a_disk_that_fills_up_during_training(ruach):
    """A small file system of its own, where the machine allows one."""
    can_mount = ["unshare", "-rm", "mount", "-t", "tmpfs", "tmpfs", str(ruach.folder)]
    try:
        is_allowed = subprocess.run(can_mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        is_allowed = False
    if not is_allowed:
        pytest.skip("needs unshare and the right to mount a file system of one's own")
    finished = ruach.run_on_small_disk(24, *SHORT)
    assert "No space left on device" in finished.error
    assert "checkpoint-" in finished.error or "best-" in finished.error
    assert "--resume" in finished.error
    assert "LEFT OVER" not in finished.out
