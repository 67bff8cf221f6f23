from __future__ import annotations

import os

import pytest

from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

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
    refused, fine = read(folder)
    assert isinstance(refused, SetAside)
    assert refused.reason == "outside-folder"
    assert isinstance(fine, Utterance)


def test_audio_elsewhere_in_the_source(tmp_path):
    (tmp_path / "clips").mkdir()
    for name in ("a.wav", "\u00e9.wav"):
        (tmp_path / "clips" / name).touch()
    folder = table(tmp_path / "train", "audio/a.wav,x", "../clips/e\u0301.wav,y", "../gone.wav,z")
    (folder / "audio").symlink_to("../clips")
    rows = read(tmp_path)
    assert [row.id for row in rows] == ["train/audio/a.wav", "clips/\u00e9.wav", "gone.wav"]
    assert [row.audio.is_file() for row in rows] == [True, True, False]


def test_what_a_link_leads_out_to_is_said(tmp_path):
    source = tmp_path / "source"
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips/a.wav").touch()
    folder = table(source / "train", "audio/a.wav,x", "../../clips/a.wav,x")
    (folder / "audio").symlink_to(tmp_path / "clips")
    linked, above = read(source)
    assert linked.detail == (
        f"audio/a.wav leads to {tmp_path / 'clips/a.wav'}, outside {source} (a link); put the "
        "files there, or give the folder that holds both"
    )
    assert above.detail.startswith("not inside source; file names are relative to")
    # A split's folder that is a link is the user's own, with what it holds.
    table(tmp_path / "elsewhere", "b.wav,y").joinpath("b.wav").touch()
    (source / "test").symlink_to(tmp_path / "elsewhere")
    assert [row.id for row in read(source, "test")] == ["test/b.wav"]


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


def utterances(source, split="train"):
    return [row for row in read(source, split) if isinstance(row, Utterance)]


def test_jsonl_as_audiofolder_has_it(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    lines = [
        '{"file_name": "a.wav", "text": "ሰላም", "age": 31, "native": true, "note": null}',
        '{"file_name": "b.wav", "text": "two", "audio": {"path": "x.wav", "bytes": null}}',
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert LOADER.detect(tmp_path)
    first, second = utterances(tmp_path)
    assert (first.id, first.transcript) == ("train/a.wav", "ሰላም")
    assert first.attributes == {"age": "31", "native": "true"}
    assert second.attributes == {"audio": "x.wav"}
    assert second.row == "train/metadata.jsonl row 2"


def test_other_columns_are_kept(tmp_path):
    table(
        tmp_path, "a.wav,one,s1,f,,2.5", "b.wav,two,s2,m,x,",
        header="file_name,text,speaker,Gender,note,duration",
    )  # fmt: skip
    first, second = utterances(tmp_path)
    assert first.attributes == {"Gender": "f", "duration": "2.5"}
    assert second.attributes == {"Gender": "m", "note": "x"}
    assert (first.start_s, first.end_s) == (None, None)


def test_second_best_names_of_a_field_are_kept_too(tmp_path):
    table(tmp_path, "a.wav,said,printed,/x", header="file_name,sentence,text,path")
    (utterance,) = utterances(tmp_path)
    assert (utterance.transcript, utterance.audio.name) == ("said", "a.wav")
    assert utterance.attributes == {"text": "printed", "path": "/x"}


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("start_s,end_s", "1,2.5", (1.0, 2.5)),
        ("start,end", "0,2.5", (0.0, 2.5)),
        ("offset,duration", "1.5,2", (1.5, 3.5)),
        ("start,end,duration", "1,2,9", (1.0, 2.0)),
        ("start,duration", "1,", (1.0, None)),
        ("end", "2", (None, 2.0)),
        ("duration", "2", (None, None)),
    ],
)
def test_names_of_segment_columns(tmp_path, header, cells, expected):
    table(tmp_path, f"a.wav,x,{cells}", header=f"file_name,text,{header}")
    (utterance,) = utterances(tmp_path)
    assert (utterance.start_s, utterance.end_s) == expected


