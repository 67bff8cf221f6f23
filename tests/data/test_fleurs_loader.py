"""FLEURS: three tables without a header, clips in folders or still in archives."""

from __future__ import annotations

import io
import shutil
import tarfile

import pytest
import soundfile

from ruach_core.default_plugins.loaders.fleurs import FleursLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = FleursLoader()
SPLITS = {"train": ("1", "2"), "dev": ("3",), "test": ("4", "5")}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def row(name, number="7", raw='"Hello", she said.', gender="FEMALE"):
    plain = "hello she said"
    characters = " ".join(plain.replace(" ", "|")) + " |"
    return "\t".join([number, f"{name}.wav", raw, plain, characters, "4800", gender])


@pytest.fixture
def corpus(tmp_path, speech):
    folder = tmp_path / "corpus/am_et"
    for split, names in SPLITS.items():
        (folder / "audio" / split).mkdir(parents=True)
        table = "\n".join(row(name) for name in names) + "\n"
        (folder / f"{split}.tsv").write_text(table, encoding="utf-8")
        for name in names:
            wave = speech(0.3, seed=int(name))
            path = folder / "audio" / split / f"{name}.wav"
            soundfile.write(path, wave, 16_000, subtype="FLOAT")
    return folder


def pack(folder, splits=SPLITS, names=None):
    """Put the clips of each split back into its archive, as they are fetched."""
    for split in splits:
        clips = folder / "audio" / split
        with tarfile.open(folder / f"audio/{split}.tar.gz", "w:gz") as archive:
            for name in names or sorted(path.name for path in clips.iterdir()):
                archive.add(clips / name, f"{split}/{name}")
        shutil.rmtree(clips)
    return folder


def read(source, split="train"):
    return list(LOADER.read(source, split))


def test_it_is_found_by_its_layout(corpus):
    assert isinstance(LOADER, DatasetLoader)
    for source in (corpus, corpus.parent):
        assert Plugins.load(None).find_dataset_loader(source).name == "fleurs"
    pack(corpus)
    assert Plugins.load(None).find_dataset_loader(corpus).name == "fleurs"
    assert LOADER.splits(corpus) == ("train", "validation", "test")


def test_an_utterance(corpus):
    first, second = read(corpus)
    assert first == Utterance(
        id="train/1.wav",
        audio=corpus / "audio/train/1.wav",
        transcript='"Hello", she said.',
        split="train",
        row="train.tsv row 1",
        attributes={
            "id": "7", "transcription": "hello she said", "num_samples": "4800",
            "gender": "FEMALE",
        },
    )  # fmt: skip
    assert second.id == "train/2.wav"
    assert [u.split for u in read(corpus, "validation")] == ["validation"]


def test_clips_still_in_their_archives(corpus):
    unpacked = {u.id: u.audio.read_bytes() for s in LOADER.splits(corpus) for u in read(corpus, s)}
    pack(corpus)
    found = [u for split in LOADER.splits(corpus) for u in read(corpus, split)]
    assert {u.id: u.audio.read_bytes() for u in found} == unpacked


def test_an_archive_in_another_order_is_unpacked_once(corpus, cache):
    pack(corpus, ["train"], ["2.wav", "1.wav"])
    first = [u.audio for u in read(corpus)]
    before = [path.stat().st_mtime_ns for path in first]
    assert [u.audio for u in read(corpus)] == first
    assert [path.stat().st_mtime_ns for path in first] == before
    assert all(path.is_relative_to(cache) for path in first)


def test_an_archive_is_unpacked_as_far_as_it_is_asked_for(corpus, cache):
    pack(corpus, ["train"])
    next(LOADER.read(corpus, "train"))
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 1


def test_a_damaged_archive_gives_what_it_holds(corpus):
    pack(corpus, ["train"])
    path = corpus / "audio/train.tar.gz"
    path.write_bytes(path.read_bytes()[:-8_000])
    first, second = read(corpus)
    assert first.audio.is_file()
    assert (second.reason, second.row) == ("unreadable", "train.tsv row 2")
    assert "the archive is damaged" in second.detail
    assert "fetch it again" in second.detail


def test_what_is_no_archive_is_one_clear_error(corpus):
    pack(corpus, ["train"])
    (corpus / "audio/train.tar.gz").write_bytes(b"<html>not found</html>" * 100)
    with pytest.raises(
        DataError, match=r"train\.tar\.gz: not a \.tar or \.tar\.gz archive"
    ) as caught:
        read(corpus)
    assert "\n" not in str(caught.value)


def test_what_an_archive_lacks_is_missing(corpus):
    pack(corpus, ["train"], ["2.wav"])
    first, second = read(corpus)
    assert not first.audio.exists()
    assert second.audio.is_file()


