"""`ruach data prepare` and `ruach data split`, as a user meets them."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import soundfile

from ruach_core.cli import main


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    (folder / "audio").mkdir(parents=True)
    rng = np.random.default_rng(0)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file_name", "transcription", "speaker"])
        for i in range(30):
            soundfile.write(folder / f"audio/{i}.wav", 0.1 * rng.standard_normal(5_000), 16_000)
            writer.writerow([f"audio/{i}.wav", f"sentence {i}", f"p{i % 3}"])
        writer.writerow(["audio/gone.wav", "lost", "p0"])
    return folder


@pytest.fixture
def ruach(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*words):
        status = main(["data", *words])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


PACK = ("--lang", "qqq", "--no-pack")


def test_prepare_says_what_it_did_and_then_that_nothing_is_left(ruach, source):
    status, out, err = ruach("prepare", str(source), *PACK, "--output", "out")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        "out: 30 clips, 0.00 h, 3 speakers; 30 decoded now, 1 other rows new or changed, 0 gone "
        "from the source",
        "splits: train 30 (0.00 h)",
        "rejected: 1 (1 missing), see out/rejected.csv",
    ]
    status, out, _ = ruach("prepare", str(source), *PACK, "--output", "out")
    assert (status, out) == (0, "out: nothing to do, all 30 clips are prepared already\n")


def test_json(ruach, source):
    status, out, _ = ruach("prepare", str(source), *PACK, "--output", "out", "--json")
    about = json.loads(out)
    assert status == 0
    assert about["dataset"]["clips"] == 30
    status, out, _ = ruach("split", "out", "--no-pack", "--json", "--test", "0.2")
    about = json.loads(out)
    assert about["disjoint"] == "sentence"
    assert sum(split["clips"] for split in about["splits"]) == 30
    assert about["splits"][2]["share"] >= 0.1


def test_split_of_a_prepared_folder_lasts(ruach, source, tmp_path):
    ruach("prepare", str(source), *PACK, "--output", "out")
    status, out, _ = ruach("split", "out", "--no-pack", "--dry-run")
    assert status == 0
    assert out.splitlines()[0].split()[:3] == ["SPLIT", "CLIPS", "SHARE"]
    assert "note: no two splits share a sentence, but they share speakers (3 speakers" in out
    assert out.endswith("dry run: nothing was written\n")
    assert not (tmp_path / "out/test").exists()
    assert ruach("split", "out", "--no-pack")[0] == 0
    assert (tmp_path / "out/test/metadata.csv").is_file()
    # Preparing again keeps the new splits, until the source's own are asked for.
    assert "nothing to do" in ruach("prepare", str(source), *PACK, "--output", "out")[1]
    out = ruach("prepare", str(source), *PACK, "--output", "out", "--splits", "keep")[1]
    assert "splits: train 30" in out
    assert "0 decoded now" in out


def test_split_of_another_source(ruach, source, tmp_path):
    status, out, _ = ruach("split", str(source), *PACK)
    assert status == 0
    assert "written: split.csv\nTraining doesn't read this table: ruach data prepare" in out
    with (tmp_path / "split.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 31
    assert {row["split"] for row in rows} == {"train", "validation", "test"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("prepare", "source", *PACK, "--output", "source/out"), "inside one another"),
        (("prepare", "nowhere", *PACK, "--output", "out"), "no such dataset"),
        (("prepare", "source", *PACK, "--output", "out", "--test", "0.2"), "give --splits new"),
        (("prepare", "source", *PACK, "--output", "out", "--splits", "new", "--test", "0.6",
          "--validation", "0.4"), "sum must be below 1"),
        (("prepare", "source", *PACK, "--output", "source/metadata.csv"), "metadata.csv"),
        (("prepare", "source", "--lang", "zzz", "--output", "out"), "zzz"),
        (("split", "source", *PACK, "--disjoint", "both"), "3 speakers, fewer than 10"),
        (("split", "source", *PACK, "--output", "nowhere/split.csv"), "nowhere"),
    ],
)  # fmt: skip
def test_faults_are_one_line(ruach, source, tmp_path, words, message):
    status, out, err = ruach(*words)
    assert (status, out) == (1, "")
    assert err.startswith("ruach: error: ")
    assert message in err
    assert err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_split_needs_a_language(ruach, source):
    status, _, err = ruach("split", str(source))
    assert status == 2
    assert "--lang CODE is missing" in err
