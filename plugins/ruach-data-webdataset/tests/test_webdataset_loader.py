"""Webdataset shards: single ones, folders of them, members in any order, and hostile ones."""

from __future__ import annotations

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruach_data_webdataset import hooks, loader
from ruach_data_webdataset.loader import WebdatasetLoader
from ruach_data_webdataset.sample import Sample, split_key

from ruach_core.config import DataConfig
from ruach_core.data.audio import load_audio
from ruach_core.data.extraction import AudioCache
from ruach_core.data.read import read_corpus
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import DatasetLoader, SetAside, Utterance

LOADER = WebdatasetLoader()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))


def sound(kind="WAV", subtype=None) -> bytes:
    """Half a second of sound."""
    file = io.BytesIO()
    soundfile.write(
        file, 0.3 * np.sin(np.arange(8_000) * 0.1), 16_000, format=kind, subtype=subtype
    )
    return file.getvalue()


WAV = sound()


def shard(path: Path, *members, extra=()) -> Path:
    """A tar file of (name, content); a dict becomes JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as tar:
        for name, content in members:
            content = json.dumps(content) if isinstance(content, dict) else content
            content = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for info in extra:
            tar.addfile(info)
    return path


def pair(key, text="hello"):
    return [(f"{key}.wav", WAV), (f"{key}.txt", text)]


def read(source, split="train"):
    return list(LOADER.read(source, split))


def texts(items):
    return {i.id: i.transcript for i in items if isinstance(i, Utterance)}


def asides(items):
    return [(i.utterance_id, i.reason) for i in items if isinstance(i, SetAside)]


def test_is_a_dataset_loader():
    assert all(isinstance(item, DatasetLoader) for item in hooks.ruach_dataset_loaders())


@pytest.mark.parametrize("name", ["clips-000000.tar", "clips.tar.gz", "clips.tgz"])
def test_one_shard(tmp_path, name):
    source = shard(
        tmp_path / name, *pair("a/0001", "one\n"),
        ("a/0002.wav", WAV),
        ("a/0002.json", {"sentence": "two", "speaker": "s", "age": 31, "x": {"y": [1]}, "z": None}),
    )  # fmt: skip
    assert LOADER.detect(source)
    assert LOADER.splits(source) == ("train",)
    first, second = read(source)
    assert first == Utterance(
        id=f"{name}/a/0001.wav",
        audio=AudioCache(source).path("a/0001.wav"),
        transcript="one",
        split="train",
        row=f"{name} a/0001",
    )
    assert (second.transcript, second.speaker_id) == ("two", "s")
    assert second.attributes == {"age": "31", "x": '{"y": [1]}'}
    assert first.audio.read_bytes() == WAV


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        ("wav", WAV), ("flac", sound("FLAC")), ("mp3", sound("MP3", "MPEG_LAYER_III")),
        ("ogg", sound("OGG", "VORBIS")), ("opus", sound("OGG", "OPUS")), ("WAV", WAV),
    ],
)  # fmt: skip
def test_kinds_of_audio(tmp_path, extension, content):
    source = shard(tmp_path / "a.tar", (f"1.{extension}", content), ("1.json", {"text": "x"}))
    assert LOADER.detect(source)
    (utterance,) = read(source)
    assert len(load_audio(utterance.audio)) == pytest.approx(8_000, abs=1_200)


@pytest.mark.parametrize("key", ["text", "sentence", "transcription", "transcript"])
@pytest.mark.parametrize("speaker", ["speaker", "speaker_id", "client_id"])
def test_names_of_json_fields(tmp_path, key, speaker):
    source = shard(tmp_path / "a.tar", ("1.wav", WAV), ("1.json", {key: "x", speaker: 7}))
    (utterance,) = read(source)
    assert (utterance.transcript, utterance.speaker_id, utterance.attributes) == ("x", "7", {})


@pytest.mark.parametrize("is_txt_first", [True, False])
def test_txt_wins_and_json_describes(tmp_path, is_txt_first):
    members = [("1.txt", "x"), ("1.json", {"text": "y", "speaker": "s", "age": "20"})]
    members = members if is_txt_first else members[::-1]
    (utterance,) = read(shard(tmp_path / "a.tar", *members, ("1.wav", WAV)))
    assert (utterance.transcript, utterance.speaker_id) == ("x", "s")
    assert utterance.attributes == {"age": "20"}


def test_splits_in_the_names_of_shards(tmp_path):
    for name in ("corpus-train-000000.tar", "corpus-train-000001.tar", "corpus_dev_0.tar.gz",
                 "corpus-test-clean-0.tar"):  # fmt: skip
        shard(tmp_path / name, *pair("1", name))
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    assert list(texts(read(tmp_path)).values()) == [
        "corpus-train-000000.tar", "corpus-train-000001.tar",
    ]  # fmt: skip
    assert read(tmp_path, "validation")[0].id == "corpus_dev_0.tar.gz/1.wav"
    assert read(tmp_path, "test")[0].split == "test"


def test_splits_in_the_names_of_folders(tmp_path):
    for name in ("train/10.tar", "train/9.tar", "valid/test-0.tar", "test/0.tar", "other/0.tar"):
        shard(tmp_path / name, *pair("1", name))
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    assert list(texts(read(tmp_path))) == ["train/9.tar/1.wav", "train/10.tar/1.wav"]
    assert list(texts(read(tmp_path, "validation"))) == ["valid/test-0.tar/1.wav"]
    assert len({u.audio for u in read(tmp_path)}) == 2


def test_names_without_a_split_are_train(tmp_path):
    for name in ("devanagari-0.tar", "latest-0.tar", "0.tar"):
        shard(tmp_path / name, *pair("1"))
    assert LOADER.splits(tmp_path) == ("train",)
    with pytest.raises(DataError, match="has no shards of a test split"):
        read(tmp_path, "test")


@pytest.mark.parametrize("order", ["pairs", "text first", "all audio first", "all text first"])
def test_members_in_any_order(tmp_path, order):
    audio = [(f"{i}.wav", WAV) for i in range(5)]
    text = [(f"{i}.txt", f"t{i}") for i in range(5)]
    members = {
        "pairs": [m for both in zip(audio, text, strict=True) for m in both],
        "text first": [m for both in zip(text, audio, strict=True) for m in both],
        "all audio first": audio + text,
        "all text first": text + audio,
    }[order]
    source = shard(tmp_path / "a.tar", *members)
    assert LOADER.detect(source)
    assert texts(read(source)) == {f"a.tar/{i}.wav": f"t{i}" for i in range(5)}


def test_unicode_form_of_keys(tmp_path):
    source = shard(tmp_path / "a.tar", ("e\u0301.wav", WAV), ("\u00e9.txt", "x"))
    assert texts(read(source)) == {"a.tar/\u00e9.wav": "x"}


def test_keys_that_lack_something(tmp_path):
    source = shard(
        tmp_path / "a.tar", ("1.wav", WAV), ("2.txt", "x"), ("3.wav", WAV), ("3.json", {"a": 1}),
        *pair("4"), ("notes", "x"), ("5.cls", "7"), ("._4.wav", b"x"), ("4.npy", b"x"),
    )  # fmt: skip
    items = read(source)
    assert list(texts(items)) == ["a.tar/4.wav"]
    assert asides(items) == [
        ("a.tar/1", "no-transcript"), ("a.tar/2", "missing"), ("a.tar/3", "no-transcript"),
    ]  # fmt: skip


def test_keys_and_members_that_come_twice(tmp_path):
    source = shard(
        tmp_path / "a.tar", *pair("1", "one"), *pair("1", "again"), *pair("2"), ("1.wav", b"x"),
        ("1.json", {"speaker": "s"}),
    )  # fmt: skip
    items = read(source)
    assert texts(items) == {"a.tar/1.wav": "one", "a.tar/2.wav": "hello"}
    assert asides(items) == [
        ("a.tar/1.wav", "bad-row"), ("a.tar/1.txt", "bad-row"), ("a.tar/1.wav", "bad-row"),
        ("a.tar/1.json", "bad-row"),
    ]  # fmt: skip
    assert next(i.audio for i in items if isinstance(i, Utterance)).read_bytes() == WAV


def test_dots_in_a_key(tmp_path):
    source = shard(tmp_path / "a.tar", *pair("clip.1"), *pair("clip.2"), ("v1.0/x.y/a.wav", WAV))
    item = read(source)[0]
    assert (item.utterance_id, item.reason) == ("a.tar/clip", "bad-row")
    assert "(1.wav, 2.wav)" in item.detail
    assert split_key("v1.0/x.y/a.B.WAV") == ("v1.0/x.y/a", "wav")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("1.txt", b"\xe9t\xe9", "isn't utf-8 text"),
        ("1.txt", b"a\0b", "NUL"),
        ("1.txt", bytes(2 << 20), "2097152 bytes"),
        ("1.json", b"[1]", "not an object"),
        ("1.json", b"{", "can't be read"),
        ("1.json", b'{"text": "\\ud800"}', "half a character"),
        ("1.json", b'{"text":' * 100_000, "nested too deeply"),
        ("1.json", b'{"text": "x", "n": ' + b"9" * 9_000 + b"}", "can't be read"),
    ],
)
def test_text_that_can_not_be_used(tmp_path, name, content, reason):
    source = shard(tmp_path / "a.tar", ("1.wav", WAV), (name, content), *pair("2"))
    bad, good = read(source)
    assert (bad.reason, good.transcript) == ("bad-row", "hello")
    assert reason in bad.detail


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_marked_encodings(tmp_path, encoding):
    source = shard(tmp_path / "a.tar", ("1.wav", WAV), ("1.txt", "שלום\r\n".encode(encoding)))
    assert read(source)[0].transcript == "שלום"


def test_shard_cut_short(tmp_path):
    whole = [member for i in range(4) for member in pair(str(i))]
    shard(tmp_path / "0.tar", *whole)
    shard(tmp_path / "1.tar", *pair("0"))
    with tarfile.open(tmp_path / "0.tar") as tar:
        os.truncate(tmp_path / "0.tar", tar.getmember("2.wav").offset_data + 100)
    items = read(tmp_path)
    assert list(texts(items)) == ["0.tar/0.wav", "0.tar/1.wav", "1.tar/0.wav"]
    assert asides(items) == [("0.tar", "unreadable"), ("0.tar/2", "missing")]


def test_shard_that_is_no_archive(tmp_path):
    shard(tmp_path / "0.tar", *pair("0"))
    (tmp_path / "1.tar").write_bytes(b"<html>not found</html>")
    with pytest.raises(DataError, match=r"1\.tar: not a \.tar or \.tar\.gz archive"):
        read(tmp_path)


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_hostile_members(tmp_path):
    extra = [
        special("1.flac", tarfile.SYMTYPE, "/etc/passwd"),
        special("1.ogg", tarfile.LNKTYPE, "1.wav"),
        special("2.wav", tarfile.CHRTYPE), tarfile.TarInfo("../3.wav"), tarfile.TarInfo("/4.wav"),
    ]  # fmt: skip
    items = read(shard(tmp_path / "a.tar", *pair("1"), extra=extra))
    assert list(texts(items)) == ["a.tar/1.wav"]
    assert [reason for _, reason in asides(items)] == ["bad-row"] * 3 + ["outside-folder"] * 2
    assert "a.tar 1.flac" in {item.row for item in items}
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar", "cache"}


def test_keys_that_wait_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(loader, "_MAX_WAITING", 3)
    source = shard(tmp_path / "a.tar", *((f"{i}.txt", "x") for i in range(10)), ("9.wav", WAV))
    items = read(source)
    assert list(texts(items)) == ["a.tar/9.wav"]
    assert len(asides(items)) == 9
    monkeypatch.setattr(loader, "_MAX_WAITING_CHARS", 2)
    assert len(asides(read(source))) == 9


def test_second_reading_writes_nothing(tmp_path, monkeypatch):
    source = shard(tmp_path / "a.tar.gz", *pair("1"), *pair("2"))
    first = read(source)
    monkeypatch.setattr(AudioCache, "_write", None)
    assert read(source) == first


def test_other_layouts_are_not_taken(tmp_path):
    shard(tmp_path / "audio.tar", *((f"clips/common_voice_am_{i}.mp3", b"x") for i in range(300)))
    shard(tmp_path / "images.tar", ("1.jpg", b"x"), ("1.txt", "x"), ("2.wav", WAV), ("3.txt", "x"))
    (tmp_path / "broken.tar").write_bytes(b"x" * 2000)
    for name in ("audio.tar", "images.tar", "broken.tar", "none"):
        assert not LOADER.detect(tmp_path / name)
    assert not LOADER.detect(tmp_path)
    (tmp_path / "train").mkdir()
    (tmp_path / "train/metadata.csv").write_text("file_name,transcription\na.wav,x\n")
    assert not LOADER.detect(tmp_path / "train")


@pytest.mark.parametrize("name", ["none", "empty", "file.txt"])
def test_sources_that_are_none(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").touch()
    with pytest.raises(DataError, match=r"give a \.tar or \.tar\.gz, or a folder of them"):
        LOADER.splits(tmp_path / name)


@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["txt", "json"]), st.binary(max_size=200))
def test_any_bytes_of_text(kind, content):
    sample = Sample()
    sample.add_text(kind, content)
    assert sample.problem or sample.transcript is not None or kind == "json"


@settings(deadline=None, max_examples=100)
@given(
    st.dictionaries(
        st.text(max_size=8) | st.sampled_from(["text", "speaker"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3),
        ),
        max_size=5,
    )
)
def test_any_json(data):
    sample = Sample()
    sample.add_text("json", json.dumps(data).encode())
    if not sample.problem:
        assert sample.transcript is None or sample.transcript == next(
            data[n] for n in ("text", "sentence", "transcription", "transcript") if n in data
            and isinstance(data[n], str)
        )  # fmt: skip
        assert all(isinstance(value, str) for value in sample.attributes.values())


@settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.permutations([m for key in "abc" for m in pair(key, key)]))
def test_any_order_gives_the_same(tmp_path, members):
    source = shard(tmp_path / "a.tar", *members)
    assert texts(read(source)) == {f"a.tar/{key}.wav": key for key in "abc"}


def test_whole_corpus_through_the_hook(tmp_path):
    for split, n_clips in (("train", 3), ("dev", 2), ("test", 1)):
        members = [m for i in range(n_clips) for m in pair(f"{split}{i}", f"{split} {i}")]
        shard(tmp_path / f"data/{split}-000000.tar", *members)
    plugins = Plugins.load("am", use_pack=False)  # the plugin is installed
    corpus = read_corpus(
        tmp_path / "data", plugins, normalizer=plugins.normalizer(), settings=DataConfig(), seed=1
    )
    assert [part.loader for part in corpus.parts] == ["webdataset"]
    sizes = [len(part) for part in (corpus.train, corpus.validation, corpus.test)]
    assert sizes == [3, 2, 1]