def test_names_in_an_archive_lead_nowhere(corpus, tmp_path, cache):
    shutil.rmtree(corpus / "audio/train")
    outside = tmp_path / "outside.wav"
    outside.write_bytes(b"secret")
    with tarfile.open(corpus / "audio/train.tar.gz", "w:gz") as archive:
        for name in ("../../1.wav", "/tmp/2.wav", "x/y/4.wav"):
            member = tarfile.TarInfo(name)
            member.size = 5
            archive.addfile(member, io.BytesIO(b"sound"))
        link = tarfile.TarInfo("train/3.wav")
        link.type, link.linkname = tarfile.SYMTYPE, str(outside)
        archive.addfile(link)
    (corpus / "train.tsv").write_text(
        "\n".join(row(name) for name in ("1", "2", "4", "3", "../../outside", "/etc/passwd")),
        "utf-8",
    )
    found = read(corpus)
    # A name that leads out of the archive isn't one of its clips.
    assert [u.audio.is_file() for u in found] == [False, False, True, False, False, False]
    assert all(u.audio.resolve().is_relative_to(cache) for u in found)


@pytest.mark.parametrize("place", ["train", "audio", ""])
def test_other_places_of_unpacked_clips(corpus, place):
    clips = corpus / "audio/train"
    (corpus / place).mkdir(exist_ok=True)
    for path in sorted(clips.iterdir()):
        path.rename(corpus / place / path.name)
    clips.rmdir()
    assert all(u.audio.is_file() for u in read(corpus))
    assert [u.id for u in read(corpus)] == ["train/1.wav", "train/2.wav"]


def test_rows_that_cannot_be_used(corpus):
    (corpus / "audio/train/link.wav").symlink_to("/etc/passwd")
    rows = [
        row("1"), "a\tb", row("1"), row("../../../x"), row("link"), row("2") + "\tmore",
        row("n\0l"), row("5", raw="x" * 2_000_000), "\t".join(["1", "", *"abcde"]), row("2"),
    ]  # fmt: skip
    (corpus / "train.tsv").write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")
    found = read(corpus)
    assert [getattr(item, "reason", "ok") for item in found] == [
        "ok", "bad-row", "bad-row", "outside-folder", "outside-folder", "bad-row", "bad-row",
        "bad-row", "bad-row", "ok",
    ]  # fmt: skip
    assert found[2].detail == "same file as in row 1"
    assert [item.row for item in found] == [f"train.tsv row {i}" for i in range(1, 11)]


def test_several_languages(corpus):
    root = corpus.parent
    data = root / "hub/data"
    data.mkdir(parents=True)
    corpus.rename(data / "am_et")
    assert LOADER.detect(root / "hub")
    assert [u.id for u in read(root / "hub", "validation")] == ["dev/3.wav"]
    shutil.copytree(data / "am_et", data / "sw_ke")
    assert LOADER.detect(root / "hub")
    with pytest.raises(DataError, match=r"several languages; give one, such as .*am_et"):
        read(root / "hub")
    assert LOADER.info(data / "sw_ke").title == "FLEURS, sw_ke"


def test_title_and_licence(corpus):
    url = "https://arxiv.org/abs/2205.12446"
    assert LOADER.info(corpus.parent) == CorpusInfo("FLEURS, am_et", "CC-BY-4.0", url)


@pytest.mark.parametrize(
    "content",
    [
        b"client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\n",
        b"file_name\ttranscription\na.wav\tx\n",
        b"",
        b"\0\0\0\0",
        b"1\ta.wav\traw\tplain\tp l a i n\tmany\tMALE\n",
    ],
)
def test_tables_of_other_corpora(tmp_path, content):
    (tmp_path / "train.tsv").write_bytes(content)
    assert not LOADER.detect(tmp_path)
    assert not LOADER.detect(tmp_path / "train.tsv")
    assert not LOADER.detect(tmp_path / "none")
    with pytest.raises(DataError, match="isn't FLEURS; expected LANG/train"):
        read(tmp_path)


def test_a_split_without_a_table(corpus):
    (corpus / "dev.tsv").unlink()
    assert LOADER.splits(corpus) == ("train", "test")
    with pytest.raises(DataError, match=r"has no dev\.tsv; expected"):
        read(corpus, "validation")


def test_it_streams(corpus):
    (corpus / "train.tsv").write_bytes(row("1").encode() + b"\n" + b"\xe9\tx\n" * 3)
    rows = LOADER.read(corpus, "train")
    assert isinstance(next(rows), Utterance)
    with pytest.raises(DataError, match="not UTF-8"):
        assert all(isinstance(item, SetAside) for item in rows)


def test_what_is_too_large_for_a_clip_is_missing(corpus, monkeypatch):
    pack(corpus, ["train"])
    monkeypatch.setattr("ruach_core.data.archive.MAX_FILE_BYTES", 100)
    assert [u.audio.exists() for u in read(corpus)] == [False, False]
