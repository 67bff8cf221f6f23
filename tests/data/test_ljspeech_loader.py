"""LJSpeech's layout: a table without a header, bars between cells, clips in `wavs`."""

from __future__ import annotations

import pytest
import soundfile

from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.default_plugins.loaders.ljspeech import LJSpeechLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = LJSpeechLoader()
ROWS = (
    "LJ001-0001|Printing, in the only sense|Printing, in the only sense",
    'LJ001-0002|In 1465 he said "yes|In fourteen sixty-five he said "yes',
    "LJ001-0003|No other form",
)


@pytest.fixture
def corpus(tmp_path, speech):
    return write(tmp_path / "LJSpeech-1.1", ROWS, speech)


def write(folder, rows, speech, name="metadata.csv"):
    (folder / "wavs").mkdir(parents=True)
    (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
    for i, row in enumerate(rows):
        stem = row.partition("|")[0]
        soundfile.write(folder / "wavs" / f"{stem}.wav", speech(0.3, 22_050, seed=i), 22_050)
    return folder


def read(source, split="train"):
    return list(LOADER.read(source, split))


def test_it_is_found_by_its_layout(corpus):
    assert isinstance(LOADER, DatasetLoader)
    assert Plugins.load(None).find_dataset_loader(corpus).name == "ljspeech"


def test_the_spoken_text_is_the_transcript(corpus):
    first, second, third = read(corpus)
    assert first == Utterance(
        id="wavs/LJ001-0001.wav",
        audio=corpus / "wavs/LJ001-0001.wav",
        transcript="Printing, in the only sense",
        split="train",
        row="metadata.csv row 1",
    )
    assert second.transcript == 'In fourteen sixty-five he said "yes'
    assert second.attributes == {"text": 'In 1465 he said "yes'}
    assert third.transcript == "No other form"
    assert LOADER.splits(corpus) == ("train",)


@pytest.mark.parametrize("name", ["a", "a.wav", "wavs/a.wav", "wavs/a", "a.WAV"])
def test_ways_to_write_a_name(tmp_path, name):
    (tmp_path / "wavs").mkdir()
    (tmp_path / "metadata.txt").write_text(f"{name}|x\n", encoding="utf-8")
    assert LOADER.detect(tmp_path)
    assert read(tmp_path)[0].id.lower() == "wavs/a.wav"


def test_rows_that_cannot_be_used(tmp_path):
    (tmp_path / "wavs").mkdir()
    outside = tmp_path.parent / "outside.wav"
    outside.touch()
    (tmp_path / "wavs/link.wav").symlink_to(outside)
    rows = [
        "a|one", "b", "|two", "../../outside|x", "link|x", "a|again", "c|a|b|c", "d|nu\0l",
        f"e|{'x' * 2_000_000}", "/etc/passwd|absent", "f|last",
    ]  # fmt: skip
    (tmp_path / "metadata.csv").write_text("\n".join(rows), encoding="utf-8")
    found = read(tmp_path)
    assert [getattr(row, "reason", "ok") for row in found] == [
        "ok", "bad-row", "bad-row", "outside-folder", "outside-folder", "bad-row", "bad-row",
        "bad-row", "bad-row", "ok", "ok",
    ]  # fmt: skip
    assert found[5].detail == "same file as in row 1"
    assert all(row.row == f"metadata.csv row {i}" for i, row in enumerate(found, start=1))
    # An absolute name is only a name inside `wavs`.
    assert found[9].audio == tmp_path / "wavs/etc/passwd.wav"


def test_a_name_in_another_unicode_form(tmp_path):
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs/e\u0301.wav").touch()
    (tmp_path / "metadata.csv").write_text("\u00e9|x\ne\u0301|y\n", encoding="utf-8")
    first, second = read(tmp_path)
    assert first.audio.is_file()
    assert isinstance(second, SetAside)


@pytest.mark.parametrize(
    "content",
    [
        "file_name,transcription\na.wav,x\n",
        "file_name|transcription\nwavs/a.wav|x\n",
        "file_name,text\na.wav,one|two\n",
        "audio|text|speaker\na.wav|x|s\n",
        "a|b|c|d\n",
        "just text\n",
        "",
        "\0a|b\n",
    ],
)
def test_other_tables_beside_such_a_folder(tmp_path, content):
    (tmp_path / "wavs").mkdir()
    (tmp_path / "metadata.csv").write_text(content, encoding="utf-8")
    assert not LOADER.detect(tmp_path)


def test_other_sources(tmp_path, corpus):
    assert not LOADER.detect(tmp_path / "none")
    assert not LOADER.detect(corpus / "metadata.csv")
    (corpus / "wavs").rename(corpus / "sounds")
    assert not LOADER.detect(corpus)
    with pytest.raises(DataError, match=r"no metadata\.csv; expected DIR/metadata\.csv"):
        read(tmp_path)
    with pytest.raises(DataError, match="has no test split"):
        read(corpus, "test")


def test_licence(corpus):
    assert LOADER.info(corpus) == CorpusInfo()
    (corpus / "dataset.json").write_text('{"license": "CC-BY-4.0"}', encoding="utf-8")
    assert LOADER.info(corpus).license == "CC-BY-4.0"
    (corpus / "README").write_text("-----\nThe LJ Speech Dataset\n", encoding="utf-8")
    assert LOADER.info(corpus).license == "public domain"


def test_it_streams(tmp_path):
    (tmp_path / "wavs").mkdir()
    broken = b"a|one\n" + b"\xe9|x\n" * 3
    (tmp_path / "metadata.csv").write_bytes(broken)
    rows = LOADER.read(tmp_path, "train")
    assert isinstance(next(rows), Utterance)
    with pytest.raises(DataError, match="row 2: not UTF-8, like 3 of 4 rows"):
        list(rows)


def test_the_folder_loader_says_what_it_lacks(corpus):
    with pytest.raises(DataError, match="needs the columns file_name and transcription"):
        list(FolderLoader().read(corpus, "train"))
