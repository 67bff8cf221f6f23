"""Hugging Face data sets: the layouts that `datasets` writes, and what is refused in them."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.data.audio import load_audio
from ruach_core.default_plugins.loaders import hub
from ruach_core.default_plugins.loaders.huggingface import HuggingFaceLoader
from ruach_core.default_plugins.loaders.huggingface_files import split_of
from ruach_core.errors import DataError, UserError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

AUDIO = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUACH_CACHE", str(tmp_path / "cache"))


def wav(n_samples: int = 1600, tone: int = 200) -> bytes:
    file = io.BytesIO()
    wave = 0.3 * np.sin(2 * np.pi * tone * np.arange(n_samples) / 16_000)
    soundfile.write(file, wave, 16_000, format="WAV")
    return file.getvalue()


def clip(name: str | None = None, tone: int = 200) -> dict[str, Any]:
    return {"bytes": wav(tone=tone), "path": name}


def embedded(*texts: str, **columns: list[Any]) -> pa.Table:
    audio = pa.array([clip(f"{text}.wav") for text in texts], AUDIO)
    return pa.table({"audio": audio, "sentence": list(texts), **columns})


def write(path: Path, table: pa.Table) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=2)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    return path


def read(source: Path, split: str = "train", loader: HuggingFaceLoader | None = None) -> list[Any]:
    return list((loader or HuggingFaceLoader()).read(source, split))  # type: ignore[arg-type]


def problem(source: Path, split: str = "train") -> str:
    with pytest.raises(DataError) as caught:
        read(source, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """What the hub's own tools write: shards in `data`, with a card."""
    root = tmp_path / "corpus"
    speakers = {"speaker_id": [7, 8], "up_votes": [2, 0]}
    write(root / "data/train-00000-of-00002.parquet", embedded("one", "two", **speakers))
    write(root / "data/train-00001-of-00002.parquet", embedded("three", speaker_id=[7]))
    write(root / "data/dev-00000-of-00001.parquet", embedded("four"))
    write(root / "data/test-00000-of-00001.parquet", embedded("five"))
    (root / "README.md").write_text(
        "---\nlanguage: am\nlicense:\n- cc0-1.0\npretty_name: 'Some speech'\n---\n# Speech\n",
        encoding="utf-8",
    )
    return root


def test_shards_with_embedded_audio(shards: Path) -> None:
    loader = HuggingFaceLoader()
    assert isinstance(loader, DatasetLoader)
    assert loader.detect(shards)
    assert loader.splits(shards) == ("train", "validation", "test")
    first, second, third = read(shards)
    assert (first.id, first.transcript, first.speaker_id) == ("train/one.wav", "one", "7")
    assert first.attributes == {"up_votes": "2"}
    assert first.row == "data/train-00000-of-00002.parquet row 1"
    assert third.row == "data/train-00001-of-00002.parquet row 1"
    assert second.audio.is_relative_to(os.environ["RUACH_CACHE"])
    assert len(load_audio(second.audio)) == 1600
    assert [u.transcript for u in read(shards, "validation")] == ["four"]
    assert read(shards, "test")[0].id == "test/five.wav"
    assert loader.info(shards) == CorpusInfo("Some speech", "cc0-1.0", None)


def test_the_plugin_finds_it_by_itself_and_by_name(shards: Path) -> None:
    plugins = Plugins.load(None)
    assert plugins.find_dataset_loader(shards).name == "hf"
    named = Path(f"hf:{shards}")
    loader = plugins.find_dataset_loader(named)
    assert loader.splits(named) == ("train", "validation", "test")
    assert len(list(loader.read(named, "train"))) == 3


