"""Long recordings with their texts as a folder to train from, and what is left to a person.

OUTPUT is laid out as `ruach data prepare` lays it out, by the same code; OUTPUT/review is a corpus
of its own, with a table that says why each of its clips is there.
"""

from __future__ import annotations

import csv
import glob
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.alignment.known import TEXT_SUFFIXES, read_known_text
from ruach_core.alignment.recordings import (
    AlignedRecording,
    OnProgress,
    align_recording,
    copy_recording,
)
from ruach_core.alignment.segments import AlignedSegment
from ruach_core.config import DataConfig
from ruach_core.data.audio import load_audio
from ruach_core.data.audio_names import RECORDING_SUFFIXES, name_without_ending
from ruach_core.data.clip_cells import clean_cell, clip_identity, clip_name, one_line
from ruach_core.data.prepare import prepare
from ruach_core.data.prepared import AUDIO, TABLE
from ruach_core.data.subtitle_files import SUBTITLE_SUFFIXES
from ruach_core.data.waveforms import to_wav
from ruach_core.errors import DataError, RuachError, UserError
from ruach_core.transcription.reading import find_audio_files, iter_audio

if TYPE_CHECKING:
    from ruach_core.evaluation.ct2_decode import Ct2Recognizer
    from ruach_core.plugins import Plugins
    from ruach_core.transcription.transcribe import TranscriptionSettings
    from ruach_core.types import TextNormalizer

REVIEW = "review"
_TEXTS = ".vtt, .srt or .txt"
_ABOUT = ("recording", "recording_start_s", "recording_end_s", "score", "hypothesis")
"""Columns of every table beside the clip's own: where it was, and how surely it is aligned."""
_KEPT = ("file_name", "transcription", "speaker", "start_s", "end_s", *_ABOUT)
_DOUBTFUL = ("file_name", "transcription", "speaker", *_ABOUT, "reason")


@dataclass(frozen=True, slots=True)
class RecordingJob:
    """A recording and the file that has its text, if any; `has_times` where those are subtitles."""

    audio: Path
    known: Path | None
    has_times: bool = False


@dataclass(frozen=True, slots=True)
class SegmentingReport:
    """What a run did.

    Attributes:
        output: the folder that was written.
        recordings: those that were aligned.
        failures: for each of the others its name and what is wrong, in one line.
        n_clips: clips to train from.
        hours: their length together.
        n_rejected: segments that were to be kept, but whose audio can't be used.
    """

    output: Path
    recordings: tuple[AlignedRecording, ...]
    failures: tuple[str, ...]
    n_clips: int
    hours: float
    n_rejected: int


@dataclass(frozen=True, slots=True)
class Aligner:
    """What every recording is aligned with; see `align_recording`."""

    recognizer: Ct2Recognizer
    normalizer: TextNormalizer
    settings: TranscriptionSettings
    max_score: float | None

    def align(
        self, job: RecordingJob, copy: Path, on_progress: OnProgress | None
    ) -> AlignedRecording:
        """Copy the recording, and align it.

        Raises:
            DataError: the recording or its text can't be used, or isn't there, or they don't
                belong together.
        """
        if job.known is None:
            raise DataError(
                f"{job.audio}: no {_TEXTS} of this name beside it; put its text there, or move the "
                "recording away"
            )
        known = read_known_text(job.known, self.normalizer, has_times=job.has_times)
        copy_recording(iter_audio(job.audio), copy)
        return align_recording(
            job.audio, copy, known, self.recognizer, self.normalizer,
            settings=self.settings, max_score=self.max_score, on_progress=on_progress,
        )  # fmt: skip


