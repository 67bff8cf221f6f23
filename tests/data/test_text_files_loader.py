"""A text file for each clip, beside it or in a folder of texts."""

from __future__ import annotations

import os

import pytest

from ruach_core.default_plugins.loaders.text_files import TextFilesLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = TextFilesLoader()


def put(root, *names, text="said"):
    """Creates empty clips, and texts that say `text`."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".txt", ".lab"):
            path.write_text(text, encoding="utf-8")
        else:
            path.touch()
    return root


def read(source, split="train"):
    return list(LOADER.read(source, split))


def reasons(rows):
    return [row.reason if isinstance(row, SetAside) else "ok" for row in rows]


def test_clips_with_texts_beside_them(tmp_path):
    put(tmp_path, "b.wav", "a.mp3", "b.lab", "README.txt")
    put(tmp_path, "a.txt", text="\ufeffሰላም\r\n\r\n  ነው \n")
    assert isinstance(LOADER, DatasetLoader)
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "text-files"
    assert LOADER.splits(tmp_path) == ("train",)
    assert LOADER.info(tmp_path) == CorpusInfo()
    first, second = read(tmp_path)
    assert first == Utterance(
        id="a.mp3", audio=tmp_path / "a.mp3", transcript="ሰላም ነው", split="train", row="a.txt"
    )
    assert (second.id, second.row) == ("b.wav", "b.lab")


def test_folders_of_splits_and_speakers(tmp_path):
    put(tmp_path, "train/anna/a.wav", "train/anna/a.txt", "train/ben/a.wav", "train/ben/a.txt")
    put(tmp_path, "Dev/a.wav", "Dev/a.txt", "test/a.wav", "test/a.txt", "zoe/a.wav", "zoe/a.txt")
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    found = [(row.id, row.speaker_id) for row in read(tmp_path)]
    assert found == [
        ("train/anna/a.wav", "anna"), ("train/ben/a.wav", "ben"), ("zoe/a.wav", "zoe"),
    ]  # fmt: skip
    assert [(row.id, row.speaker_id) for row in read(tmp_path, "validation")] == [
        ("Dev/a.wav", None)
    ]


def test_a_speaker_may_be_called_as_a_split_is(tmp_path):
    put(tmp_path, "train/Val/a.wav", "train/Val/a.txt", "speakers/Val/b.wav", "speakers/Val/b.txt")
    put(tmp_path, "speakers/Ann/c.wav", "speakers/Ann/c.txt")
    put(tmp_path, "wavs/women/train/d.wav", "wavs/women/train/d.txt")
    put(tmp_path, "wavs/women/Test/e.wav", "wavs/women/Test/e.txt")
    assert LOADER.splits(tmp_path) == ("train", "test")
    assert [row.audio.stem for row in read(tmp_path)] == ["c", "b", "a", "d"]
    assert [row.audio.stem for row in read(tmp_path, "test")] == ["e"]


def test_a_split_without_texts_is_told(tmp_path):
    put(tmp_path, "train/a.wav", "train/a.txt", "test/b.wav")
    assert LOADER.splits(tmp_path) == ("train", "test")
    (row,) = read(tmp_path, "test")
    assert (row.utterance_id, row.reason) == ("test/b.wav", "no-transcript")
    assert row.detail == "no text file of this name (.txt, .lab) beside it"


FESTVOX = "separator ;\nnfields 1\n#\n    0.1100 125 pau \n    0.2100 125 ao \n"
HTK = "0 1100000 pau\n1100000 2100000 ao\n"


@pytest.mark.parametrize("labels", [FESTVOX, HTK])
def test_phones_with_times_are_no_texts(tmp_path, labels):
    put(tmp_path, "wav/a.wav")
    put(tmp_path, "lab/a.lab", text=labels)
    assert not LOADER.detect(tmp_path)
    put(tmp_path, "txt/a.txt", text="3 4 said")
    assert [(row.row, row.transcript) for row in read(tmp_path)] == [("txt/a.txt", "3 4 said")]
    put(tmp_path / "numbers", "wav/a.wav")
    put(tmp_path / "numbers", "lab/a.lab", text="3 4 said")
    assert read(tmp_path / "numbers")[0].transcript == "3 4 said"


@pytest.mark.parametrize(
    ("clip", "text", "speaker"),
    [
        ("wavs/001/a.wav", "transcriptions/001/a.txt", "001"),
        ("wav48/p225/a.flac", "txt/p225/a.txt", "p225"),
        ("001/wavs/a.wav", "001/txt/a.lab", "001"),
        ("audio/a.wav", "Text/a.txt", None),
        ("wavs/test/001/a.wav", "txt/test/001/a.txt", "001"),
    ],
)
def test_texts_in_folders_of_their_own(tmp_path, clip, text, speaker):
    put(tmp_path, clip, text, "LICENSE", "other/unpaired.wav")
    assert LOADER.detect(tmp_path)
    split = "test" if "test" in clip else "train"
    assert LOADER.splits(tmp_path) == (("train", "test") if split == "test" else ("train",))
    row = next(row for row in read(tmp_path, split) if isinstance(row, Utterance))
    assert (row.id, row.row, row.transcript) == (clip, text, "said")
    assert row.speaker_id == speaker


def test_a_folder_around_everything_is_no_speaker(tmp_path):
    put(tmp_path, "corpus/v1/a.wav", "corpus/v1/a.txt", "corpus/readme.txt")
    assert read(tmp_path)[0].speaker_id is None
    put(tmp_path, "corpus/v1/x/a.wav", "corpus/v1/x/a.txt")
    assert [row.speaker_id for row in read(tmp_path)] == [None, "x"]


def test_clips_and_texts_without_each_other(tmp_path):
    put(tmp_path, "a.wav", "a.txt", "b.wav", "c.txt", "licence.txt", ".d.wav", "d.txt", "e/f.txt")
    put(tmp_path, "wavs/g.wav", "txt/g.txt", "txt/h.txt")
    rows = read(tmp_path)
    assert [row.utterance_id for row in rows if isinstance(row, SetAside)] == [
        "b.wav", "c.txt", "d.txt", "txt/h.txt",
    ]  # fmt: skip
    assert reasons(rows) == ["ok", "no-transcript", "missing", "missing", "ok", "missing"]


def test_of_several_files_of_one_name_one_is_read(tmp_path):
    put(tmp_path, "a.wav", "a.flac", "a.lab")
    put(tmp_path, "a.txt", text="this one")
    (row,) = read(tmp_path)
    assert (row.id, row.transcript) == ("a.wav", "this one")


def test_texts_that_cannot_be_used(tmp_path):
    put(tmp_path, *(f"{name}.wav" for name in "abcdefg"))
    put(tmp_path, "g.txt")
    put(tmp_path, "a.txt", text=" \n\n")
    put(tmp_path, "b.txt", text="word " * 1_000)
    (tmp_path / "c.txt").write_bytes(b"\xe9t\xe9")
    (tmp_path / "d.txt").write_bytes(b"one\0two\n")
    (tmp_path / "e.txt").write_bytes("ሰላም".encode("utf-16"))
    (tmp_path / "f.txt").write_bytes(b"x" * 10_000_000)
    rows = read(tmp_path)
    assert reasons(rows) == [
        "no-transcript", "bad-row", "bad-row", "bad-row", "ok", "bad-row", "ok",
    ]  # fmt: skip
    assert "cut the recording with `ruach data segment b.wav --text b.txt`" in rows[1].detail
    assert "not UTF-8 (byte 0xe9)" in rows[2].detail
    assert rows[4].transcript == "ሰላም"


def test_names_in_another_unicode_form(tmp_path):
    put(tmp_path, "e\u0301.wav", "\u00e9.txt")
    assert reasons(read(tmp_path)) == ["ok"]


def test_nothing_is_read_outside_the_folder(tmp_path):
    outside = put(tmp_path / "outside", "a.wav", "a.txt", text="secret")
    folder = put(tmp_path / "corpus", "b.wav", "c.txt", "d.wav", "d.txt")
    (folder / "b.txt").symlink_to(outside / "a.txt")
    (folder / "c.wav").symlink_to(outside / "a.wav")
    (folder / "others").symlink_to(outside, target_is_directory=True)
    assert reasons(read(folder)) == ["outside-folder", "outside-folder", "ok"]


def test_other_sources(tmp_path):
    with pytest.raises(DataError, match="no such folder; expected clips with a text file"):
        read(tmp_path / "none")
    put(tmp_path, "a.wav", "b.txt")
    assert not LOADER.detect(tmp_path)
    assert not LOADER.detect(tmp_path / "a.wav")
    assert not LOADER.detect(tmp_path / "a\0b")
    with pytest.raises(DataError, match="is not a folder"):
        LOADER.splits(tmp_path / "a.wav")
    with pytest.raises(DataError, match="no clip has a text"):
        LOADER.splits(tmp_path)
    with pytest.raises(DataError, match="has no test split"):
        read(tmp_path, "test")


def test_a_table_or_subtitles_come_first(tmp_path):
    put(tmp_path, "a.wav", "a.txt")
    (tmp_path / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nsaid\n", encoding="utf-8")
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "subtitles"
    (tmp_path / "metadata.csv").write_text("file_name,transcription\na.wav,x\n", encoding="utf-8")
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "folder"


def test_a_folder_that_may_not_be_read(tmp_path, nobody):
    put(tmp_path, "a/a.wav", "a/a.txt", "b/a.wav", "b/a.txt")
    tmp_path.chmod(0o755)
    (tmp_path / "b").chmod(0)
    try:
        with nobody(tmp_path), pytest.raises(DataError, match="b: can't be read: Permission"):
            read(tmp_path)
    finally:
        (tmp_path / "b").chmod(0o755)


def test_a_large_tree_is_told_by_its_first_files(tmp_path, monkeypatch):
    put(tmp_path, *(f"a/{number}.wav" for number in range(30)), "b/a.wav", "b/a.txt")
    walked = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: walked.append(path) or scandir(path))
    monkeypatch.setattr("ruach_core.default_plugins.loaders.text_files._MAX_LOOKED_AT", 20)
    assert not LOADER.detect(tmp_path)
    assert not any(str(path).endswith("b") for path in walked)