@pytest.mark.parametrize("cells", ["nan,2", "-1,2", "inf,", "0:01,2", "2,2", "1,-0.5", "1e400,"])
def test_times_that_are_none(tmp_path, cells):
    table(tmp_path, f"a.wav,x,{cells}", header="file_name,text,start,end")
    (row,) = read(tmp_path)
    assert row.reason == "bad-row"
    assert row.row == "metadata.csv row 2"


def test_ids_of_long_recordings_differ_by_a_millisecond(tmp_path):
    table(
        tmp_path, "a.wav,x,123456.781,123457", "a.wav,y,123456.782,123457",
        header="file_name,text,start,end",
    )  # fmt: skip
    assert len({utterance.id for utterance in utterances(tmp_path)}) == 2


def test_split_column_of_one_table(tmp_path):
    table(
        tmp_path, "a.wav,one,train", "b.wav,two,Dev", "c.wav,three,TEST", "d.wav,four, training ",
        "e.wav,five,other", "f.wav,six,", "g.wav", "a.wav,again,test", "h.wav,val,valid",
        header="file_name,text,split",
    )  # fmt: skip
    loader = FolderLoader()
    assert loader.splits(tmp_path) == ("train", "validation", "test")
    assert [u.audio.name for u in utterances(tmp_path)] == ["a.wav", "d.wav"]
    assert [u.audio.name for u in utterances(tmp_path, "validation")] == ["b.wav", "h.wav"]
    assert [u.audio.name for u in utterances(tmp_path, "test")] == ["c.wav"]
    details = [row.detail for row in read(tmp_path) if isinstance(row, SetAside)]
    assert details[0] == "its split is other, not train, validation or test"
    assert details[1].startswith("its split is nothing")
    assert "lacks transcript" in details[2]
    # Nothing is told twice, and a clip is in the split that names it first.
    assert not [row for row in read(tmp_path, "validation") if isinstance(row, SetAside)]
    (again,) = [row for row in read(tmp_path, "test") if isinstance(row, SetAside)]
    assert again.detail == "same file as in row 2"


def test_splits_of_a_table_that_changes(tmp_path):
    loader = FolderLoader()
    table(tmp_path, "a.wav,one,train", header="file_name,text,split")
    assert loader.splits(tmp_path) == ("train",)
    table(tmp_path, "a.wav,one,train", "b.wav,two,test", header="file_name,text,split")
    assert loader.splits(tmp_path) == ("train", "test")


@pytest.mark.parametrize(
    "rows", [["a.wav,x,test"], ["a.wav,x,test", "b.wav,x,nonsense"], ["a.wav,x,?"], []]
)
def test_no_row_of_a_shared_table_is_lost(tmp_path, rows):
    table(tmp_path, *rows, header="file_name,text,split")
    loader = FolderLoader()
    n_read = sum(len(read(tmp_path, split)) for split in loader.splits(tmp_path))
    assert n_read == len(rows)
    assert loader.splits(tmp_path)


