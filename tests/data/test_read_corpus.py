from __future__ import annotations

import csv
import os
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ruach_core.config import DataConfig
from ruach_core.data.read import count_reasons, read_corpus, write_set_aside
from ruach_core.errors import DataError, PluginError
from ruach_core.plugins import Plugins
from ruach_core.types import SetAside


class Lower:
    """`target` collapses spaces; `score` also folds case and drops full stops."""

    name = "lower"

    def normalize(self, text, *, purpose):
        text = " ".join(text.split())
        return text.lower().replace(".", "") if purpose == "score" else text


@pytest.fixture(scope="module")
def plugins():
    return Plugins.load(None)


@pytest.fixture
def read(plugins):
    def call(source, *, seed=42, normalizer=None, on_progress=None, splits=None, **settings):
        return read_corpus(
            source,
            plugins,
            normalizer=normalizer or Lower(),
            settings=DataConfig(**settings),
            seed=seed,
            splits=splits,
            on_progress=on_progress,
        )

    return call


def rows(n, prefix="s", speakers=3, first=0):
    return [
        (f"audio/{i}.wav", f"{prefix} number {i}", f"p{i % speakers}")
        for i in range(first, first + n)
    ]


@pytest.fixture
def source(tmp_path, write_split):
    write_split(tmp_path / "data/train", rows(20))
    write_split(tmp_path / "data/test", rows(4, prefix="t"), seed=100)
    return tmp_path / "data"


def test_corpus_is_read_normalised_and_split(source, read):
    calls = []
    corpus = read(source, on_progress=lambda *call: calls.append(call))
    assert [(p.name, p.loader) for p in corpus.parts] == [("", "folder")]
    assert len(corpus.train) + len(corpus.validation) == 20
    assert 1 <= len(corpus.validation) <= 3
    assert len(corpus.test) == 4
    assert corpus.parts[0].splits == ("train", "test")
    assert not corpus.set_aside
    for utterance in (*corpus.train, *corpus.validation, *corpus.test):
        assert utterance.duration_s == pytest.approx(0.5)
        assert utterance.reference == utterance.transcript
    assert {u.split for u in corpus.validation} == {"validation"}
    assert {u.id.split("/")[0] for u in corpus.validation} == {"train"}
    assert calls == [("read", i, 24) for i in range(1, 25)]
    assert any("3 speakers, fewer than 10" in note for note in corpus.notes)
    assert not any("leak" in note for note in corpus.notes)


def test_same_input_gives_the_same_corpus_and_another_seed_another(source, read):
    assert read(source) == read(source)
    picks = {tuple(u.id for u in read(source, seed=seed).validation) for seed in range(4)}
    assert len(picks) > 1


def test_fingerprint_follows_text_audio_and_split_but_not_the_place(source, read, tmp_path, speech):
    before = read(source).fingerprint
    shutil.copytree(source, tmp_path / "copy")
    assert read(tmp_path / "copy").fingerprint == before
    table = source / "train/metadata.csv"
    table.write_text(table.read_text().replace("s number 3", "s number three"))
    changed_text = read(source).fingerprint
    soundfile.write(source / "train/audio/3.wav", speech(0.5, seed=999), 16_000)
    changed_audio = read(source).fingerprint
    assert len({before, changed_text, changed_audio}) == 3


def test_own_validation_is_kept_and_leaks_are_told(source, read, write_split):
    write_split(source / "validation", [("audio/a.wav", "S NUMBER 3.", "z")], seed=3)
    corpus = read(source)
    assert "validation" in corpus.parts[0].splits
    assert len(corpus.train) == 20
    notes = [note for note in corpus.notes if note.startswith("leak")]
    assert len(notes) == 2
    assert "1 sentences of validation (1 of 1 clips) are also in train (1 clips)" in notes[0]
    # The fixture's audio of train row 3 and of this clip come from one seed.
    assert "1 train clips are recordings that are also in validation" in notes[1]


def test_test_sentences_in_train_are_told_and_kept_out_of_validation(source, read, write_split):
    write_split(source / "test", [(f"audio/{i}.wav", f"S number {i}") for i in range(10)], seed=50)
    for seed in range(5):
        corpus = read(source, seed=seed)
        assert len(corpus.train) + len(corpus.validation) == 20
        assert len(corpus.test) == 10
        theirs = {u.transcript.lower() for u in corpus.test}
        assert corpus.validation
        assert not theirs & {u.transcript.lower() for u in corpus.validation}
        told = "leak: 10 sentences of test (10 of 10 clips) are also in train (10 clips)"
        assert any(note.startswith(told) for note in corpus.notes)


