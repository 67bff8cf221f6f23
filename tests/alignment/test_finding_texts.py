"""Which recordings of a folder are cut, and by which texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from ruach_core.alignment.corpus import Aligner, RecordingJob, find_jobs, segment_recordings
from ruach_core.errors import DataError, UserError
from ruach_core.plugins import Plugins


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).touch()
    return folder


def found(folder: Path) -> list[tuple[str, str | None]]:
    return [(j.audio.name, j.known and j.known.name) for j in find_jobs(folder, None, None)]


def test_a_recording_in_several_formats_is_one(tmp_path: Path) -> None:
    put(tmp_path, "talk.mp3", "talk.wav", "talk.mkv", "talk.txt", "other.mp3", "other.txt")
    assert found(tmp_path) == [("other.mp3", "other.txt"), ("talk.wav", "talk.txt")]


def test_names_in_another_unicode_form_and_case(tmp_path: Path) -> None:
    put(tmp_path, "e\u0301.mp3", "\u00e9.flac", "\u00e9.TXT")
    assert found(tmp_path) == [("\u00e9.flac", "\u00e9.TXT")]


def test_of_several_texts_the_first_kind_is_taken(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "a.txt", "a.srt")
    assert find_jobs(tmp_path, None, None) == [
        RecordingJob(tmp_path / "a.wav", tmp_path / "a.srt", has_times=True)
    ]
    put(tmp_path, "a.vtt")
    assert found(tmp_path) == [("a.wav", "a.vtt")]


def test_one_recording_by_itself(tmp_path: Path) -> None:
    put(tmp_path, "a.xyz", "a.wav", "a.txt")
    (job,) = find_jobs(tmp_path / "a.xyz", None, None)
    assert (job.audio.name, job.known, job.has_times) == ("a.xyz", tmp_path / "a.txt", False)
    put(tmp_path, "b.wav")
    with pytest.raises(UserError, match=r"there is no \.vtt, \.srt or \.txt of the same name"):
        find_jobs(tmp_path / "b.wav", None, None)


def test_recordings_without_a_text_are_told_first(tmp_path: Path) -> None:
    class Deaf(Aligner):
        def align(self, job, copy, on_progress):  # type: ignore[no-untyped-def]
            if job.known is None:
                return super().align(job, copy, on_progress)
            raise DataError(f"{job.audio}: not heard")

    put(tmp_path, "a.wav", "a.txt", "b.wav")
    jobs = find_jobs(tmp_path, None, None)
    said: list[str] = []
    with pytest.raises(DataError, match="none of the 2 recordings can be aligned"):
        segment_recordings(
            jobs, tmp_path / "out", Plugins.load(None),
            Deaf(None, None, None, None),  # type: ignore[arg-type]
            name="x", complain=lambda error: said.append(str(error)),
        )  # fmt: skip
    assert said == [
        f"{tmp_path / 'b.wav'}: no .vtt, .srt or .txt of this name beside it; put its text there, "
        "or move the recording away",
        f"{tmp_path / 'a.wav'}: not heard",
    ]
