"""A prepared folder reads back as its source said, and is only written where something changed."""

from __future__ import annotations

import csv
import errno
import hashlib
import json
import re
import shutil
import sqlite3

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.config import DataConfig
from ruach_core.data import prepare_clips
from ruach_core.data.arrange import arrange
from ruach_core.data.audio import AudioError
from ruach_core.data.clip_cells import clean_cell, clip_name, column_name
from ruach_core.data.prepare import prepare
from ruach_core.data.prepare_state import STATE
from ruach_core.data.prepared import COLUMNS
from ruach_core.data.split_choice import NewSplits
from ruach_core.default_plugins.loaders.folder import FolderLoader
from ruach_core.errors import DataError, UserError
from ruach_core.hookspecs import hookimpl
from ruach_core.plugins import Plugins, register_in_process, unregister_in_process
from ruach_core.types import CorpusInfo, SetAside, Utterance


@pytest.fixture(scope="module")
def plugins():
    return Plugins.load("qqq", use_pack=False)


@pytest.fixture
def run(plugins, tmp_path):
    def call(source, output=tmp_path / "out", *, new_splits=None, plugins=plugins, **limits):
        return prepare(
            source, output, plugins, normalizer=plugins.normalizer(),
            settings=DataConfig(**limits), new_splits=new_splits, n_threads=2,
        )  # fmt: skip

    return call


def write_table(folder, *rows, header="file_name,transcription,speaker"):
    (folder / "metadata.csv").write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")


@pytest.fixture
def source(tmp_path, write_split, speech):
    """Two splits; one clip is stereo at 48 kHz, one row's file is missing, one has no text."""
    folder = tmp_path / "source"
    rows = [(f"audio/{i}.wav", f"sentence {i}", f"p{i % 3}") for i in range(6)]
    write_split(folder / "train", rows)
    wave = np.stack([speech(1.0, 48_000, seed=9)] * 2, axis=1)
    soundfile.write(folder / "train/audio/5.wav", wave, 48_000)
    write_table(folder / "train", *(",".join(row) for row in rows),
                "audio/gone.wav,lost,p1", "audio/0.wav,again,p1")  # fmt: skip
    write_split(folder / "test", [("audio/0.wav", "one, two", "p9"), ("audio/1.wav", " ", "p9")],
                seed=50)  # fmt: skip
    return folder