def test_saved_to_disk(tmp_path: Path) -> None:
    """By `datasets` itself: what it writes is what is read, without it."""
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"audio": datasets.Audio(decode=False), "text": datasets.Value("string")}
    )

    def rows(*texts: str) -> Any:
        # Datasets.from_dict would ask for torchcodec, even for bytes that are encoded already.
        audio = pa.array([clip(f"{t}.wav") for t in texts], AUDIO)
        table = pa.table({"audio": audio, "text": list(texts)}).cast(features.arrow_schema)
        made = datasets.Dataset(datasets.table.InMemoryTable(table))
        made.info.license, made.info.homepage = "CC-BY-4.0", "https://example.org"
        return made

    whole = datasets.DatasetDict({"train": rows("a", "b", "c"), "valid": rows("d")})
    whole.save_to_disk(tmp_path / "saved", num_shards={"train": 2, "valid": 1})
    loader = HuggingFaceLoader()
    assert loader.detect(tmp_path / "saved")
    assert loader.splits(tmp_path / "saved") == ("train", "validation")
    assert [u.transcript for u in read(tmp_path / "saved")] == ["a", "b", "c"]
    assert read(tmp_path / "saved", "validation")[0].id == "validation/d.wav"
    info = loader.info(tmp_path / "saved")
    assert (info.license, info.url) == ("CC-BY-4.0", "https://example.org")
    rows("x", "y").save_to_disk(tmp_path / "test-of-one")
    assert loader.detect(tmp_path / "test-of-one")
    assert loader.splits(tmp_path / "test-of-one") == ("train",)
    assert [u.transcript for u in read(tmp_path / "test-of-one")] == ["x", "y"]
    (tmp_path / "saved/train/data-00001-of-00002.arrow").unlink()
    assert "data-00001-of-00002.arrow is missing" in problem(tmp_path / "saved")


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_a_single_file_and_unnamed_files_are_train(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"test.{ending}", embedded("one", "two"))
    loader = HuggingFaceLoader()
    assert loader.detect(path)
    assert loader.splits(path) == ("train",)
    assert len(read(path)) == 2
    write(tmp_path / f"more/0000.{ending}", embedded("three"))
    write(tmp_path / f"more/0001.{ending}", embedded("four"))
    assert [u.transcript for u in read(tmp_path / "more")] == ["three", "four"]


def test_folders_name_splits_too(tmp_path: Path) -> None:
    write(tmp_path / "c/train/0000.parquet", embedded("one"))
    write(tmp_path / "c/test/0000.parquet", embedded("two"))
    assert HuggingFaceLoader().splits(tmp_path / "c") == ("train", "test")
    assert [u.transcript for u in read(tmp_path / "c", "test")] == ["two"]


def test_configurations_are_told_apart(tmp_path: Path) -> None:
    root = tmp_path / "c"
    write(root / "am/train-00000-of-00001.parquet", embedded("one"))
    write(root / "om/train-00000-of-00001.parquet", embedded("two"))
    assert "several configurations (am, om); give one" in problem(root)
    assert read(root / "om")[0].transcript == "two"
    assert read(Path(f"{root}@am"))[0].transcript == "one"
    assert "no such folder" in problem(Path(f"{root}@xx"))


def test_files_of_other_splits_are_left_out_and_listed(shards: Path) -> None:
    write(shards / "data/invalidated-00000-of-00001.parquet", embedded("bad"))
    *used, left_out = read(shards)
    assert len(used) == 3
    assert isinstance(left_out, SetAside)
    assert "names none of the splits" in left_out.detail
    assert all(isinstance(row, Utterance) for row in read(shards, "test"))


def test_audio_beside_the_table(tmp_path: Path) -> None:
    root = tmp_path / "c"
    (root / "data/clips").mkdir(parents=True)
    (root / "data/clips/a.wav").write_bytes(wav())
    (root / "b.wav").write_bytes(wav())
    (tmp_path / "out.wav").write_bytes(wav())
    (root / "link.wav").symlink_to(tmp_path / "out.wav")
    names = ["clips/a.wav", "b.wav", "../../out.wav", str(tmp_path / "out.wav"), "link.wav",
             "../data/clips/a.wav", "no.wav", "", None, "a\0b", "x" * 5000 + ".wav"]  # fmt: skip
    table = pa.table({"path": names, "Text": [f"t{i}" for i in range(len(names))]})
    write(root / "data/train.parquet", table)
    rows = read(root)
    assert [getattr(r, "reason", "ok") for r in rows] == [
        "ok", "ok", "outside-folder", "outside-folder", "outside-folder", "bad-row", "ok",
        "bad-row", "bad-row", "unreadable", "unreadable",
    ]  # fmt: skip
    assert [r.id for r in rows if isinstance(r, Utterance)] == [
        "train/data/clips/a.wav", "train/b.wav", "train/data/no.wav",
    ]  # fmt: skip