def test_spellings_of_one_sentence_stay_together(tmp_path, read, write_split):
    texts = [f"Sentence {i}" for i in range(10)]
    variants = [v for text in texts for v in (text, text.upper(), f"{text}.")]
    write_split(tmp_path / "train", [(f"audio/{i}.wav", v) for i, v in enumerate(variants)])
    for seed in range(6):
        corpus = read(tmp_path, seed=seed)
        fold = [
            {u.transcript.lower().strip(".") for u in s} for s in (corpus.train, corpus.validation)
        ]
        assert not fold[0] & fold[1]
        assert len(corpus.validation) % 3 == 0


def test_no_test_split_is_said(tmp_path, read, write_split):
    write_split(tmp_path / "train", rows(10))
    corpus = read(tmp_path)
    assert corpus.test == ()
    assert any("no test split" in note for note in corpus.notes)


def test_one_split_alone(source, read):
    corpus = read(source, splits=("test",))
    assert (len(corpus.train), len(corpus.validation), len(corpus.test)) == (0, 0, 4)
    assert corpus.notes == ()
    with pytest.raises(DataError, match="has no validation split"):
        read(source, splits=("validation",))


def write_faulty_clips(folder: Path, speech) -> dict[str, str]:
    """One clip for each kind of bad input; returns the reason that each must have."""
    audio = folder / "audio"
    soundfile.write(audio / "whole.wav", speech(2.0), 16_000)
    data = (audio / "whole.wav").read_bytes()
    (audio / "truncated.wav").write_bytes(data[:20_000])
    (audio / "lies.wav").write_bytes(data[:24] + struct.pack("<I", 0) + data[28:])
    (audio / "text.wav").write_text("not sound at all\n" * 50)
    (audio / "empty.wav").touch()
    soundfile.write(audio / "nothing.wav", np.zeros(0), 16_000)
    soundfile.write(audio / "silent.wav", np.zeros(16_000), 16_000)
    soundfile.write(audio / "offset.wav", np.full(16_000, 0.3), 16_000)
    soundfile.write(audio / "faint.wav", speech(1.0) * 1e-3, 16_000, subtype="FLOAT")
    soundfile.write(audio / "long.wav", speech(31.0), 16_000)
    soundfile.write(audio / "short.wav", speech(0.1), 16_000)
    wave = speech(1.0)
    wave[5] = np.nan
    soundfile.write(audio / "nan.wav", wave, 16_000, subtype="FLOAT")
    soundfile.write(folder.parent.parent / "secret.wav", speech(1.0), 16_000)
    return {
        "truncated.wav": "unreadable", "lies.wav": "unreadable", "text.wav": "unreadable",
        "empty.wav": "empty", "nothing.wav": "empty", "silent.wav": "silent",
        "offset.wav": "silent", "faint.wav": "silent", "long.wav": "too-long",
        "short.wav": "too-short", "nan.wav": "unreadable", "gone.wav": "missing",
        "../../../secret.wav": "outside-folder",
    }  # fmt: skip


def test_every_fault_costs_its_own_clip_alone(source, read, speech, tmp_path):
    sound = read(source)
    reasons = write_faulty_clips(source / "train", speech)
    with (source / "train/metadata.csv").open("a", newline="") as file:
        writer = csv.writer(file)
        for name in reasons:
            writer.writerow([f"audio/{name}", f"text of {name}", "p"])
        for i, text in enumerate(["", "  ", "."]):
            shutil.copy(source / "train/audio/whole.wav", source / f"train/audio/w{i}.wav")
            writer.writerow([f"audio/w{i}.wav", text, "p"])
        writer.writerow(["audio/only-a-name.wav"])
    corpus = read(source)
    assert [u.id for u in corpus.train] == [u.id for u in sound.train]
    assert [u.id for u in corpus.validation] == [u.id for u in sound.validation]
    assert corpus.fingerprint == sound.fingerprint
    found = {Path(item.utterance_id).name: item for item in corpus.set_aside}
    assert {Path(name).name: reason for name, reason in reasons.items()} == {
        Path(name).name: found[Path(name).name].reason for name in reasons
    }
    assert [found[f"w{i}.wav"].reason for i in range(3)] == ["no-transcript"] * 3
    assert found["w2.wav"].detail == "nothing left after normalisation"
    assert corpus.set_aside[-1].reason == "bad-row"
    assert corpus.set_aside[-1].row == "train/metadata.csv row 38"
    assert len(corpus.set_aside) == len(reasons) + 4
    assert all(item.detail and "\n" not in item.detail for item in corpus.set_aside)
    assert "31.00 s" in found["long.wav"].detail