def table(folder, split):
    with (folder / split / "metadata.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_back(folder):
    loader = FolderLoader()
    return [row for split in loader.splits(folder) for row in loader.read(folder, split)]


def state_of(folder):
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def clips_of(folder):
    return {name: state for name, state in state_of(folder).items() if name.endswith(".wav")}


def test_the_folder_reads_back_whole(run, source, tmp_path):
    out = tmp_path / "out"
    before = state_of(source)
    report = run(source)
    assert state_of(source) == before
    utterances = read_back(out)
    assert all(isinstance(u, Utterance) and u.audio.is_file() for u in utterances)
    assert [u.transcript for u in utterances if u.split == "train"] == [
        f"sentence {i}" for i in range(6)
    ]
    assert [(u.transcript, u.speaker_id) for u in utterances if u.split == "test"] == [
        ("one, two", "p9")
    ]
    for utterance in utterances:
        info = soundfile.info(str(utterance.audio))
        assert (info.samplerate, info.channels, info.subtype) == (16_000, 1, "PCM_16")
    first = table(out, "train")[0]
    assert list(first) == list(COLUMNS)
    assert first["source_id"] == "train/audio/0.wav"
    assert first["duration_s"] == "0.500"
    content = (out / "train" / first["file_name"]).read_bytes()
    assert first["audio_sha256"] == hashlib.sha256(content).hexdigest()
    with (out / "rejected.csv").open(encoding="utf-8") as file:
        rejected = [(row["reason"], row["row"]) for row in csv.DictReader(file)]
    assert rejected == [
        ("missing", "train/metadata.csv row 8"),
        ("bad-row", "train/metadata.csv row 9"),
        ("no-transcript", "test/metadata.csv row 3"),
    ]
    assert report.record["clips"] == 7
    assert report.record["rejected"] == {"missing": 1, "bad-row": 1, "no-transcript": 1}


def test_samples_that_are_16_bits_already_stay_as_they_are(run, source, tmp_path):
    run(source)
    name = table(tmp_path / "out", "train")[0]["file_name"]
    ours, _ = soundfile.read(tmp_path / "out/train" / name, dtype="int16")
    theirs, _ = soundfile.read(source / "train/audio/0.wav", dtype="int16")
    assert np.array_equal(ours, theirs)


def test_segments_are_cut_out(run, tmp_path, speech):
    folder = tmp_path / "source"
    folder.mkdir()
    wave = speech(3.0)
    soundfile.write(folder / "long.wav", wave, 16_000)
    write_table(folder, "long.wav,one,0,1", "long.wav,two,1.5,2.25",
                header="file_name,transcription,start_s,end_s")  # fmt: skip
    run(folder)
    rows = table(tmp_path / "out", "train")
    assert [row["duration_s"] for row in rows] == ["1.000", "0.750"]
    cut, _ = soundfile.read(tmp_path / "out/train" / rows[1]["file_name"], dtype="float32")
    assert np.abs(cut - wave[24_000:36_000]).max() < 1e-4
    assert all(u.start_s is None for u in read_back(tmp_path / "out"))


def test_a_second_run_writes_nothing(run, source, tmp_path):
    run(source)
    before = state_of(tmp_path / "out")
    report = run(source)
    assert report.is_unchanged
    assert report.n_decoded == 0
    assert state_of(tmp_path / "out") == before


def test_a_changed_text_decodes_nothing(run, source, tmp_path):
    run(source)
    clips = clips_of(tmp_path / "out")
    path = source / "train/metadata.csv"
    path.write_text(path.read_text().replace("sentence 2", "sentence two"))
    report = run(source)
    assert (report.n_decoded, report.n_changed, report.is_unchanged) == (0, 1, False)
    assert table(tmp_path / "out", "train")[2]["transcription"] == "sentence two"
    assert clips_of(tmp_path / "out") == clips


def test_a_text_that_is_mended_counts(run, source, tmp_path):
    run(source)
    path = source / "test/metadata.csv"
    path.write_text(path.read_text().replace("audio/1.wav, ", "audio/1.wav,words"))
    report = run(source)
    assert report.n_decoded == 1
    assert [row["transcription"] for row in table(tmp_path / "out", "test")][1] == "words"


def test_a_clip_that_becomes_readable_counts(run, source, tmp_path, monkeypatch):
    real = prepare_clips.load_audio

    def forbidden(path, **limits):
        if path.name == "2.wav":
            raise AudioError(path, "unreadable", "can't be opened: Permission denied")
        return real(path, **limits)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_clips, "load_audio", forbidden)
        assert run(source).record["rejected"]["unreadable"] == 1
        assert run(source).is_unchanged
    assert run(source).n_decoded == 1
    assert len(table(tmp_path / "out", "train")) == 6


def test_changed_audio_is_decoded_alone(run, source, speech, tmp_path):
    run(source)
    before = clips_of(tmp_path / "out")
    soundfile.write(source / "train/audio/3.wav", speech(0.7, seed=77), 16_000)
    report = run(source)
    assert report.n_decoded == 1
    after = clips_of(tmp_path / "out")
    changed = [name for name in after if after[name] != before[name]]
    assert len(changed) == 1
    assert changed[0].startswith("train/audio/3-")
    assert table(tmp_path / "out", "train")[3]["duration_s"] == "0.700"


def test_what_leaves_the_source_leaves_the_folder(run, source, tmp_path):
    run(source)
    path = source / "train/metadata.csv"
    path.write_text(re.sub(r"audio/4.*\n", "", path.read_text()))
    (source / "train/audio/5.wav").write_bytes(b"broken")
    report = run(source)
    assert report.n_removed
    assert len(table(tmp_path / "out", "train")) == 4
    assert len(list((tmp_path / "out/train/audio").iterdir())) == 4
    assert run(source).is_unchanged


def test_a_lost_clip_is_made_again(run, source, tmp_path):
    run(source)
    before = clips_of(tmp_path / "out")
    path = next((tmp_path / "out/train/audio").glob("2-*"))
    path.unlink()
    assert run(source).n_decoded == 1
    path.write_bytes(path.read_bytes()[:100])
    assert run(source).n_decoded == 1
    contents = {name: content for name, (_, content) in clips_of(tmp_path / "out").items()}
    assert contents == {name: content for name, (_, content) in before.items()}


def test_the_hash_knows_neither_order_nor_place(run, source, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "source"
    shutil.copytree(source, elsewhere)
    path = elsewhere / "train/metadata.csv"
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header, *rows[:6][::-1], rows[6]]) + "\n")
    one, other = run(source).record, run(elsewhere, tmp_path / "out2").record
    assert one["content_hash"] == other["content_hash"]
    assert one["splits"] == other["splits"]
    path.write_text(path.read_text().replace("sentence 1", "sentence one"))
    assert run(elsewhere, tmp_path / "out2").record["content_hash"] != one["content_hash"]


