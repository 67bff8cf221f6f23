"""`ruach train`'s arguments; the runs themselves are in tests/training."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from ruach_core.cli import main
from ruach_core.cli.run_settings import dotted_flags
from ruach_core.cli.train import parse_arguments

NO_MODEL = "./no-such-model"


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    # Nothing in this file gets as far as writing.
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".toml"] == []


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    status = main(["train", *arguments])
    return status, capsys.readouterr().err.strip()


def test_both_forms_of_a_dotted_flag():
    flags = dotted_flags(("--training.epochs", "3", "--window.policy=full", "--data.x=a=b"))
    assert flags == {"training.epochs": "3", "window.policy": "full", "data.x": "a=b"}


def test_a_value_that_looks_like_a_flag_and_an_empty_one():
    assert dotted_flags(("--a.b", "--c.d", "--e.f=")) == {"a.b": "--c.d", "e.f": ""}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--lang", "qaa", "stray"), "stray"),
        (("--lang", "qaa", "--epoch", "3"), "--epoch"),
        (("--lang", "qaa", "-x"), "-x"),
        (("--lang", "qaa", "--training.epochs"), "--training.epochs needs a value"),
        (("--lang", "qaa", "--epochs", "many"), "many"),
        ((), "--lang"),
        (("--lang", "qaa", "--nproc", "0"), "--nproc"),
        (("--lang", "qaa", "--nproc", "2", "--nnodes", "2"), "--launcher torchrun"),
        (("--lang", "qaa", "--launcher", "slurm", "--nproc", "2"), "srun"),
    ],
)
def test_wrong_usage_is_status_2(capsys, arguments, named):
    status, error = run(capsys, *arguments)
    assert status == 2
    assert named in error
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--lang", "qaa", "--training.epoch", "3"), "training.epoch"),
        (("--lang", "qaa", "--training.epochs", "0"), "training.epochs"),
        (("--lang", "qaa", "--epochs", "0"), "training.epochs"),
        (("--lang", "qaa", "--config", "absent.toml"), "absent.toml"),
        (("--lang", "zzz"), "ruach-lang-zzz"),
        (("--lang", "qaa", "--option", "numbers"), "NAME=VALUE"),
        (("--lang", "qaa", "--option", "colour=red"), "colour"),
        (("--lang", "qaa", "--option", "case=red"), "case"),
        (("--lang", "qaa", "--model", NO_MODEL), NO_MODEL),
        (("--lang", "qaa", "--data", "nowhere"), "nowhere"),
        (("--lang", "qaa", "--export.format", "onnx", "--model", NO_MODEL), "onnx"),
    ],
)
def test_what_the_user_can_mend_is_one_line(capsys, arguments, named):
    status, error = run(capsys, *arguments)
    assert status == 1
    assert error.startswith("ruach: error: ")
    assert "\n" not in error
    assert named in error


def test_language_from_the_file_alone(capsys, tmp_path):
    (tmp_path / "run.toml").write_text('lang = "zzz"\n', encoding="utf-8")
    status, error = run(capsys, "--config", "run.toml")
    assert status == 1
    assert "ruach-lang-zzz" in error


def test_flag_before_file(capsys, tmp_path):
    (tmp_path / "run.toml").write_text('lang = "zzz"\n', encoding="utf-8")
    status, error = run(capsys, "--config", "run.toml", "--lang", "qaa", "--model", NO_MODEL)
    assert status == 1
    assert NO_MODEL in error


def test_help_says_how_to_lay_out_the_data(capsys):
    assert main(["train", "--help"]) == 0
    printed = capsys.readouterr().out
    for word in ("train/metadata.csv", "file_name,transcription", "--resume", "--settings",
                 "--overwrite", "--option"):  # fmt: skip
        assert word in printed


def test_processes_that_cannot_meet_are_refused_before_they_start(capsys):
    several = ("--lang", "qaa", "--launcher", "torchrun", "--nproc", "2", "--nnodes", "2")
    status, error = run(capsys, *several)
    assert status == 1
    assert "--master-addr" in error


def test_slurm_without_srun(capsys):
    status, error = run(capsys, "--lang", "qaa", "--launcher", "slurm")
    assert status == 1
    assert "srun" in error


def test_a_process_that_was_launched_starts_no_others(capsys, monkeypatch):
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert "--nproc" not in run(capsys, "--lang", "qaa", "--model", NO_MODEL)[1]
    status, error = run(capsys, "--lang", "qaa", "--nproc", "2")
    assert status == 2
    assert "launched this process already" in error


def test_another_command_can_read_the_arguments():
    request = parse_arguments(["--lang", "qaa", "--epochs", "3", "--training.sharding", "fsdp",
                               "--resume"])  # fmt: skip
    assert request.resume
    assert not request.overwrite
    assert (request.config.training.epochs, request.config.training.sharding) == (3, "fsdp")
    with pytest.raises(click.UsageError, match="ruach train itself"):
        parse_arguments(["--lang", "qaa", "--node-rank", "1"])