def test_one_table_beside_the_folders_of_the_splits(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    table(tmp_path, "train/a.wav,one", "test/b.wav,two", "c.wav,three", "x/test/d.wav,four",
        "./test\\e.wav,five")  # fmt: skip
    assert LOADER.splits(tmp_path) == ("train", "test")
    assert [u.id for u in utterances(tmp_path, "test")] == [
        "test/b.wav", "x/test/d.wav", "test/e.wav",
    ]  # fmt: skip
    assert [u.id for u in utterances(tmp_path)] == ["train/a.wav", "c.wav"]


@pytest.mark.parametrize("prefix", ["", "audio/"])
def test_folders_of_splits_in_other_cases(tmp_path, prefix):
    table(tmp_path, f"{prefix}Train/a.wav,one", f"{prefix}Testing/b.wav,two",
          f"{prefix}Train/test/c.wav,three")  # fmt: skip
    assert LOADER.splits(tmp_path) == ("train", "test")
    assert [u.audio.name for u in utterances(tmp_path)] == ["a.wav", "c.wav"]
    assert [u.audio.name for u in utterances(tmp_path, "test")] == ["b.wav"]


def test_tables_of_splits_in_other_cases(tmp_path):
    table(tmp_path / "train", "a.wav,one")
    table(tmp_path / "Test", "b.wav,two")
    table(tmp_path / "VAL", "c.wav,three")
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    assert [u.id for u in utterances(tmp_path, "test")] == ["Test/b.wav"]
    table(tmp_path / "testing", "d.wav,four")
    assert "Test, testing are all the test split; keep one" in problem(tmp_path)


def test_what_the_corpus_says_of_itself(tmp_path):
    table(tmp_path, "a.wav,x")
    assert LOADER.info(tmp_path) == CorpusInfo()
    path = tmp_path / "dataset.json"
    path.write_text('{"title": "Voices", "license": "CC0-1.0", "url": "", "n": 3}', "utf-8")
    assert LOADER.info(tmp_path) == CorpusInfo("Voices", "CC0-1.0", None)
    for content in (b"[1]", b"{", b"\xff\xfe", b"[" * 100_000, b'{"title": {"en": "x"}}', b""):
        path.write_bytes(content)
        assert LOADER.info(tmp_path) == CorpusInfo()


def test_names_that_differ_in_case(tmp_path):
    for name in ("a.wav", "A.wav"):
        (tmp_path / name).touch()
    table(tmp_path, "a.wav,one", "A.wav,two")
    assert len(utterances(tmp_path)) == 2
    # What a file system that ignores case looks like from here.
    (tmp_path / "METADATA.CSV").hardlink_to(tmp_path / "metadata.csv")
    assert [getattr(row, "detail", "ok") for row in read(tmp_path)] == [
        "ok", "same file as in row 2",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a\\u0000.wav", "\\ud800.wav", "a\\udcff.wav"])
def test_names_that_no_file_can_have(tmp_path, name):
    lines = [f'{{"file_name": "{name}", "text": "x"}}', '{"file_name": "b.wav", "text": "y"}']
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    refused, fine = read(tmp_path)
    assert isinstance(refused, SetAside)
    assert isinstance(fine, Utterance)


def test_what_may_not_be_read(tmp_path, monkeypatch):
    def refuse(*_args, **_kwargs):
        raise PermissionError(13, "Permission denied")

    folder = table(tmp_path / "train", "audio/a.wav,x")
    with monkeypatch.context() as patch:
        patch.setattr("ruach_core.data.audio_folder.os.lstat", refuse)
        (row,) = read(tmp_path)
        assert (row.reason, row.detail) == ("unreadable", "Permission denied")
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.open", refuse)
        assert problem(tmp_path) == f"{folder}/metadata.csv: can't be read: Permission denied"
    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.is_dir", refuse)
        assert not LOADER.detect(tmp_path)
        assert problem(tmp_path) == f"{tmp_path}: can't be read: Permission denied"


def test_a_row_costs_one_look_at_the_file_system(tmp_path, monkeypatch):
    folder = table(tmp_path, *(f"audio/{i}.wav,x" for i in range(50)))
    (folder / "audio").mkdir()
    for i in range(25):
        (folder / f"audio/{i}.wav").touch()
    looks = []
    for name in ("lstat", "stat", "scandir", "readlink"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *a, real=real, **k: looks.append(a) or real(*a, **k))
    assert len(utterances(tmp_path)) == 50
    assert len(looks) < 50 + 40


def test_right_to_left_text_and_marks(tmp_path):
    (tmp_path / "שלום.wav").touch()
    content = "\u200ffile_name\u200f,\u202atext\u202c\nשלום.wav,\u200f״אמר: ״שלום\u200f\n"
    (tmp_path / "metadata.csv").write_text(content, encoding="utf-8")
    (utterance,) = utterances(tmp_path)
    assert utterance.audio.is_file()
    assert utterance.transcript == "\u200f״אמר: ״שלום\u200f"


def test_split_of_json_rows_that_start_without(tmp_path):
    lines = ['{"file_name": "a.wav", "text": "x", "split": null}', "{"]
    lines += ['{"file_name": "b.wav", "text": "y", "split": "test"}']
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    assert LOADER.splits(tmp_path) == ("train", "test")
    assert [u.id for u in utterances(tmp_path, "test")] == ["b.wav"]
    assert not utterances(tmp_path)