def test_segments_and_ids(tmp_path: Path) -> None:
    table = pa.table({
        "audio": pa.array([clip("../x/1.wav"), clip("1.wav"), clip(None), clip("1.wav")], AUDIO),
        "text": ["a", None, "c", "d"],
        "start": [0.0, None, 1.5, 3.0],
        "end": [1.0, None, None, 2.0],
    })  # fmt: skip
    rows = read(write(tmp_path / "t.parquet", table))
    assert [getattr(r, "id", "-") for r in rows] == [
        "train/1.wav#0-1.0", "train/1.wav", "train/t.parquet#3", "-",
    ]  # fmt: skip
    assert (rows[0].start_s, rows[0].end_s, rows[2].start_s) == (0.0, 1.0, 1.5)
    assert rows[1].transcript == ""
    assert "segment from 3 to 2" in rows[3].detail
    same = pa.table({"audio": pa.array([clip("1.wav"), clip("1.wav")], AUDIO), "text": ["a", "b"]})
    ids = [u.id for u in read(write(tmp_path / "u.parquet", same))]
    assert ids == ["train/1.wav", "train/u.parquet#2"]


def test_bytes_and_decoded_samples(tmp_path: Path) -> None:
    plain = pa.table({"audio": pa.array([wav(), b"", None], pa.binary()), "text": ["a", "b", "c"]})
    rows = read(write(tmp_path / "a.parquet", plain))
    assert [getattr(r, "reason", "ok") for r in rows] == ["ok", "empty", "bad-row"]
    decoded = pa.table({
        "speech": [{"array": [0.0, 0.5, -0.5] * 1000, "sampling_rate": 8000, "path": "x.mp3"},
                   {"array": [0.0], "sampling_rate": 0, "path": "y.mp3"}],
        "text": ["a", "b"],
    })  # fmt: skip
    good, bad = read(write(tmp_path / "b.parquet", decoded))
    assert len(load_audio(good.audio)) == 6000
    assert bad.reason == "bad-row"


def test_columns_that_are_missing_are_named(tmp_path: Path) -> None:
    no_text = pa.table({"audio": pa.array([clip()], AUDIO), "words": [["a"]]})
    message = problem(write(tmp_path / "a.parquet", no_text))
    assert "needs a column sentence, text or transcription; found audio, words" in message
    no_audio = pa.table({"text": ["a"], "audio": [1]})
    assert "needs a column audio; found text, audio" in problem(
        write(tmp_path / "b.parquet", no_audio)
    )
    # A path beside the clip itself, as Common Voice has it, is no second audio.
    both = pa.table({"path": ["/x/a.mp3"], "clip": pa.array([clip("a.mp3")], AUDIO), "text": ["a"]})
    (only,) = read(write(tmp_path / "c.parquet", both))
    assert only.attributes == {"path": "/x/a.mp3"}


def test_text_that_is_not_utf8_costs_its_row_alone(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"\xff", b"c", "\u05d0\u05d1 e\u0301 \x00".encode()])
    as_text = pa.Array.from_buffers(pa.string(), 4, texts.buffers())
    table = pa.table({"audio": pa.array([clip() for _ in range(4)], AUDIO), "text": as_text})
    rows = read(write(tmp_path / "a.arrow", table))
    assert [getattr(r, "reason", "ok") for r in rows] == ["ok", "bad-row", "ok", "ok"]
    assert "UTF8" in rows[1].detail