def test_limits_of_duration_are_settings(source, read, speech):
    soundfile.write(source / "train/audio/5.wav", speech(2.0), 16_000)
    (aside,) = read(source, max_duration_s=1.0).set_aside
    assert (aside.utterance_id, aside.reason) == ("train/audio/5.wav", "too-long")
    assert not read(source, max_duration_s=2.0).set_aside
    with pytest.raises(DataError, match="only 1 of 20 train clips can be used: 19 too-short"):
        read(source, min_duration_s=1.0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_file_without_permission_is_set_aside(source, read):
    (source / "train/audio/5.wav").chmod(0)
    assert [item.reason for item in read(source).set_aside] == ["unreadable"]


def test_too_few_usable_clips_says_why(tmp_path, read, write_split):
    write_split(tmp_path / "train", rows(5), audio=False)
    with pytest.raises(DataError) as caught:
        read(tmp_path)
    message = str(caught.value)
    assert "only 0 of 5 train clips can be used: 5 missing" in message
    assert "train/metadata.csv row 2: no such file" in message
    assert "\n" not in message


def test_one_sentence_alone_cannot_be_held_out(tmp_path, read, write_split):
    write_split(tmp_path / "train", [(f"audio/{i}.wav", "Yes.") for i in range(5)])
    with pytest.raises(DataError, match="same sentence"):
        read(tmp_path)


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.touch()])
def test_source_that_is_no_data_set(tmp_path, read, make):
    make(tmp_path / "data")
    with pytest.raises(DataError, match=str(tmp_path / "data")):
        read(tmp_path / "data")


def test_table_with_mark_quotes_and_other_line_ends(source, read):
    table = source / "train/metadata.csv"
    before = read(source)
    lines = table.read_text().splitlines()
    quoted = [",".join(f'"{cell}"' for cell in line.split(",")) for line in lines]
    table.write_bytes("\r\n".join(quoted).encode("utf-8-sig"))
    assert read(source) == before


def test_segments_of_one_recording(tmp_path, read, speech):
    soundfile.write(tmp_path / "long.flac", speech(20.0), 16_000)
    lines = [f"long.flac,text {i},{i}.0,{i + 1}.5" for i in range(15)] + ["long.flac,x,19.0,25.0"]
    (tmp_path / "metadata.csv").write_text("\n".join(["path,text,start_s,end_s", *lines]))
    corpus = read(tmp_path, max_duration_s=2.0)
    assert {u.duration_s for u in corpus.train} == {1.5}
    assert len(corpus.train) + len(corpus.validation) == 15
    assert [item.reason for item in corpus.set_aside] == ["unreadable"]


def test_speakers_are_held_out_where_there_are_enough(tmp_path, read, write_split):
    write_split(tmp_path / "train", rows(60, speakers=20))
    corpus = read(tmp_path)
    ours, theirs = ({u.speaker_id for u in s} for s in (corpus.train, corpus.validation))
    assert ours
    assert theirs
    assert not ours & theirs
    assert any("disjoint in sentence and in speaker" in note for note in corpus.notes)


def test_fault_of_a_normaliser_ends_the_run_with_its_name(source, read):
    class Broken:
        name = "broken"

        def normalize(self, text, *, purpose):
            if "7" in text:
                raise PluginError("broken", "broken 1.0", "normalize", "no sevens")
            return text

    with pytest.raises(PluginError, match="no sevens"):
        read(source, normalizer=Broken())


def test_set_aside_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out/set_aside.csv"
    items = [
        SetAside("a,b.wav", "train", "missing", 'said "no"\nreally', "train/metadata.csv row 2"),
        SetAside("bad\udce9name.wav", "test", "silent", "ሰላም", ""),
    ]
    write_set_aside(path, items)
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["utterance_id"], first["detail"]) == ("a,b.wav", 'said "no"\nreally')
    assert (second["utterance_id"], second["reason"]) == (r"bad\udce9name.wav", "silent")

    def breaks():
        yield items[0]
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError):
        write_set_aside(path, breaks())
    assert [p.name for p in path.parent.iterdir()] == ["set_aside.csv"]
    assert len(path.read_text().splitlines()) > 2
    assert count_reasons([*items, replace(items[0])]) == "2 missing, 1 silent"


def find_mboshi() -> Path:
    shared = Path(__file__).parents[2] / ".." / "shared" / "data"
    folder = Path(os.environ.get("RUACH_TEST_DATA", shared)) / "mboshi"
    if not folder.is_dir():
        pytest.skip("no Mboshi corpus: set RUACH_TEST_DATA to the folder that has mboshi/")
    return folder


def test_mboshi_with_its_pack():
    pytest.importorskip("ruach_lang_mdw", reason="the pack ruach-lang-mdw isn't installed")
    plugins = Plugins.load("mdw")
    corpus = read_corpus(
        find_mboshi(), plugins, normalizer=plugins.normalizer(), settings=DataConfig(), seed=42
    )
    assert len(corpus.train) + len(corpus.validation) == 800
    assert 40 <= len(corpus.validation) <= 120
    assert len(corpus.test) == 120
    assert not corpus.set_aside
    hours = sum(u.duration_s or 0 for u in (*corpus.train, *corpus.validation)) / 3600
    assert hours == pytest.approx(0.69, abs=0.01)
    assert {u.speaker_id for u in corpus.test} == {"abiayi", "kouarata", "martial"}