def find_jobs(audio: Path, text: Path | None, subtitles: Path | None) -> list[RecordingJob]:
    """The recordings, each with the file of its text; first those that have none.

    Of a folder's recordings of one name in several formats one is taken, as data is read.

    Args:
        audio: a recording, or a folder of recordings with texts of the same names beside them.
        text: the text of one recording.
        subtitles: the subtitles of one recording.

    Raises:
        UserError: a file isn't there, a folder can't be listed, or there is no text at all.
    """
    for path in (text, subtitles):
        if path is not None and not path.is_file():
            raise UserError(f"{path}: no such file")
    if not audio.exists():
        raise UserError(f"{audio}: no such file or folder")
    if audio.is_file() and audio.suffix.lower() in TEXT_SUFFIXES:
        raise UserError(
            f"{audio}: a text, not a recording; AUDIO comes first, --text FILE after it"
        )
    known = text or subtitles
    if known is not None:
        if audio.is_dir():
            raise UserError(
                f"{audio}: a folder, and {known} is the text of one recording; put a {_TEXTS} of "
                "the same name beside each, or give one recording"
            )
        return [RecordingJob(audio, known, subtitles is not None)]
    texts = _list_texts(audio if audio.is_dir() else audio.parent)
    found = (_pair(path, texts) for path in _one_of_each_name(find_audio_files(audio)))
    jobs = sorted(found, key=lambda job: job.known is not None)
    if all(job.known is None for job in jobs):
        where = "none of its recordings has a" if audio.is_dir() else "there is no"
        raise UserError(
            f"{audio}: {where} {_TEXTS} of the same name beside it; give the text of one recording "
            "with --text or --subtitles"
        )
    return jobs


def _one_of_each_name(recordings: Sequence[Path]) -> list[Path]:
    found: dict[str, Path] = {}
    # What is given by itself may have any ending.
    order = {suffix: number for number, suffix in enumerate(RECORDING_SUFFIXES)}
    for path in sorted(recordings, key=lambda path: order.get(path.suffix.lower(), len(order))):
        found.setdefault(name_without_ending(path), path)
    return sorted(found.values())


def _list_texts(folder: Path) -> dict[str, Path]:
    """The folder's texts by their name without ending; of several the first by `TEXT_SUFFIXES`."""
    found: dict[str, Path] = {}
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise UserError(f"{folder}: can't be listed: {error.strerror or error}") from error
    texts = [p for p in paths if p.suffix.lower() in TEXT_SUFFIXES and p.name[0] != "."]
    for path in sorted(texts, key=lambda path: TEXT_SUFFIXES.index(path.suffix.lower())):
        if path.is_file():
            found.setdefault(name_without_ending(path), path)
    return found


def _pair(audio: Path, texts: Mapping[str, Path]) -> RecordingJob:
    known = texts.get(name_without_ending(audio))
    has_times = known is not None and known.suffix.lower() in SUBTITLE_SUFFIXES
    return RecordingJob(audio, known, has_times)


def check_output(output: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        UserError: it does, or it is no folder.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"--output {output}: is not a folder")
    if output.is_dir() and any(output.iterdir()):
        raise UserError(f"--output {output}: holds files already; give a new folder, or delete it")


def segment_recordings(
    jobs: Sequence[RecordingJob],
    output: Path,
    plugins: Plugins,
    aligner: Aligner,
    *,
    name: str,
    speaker: str = "",
    show: Callable[[RecordingJob], OnProgress | None] = lambda _job: None,
    complain: Callable[[RuachError], None] = lambda _error: None,
) -> SegmentingReport:
    """Align all recordings, and write their segments; the folder appears whole or not at all.

    A recording that can't be aligned, or has no text, is reported, and the others are done.

    Args:
        jobs: the recordings.
        output: a folder that is missing or empty.
        plugins: of the language.
        aligner: what to align with.
        name: what the source is called in `dataset.json`.
        speaker: who speaks wherever the text doesn't say.
        show: gives what to call with the seconds done of a recording.
        complain: called with what is wrong with one of several recordings, as soon as it is known.

    Raises:
        UserError: the output can't be written.
        DataError: the recording, or each of several, can't be aligned.
    """
    check_output(output)
    recordings: list[AlignedRecording] = []
    failures: list[str] = []
    with _workspace(output) as work:
        source, made = work / "source" / name, work / "made"
        tables = _Tables(source, made, speaker)
        for job in jobs:
            copy = source / clip_name(clip_identity(job.audio.name))
            try:
                recording = aligner.align(job, copy, show(job))
            except RuachError as error:
                if len(jobs) == 1:
                    raise
                complain(error)
                failures.append(str(error))
                copy.unlink(missing_ok=True)
                continue
            tables.add(recording, copy)
            recordings.append(recording)
        if not recordings:
            raise DataError(
                f"none of the {len(jobs)} recordings can be aligned; nothing is written"
            )
        n_clips, hours, n_rejected = tables.finish(plugins, aligner.normalizer)
        made.rename(output)
    return SegmentingReport(output, tuple(recordings), tuple(failures), n_clips, hours, n_rejected)