@pytest.mark.parametrize("ending", ["parquet", "arrow"])
def test_damaged_files_are_one_line(tmp_path: Path, ending: str) -> None:
    path = write(tmp_path / f"a.{ending}", embedded("one", "two", "three"))
    whole = path.read_bytes()
    for cut in (8, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:cut])
        message = problem(path)
        assert str(path) in message
    path.write_bytes(b"not a table")
    assert HuggingFaceLoader().detect(path)
    assert f"11 bytes, not a .{ending} table; the download is broken: fetch it" in problem(path)


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "0 bytes, not a .parquet table; the download is broken"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "a Git LFS pointer and not the table itself; fetch that with git lfs pull",
        ),
    ],
)
def test_a_shard_that_is_not_there_is_never_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str, backwards: bool
) -> None:
    write(tmp_path / "data/train-00000-of-00002.parquet", embedded("one"))
    bad = tmp_path / "data/train-00001-of-00002.parquet"
    bad.write_bytes(content)
    real = os.scandir

    @contextmanager
    def scandir(path: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with real(path) as entries:
            yield iter(sorted(entries, key=lambda entry: entry.name, reverse=backwards))

    monkeypatch.setattr(os, "scandir", scandir)
    assert HuggingFaceLoader().detect(tmp_path)
    assert message in problem(tmp_path)
    assert str(bad) in problem(tmp_path)
    with pytest.raises(DataError, match="train-00001"):
        HuggingFaceLoader().splits(tmp_path)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_flipped_bytes_never_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    ending = data.draw(st.sampled_from(["parquet", "arrow"]))
    path = write(folder / f"a.{ending}", embedded("one", "two"))
    content = bytearray(path.read_bytes())
    # Not the clips themselves, which are most of the file.
    places = st.integers(0, 300) | st.integers(len(content) - 2000, len(content) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=8)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    with suppress(DataError):
        for row in read(path):
            assert isinstance(row, Utterance | SetAside)


def test_a_damaged_name_of_a_column_is_one_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.arrow", embedded("one"))
    path.write_bytes(path.read_bytes().replace(b"sentence", b"\x80entence", 1))
    problem(path)


def test_what_is_no_such_data_set(tmp_path: Path) -> None:
    loader = HuggingFaceLoader()
    assert not loader.detect(tmp_path)
    assert not loader.detect(tmp_path / "none")
    assert "no such folder" in problem(tmp_path / "none")
    (tmp_path / "a.csv").touch()
    assert "a.csv: ends neither in .parquet nor in .arrow; give such a file" in problem(
        tmp_path / "a.csv"
    )
    assert "holds no parquet or arrow file" in problem(tmp_path)
    write(tmp_path / "f/extra/a.parquet", embedded("one"))
    (tmp_path / "f/metadata.csv").write_text("file_name,text\n", encoding="utf-8")
    assert not loader.detect(tmp_path / "f")
    (tmp_path / "g/.cache").mkdir(parents=True)
    write(tmp_path / "g/.cache/a.parquet", embedded("one"))
    assert not loader.detect(tmp_path / "g")
    (tmp_path / "h").mkdir()
    (tmp_path / "h/dataset_dict.json").write_text('{"splits": ["../g"]}', encoding="utf-8")
    assert "lists no data files" in problem(tmp_path / "h")
    (tmp_path / "h/dataset_dict.json").write_text("[" * 100_000, encoding="utf-8")
    assert "lists no splits" in problem(tmp_path / "h")


def test_state_that_leads_out_of_its_folder(tmp_path: Path) -> None:
    write(tmp_path / "out.arrow", embedded("secret"))
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "dataset_info.json").write_text("{}", encoding="utf-8")
    state = {
        "_data_files": [{"filename": "../out.arrow"}, {"filename": str(tmp_path / "out.arrow")}]
    }
    (folder / "state.json").write_text(json.dumps(state), encoding="utf-8")
    assert "is missing" in problem(folder)


def test_rows_are_taken_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n = 100_000
    table = pa.table({"path": [f"{i}.wav" for i in range(n)], "text": ["t"] * n})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=n)
    before = pa.total_allocated_bytes()
    rows = HuggingFaceLoader().read(tmp_path, "train")
    for _ in range(100):
        next(rows)
    assert pa.total_allocated_bytes() - before < 8 << 20


def test_without_pyarrow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.parquet", embedded("one"))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert HuggingFaceLoader().detect(path)
    with pytest.raises(UserError, match=r"pyarrow is not installed: run pip install .*\[train\]"):
        read(path)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"), ("train.clean.100", "train"), ("common_voice-validation", "validation"),
        ("dev", "validation"), ("other.test", "test"), ("Test2", "test"), ("attestation", None),
        ("validated", None), ("trains", None), ("", None),
    ],
)  # fmt: skip
def test_names_of_splits(name: str, split: str | None) -> None:
    assert split_of(name) == split


# --- The hub ------------------------------------------------------------------------------------


