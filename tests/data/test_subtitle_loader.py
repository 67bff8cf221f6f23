from __future__ import annotations

import shutil
import wave

import pytest

from ruach_core.data.audio import AudioError, load_audio
from ruach_core.default_plugins.loaders.subtitles import SubtitleLoader
from ruach_core.errors import DataError
from ruach_core.plugins import Plugins
from ruach_core.types import CorpusInfo, DatasetLoader, SetAside, Utterance

LOADER = SubtitleLoader("am")


def audio(path, duration_s=4.0):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(b"\1\2" * int(16_000 * duration_s))
    return path


def clock(seconds):
    return f"{int(seconds) // 3600:02}:{int(seconds) // 60 % 60:02}:{seconds % 60:06.3f}"


def subtitles(path, *cues, head=""):
    """Writes cues (start_s, end_s, text)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = [f"{clock(start)} --> {clock(end)}\n{text}\n" for start, end, text in cues]
    path.write_text("\n".join([*([head] if head else []), *blocks]), encoding="utf-8")
    return path


def pair(folder, stem="talk", suffix=".srt", text="said"):
    audio(folder / f"{stem}.wav")
    subtitles(folder / f"{stem}{suffix}", (0.5, 1.5, text))


def read(source, split="train", loader=LOADER):
    return list(loader.read(source, split))


def reasons(rows):
    return [row.reason if isinstance(row, SetAside) else "ok" for row in rows]


def test_is_a_dataset_loader_that_core_registers(tmp_path):
    pair(tmp_path)
    assert isinstance(LOADER, DatasetLoader)
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "subtitles"
    (tmp_path / "metadata.csv").write_text("file_name,transcription\ntalk.wav,x\n")
    assert Plugins.load(None).find_dataset_loader(tmp_path).name == "folder"


def test_a_folder_of_pairs(tmp_path):
    audio(tmp_path / "talk.wav")
    subtitles(
        tmp_path / "talk.vtt",
        (0.5, 1.5, "<v Abeba>ሰላም\nነው"),
        (1.5, 2.25, "two"),
        head="WEBVTT\n",
    )
    pair(tmp_path, "other one")
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train",)
    assert LOADER.info(tmp_path) == CorpusInfo()
    other, first, second = read(tmp_path)
    assert first == Utterance(
        id="talk.wav#0.500-1.500",
        audio=tmp_path / "talk.wav",
        transcript="ሰላም ነው",
        split="train",
        speaker_id="Abeba",
        start_s=0.5,
        end_s=1.5,
        row="talk.vtt row 3",
    )
    assert (second.speaker_id, second.transcript) == (None, "two")
    assert other.id == "other one.wav#0.500-1.500"


def test_folders_of_splits(tmp_path):
    for name in ("train", "dev", "test"):
        pair(tmp_path / name)
    pair(tmp_path, "loose")
    assert LOADER.detect(tmp_path)
    assert LOADER.splits(tmp_path) == ("train", "validation", "test")
    assert [row.id for row in read(tmp_path, "validation")] == ["dev/talk.wav#0.500-1.500"]
    assert read(tmp_path)[0].row == "train/talk.srt row 1"
    pair(tmp_path / "valid")
    assert "dev, valid are all the validation split" in problem(tmp_path)


def test_folders_of_splits_in_other_cases(tmp_path):
    pair(tmp_path / "Train")
    pair(tmp_path / "TESTING")
    assert LOADER.splits(tmp_path) == ("train", "test")
    assert [row.id for row in read(tmp_path, "test")] == ["TESTING/talk.wav#0.500-1.500"]


def test_one_recording(tmp_path):
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    assert LOADER.detect(tmp_path / "b.wav")
    assert [row.id for row in read(tmp_path / "b.wav")] == ["b.wav#0.500-1.500"]
    audio(tmp_path / "c.wav")
    assert not LOADER.detect(tmp_path / "c.wav")
    assert not LOADER.detect(tmp_path / "b.srt")
    assert reasons(read(tmp_path / "c.wav")) == ["no-transcript"]


def problem(source, split="train"):
    with pytest.raises(DataError) as caught:
        read(source, split)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_sources_without_pairs(tmp_path):
    assert "no such file or folder; expected audio files with subtitles" in problem(
        tmp_path / "none"
    )
    audio(tmp_path / "a.wav")
    subtitles(tmp_path / "b.srt", (0, 1, "x"))
    assert "no recording with a subtitle file; expected" in problem(tmp_path)
    for name in ("", "none", "a.wav", "a\0b"):
        assert not LOADER.detect(tmp_path / name)
    pair(tmp_path)
    assert "has no test split" in problem(tmp_path, "test")


def test_recordings_and_subtitles_without_each_other(tmp_path):
    audio(tmp_path / "a.wav")
    subtitles(tmp_path / "b.srt", (0, 1, "x"))
    pair(tmp_path, "c")
    (tmp_path / "c.wav").rename(tmp_path / "c.WAV")
    (tmp_path / ".hidden.wav").touch()
    subtitles(tmp_path / "d.srt")
    audio(tmp_path / "d.wav")
    rows = read(tmp_path)
    assert reasons(rows) == ["no-transcript", "ok", "no-transcript", "missing"]
    assert rows[2].detail == "d.srt has no cue"
    assert (rows[3].utterance_id, rows[3].row) == ("b.srt", "b.srt")


def test_cues_that_cannot_be_used(tmp_path):
    audio(tmp_path / "a.wav")
    subtitles(
        tmp_path / "a.srt",
        (0, 1, "fine"),
        (1, 1.5, "♪ la ♪"),
        (1.5, 2, "[music]"),
        (2, 3, ""),
        (3, 33, "long"),
        (40, 42, "one"),
        (41, 43, "over another"),
        (42.9, 44, "a little over is fine"),
        (42, 50, "[rain]"),
        (45, 46, "twice"),
        (45, 46, "twice"),
        (48, 47, "backwards"),
        (3600 * 120, 3600 * 120 + 2, "late"),
    )
    rows = read(tmp_path)
    assert reasons(rows) == [
        "ok", "no-transcript", "no-transcript", "no-transcript", "too-long", "bad-row", "bad-row",
        "ok", "no-transcript", "ok", "bad-row", "bad-row", "ok",
    ]  # fmt: skip
    assert rows[1].detail == "no speech in it: ♪ la ♪"
    assert rows[3].detail == "no text of its own"
    assert rows[4].detail == "30.00 s, Whisper's window is 30 s"
    assert rows[5].detail.startswith("overlaps the cue of row 19;")
    assert rows[6].detail.startswith("overlaps the cue of row 16;")
    assert rows[10].detail == "the same times as in row 28"
    assert rows[10].row == "a.srt row 31"
    assert rows[12].start_s == 432_000
    # Beyond the file's end is what the audio reader finds out.
    with pytest.raises(AudioError, match=r"the file ends at 4\.00 s"):
        load_audio(rows[12].audio, start_s=rows[12].start_s, end_s=rows[12].end_s)


def test_captions_that_roll_up_are_read_once(tmp_path):
    audio(tmp_path / "a.wav")
    rolling = [
        (0, 1.99, "one <00:00:00.500><c>two</c>"),
        (1.99, 2, "one two"),
        (2, 3.99, "one two\nthree<00:00:03.000><c> four</c>"),
        (3.99, 4, "three four"),
        (4, 6, "three four\nfive"),
    ]
    subtitles(tmp_path / "a.vtt", *rolling, head="WEBVTT\n")
    rows = read(tmp_path)
    assert [row.transcript for row in rows if isinstance(row, Utterance)] == [
        "one two", "three four", "five",
    ]  # fmt: skip
    assert reasons(rows) == ["ok", "no-transcript", "ok", "no-transcript", "ok"]
    lively = [(i, i + 1, word) for i, word in enumerate(["no", "no", "yes", "well", "go", "on"])]
    subtitles(tmp_path / "a.vtt", *lively, head="WEBVTT\n")
    assert reasons(read(tmp_path)) == ["ok"] * 6


@pytest.mark.parametrize(
    ("names", "lang", "expected"),
    [
        (["talk.am.srt"], "am", "talk.am.srt"),
        (["talk.en.srt", "talk.am-ET.vtt"], "am", "talk.am-ET.vtt"),
        (["talk.en.srt", "talk.am.srt", "talk.srt"], "am", "talk.srt"),
        (["talk.srt", "talk.vtt"], "am", "talk.vtt"),
        (["talk.pt_BR.srt", "talk.pt.srt"], "pt-BR", "talk.pt_BR.srt"),
        (["talk.pt.srt"], "pt-BR", "talk.pt.srt"),
        (["talk.en.srt"], "und", "talk.en.srt"),
        (["talk.en.srt"], "am", "none is marked am: talk.en.srt; call the transcript talk.srt"),
        (["talk.en.srt", "talk.fr.srt"], "und", "several subtitle files: talk.en.srt, talk.fr.srt"),
    ],
)
def test_languages_in_file_names(tmp_path, names, lang, expected):
    audio(tmp_path / "talk.wav")
    for name in names:
        subtitles(tmp_path / name, (0, 1, name))
    loader = SubtitleLoader(lang)
    assert loader.detect(tmp_path)
    (row,) = read(tmp_path, loader=loader)
    if isinstance(row, Utterance):
        assert row.transcript == expected
    else:
        assert row.reason == "no-transcript"
        assert row.detail.startswith(expected)


def test_of_sound_and_film_the_sound_is_read(tmp_path):
    pair(tmp_path)
    (tmp_path / "talk.mp4").touch()
    (row,) = read(tmp_path)
    assert row.audio.name == "talk.wav"


def test_unicode_forms_of_names(tmp_path):
    audio(tmp_path / "e\u0301t\u00e9.wav")
    subtitles(tmp_path / "\u00e9te\u0301.srt", (0, 1, "x"))
    assert LOADER.detect(tmp_path)
    assert reasons(read(tmp_path)) == ["ok"]


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    outside = tmp_path / "outside"
    pair(outside, "secret")
    folder = tmp_path / "corpus"
    pair(folder, "fine")
    (folder / "a.wav").symlink_to(outside / "secret.wav")
    shutil.copy(outside / "secret.srt", folder / "a.srt")
    (folder / "b.srt").symlink_to(outside / "secret.srt")
    shutil.copy(outside / "secret.wav", folder / "b.wav")
    (folder / "c.wav").symlink_to(folder / "fine.wav")
    (folder / "c.srt").symlink_to("fine.srt")
    rows = read(folder)
    assert reasons(rows) == ["outside-folder", "outside-folder", "ok", "ok"]
    assert rows[0].detail == "a.wav is a link that leads out of corpus"
    # From one folder of the source into another they are.
    pair(folder / "train", "d")
    (folder / "train/e.wav").symlink_to("../fine.wav")
    shutil.copy(folder / "fine.srt", folder / "train/e.srt")
    assert reasons(read(folder)) == ["ok", "ok"]


def test_a_file_that_is_no_text_costs_only_itself(tmp_path):
    pair(tmp_path, "a")
    pair(tmp_path, "b")
    (tmp_path / "a.srt").write_bytes(b"00:01,0 --> 00:02,0\ncaf\xe9\n")
    rows = read(tmp_path)
    assert reasons(rows) == ["bad-row", "ok"]
    assert "row 2: not UTF-8 (byte 0xe9), perhaps Latin-1; save it as UTF-8" in rows[0].detail
