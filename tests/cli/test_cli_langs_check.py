"""`ruach langs check` on texts; on the pack alone: test_cli_langs.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ruach_core import hookimpl
from ruach_core.testing.plugins import plugin_registered, site_environment, write_pack
from ruach_core.testing.tiny import write_tiny_tokenizer
from ruach_core.types import Finding

TORCH = {"torch", "transformers", "datasets", "accelerate"}


@pytest.fixture
def model(tmp_path):
    """A folder that passes for a base model: only its tokenizer is looked at."""
    folder = tmp_path / "model"
    folder.mkdir()
    write_tiny_tokenizer(folder)
    (folder / "config.json").write_text('{"model_type": "whisper"}', encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"never read")
    return str(folder)


@pytest.fixture
def text(tmp_path):
    def write(content: str | bytes) -> str:
        path = tmp_path / "texts.txt"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


@pytest.fixture
def dataset(tmp_path):
    """Two splits, a clip that isn't audio, one that is missing, a segment, and a blank row."""
    rows = {
        "train": [("1.wav", "abc ሰ"), ("2.wav", "de"), ("3.wav", ""), ("gone.wav", "fg")],
        "test": [("1.wav", "hi")],
    }
    for split, clips in rows.items():
        folder = tmp_path / "data" / split
        folder.mkdir(parents=True)
        lines = ["file_name,transcription,end_s"]
        lines += [f"{name},{text}," for name, text in clips]
        soundfile.write(folder / "1.wav", np.zeros(16_000, dtype=np.float32), 8_000)
        if split == "train":
            (folder / "2.wav").write_bytes(b"no audio")
            lines.append("1.wav,jk,0.5")
        (folder / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(tmp_path / "data")


def findings(output: str) -> dict[str, dict]:
    return {finding["check"]: finding for finding in json.loads(output)["texts"]["findings"]}


def test_texts_are_normalised_and_checked_after_the_pack(ruach, pack, model, text):
    file = text("Abc de\n\nxyz ሰ\r\nb\ufffdc\n")
    done = ruach("langs", "check", "qta", "--text", file, "--model", model, COLUMNS="100")
    assert (done.status, done.error) == (0, "")
    pack_lines, _, table = done.output.partition("\n\n")
    assert pack_lines.splitlines()[-1].startswith("ok: unicode form")
    lines = table.splitlines()
    assert lines[0] == f"3 texts of {file}; normaliser case 1, tokenizer of {model}"
    assert lines[1].split() == ["SEVERITY", "CHECK", "NUMBER", "FINDING"]
    assert lines[-1] == "0 errors, 2 warnings"
    severities = [line.split()[0] for line in lines[2:-1] if not line.startswith(" ")]
    assert severities == ["warning", "warning", "info", "info"]
    assert "1 x U+1230 ETHIOPIC SYLLABLE SA (line 3)" in " ".join(done.output.split())
    assert "example: line 4: 'b\ufffdc'" in done.output
    assert all(len(line) <= 100 for line in lines[1:])


def test_options_of_the_pack_are_those_of_the_normaliser(ruach, pack, model, text):
    file = text("Abc DE\n")
    arguments = ("langs", "check", "qta", "--text", file, "--model", model, "--json")
    assert "normalization" not in findings(ruach(*arguments).output)
    found = findings(ruach(*arguments, "--option", "case=lower").output)["normalization"]
    assert (found["severity"], found["n"]) == ("info", 2)
    assert found["example"] == "line 1: 'Abc' becomes 'abc'"


def test_standard_input_with_a_byte_order_mark(ruach, pack, model):
    arguments = ("langs", "check", "qta", "--text", "-", "--model", model, "--json")
    about = json.loads(ruach(*arguments, text=b"\xef\xbb\xbfab\x0bc\r\n").output)
    assert about["ok"] is True
    assert about["texts"]["source"] == "standard input"
    assert about["texts"]["n_texts"] == 1
    # All ASCII: the mark is gone.
    assert about["texts"]["tokens"]["n_tokens"] == 4
    assert about["texts"]["tokens"]["tokens_per_char"] == 1.0


def test_a_dataset_gives_transcripts_of_all_splits_and_durations(ruach, pack, model, dataset):
    arguments = ("langs", "check", "qta", "--data", dataset, "--model", model)
    about = json.loads(ruach(*arguments, "--json").output)["texts"]
    assert about["n_texts"] == 5
    assert about["hours"] == pytest.approx((2 + 2 + 0.5) / 3600)
    assert [(item["reason"], item["utterance_id"]) for item in about["set_aside"]] == [
        ("no-transcript", "train/3.wav")
    ]
    assert about["tokens"]["tokens_per_second"] == pytest.approx((7 + 2 + 2) / 4.5)
    done = ruach(*arguments)
    assert "5 texts of" in done.output
    assert "0.00 h by the headers (2 clips have no readable header)" in done.output
    assert "left out: 1, the first train/metadata.csv row 4 (the transcript is empty)" in (
        done.output
    )
    assert "(train/metadata.csv row 2)" in done.output


def test_errors_make_the_exit_status_1_and_warnings_do_not(ruach, pack, model, text):
    class Check:
        name = "mine"

        def check(self, utterances, tokenizer):
            return [Finding("mine", "error", "too bad", n=len(utterances))]

    @hookimpl
    def ruach_tokenization_checks(lang):
        return [Check()]

    file = text("ab\n")
    plugin = SimpleNamespace(ruach_tokenization_checks=ruach_tokenization_checks)
    with plugin_registered(plugin, "mine"):
        done = ruach("langs", "check", "qta", "--text", file, "--model", model)
        report = json.loads(
            ruach("langs", "check", "qta", "--text", file, "--model", model, "--json").output
        )
    assert done.status == 1
    assert done.output.splitlines()[-1] == "1 error, 0 warnings"
    assert report["ok"] is False
    assert report["texts"]["findings"][0]["severity"] == "error"
    assert all(check["ok"] for check in report["checks"])


def test_a_pack_with_a_failing_example_still_checks_texts(ruach, write_case_pack, model, text):
    write_case_pack(samples="target\ta\tb\n")
    done = ruach("langs", "check", "qta", "--text", text("ab\n"), "--model", model)
    assert done.status == 1
    assert "1 problem" in done.output
    assert done.output.splitlines()[-1] == "0 errors, 0 warnings"


def test_a_pack_that_cannot_be_loaded_is_reported_alone(ruach, tmp_path, model, text):
    write_pack(tmp_path, "qta", keys={"colour": "1"})
    arguments = ("langs", "check", "qta", "--text", text("ab\n"), "--model", model)
    done = ruach(*arguments)
    assert (done.status, done.error) == (1, "")
    assert "colour: unknown key" in done.output
    assert "SEVERITY" not in done.output
    assert "texts" not in json.loads(ruach(*arguments, "--json").output)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no text to check"),
        (b" \n\t\r\n", "no text to check"),
        (b"ab\nc\xff\n", "line 2: not UTF-8 at byte 1"),
        ("ab\n".encode("utf-16"), "line 1: not UTF-8 at byte 0"),
    ],
)
def test_bad_text_is_one_line(ruach, pack, model, text, content, said):
    done = ruach("langs", "check", "qta", "--text", text(content), "--model", model)
    assert (done.status, done.output) == (1, "")
    assert said in done.error_line