def fake_hub(monkeypatch: pytest.MonkeyPatch, **splits: list[Any]) -> list[tuple[str, str | None]]:
    asked: list[tuple[str, str | None]] = []

    def open_hub(name: str, config: str | None) -> hub.HubCorpus:
        asked.append((name, config))
        return hub.HubCorpus("abc", splits, {}, CorpusInfo("Speech", "CC0-1.0"))

    monkeypatch.setattr(hub, "open_hub", open_hub)
    return asked


def test_a_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"audio": clip(f"{i}.wav"), "sentence": f"s{i}", "client_id": "p"} for i in range(3)]
    remote = {"audio": {"bytes": None, "path": "hf://datasets/owner/corpus@abc/a.wav"},
              "sentence": "far", "client_id": None}  # fmt: skip
    lost = {**remote, "audio": {"bytes": None, "path": "hf://lost"}}
    asked = fake_hub(monkeypatch, train=[*rows, remote, lost], dev=rows[:1], other=rows)

    def read_remote(path: str) -> bytes:
        if path == "hf://lost":
            raise OSError("404")
        return wav()

    monkeypatch.setattr(hub, "read_remote", read_remote)
    plugins = Plugins.load(None)
    source = Path("hf:owner/corpus@am")
    loader = plugins.find_dataset_loader(source)
    assert loader.splits(source) == ("train", "validation")
    found = list(loader.read(source, "train"))
    assert asked == [("owner/corpus", "am")]
    assert [u.transcript for u in found[:4]] == ["s0", "s1", "s2", "far"]
    assert (found[0].id, found[0].speaker_id, found[0].row) == ("train/0.wav", "p", "train row 1")
    assert len(load_audio(found[3].audio)) == 1600
    assert (found[4].reason, "404" in found[4].detail) == ("unreadable", True)
    assert loader.info(source).license == "CC0-1.0"
    with pytest.raises(DataError, match="has no test split; it has train, dev, other"):
        list(loader.read(source, "test"))


def test_a_connection_that_ends_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __iter__(self) -> Any:
            yield {"audio": clip("0.wav"), "text": "a"}
            raise RuntimeError("peer\nclosed")

    fake_hub(monkeypatch, train=Broken())  # type: ignore[arg-type]
    with pytest.raises(DataError, match=r"peer closed.*hf download") as caught:
        read(Path("owner/corpus"))
    assert "\n" not in str(caught.value)


def test_without_a_hub_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")

    class Offline:
        def dataset_info(self, name: str) -> Any:
            raise ConnectionError("offline mode is\nenabled")

    monkeypatch.setattr("huggingface_hub.HfApi", Offline)
    message = problem(Path("owner/corpus"))
    assert message.startswith("hf:owner/corpus: no folder here, and the hub's can't be read (offl")
    assert "hf download" in message
    assert datasets


def test_the_hub_is_streamed_and_not_decoded(monkeypatch: pytest.MonkeyPatch, shards: Path) -> None:
    """`datasets` itself, on a local repository in place of the hub."""
    datasets = pytest.importorskip("datasets")
    real = datasets.load_dataset

    class Api:
        def dataset_info(self, name: str) -> Any:
            return type("Info", (), {"sha": "abc"})

    def load(name: str, config: str | None, *, streaming: bool, revision: str) -> Any:
        assert (name, config, streaming, revision) == ("owner/corpus", None, True, "abc")
        return real(str(shards), streaming=streaming)

    audio = datasets.Features({"audio": datasets.Audio(), "sentence": datasets.Value("string")})
    for path in (shards / "data").iterdir():
        table = pq.read_table(path).select(["audio", "sentence"])
        marked = table.cast(audio.arrow_schema)
        pq.write_table(marked, path)
    monkeypatch.setattr("huggingface_hub.HfApi", Api)
    monkeypatch.setattr(datasets, "load_dataset", load)
    loader = HuggingFaceLoader()
    assert loader.splits(Path("owner/corpus")) == ("train", "validation", "test")
    found = read(Path("owner/corpus"), loader=loader)
    assert [u.transcript for u in found] == ["one", "two", "three"]
    assert len(load_audio(found[0].audio)) == 1600
    assert "torchcodec" not in sys.modules
