from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.config import build_config
from ruach_core.errors import UserError
from ruach_core.training.outputs import Outputs


@pytest.fixture
def outputs(tmp_path) -> Outputs:
    return Outputs.of(build_config({}, {"lang": "qaa", "output": tmp_path / "m"}), is_sample=False)


def write(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "file").write_text("precious", encoding="utf-8")
    return folder


def refusal(outputs: Outputs, *, resume: bool = False, overwrite: bool = False) -> str:
    with pytest.raises(UserError) as caught:
        outputs.claim(resume=resume, overwrite=overwrite)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_names_by_default():
    config = build_config({}, {"lang": "am"})
    real = Outputs.of(config, is_sample=False)
    assert (real.model, real.export) == (Path("models/whisper-am"), Path("models/whisper-am-ct2"))
    sample = Outputs.of(config, is_sample=True)
    assert (sample.model, sample.export) == (
        Path("models/whisper-am-sample"), Path("models/whisper-am-sample-ct2"),
    )  # fmt: skip
    folders = {real.model, real.export, real.work, sample.model, sample.export, sample.work}
    assert len(folders) == 6


def test_an_empty_place_is_claimed(outputs):
    outputs.claim(resume=False, overwrite=False)
    assert outputs.checkpoints.is_dir()
    assert not outputs.model.exists()


def test_a_finished_model_is_not_overwritten(outputs):
    write(outputs.model)
    message = refusal(outputs)
    assert str(outputs.model) in message
    assert "--output" in message
    assert "--overwrite" in message
    assert (outputs.model / "file").read_text(encoding="utf-8") == "precious"
    assert not outputs.work.exists()


def test_an_export_alone_is_not_overwritten(outputs):
    write(outputs.export)
    assert str(outputs.export) in refusal(outputs)


def test_an_unfinished_run_is_not_lost(outputs):
    write(outputs.checkpoints / "checkpoint-5")
    message = refusal(outputs)
    assert "--resume" in message
    assert "--overwrite" in message
    assert (outputs.checkpoints / "checkpoint-5" / "file").is_file()


def test_overwrite_begins_anew_and_keeps_the_old_model_until_there_is_a_new_one(outputs):
    write(outputs.model)
    write(outputs.export)
    write(outputs.checkpoints / "checkpoint-5")
    outputs.claim(resume=False, overwrite=True)
    assert list(outputs.checkpoints.iterdir()) == []
    assert (outputs.model / "file").is_file()


def test_resume_keeps_what_is_there(outputs):
    write(outputs.checkpoints / "checkpoint-5")
    outputs.claim(resume=True, overwrite=False)
    assert (outputs.checkpoints / "checkpoint-5" / "file").is_file()


def test_what_a_killed_evaluation_left_is_removed(outputs):
    checkpoint = write(outputs.checkpoints / "checkpoint-5")
    converted = write(outputs.work / "tmpab12cd.tmp" / "model")
    (outputs.work / "encoder.tmp").write_bytes(b"half")
    (outputs.work / "encoder.float16").write_bytes(b"whole")
    outputs.claim(resume=True, overwrite=False)
    assert not converted.exists()
    assert {p.name for p in outputs.work.iterdir()} == {"checkpoints", "encoder.float16"}
    assert checkpoint.is_dir()


def test_resume_of_a_run_killed_between_model_and_export(outputs):
    write(outputs.model)
    write(outputs.checkpoints / "checkpoint-5")
    outputs.claim(resume=True, overwrite=False)


def test_resume_with_nothing_there_begins(outputs):
    outputs.claim(resume=True, overwrite=False)
    assert outputs.checkpoints.is_dir()


def test_resume_of_a_finished_run_is_refused(outputs):
    write(outputs.model)
    message = refusal(outputs, resume=True)
    assert "finished" in message
    assert "nothing to resume" in message


def test_release_removes_the_checkpoints_and_nothing_else(outputs):
    write(outputs.model)
    write(outputs.checkpoints / "checkpoint-5")
    outputs.release()
    assert [p.name for p in outputs.model.parent.iterdir()] == ["m"]


def test_killed_in_release_the_run_counts_as_finished(outputs):
    write(outputs.model)
    write(outputs.work.with_name("m.run.999999.tmp") / "checkpoints" / "checkpoint-5")
    assert "finished" in refusal(outputs, resume=True)
    assert [p.name for p in outputs.model.parent.iterdir()] == ["m"]


@pytest.mark.parametrize("resume", [False, True])
def test_leftovers_of_killed_runs_are_removed(outputs, resume):
    """A killed export leaves its temporary folder, under a name that no later process has."""
    leftovers = [
        write(folder.with_name(f"{folder.name}.999999.tmp"))
        for folder in (outputs.model, outputs.export, outputs.work)
    ]
    bystander = write(outputs.model.with_name("n.999999.tmp"))
    outputs.claim(resume=resume, overwrite=False)
    assert [folder for folder in leftovers if folder.exists()] == []
    assert bystander.is_dir()


def test_a_model_retired_by_a_killed_rename_comes_back(outputs):
    """Killed between the two renames that replace a folder: the old one is the only one."""
    write(outputs.model.with_name(f"{outputs.model.name}.999999.old.tmp"))
    assert "already there" in refusal(outputs)
    assert (outputs.model / "file").read_text(encoding="utf-8") == "precious"


def test_a_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    config = build_config({}, {"lang": "qaa", "output": tmp_path / "file" / "m"})
    message = refusal(Outputs.of(config, is_sample=False))
    assert "can't be written" in message