@contextmanager
def _workspace(output: Path) -> Iterator[Path]:
    """A folder beside the output, on the same disk; gone afterwards, and what killed runs left."""
    parent = output.absolute().parent
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for leftover in parent.glob(f".{glob.escape(output.name)}.*.segment.tmp"):
            shutil.rmtree(leftover)
        work = parent / f".{output.name}.{os.getpid()}.segment.tmp"
        work.mkdir()
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise UserError(
            f"{output}: can't be written: {error.strerror or error}; a recording takes 115 MB an "
            "hour there, twice while it is cut"
        ) from error


class _Tables:
    """The rows to keep, as a corpus beside the copies; those to review, as one in the output."""

    def __init__(self, source: Path, output: Path, speaker: str) -> None:
        self._source, self._output, self._speaker = source, output, speaker
        source.mkdir(parents=True)
        (output / REVIEW / AUDIO).mkdir(parents=True)
        self._kept: list[dict[str, str]] = []
        self._doubtful: list[dict[str, str]] = []

    def add(self, recording: AlignedRecording, copy: Path) -> None:
        """Take in a recording's segments; the audio of those to review is written at once."""
        for segment in recording.segments:
            row = self._row(recording, segment)
            start_s, end_s = f"{segment.start_s:.3f}", f"{segment.end_s:.3f}"
            if not segment.reason:
                place = {"file_name": copy.name, "start_s": start_s, "end_s": end_s}
                self._kept.append({**row, **place})
                continue
            clip = clip_name(clip_identity(f"{copy.name}#{start_s}-{end_s}"))
            waveform = load_audio(copy, start_s=segment.start_s, end_s=segment.end_s)
            (self._output / REVIEW / AUDIO / clip).write_bytes(to_wav(waveform))
            self._doubtful.append({**row, "file_name": f"{AUDIO}/{clip}", "reason": segment.reason})

    def _row(self, recording: AlignedRecording, segment: AlignedSegment) -> dict[str, str]:
        is_scored = segment.n_words > 0
        return {
            "transcription": one_line(segment.transcription),
            "speaker": clean_cell(segment.speaker or self._speaker),
            "recording": clean_cell(recording.path.name),
            "recording_start_s": f"{segment.start_s:.3f}",
            "recording_end_s": f"{segment.end_s:.3f}",
            "score": f"{segment.score:.3f}" if is_scored else "",
            "hypothesis": clean_cell(segment.hypothesis),
        }

    def finish(self, plugins: Plugins, normalizer: TextNormalizer) -> tuple[int, float, int]:
        """Write the tables and the clips to keep; how many, their hours, how many were rejected."""
        if self._doubtful:
            _write_table(self._output / REVIEW / TABLE, _DOUBTFUL, self._doubtful)
        else:
            shutil.rmtree(self._output / REVIEW)
        if not self._kept:
            return 0, 0.0, 0
        _write_table(self._source / TABLE, _KEPT, self._kept)
        prepared = self._output.with_name("prepared")
        report = prepare(
            self._source, prepared, plugins, normalizer=normalizer, settings=DataConfig(),  # type: ignore[call-arg]
            new_splits=None, n_threads=1,
        )  # fmt: skip
        if self._doubtful:
            (self._output / REVIEW).rename(prepared / REVIEW)
        self._output.rmdir()
        prepared.rename(self._output)
        record = report.record
        n_rejected = sum(dict(record["rejected"]).values())  # type: ignore[call-overload]
        return int(str(record["clips"])), float(str(record["hours"])), n_rejected


def _write_table(path: Path, columns: Sequence[str], rows: Sequence[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        file.flush()
        os.fsync(file.fileno())