def test_the_record_tells_nothing_of_this_machine(run, source, tmp_path):
    (source / "dataset.json").write_text("{}")
    record = run(source).record
    assert str(tmp_path) not in json.dumps(record)
    assert record["provenance"]["source"] == "source"
    assert record["provenance"]["loader"] == "folder"
    assert record["settings"]["min_duration_s"] == 0.2


@pytest.mark.parametrize("place", ["", "inner", "..", "train/audio"])
def test_no_output_in_or_round_the_source(run, source, place):
    before = state_of(source)
    with pytest.raises(UserError, match="inside one another"):
        run(source, source / place)
    assert state_of(source) == before


def test_no_output_by_a_link_into_the_source(run, source, tmp_path):
    (tmp_path / "link").symlink_to(source)
    with pytest.raises(UserError, match="inside one another"):
        run(source, tmp_path / "link" / "out")


def test_no_output_among_others_files(run, source, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="holds files"):
        run(source)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["thesis.txt"]


def test_no_other_source_takes_its_place(run, source, tmp_path):
    run(source)
    before = clips_of(tmp_path / "out")
    shutil.copytree(source, tmp_path / "another")
    with pytest.raises(UserError, match="was prepared from source, not from another"):
        run(tmp_path / "another")
    assert clips_of(tmp_path / "out") == before


def test_a_full_disk_is_one_line_and_no_loss(run, source, tmp_path, monkeypatch):
    real = prepare_clips.write_aside
    written = []

    def full(path, write):
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(path)
        real(path, write)

    with monkeypatch.context() as patch:
        patch.setattr(prepare_clips, "write_aside", full)
        with pytest.raises(UserError, match="the disk is full; make room"):
            run(source)
    assert not list(tmp_path.rglob("*.tmp"))
    # The clips that were under way with the one that failed may be decoded again.
    assert run(source).n_decoded <= 7
    assert len(read_back(tmp_path / "out")) == 7


def test_a_full_disk_in_the_state(run, source, monkeypatch):
    def full(self, record):
        with self._blame():
            raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("ruach_core.data.prepare_state.PrepareState.put", full)
    with pytest.raises(UserError, match="the disk is full"):
        run(source)


def test_two_runs_at_once_are_refused(run, source, tmp_path):
    run(source)
    other = sqlite3.connect(tmp_path / "out" / STATE)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(UserError, match="another ruach data prepare"):
        run(source)
    other.close()


def test_a_damaged_state_is_named(run, source, tmp_path):
    run(source)
    (tmp_path / "out" / STATE).write_bytes(b"nonsense" * 500)
    with pytest.raises(UserError, match=r"damaged .*delete it"):
        run(source)
    (tmp_path / "out" / STATE).unlink()
    assert run(source).n_decoded > 0


def test_nothing_usable_keeps_what_was_there(run, source, tmp_path):
    run(source)
    before = clips_of(tmp_path / "out")
    for split in ("train", "test"):
        write_table(source / split, "audio/none.wav,x,p")
    with pytest.raises(DataError, match=r"not one clip can be used .*no such file"):
        run(source)
    assert clips_of(tmp_path / "out") == before


def test_a_source_without_its_audio_costs_no_clip(run, source, tmp_path):
    run(source)
    before = clips_of(tmp_path / "out")
    for split in ("train", "test"):
        shutil.rmtree(source / split / "audio")
    with pytest.raises(DataError, match="not one clip can be used"):
        run(source)
    assert clips_of(tmp_path / "out") == before


def test_limits_are_part_of_what_is_kept(run, source, tmp_path):
    run(source)
    assert run(source, min_duration_s=0.9).record["clips"] == 1
    assert len(clips_of(tmp_path / "out")) == 1
    assert run(source).record["clips"] == 7


