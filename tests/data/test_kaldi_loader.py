from __future__ import annotations

import shutil
import tempfile
import wave
from pathlib import Path

import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ruach_core.data.audio import load_audio
from ruach_core.default_plugins.loaders.kaldi import KaldiLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = KaldiLoader()


def tables(folder, **lines):
    """Writes `wav.scp` and the others: `tables(folder, wav_scp=[...], text=[...])`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in lines.items():
        content = "".join(f"{row}\n" for row in rows)
        (folder / name.replace("_", ".")).write_text(content, encoding="utf-8")
    return folder


def audio(path, n_channels=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(n_channels)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\1\2" * 1600 * n_channels)
    return path


def read(source, split="train"):
    return list(LOADER.read(source, split))


def reasons(rows):
    return [row.reason if isinstance(row, SetAside) else "ok" for row in rows]


@pytest.fixture
def recipe(tmp_path):
    """Kaldi's own layout: paths from the recipe's folder, segments, speakers."""
    root = tmp_path / "s5"
    audio(root / "wav/call one.wav")
    audio(root / "wav/b.wav")
    tables(
        root / "data/train",
        wav_scp=["rec-a wav/call one.wav", "rec-b wav/b.wav"],
        segments=["s1-a-1 rec-a 0.0 1.25", "s1-a-2 rec-a 1.25 2.5", "s2-b-1 rec-b 0.5 -1"],
        text=["s1-a-1 ሰላም ነው", "s1-a-2 two  words", "s2-b-1 three"],
        utt2spk=["s1-a-1 s1", "s1-a-2 s1", "s2-b-1 s2"],
        spk2gender=["s1 f", "s2 m"],
    )
    tables(root / "data/dev", wav_scp=["d wav/b.wav"], text=["d four"], utt2spk=["d d"])
    tables(root / "data/test", wav_scp=["t wav/b.wav"], text=["t five"])
    tables(root / "data/lang", words=["a 1"])
    return root


def test_is_a_dataset_loader_that_core_registers(recipe):
    assert isinstance(LOADER, DatasetLoader)
    assert Plugins.load(None).find_dataset_loader(recipe).name == "kaldi"


def test_a_recipe_has_splits_speakers_and_segments(recipe):
    assert LOADER.detect(recipe)
    assert LOADER.splits(recipe) == ("train", "validation", "test")
    assert LOADER.info(recipe) == CorpusInfo()
    first, second, third = read(recipe)
    assert first == Utterance(
        id="data/train/s1-a-1",
        audio=recipe / "wav/call one.wav",
        transcript="ሰላም ነው",
        split="train",
        speaker_id="s1",
        start_s=0.0,
        end_s=1.25,
        row="data/train/text row 1",
        attributes={"gender": "f"},
    )
    assert second.transcript == "two  words"
    assert (third.start_s, third.end_s) == (0.5, None)
    (validation,) = read(recipe, "validation")
    assert (validation.split, validation.speaker_id) == ("validation", None)
    assert read(recipe, "test")[0].id == "data/test/t"


@pytest.mark.parametrize("below", ["", "data", "data/train"])
def test_the_source_may_be_the_recipe_its_data_or_one_directory(recipe, below, monkeypatch):
    for source in (recipe / below, Path(below or ".")):
        monkeypatch.chdir(recipe)
        assert LOADER.detect(source)
        rows = read(source)
        assert reasons(rows) == ["ok"] * 3
        assert all(row.audio.is_file() for row in rows)
        prefix = "data/train/".removeprefix(below).removeprefix("/")
        assert rows[0].id == f"{prefix}s1-a-1"


def test_a_single_directory_is_all_train(tmp_path):
    audio(tmp_path / "wav/a.wav")
    tables(tmp_path, wav_scp=["a wav/a.wav", "b b.wav"], text=["a one", "b"])
    assert LOADER.splits(tmp_path) == ("train",)
    first, second = read(tmp_path)
    assert (first.id, first.audio, first.start_s) == ("a", tmp_path / "wav/a.wav", None)
    assert second.transcript == ""
    assert first.row == "text row 1"


def test_names_that_begin_like_a_split(tmp_path):
    for name, line in (
        ("train_clean_100", "a"), ("train-other", "b"), ("dev93", "c"), ("eval92", "d"),
        ("training_hires", "a"), ("trainer", "e"),
    ):  # fmt: skip
        audio(tmp_path / name / "x.wav")
        tables(tmp_path / name, wav_scp=[f"{line} x.wav"], text=[f"{line} said"])
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    rows = read(tmp_path)
    found = {row.id if isinstance(row, Utterance) else row.utterance_id: row for row in rows}
    assert set(found) == {"train-other/b", "train_clean_100/a", "training_hires/a"}
    assert found["training_hires/a"].detail == "the same utterance as in train_clean_100"
    tables(tmp_path / "train", wav_scp=["z x.wav"], text=["z said"])
    assert [row.id for row in read(tmp_path)] == ["train/z"]


def test_one_directory_of_another_name_is_train_and_several_are_not_guessed(tmp_path):
    tables(tmp_path / "data/all", wav_scp=["a a.wav"], text=["a one"])
    assert LOADER.splits(tmp_path) == ("train",)
    tables(tmp_path / "data/other", wav_scp=["a a.wav"], text=["a one"])
    assert LOADER.detect(tmp_path)
    assert "all, other are data directories, but none is named train" in problem(tmp_path)


def problem(source, split="train"):
    with pytest.raises(DataError) as caught:
        read(source, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sources_that_are_no_data_directory(tmp_path):
    assert "no such folder; expected a Kaldi data directory" in problem(tmp_path / "none")
    (tmp_path / "file").touch()
    assert "is not a folder" in problem(tmp_path / "file")
    assert "no wav.scp" in problem(tmp_path)
    for name in ("none", "file", "", "a\0b"):
        assert not LOADER.detect(tmp_path / name)
    tables(tmp_path / "test", wav_scp=["a a.wav"])
    assert not LOADER.detect(tmp_path)
    assert "no text beside" in problem(tmp_path)
    tables(tmp_path / "train", wav_scp=["a a.wav"], text=["a one"])
    assert f"{tmp_path / 'test'}: has no text" in problem(tmp_path)
    shutil.rmtree(tmp_path / "test")
    assert "has no test split" in problem(tmp_path, "test")


def test_other_layouts_are_not_taken_for_kaldi(tmp_path, write_split):
    write_split(tmp_path / "train", [("audio/a.wav", "one")])
    (tmp_path / "train/text").write_text("a one\n")
    assert not LOADER.detect(tmp_path)


def test_what_only_one_table_has_is_set_aside(tmp_path):
    for name in "abcde":
        audio(tmp_path / f"{name}.wav")
    tables(
        tmp_path,
        wav_scp=[f"{name} {name}.wav" for name in "abde"] + ["e d.wav"],
        text=["a one", "b two", "c three", "e four", "e five"],
    )
    rows = read(tmp_path)
    assert reasons(rows) == ["ok", "ok", "missing", "no-transcript", "ok", "bad-row"]
    assert (rows[2].detail, rows[2].row) == ("not in wav.scp", "text row 3")
    assert (rows[3].detail, rows[3].row) == ("not in text", "wav.scp row 3")
    assert (rows[5].detail, rows[5].row) == ("same utterance as in text row 4", "text row 5")
    assert rows[4].transcript == "four"


def test_tables_that_are_not_sorted_give_the_same(recipe):
    expected = [(row.id, row.audio, row.transcript, row.speaker_id) for row in read(recipe)]
    for name in ("text", "segments", "utt2spk", "wav.scp"):
        path = recipe / "data/train" / name
        path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
        found = [(row.id, row.audio, row.transcript, row.speaker_id) for row in read(recipe)]
        assert found == expected


def test_segments_that_cannot_be_used(tmp_path):
    audio(tmp_path / "a.wav")
    audio(tmp_path / "two.wav", n_channels=2)
    tables(
        tmp_path,
        wav_scp=["r a.wav", "s two.wav"],
        segments=[
            "a r 0 1 0", "b r 2 1", "c r 1 1", "d r x 2", "e r 0", "f nowhere 0 1", "g r nan 3",
            "h r 0 inf", "i r -2 3", "j s 0 1 1", "k s 0 1", "l r 1_0 20", "m r 0 1 2 3",
        ],
        text=[f"{name} x" for name in "abcdefghijklm"],
    )  # fmt: skip
    rows = read(tmp_path)
    assert [row.id for row in rows if isinstance(row, Utterance)] == ["a", "k"]
    details = {row.utterance_id: row.detail for row in rows if isinstance(row, SetAside)}
    assert details["b"].startswith("segments row 2: from 2 to 1 isn't a stretch of time")
    assert details["e"].startswith("segments row 5: 3 fields; expected UTTERANCE RECORDING")
    assert details["f"] == "recording nowhere isn't in wav.scp"
    assert details["j"].startswith("takes channel 2 of two.wav, which has 2; write each channel")


def test_commands_are_recognised_or_refused_but_never_run(tmp_path):
    mark = tmp_path / "ran"
    for name in ("a.flac", "b b.sph", "c.wav"):
        audio(tmp_path / name)
    audio(tmp_path / "two.sph", n_channels=2)
    tables(
        tmp_path,
        wav_scp=[
            "a flac -c -d -s a.flac |",
            "b /opt/tools/sph2pipe -f wav -p -c 1 'b b.sph' | sox -t wav - -r 16k -t wav - |",
            "c cat c.wav |",
            "d sph2pipe -f wav -p -c 2 two.sph |",
            f"e touch {mark} |",
            f"f cat c.wav; touch {mark} |",
            f"g cat $(touch {mark}) |",
            "h wav.ark:1234",
            "i sox c.wav -t wav - speed 0.9 |",
        ],
        text=[f"{name} x" for name in "abcdefghi"],
    )
    rows = read(tmp_path)
    assert reasons(rows) == ["ok"] * 3 + ["bad-row"] * 6
    assert [row.audio.name for row in rows[:3]] == ["a.flac", "b b.sph", "c.wav"]
    assert all("commands are not run" in rows[i].detail for i in (4, 5, 6, 8))
    assert rows[4].detail.startswith("wav.scp row 5: ")
    assert "takes channel 2 of two.sph" in rows[3].detail
    assert "wav-copy" in rows[7].detail
    assert not mark.exists()


def test_what_a_command_would_convert_is_decoded_from_the_file(tmp_path, speech):
    soundfile.write(tmp_path / "a.sph", speech(2.0, 8_000), 8_000, format="NIST", subtype="ULAW")
    soundfile.write(tmp_path / "b.flac", speech(2.0), 16_000)
    tables(
        tmp_path,
        wav_scp=["a sph2pipe -f wav -p a.sph |", "b flac -c -d -s b.flac |"],
        segments=["u a 0.5 1.5", "v b 1 -1"],
        text=["u one", "v two"],
    )
    rows = read(tmp_path)
    lengths = [len(load_audio(r.audio, start_s=r.start_s, end_s=r.end_s)) for r in rows]
    assert lengths == [16_000, 16_000]


@pytest.mark.parametrize(
    "entry",
    [
        "../outside.wav", "wav/../../../../outside.wav", "..\\..\\..\\outside.wav",
        "C:\\outside.wav", "link.wav", "linked/outside.wav", "{outside}", "/etc/hostname",
        "cat {outside} |", "{root}/../outside.wav",
    ],
)  # fmt: skip
def test_nothing_outside_the_root_is_read(tmp_path, entry):
    outside = audio(tmp_path / "outside.wav")
    root = tmp_path / "corpus"
    audio(root / "inside.wav")
    (root / "link.wav").symlink_to(outside)
    (root / "linked").symlink_to(tmp_path)
    tables(
        root,
        wav_scp=["a " + entry.format(outside=outside, root=root), "b inside.wav"],
        text=["a x", "b y"],
    )
    rows = read(root)
    assert reasons(rows) == ["outside-folder", "ok"]
    assert "put the recordings below it" in rows[0].detail


def test_paths_are_looked_for_upwards_and_absolute_ones_inside_the_root_are_fine(tmp_path):
    root = tmp_path / "real"
    paths = [root / "data/train/wav/a.wav", root / "data/b.wav", root / "c.wav", root / "wav/é.wav"]
    for path in paths:
        audio(path)
    (tmp_path / "alias").symlink_to(root)
    directory = tables(
        root / "data/train",
        wav_scp=[
            "a wav/a.wav", "b b.wav", "c c.wav", f"d {tmp_path}/alias/c.wav",
            f"e {root}/data/train/../../wav/e\u0301.wav", "f ../b.wav", "g nowhere.wav",
        ],
        text=[f"{name} x" for name in "abcdefg"],
    )  # fmt: skip
    expected = ["a.wav", "b.wav", "c.wav", "c.wav", "é.wav", "b.wav"]
    for source in (tmp_path / "alias", tmp_path / "alias/data/train"):
        rows = read(source)
        assert reasons(rows) == ["ok"] * 7
        assert [row.audio.name for row in rows[:6]] == expected
        assert all(row.audio.is_file() for row in rows[:6])
        assert not rows[6].audio.exists()
    assert directory.is_dir()


def test_a_folder_that_happens_to_be_called_data_does_not_open_its_holder(tmp_path):
    audio(tmp_path / "private.wav")
    corpus = tables(tmp_path / "data/corpus", wav_scp=["a ../../private.wav"], text=["a x"])
    assert reasons(read(corpus)) == ["outside-folder"]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings_and_line_ends(tmp_path, encoding):
    tables(tmp_path, wav_scp=["a a.wav", "b b.wav"])
    start = "\ufeff" if encoding == "utf-16-be" else ""
    text = f"{start}a שלום\tעולם\r\n\r\nb\u00a0x y\r\nb x\u00a0y\r\n"
    (tmp_path / "text").write_bytes(text.encode(encoding))
    rows = read(tmp_path)
    assert [row.transcript for row in rows if isinstance(row, Utterance)] == [
        "שלום\tעולם", "x\u00a0y",
    ]  # fmt: skip
    assert reasons(rows) == ["ok", "ok", "missing"]


def test_bytes_that_are_not_text(tmp_path):
    names = "abcdef"
    tables(tmp_path, wav_scp=[f"{name} a.wav" for name in names])
    lines = [f"{name} x".encode() for name in names]
    lines[1], lines[2] = b"b caf\xe9", b"c nu\0l"
    (tmp_path / "text").write_bytes(b"\n".join(lines))
    rows = read(tmp_path)
    assert reasons(rows) == ["ok", "bad-row", "bad-row", "ok", "ok", "ok"]
    assert rows[1].detail == "not UTF-8 (byte 0xe9); save the file as UTF-8"
    (tmp_path / "text").write_bytes(b"\n".join([*lines[:2], b"c \xe9", b"d \xe8"]))
    assert "text row 2: not UTF-8, like 3 of 4 rows; save the file as UTF-8" in problem(tmp_path)
    (tmp_path / "text").write_bytes("a x\nb y\n".encode("utf-16-le"))
    assert "UTF-16 without a mark" in problem(tmp_path)
    (tmp_path / "text").write_bytes(b"a " + b"x" * 10_000_000)
    assert "text row 1: over 1000000 characters without a line break" in problem(tmp_path)
    (tmp_path / "text").write_bytes(b"\xff\xfea")
    assert "not utf-16" in problem(tmp_path)


def test_rows_of_wav_scp_that_are_not_text(tmp_path):
    tables(tmp_path, text=[f"{name} x" for name in "abcde"])
    (tmp_path / "wav.scp").write_bytes(
        b"a aaaa\0b.wav\nb caf\xe9.wav\nc\nd " + b"x" * 20_000 + b"\ne " + b"y" * 5000 + b"\n"
    )
    rows = read(tmp_path)
    assert reasons(rows) == ["bad-row"] * 4 + ["unreadable"]
    assert rows[2].detail == "wav.scp row 3: names no file"


def test_sorted_tables_are_not_held(tmp_path):
    """The tables are read along: of 4,000 rows hardly any is in memory."""
    import tracemalloc

    keys = [f"utt{i:07}" for i in range(4_000)]
    tables(
        tmp_path,
        wav_scp=[f"{key} a.wav" for key in keys],
        text=[f"{key} {'word ' * 300}" for key in keys],
        utt2spk=[f"{key} s" for key in keys],
    )
    audio(tmp_path / "a.wav")
    tracemalloc.start()
    n_rows = sum(1 for _ in LOADER.read(tmp_path, "train"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_rows == 4_000
    assert peak < 3_000_000


PIECES = st.sampled_from(
    [
        b"a", b"b", b"r", b" ", b" ", b"\t", b"\n", b"\n", b"\r\n", b"a.wav", b"../a.wav", b"/",
        b"..", b"cat a.wav |",
        b"|", b"0", b"1.5", b"-1", b"\xe9", b"\xc3\xa9", b"\0", b"\xef\xbb\xbf",
        b"\\", b"r 0 1\n", b"a r 0 1\n", b"link.wav", b"\xff\xfe",
    ]
)  # fmt: skip
TABLE = st.lists(PIECES, max_size=14).map(b"".join)


@settings(deadline=None)
@given(TABLE, TABLE, st.none() | TABLE, st.none() | TABLE)
def test_any_tables_are_rows_or_one_clear_error(scp, text, segments, speakers):
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "a.wav").touch()
        root = Path(name) / "corpus"
        root.mkdir()
        (root / "a.wav").touch()
        (root / "link.wav").symlink_to("../a.wav")
        contents = {"wav.scp": scp, "text": text, "segments": segments, "utt2spk": speakers}
        for table, content in contents.items():
            if content is not None:
                (root / table).write_bytes(content)
        assert LOADER.detect(root)
        try:
            rows = read(root)
        except DataError as error:
            assert "\n" not in str(error)  # noqa: PT017
            return
        good = [row for row in rows if isinstance(row, Utterance)]
        assert len({row.id for row in good}) == len(good)
        assert all(row.audio.resolve().is_relative_to(root.resolve()) for row in good)
        assert all(row.end_s is None or 0 <= row.start_s < row.end_s for row in good)
