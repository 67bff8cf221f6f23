"""A prepared folder gets new splits: clips move, none is lost, whenever it is stopped."""

from __future__ import annotations

import csv
import json
from contextlib import suppress

import pytest

from ruach_core.config import DataConfig
from ruach_core.data import arrange as arrange_module
from ruach_core.data.assign import Shares
from ruach_core.data.prepare import prepare
from ruach_core.data.prepared import read_rows
from ruach_core.data.split_choice import NewSplits, recorded_splits
from ruach_core.data.splitting import split_prepared, split_source_rows
from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import Utterance

N = 60


@pytest.fixture(scope="module")
def plugins():
    return Plugins.load("qqq", use_pack=False)


@pytest.fixture
def source(tmp_path, write_split):
    rows = [(f"audio/{i}.wav", f"Sentence {i // 2}.", f"p{i % 3}") for i in range(N)]
    return write_split(tmp_path / "source", rows)


@pytest.fixture
def folder(source, plugins, tmp_path):
    out = tmp_path / "out"
    prepare(
        source, out, plugins, normalizer=plugins.normalizer(), settings=DataConfig(),
        new_splits=None, n_threads=2,
    )  # fmt: skip
    return out


def split(folder, plugins, wanted=None, *, is_dry_run=False):
    return split_prepared(
        folder, plugins.normalizer(), wanted or NewSplits(), is_dry_run=is_dry_run
    )


def texts_by_split(folder):
    loader = FolderLoader()
    found = {}
    for name in loader.splits(folder):
        for row in loader.read(folder, name):
            assert isinstance(row, Utterance)
            assert row.audio.is_file()
            found.setdefault(name, []).append(row.transcript)
    return found


def clips(folder):
    return sorted(path.name for path in folder.rglob("*.wav"))


def test_clips_move_and_none_is_lost(folder, plugins):
    before = clips(folder)
    result = split(folder, plugins)
    found = texts_by_split(folder)
    assert set(found) == {"train", "validation", "test"}
    assert sum(map(len, found.values())) == N
    assert not set(found["train"]) & set(found["test"])
    assert clips(folder) == before
    assert result.n_moved == len(found["validation"]) + len(found["test"])
    record = json.loads((folder / "dataset.json").read_text())
    assert record["splits"]["test"]["clips"] == len(found["test"])
    assert record["provenance"]["source"] == "source"
    assert recorded_splits(record) == NewSplits(disjoint="sentence")


def test_the_content_is_the_same_in_other_splits(folder, plugins):
    before = json.loads((folder / "dataset.json").read_text())["content_hash"]
    split(folder, plugins)
    record = json.loads((folder / "dataset.json").read_text())
    assert record["content_hash"] == before
    assert len({about["content_hash"] for about in record["splits"].values()}) == 3


def test_a_second_time_moves_nothing(folder, plugins):
    split(folder, plugins)
    assert split(folder, plugins).n_moved == 0


def test_a_split_can_go_again(folder, plugins):
    split(folder, plugins)
    split(folder, plugins, NewSplits(Shares(0.2, 0.0)))
    assert set(texts_by_split(folder)) == {"train", "validation"}
    assert not (folder / "test").exists()


def test_a_dry_run_writes_nothing(folder, plugins):
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    result = split(folder, plugins, is_dry_run=True)
    assert result.n_moved
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


@pytest.mark.parametrize("step", ["_link", "recover", "_publish", "_remove_audio"])
@pytest.mark.parametrize("after", [0, 1, 2])
def test_stopped_at_any_step_it_can_be_done_again(folder, plugins, monkeypatch, step, after):
    before = clips(folder)
    real, calls = getattr(arrange_module, step), []

    def stop(*arguments, **named):
        calls.append(1)
        if len(calls) > after:
            raise KeyboardInterrupt
        return real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(arrange_module, step, stop)
        with suppress(KeyboardInterrupt):
            split(folder, plugins)
    assert set(clips(folder)) == set(before)
    assert len(calls) > after or step == "recover"
    for name, row in read_rows(folder):
        assert (folder / name / row["file_name"]).is_file()
    assert not list(folder.glob("*.tmp"))
    split(folder, plugins)
    assert clips(folder) == before
    assert sum(map(len, texts_by_split(folder).values())) == N


def test_file_systems_without_links(folder, plugins, monkeypatch):
    def refuse(*_):
        raise OSError("no links here")

    monkeypatch.setattr("pathlib.Path.hardlink_to", refuse)
    before = clips(folder)
    split(folder, plugins)
    assert clips(folder) == before
    assert sum(map(len, texts_by_split(folder).values())) == N


def test_a_lost_clip_is_named(folder, plugins):
    path = next((folder / "train/audio").iterdir())
    path.unlink()
    with pytest.raises(DataError, match=rf"audio/{path.name} is gone"):
        split(folder, plugins)


def test_a_damaged_table_is_named(folder, plugins):
    table = folder / "train/metadata.csv"
    table.write_text(table.read_text().replace("duration_s", "length"))
    with pytest.raises(DataError, match="lacks the column duration_s"):
        split(folder, plugins)


def test_a_cell_that_is_no_number_is_named_with_its_table(folder, plugins):
    table = folder / "train/metadata.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    rows[1][rows[0].index("duration_s")] = "long"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    with pytest.raises(DataError, match=r"train/metadata\.csv: the row of audio/.* 'long', not a"):
        split(folder, plugins)


def test_another_source_gets_a_table(source, plugins, tmp_path):
    before = {p: p.stat().st_mtime_ns for p in source.rglob("*")}
    table = tmp_path / "split.csv"
    result = split_source_rows(source, plugins, plugins.normalizer(), NewSplits(), table=table)
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["utterance_id"] for row in rows] == [f"audio/{i}.wav" for i in range(N)]
    assert [row["split"] for row in rows] == list(result.assignment.splits)
    assert sum(result.clips.durations_s) == pytest.approx(N * 0.5)
    assert {p: p.stat().st_mtime_ns for p in source.rglob("*")} == before


def test_both_ways_choose_alike(source, folder, plugins):
    """The splits follow from sentences and speakers, so a prepared copy is split alike."""
    of_source = split_source_rows(source, plugins, plugins.normalizer(), NewSplits(), table=None)
    of_folder = split(folder, plugins, is_dry_run=True)
    assert of_source.assignment == of_folder.assignment
