"""Rows of a source as records and 16 kHz clips: what is known is kept, what is new is decoded."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.data.audio import AudioError, load_audio
from ruach_core.data.clip_cells import (
    MAX_TRANSCRIPT,
    clean_cell,
    clip_identity,
    clip_name,
    column_name,
    is_text,
    one_line,
)
from ruach_core.data.prepare_state import ClipRecord, PrepareState
from ruach_core.data.prepared import audio_path, find_audio
from ruach_core.data.read import find_fault
from ruach_core.data.split_choice import sentence_key
from ruach_core.data.waveforms import to_wav
from ruach_core.files import write_aside
from ruach_core.types import SAMPLING_RATE, SetAside, TextNormalizer, Utterance

if TYPE_CHECKING:
    from ruach_core.config import DataConfig

_HEADER_BYTES = 44
_WORTH_A_TRY = ("missing", "unreadable")
"""Faults that may have gone without the file's size and time telling: a permission, a disk."""


@dataclass(frozen=True, slots=True)
class Job:
    """A row, and the audio to decode for it; `utterance` is None where there is nothing to do."""

    record: ClipRecord
    known: ClipRecord | None
    utterance: Utterance | None = None


class ClipWriter:
    """Turns rows into records and clips.

    Attributes:
        n_decoded: clips that were written.
        n_changed: other rows whose record changed.
        n_rejected: rows that were set aside.
        seconds: length of all clips, written now or known.
    """

    def __init__(
        self, output: Path, state: PrepareState, normalizer: TextNormalizer, settings: DataConfig
    ) -> None:
        self._output = output
        self._state = state
        self.n_decoded = self.n_changed = self.n_rejected = 0
        self.seconds = 0.0
        self._normalizer = normalizer
        self._settings = settings

    def plan(self, seq: int, row: Utterance | SetAside) -> Job:
        """What there is to do for a row; for the main thread alone."""
        record = self._describe(seq, row)
        if not self._state.see(record.id):
            unique = f"{record.id}\0{seq}"
            self._state.see(unique)
            record = replace(record, id=unique, name="", audio_key="").reject(
                "bad-row", "same id as an earlier row"
            )
        known = self._state.find(record.id)
        if record.reason is not None or not isinstance(row, Utterance):
            return Job(record, known)
        if known is not None and known.audio_key == record.audio_key and self._is_there(known):
            keep = replace(record, n_samples=known.n_samples, audio_sha256=known.audio_sha256)
            if known.reason is not None:
                keep = keep.reject(known.reason, known.detail)
            return Job(keep, known)
        return Job(record, known, row)

    def decode(self, job: Job) -> Job:
        """Write the clip of a job; usable in several threads."""
        row, record = job.utterance, job.record
        if row is None:
            return job
        try:
            waveform = load_audio(
                row.audio,
                start_s=row.start_s,
                end_s=row.end_s,
                max_duration_s=self._settings.max_duration_s,
            )
        except AudioError as error:
            return replace(job, record=record.reject(error.reason, error.detail))
        if (fault := find_fault(waveform, self._settings)) is not None:
            return replace(job, record=record.reject(*fault))
        content = to_wav(waveform)
        path = find_audio(self._output, record.name)
        path = path or audio_path(self._output, record.split, record.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, lambda temporary: temporary.write_bytes(content))
        sha256 = hashlib.sha256(content).hexdigest()
        return replace(job, record=replace(record, n_samples=len(waveform), audio_sha256=sha256))

    def keep(self, job: Job) -> None:
        """Record what came of a job."""
        record = job.record
        is_decoded = job.utterance is not None and record.reason is None
        self.n_decoded += is_decoded
        self.n_rejected += record.reason is not None
        self.seconds += record.n_samples / SAMPLING_RATE
        if record == job.known:
            return
        self.n_changed += not is_decoded
        self._state.put(record)

    def _is_there(self, known: ClipRecord) -> bool:
        """Whether the clip of a record is on the disk, and whole, or is known to be of no use."""
        if known.reason is not None:
            return known.reason not in _WORTH_A_TRY
        path = find_audio(self._output, known.name)
        return path is not None and path.stat().st_size == _HEADER_BYTES + 2 * known.n_samples

    def _describe(self, seq: int, row: Utterance | SetAside) -> ClipRecord:
        """The record of a row as far as it is known without its audio."""
        if isinstance(row, SetAside):
            identity = f"{clean_cell(row.utterance_id)}\0{seq}"
            record = ClipRecord(identity, seq, row.split, row=clean_cell(row.row))  # type: ignore[arg-type]
            return record.reject(row.reason, clean_cell(row.detail))
        identity = clip_identity(row.id)
        record = ClipRecord(
            id=identity,
            seq=seq,
            split=row.split,
            name=clip_name(identity),
            transcription=one_line(row.transcript),
            speaker=clean_cell(row.speaker_id or ""),
            attributes={
                column_name(name): clean_cell(cell) for name, cell in row.attributes.items()
            },
            row=clean_cell(row.row),
        )
        if len(row.transcript) > MAX_TRANSCRIPT:
            record = replace(record, transcription="")
            return record.reject("label-too-long", f"{len(row.transcript)} characters of text")
        if not is_text(row.transcript):
            record = replace(record, transcription="")
            return record.reject("bad-row", "the text holds a NUL or half a character")
        target = self._normalizer.normalize(row.transcript, purpose="target")
        sentence = self._normalizer.normalize(row.transcript, purpose="score")
        if not target.strip() or not sentence.strip():
            is_blank = not row.transcript.strip()
            detail = "the transcript is empty" if is_blank else "nothing left after normalisation"
            return record.reject("no-transcript", detail)
        return replace(record, sentence=sentence_key(sentence), audio_key=self._audio_key(row))

    def _audio_key(self, row: Utterance) -> str:
        settings = self._settings
        try:
            found = row.audio.stat()
            state = f"{found.st_size} {found.st_mtime_ns}"
        except (OSError, ValueError):
            state = "missing"
        limits = f"{settings.min_duration_s} {settings.max_duration_s}"
        return f"{state} {row.start_s} {row.end_s} {limits}"
