"""A run that is killed at the worst moments ends like one that wasn't, to the bit."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

# A checkpoint at every update; the unbroken run writes one an epoch.
EVERY_UPDATE = ("--training.checkpoint_minutes", "0")


class Broken:
    """The folders of a run that is being killed."""

    def __init__(self, models: Path) -> None:
        self.models = models
        self.model = models / "whisper-qaa-sample"
        self.export = models / "whisper-qaa-sample-ct2"
        self.checkpoints = models / "whisper-qaa-sample.run" / "checkpoints"

    def checkpoint_under_way(self) -> bool:
        """Whether a checkpoint is half-written at this moment."""
        return any(
            any(folder.iterdir()) and not (folder / "COMPLETE.json").exists()
            for folder in self.checkpoints.glob("checkpoint-*.tmp")
        )

    def export_under_way(self) -> bool:
        return any(self.models.glob("whisper-qaa-sample-ct2.*.tmp/model.bin"))

    def leftovers(self) -> list[str]:
        return [p.name for p in self.models.rglob("*.tmp")]


def other_base_model(folder: Path, model: Path) -> Path:
    """A model of the same shape."""
    from safetensors.numpy import load_file, save_file

    other = shutil.copytree(model, folder / "other")
    weights = load_file(other / "model.safetensors")
    weights["model.decoder.layer_norm.bias"] += 1e-3
    save_file(weights, other / "model.safetensors", metadata={"format": "pt"})
    return other


@pytest.fixture(scope="module")
def broken(whole_run, new_ruach, tiny_whisper) -> Broken:
    """Killed in training, in a checkpoint, stopped politely, killed in the export, then ended."""
    ruach = new_ruach()
    broken = Broken(ruach.models)
    flags = (*whole_run.settings, *EVERY_UPDATE)

    # kill -9 when the line of update 5 appears
    run = ruach.start(*flags)
    run.wait_for("{'loss'")
    assert run.kill().status == -9
    assert any(broken.checkpoints.glob("checkpoint-*"))
    assert not broken.model.exists()

    # kill -9 while a checkpoint is being written
    run = ruach.start(*flags, "--resume")
    run.wait_for("resumed from checkpoint-")
    run.stop_when(broken.checkpoint_under_way)
    assert run.kill().status == -9
    assert broken.leftovers()

    # SIGTERM
    run = ruach.start(*flags, "--resume")
    run.wait_for("resumed from checkpoint-")
    run.wait_for("{'")
    run.process.terminate()
    stopped = run.finish()
    assert stopped.status == 130, stopped.err
    assert "--resume" in stopped.error
    assert broken.leftovers() == []

    # What belongs to another run is refused, and harms nothing.
    zero_shot = broken.models / "whisper-qaa-sample.run" / "zero_shot.json"
    before = zero_shot.read_bytes()
    refused = ruach.run(*flags, "--resume", "--seed", "7")
    assert refused.status == 1
    assert "other settings" in refused.error
    other = other_base_model(ruach.folder, tiny_whisper)
    refused = ruach.run(*flags, "--resume", "--model", str(other))
    assert "other base weights (--model)" in refused.error
    assert zero_shot.read_bytes() == before
    refused = ruach.run(*flags)
    assert refused.status == 1
    assert "unfinished run" in refused.error

    # kill -9 while the export is being written
    run = ruach.start(*flags, "--resume")
    run.stop_when(broken.export_under_way)
    assert run.kill().status == -9
    assert (broken.model / "run.json").is_file()
    assert not broken.export.exists()

    ended = ruach.run(*flags, "--resume")
    assert ended.status == 0, ended.err
    assert not any("loss" in figures for figures in ended.figures), "it trained once more"
    ruach.check_network()
    return broken


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def timeless(figures: dict[str, Any]) -> dict[str, Any]:
    times = ("eval_runtime", "runtime_s", "utterances_per_s", "clips_per_second")
    return {name: value for name, value in figures.items() if name not in times}


def test_the_same_weights(broken, whole_run):
    mine, other = (folder / "model.safetensors" for folder in (broken.model, whole_run.model))
    assert mine.read_bytes() == other.read_bytes()


def test_the_same_export(broken, whole_run):
    for path in whole_run.export.iterdir():
        if path.name not in ("run.json", "README.md"):
            assert (broken.export / path.name).read_bytes() == path.read_bytes(), path.name


def test_the_same_figures(broken, whole_run):
    mine, other = read_json(broken.model / "run.json"), whole_run.record
    assert [timeless(f) for f in mine["history"]] == [timeless(f) for f in other["history"]]
    assert len(mine["history"]) == 6
    assert mine["best_epoch"] == other["best_epoch"]
    assert timeless(mine["test"]) == timeless(other["test"])
    assert timeless(mine["zero_shot"]) == timeless(other["zero_shot"])
    assert mine["parity"] == other["parity"]
    assert mine["chosen"] == other["chosen"]


def test_the_same_texts(broken, whole_run):
    def rows(folder: Path) -> list[list[str]]:
        with (folder / "hypotheses.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.reader(file))

    assert rows(broken.model) == rows(whole_run.model)


def test_nothing_is_left_behind(broken):
    assert {p.name for p in broken.models.iterdir()} == {broken.model.name, broken.export.name}
    assert broken.leftovers() == []