def test_text_of_which_nothing_is_left_is_one_line(ruach, write_case_pack, model, text):
    write_case_pack(replace=("return text if", "return '' if"), samples="target\t\t\n")
    done = ruach("langs", "check", "qta", "--text", text("ab\n"), "--model", model)
    assert done.error_line.endswith("no text to check: line 1: nothing left after normalisation")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--text", "none.txt"), "none.txt: can't be read: No such file"),
        (("--text", "."), ".: can't be read: Is a directory"),
        (("--text", ""), "--text or --data is empty"),
        (("--text", "a\0b"), "can't be read: embedded null byte"),
        (("--data", "none"), "none: no such dataset"),
        (("--text", "a", "--data", "b"), "exclude each other"),
        (("--text", "-", "--option", "colour=x"), "option 'colour' is unknown"),
        (("--text", "-", "--option", "x"), "write it as NAME=VALUE"),
        (("--text", "-", "--model", "./none"), "./none: no such folder"),
    ],
)
def test_bad_arguments_are_one_line(ruach, pack, monkeypatch, tmp_path, arguments, said):
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    done = ruach("langs", "check", "qta", *arguments, text="ab\n")
    assert (done.status, done.output) == (1, "")
    assert said in done.error_line


def test_a_model_that_cannot_be_reached_is_one_line(ruach, pack, text, monkeypatch):
    from ruach_core.errors import UserError
    from ruach_core.models import resolve

    def fail(name, plugins):
        raise UserError(f"base model {name!r}: no network")

    monkeypatch.setattr(resolve, "resolve_base_model", fail)
    done = ruach("langs", "check", "qta", "--text", text("ab\n"))
    assert (done.status, done.output) == (1, "")
    assert done.error_line == "base model 'whisper-base': no network"


PROGRAM = """
import json, sys
from ruach_core.cli import main
status = main(sys.argv[1:])
sys.stdout.flush()
print(json.dumps(sorted(sys.modules)), file=sys.stderr)
sys.exit(status)
"""


def test_neither_torch_nor_audio_is_loaded_for_text_nor_torch_for_a_dataset(
    tmp_path, pack, model, text, dataset
):
    def loaded(*arguments: str) -> set[str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "langs", "check", "qta", "--model", model, *arguments],
            env={**site_environment(tmp_path), "RUACH_CACHE": os.fspath(tmp_path / "cache")},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return {name.partition(".")[0] for name in json.loads(done.stderr.splitlines()[-1])}

    with_text = loaded("--text", text("abc\n"))
    assert "tokenizers" in with_text
    assert not with_text & (TORCH | {"soundfile", "av", "soxr", "ctranslate2", "faster_whisper"})
    with_data = loaded("--data", dataset)
    assert "soundfile" in with_data
    assert not with_data & (TORCH | {"av", "soxr", "ctranslate2", "faster_whisper"})