def test_new_splits_stay_when_clips_come(run, tmp_path, write_split):
    folder = tmp_path / "source"
    rows = [(f"audio/{i}.wav", f"sentence {i}", "p") for i in range(60)]
    write_split(folder, rows[:50])
    first = run(folder, new_splits=NewSplits())
    assert set(first.record["splits"]) == {"train", "validation", "test"}
    assert not {"sentence"} ^ {first.record["splits_made"]["disjoint"]}
    where = {u.transcript: u.split for u in read_back(tmp_path / "out")}
    write_split(folder, rows)
    second = run(folder, new_splits=NewSplits())
    now = {u.transcript: u.split for u in read_back(tmp_path / "out")}
    assert len(now) == 60
    assert all(now[text] == split for text, split in where.items())
    assert run(folder, new_splits=NewSplits()).is_unchanged
    assert second.record["content_hash"] != first.record["content_hash"]
    kept = run(folder)
    assert set(kept.record["splits"]) == {"train"}
    assert kept.n_decoded == 0
    assert not (tmp_path / "out/test").exists()


class OddLoader:
    """Gives what a broken or a generous loader may: equal ids, odd texts, columns of any name."""

    name = "odd"

    def __init__(self, audio):
        self.audio = audio

    def detect(self, source):
        return source.name == "odd.corpus"

    def splits(self, source):
        return ("train", "test")

    def info(self, source):
        return CorpusInfo("Odd corpus 1.0", "CC0-1.0", "https://example.org/odd")

    def read(self, source, split):
        texts = [
            "one\r\nline",
            "nul\0",
            "half \udc80",
            '"quoted", yes',
            " led by a space",
            "a" * 200_000,
        ]
        for i, text in enumerate(texts):
            attributes = {"start_s": "0.5", "Split": "x", "age\n": "4\n5", "": "q", "votes": str(i)}
            yield Utterance(f"{split}/{i}", self.audio, text, split, speaker_id="a\nb",
                            row=f"odd row {i}", attributes=attributes)  # fmt: skip
        yield Utterance(f"{split}/0", self.audio, "same id", split, row="odd row 9")
        for _ in range(2):
            yield SetAside("row", split, "bad-row", "a bad\nrow", "odd row 10")


def test_odd_rows(run, tmp_path, speech):
    audio = tmp_path / "a.wav"
    soundfile.write(audio, speech(0.5), 16_000)
    loader = OddLoader(audio)

    class Plugin:
        @hookimpl
        def ruach_dataset_loaders(self):
            return [loader]

    register_in_process(Plugin(), "odd")
    try:
        plugins = Plugins.load("qqq", use_pack=False)
        source = tmp_path / "odd.corpus"
        source.touch()
        report = run(source, plugins=plugins)
        assert run(source, plugins=plugins).is_unchanged
    finally:
        unregister_in_process("odd")
    utterances = read_back(tmp_path / "out")
    assert [u.transcript for u in utterances if u.split == "test"] == [
        "one line", '"quoted", yes', " led by a space",
    ]  # fmt: skip
    assert all(u.start_s is None and u.speaker_id == "a b" for u in utterances)
    row = table(tmp_path / "out", "test")[0]
    assert row["source_start_s"] == "0.5"
    assert row["source_Split"] == "x"
    assert row["age"] == "4 5"
    assert row["votes"] == "0"
    record = report.record
    assert (record["title"], record["license"]) == ("Odd corpus 1.0", "CC0-1.0")
    assert record["rejected"] == {"bad-row": 10, "label-too-long": 2}


@settings(deadline=None)
@given(st.lists(st.text(max_size=40), unique=True, max_size=6))
def test_names_are_safe_and_apart(identities):
    names = [clip_name(name.encode("utf-8", "replace").decode()) for name in identities]
    assert all(re.fullmatch(r"([a-z0-9]+-)*[0-9a-f]{16}\.wav", name) for name in names)
    assert all(len(name) <= 64 for name in names)
    valid = {name.encode("utf-8", "replace") for name in identities}
    assert len({name.lower() for name in names}) == len(valid)


@settings(deadline=None, max_examples=30)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r\n"),
                    min_size=1, max_size=40),
            st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=4),
        ),
        min_size=1, max_size=12,
    )
)  # fmt: skip
def test_any_text_reads_back(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("any")
    (folder / "train/audio").mkdir(parents=True)
    cells, extra = [], {}
    for i, (text, others) in enumerate(rows):
        name = clip_name(str(i))
        (folder / "train/audio" / name).touch()
        attributes = {column_name(key): clean_cell(v) for key, v in others.items()}
        extra.update(attributes)
        own = dict.fromkeys(COLUMNS, "")
        own |= {"file_name": f"audio/{name}", "transcription": text, "duration_s": "1"}
        cells.append(("train", {**attributes, **own}))
    arrange(folder, cells, list(extra))
    utterances = read_back(folder)
    assert [getattr(u, "transcript", u) for u in utterances] == [text for text, _ in rows]
