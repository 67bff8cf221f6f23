from __future__ import annotations

import pytest

from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.errors import DataError
from ruach_core.types import DatasetLoader, SetAside, Utterance

LOADER = FolderLoader()


def table(folder, *rows, header="file_name,transcription", name="metadata.csv"):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return folder


def read(source, split="train"):
    return list(LOADER.read(source, split))


def test_is_a_dataset_loader():
    assert isinstance(LOADER, DatasetLoader)


def test_layout_with_three_splits(tmp_path, write_split):
    write_split(tmp_path / "test", [("audio/a.wav", "one", "s1")])
    write_split(tmp_path / "train", [("audio/a.wav", "two", "s2"), ("audio/b.wav", "three", "")])
    write_split(tmp_path / "dev", [("audio/a.wav", "four", "s1")])
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    first, second = read(tmp_path)
    assert first == Utterance(
        id="train/audio/a.wav",
        audio=tmp_path / "train/audio/a.wav",
        transcript="two",
        split="train",
        speaker_id="s2",
        row="train/metadata.csv row 2",
    )
    assert second.speaker_id is None
    assert read(tmp_path, "validation")[0].split == "validation"
    assert read(tmp_path, "test")[0].id == "test/audio/a.wav"


def test_flat_layout_is_all_train(tmp_path, write_split):
    write_split(tmp_path, [("audio/a.wav", "one")])
    assert LOADER.splits(tmp_path) == ("train",)
    assert read(tmp_path)[0].id == "audio/a.wav"
    assert read(tmp_path)[0].row == "metadata.csv row 2"


def test_column_names_of_other_corpora(tmp_path):
    table(
        tmp_path / "train", "s\ta.mp3\tHi", header="client_id\tPath\tSentence", name="metadata.tsv"
    )
    (utterance,) = read(tmp_path)
    assert (utterance.speaker_id, utterance.audio.name, utterance.transcript) == (
        "s",
        "a.mp3",
        "Hi",
    )


def test_segments_of_one_file(tmp_path):
    table(
        tmp_path, "a.wav,one,0,1.5", "a.wav,two,1.5,3", "a.wav,two,1.5,3", "a.wav,bad,3,2",
        "a.wav,bad,x,2", "a.wav,whole,,",
        header="file_name,transcription,start_s,end_s",
    )  # fmt: skip
    rows = read(tmp_path)
    assert [(r.start_s, r.end_s) for r in rows if isinstance(r, Utterance)] == [
        (0.0, 1.5), (1.5, 3.0), (None, None),
    ]  # fmt: skip
    assert [r.reason for r in rows if isinstance(r, SetAside)] == ["bad-row"] * 3
    ids = [r.id for r in rows if isinstance(r, Utterance)]
    assert len(set(ids)) == 3


def test_same_file_twice_and_in_other_spellings(tmp_path):
    (tmp_path / "é.wav").touch()
    table(tmp_path, "é.wav,one", "./é.wav,two", "sub/../é.wav,three", "e\u0301.wav,four")
    first, *others = read(tmp_path)
    assert isinstance(first, Utterance)
    assert [(r.reason, r.detail) for r in others] == [("bad-row", "same file as in row 2")] * 3
    assert others[0].row == "metadata.csv row 3"


COMPOSED, DECOMPOSED, MIXED = (
    "\u00e9t\u00e9/mb\u00f3.wav",
    "e\u0301te\u0301/mbo\u0301.wav",
    "e\u0301te\u0301/mb\u00f3.wav",
)


@pytest.mark.parametrize("on_disk", [COMPOSED, DECOMPOSED, MIXED])
@pytest.mark.parametrize("in_table", [COMPOSED, DECOMPOSED, MIXED])
def test_unicode_form_of_file_names(tmp_path, on_disk, in_table):
    path = tmp_path / on_disk
    path.parent.mkdir()
    path.touch()
    table(tmp_path, f"{in_table},x")
    (utterance,) = read(tmp_path)
    assert utterance.audio.is_file()


def test_backslashes_of_another_system(tmp_path):
    (tmp_path / "audio").mkdir()
    (tmp_path / "audio/a.wav").touch()
    table(tmp_path, "audio\\a.wav,x")
    assert read(tmp_path)[0].audio == tmp_path / "audio/a.wav"


@pytest.mark.parametrize(
    "name",
    [
        "../outside.wav", "audio/../../outside.wav", "..\\outside.wav", "C:\\outside.wav",
        "link.wav", "linked/outside.wav", "{absolute}", "{absolute_inside}", "../train-2/a.wav",
    ],
)  # fmt: skip
def test_nothing_outside_the_folder_is_read(tmp_path, name):
    outside = tmp_path / "outside.wav"
    outside.touch()
    folder = table(tmp_path / "train", "header,x")
    (folder / "inside.wav").touch()
    (folder / "audio").mkdir()
    (tmp_path / "train-2").mkdir()
    (tmp_path / "train-2/a.wav").touch()
    (folder / "link.wav").symlink_to(outside)
    (folder / "linked").symlink_to(tmp_path)
    name = name.format(absolute=outside, absolute_inside=folder / "inside.wav")
    table(folder, f"{name},x", "inside.wav,y")
    refused, fine = read(tmp_path)
    assert isinstance(refused, SetAside)
    assert refused.reason == "outside-folder"
    assert isinstance(fine, Utterance)


def test_symlink_inside_and_linked_source_are_fine(tmp_path):
    folder = table(tmp_path / "real/train", "b.wav,x")
    (folder / "a.wav").touch()
    (folder / "b.wav").symlink_to("a.wav")
    (tmp_path / "alias").symlink_to(tmp_path / "real")
    (utterance,) = read(tmp_path / "alias")
    assert utterance.audio == tmp_path / "alias/train/b.wav"


def test_odd_names_are_set_aside_or_missing_later(tmp_path):
    table(tmp_path, ",no name", ".,folder", "x" * 5_000 + ".wav,long", "nope.wav,missing")
    rows = read(tmp_path)
    assert [getattr(r, "reason", "ok") for r in rows] == ["bad-row", "ok", "unreadable", "ok"]


def problem(source, split="train"):
    with pytest.raises(DataError) as caught:
        read(source, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sources_that_are_no_data_set(tmp_path):
    assert "no such folder; expected DIR/train/metadata.csv" in problem(tmp_path / "none")
    assert not LOADER.detect(tmp_path / "none")
    assert "empty; expected" in problem(tmp_path)
    (tmp_path / "file").touch()
    assert "is not a folder" in problem(tmp_path / "file")
    assert "has no metadata.csv; expected" in problem(tmp_path)
    assert not LOADER.detect(tmp_path)


def test_split_without_table_or_twice(tmp_path):
    table(tmp_path / "train", "a.wav,x")
    (tmp_path / "test").mkdir()
    assert str(tmp_path / "test") in problem(tmp_path)
    (tmp_path / "test").rmdir()
    assert "has no test split" in problem(tmp_path, "test")
    table(tmp_path / "dev", "a.wav,x")
    table(tmp_path / "validation", "a.wav,x")
    assert "dev, validation are all the validation split" in problem(tmp_path)


def test_missing_column_lists_those_found(tmp_path):
    table(tmp_path / "train", "a.wav,x", header="file_name,words")
    message = problem(tmp_path)
    assert f"{tmp_path / 'train' / 'metadata.csv'} row 1" in message
    assert "found file_name, words" in message
