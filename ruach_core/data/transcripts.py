"""Texts without their audio: the transcripts of a data source, or the lines of a text file."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ruach_core.errors import DataError
from ruach_core.text.lines import read_lines
from ruach_core.types import SetAside, TextNormalizer, Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

STANDARD_INPUT = "-"


@dataclass(frozen=True, slots=True)
class Transcripts:
    """Normalised texts.

    Attributes:
        utterances: all with their `reference`; `duration_s` only where it is known.
        set_aside: rows that can't be read, and texts of which nothing is left.
    """

    utterances: tuple[Utterance, ...]
    set_aside: tuple[SetAside, ...]


def read_transcripts(source: Path, plugins: Plugins, normalizer: TextNormalizer) -> Transcripts:
    """All transcripts of a data source, with durations from the audio files' headers.

    No audio is decoded, so a duration is what the header promises; a file without a readable
    header has none, and its transcript is read all the same.

    Args:
        source: the folder (or whatever a loader knows).
        plugins: gives the loader.
        normalizer: fills `reference` by its `target` form.

    Raises:
        DataError: the source can't be read as a whole, or has no text.
    """
    loader = plugins.find_dataset_loader(source)
    rows = (row for split in loader.splits(source) for row in loader.read(source, split))
    return _normalize(read_durations(rows), normalizer, where=str(source))


def read_durations(rows: Iterable[Utterance | SetAside]) -> Iterator[Utterance | SetAside]:
    """The rows, lazily, each with its duration by the audio file's header where that is known."""
    for row in rows:
        yield _with_duration(row) if isinstance(row, Utterance) else row


def read_text(file: str, normalizer: TextNormalizer) -> Transcripts:
    """The lines of a UTF-8 text file as transcripts; blank lines are passed over.

    Args:
        file: the file's path, or `-` for standard input.
        normalizer: fills `reference` by its `target` form.

    Raises:
        DataError: the file can't be read, isn't UTF-8, or has no text; names file and line.
    """
    where = "standard input" if file == STANDARD_INPUT else file
    try:
        if file == STANDARD_INPUT:
            return _normalize(_read_lines(sys.stdin.buffer, where), normalizer, where=where)
        with Path(file).open("rb") as stream:
            return _normalize(_read_lines(stream, where), normalizer, where=where)
    # ValueError: a name with a null character.
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{where}: can't be read: {reason}") from error


def _read_lines(stream: BinaryIO, where: str) -> Iterator[Utterance]:
    audio = Path()
    for number, line in enumerate(read_lines(stream, where), start=1):
        if line.strip():
            yield Utterance(f"line {number}", audio, line, "train", row=f"line {number}")


def _normalize(
    rows: Iterator[Utterance] | Iterator[Utterance | SetAside],
    normalizer: TextNormalizer,
    *,
    where: str,
) -> Transcripts:
    utterances: list[Utterance] = []
    set_aside: list[SetAside] = []
    for row in rows:
        if isinstance(row, SetAside):
            set_aside.append(row)
            continue
        reference = normalizer.normalize(row.transcript, purpose="target")
        if reference.strip():
            utterances.append(replace(row, reference=reference))
            continue
        is_blank = not row.transcript.strip()
        detail = "the transcript is empty" if is_blank else "nothing left after normalisation"
        set_aside.append(SetAside(row.id, row.split, "no-transcript", detail, row.row))
    if not utterances:
        first = set_aside[0] if set_aside else None
        why = f": {first.row or first.utterance_id}: {first.detail}" if first else ""
        raise DataError(f"{where}: no text to check{why}")
    return Transcripts(tuple(utterances), tuple(set_aside))


def _with_duration(utterance: Utterance) -> Utterance:
    end_s = utterance.end_s
    if utterance.duration_s is not None:
        return utterance
    if end_s is None:
        end_s = _header_duration_s(utterance.audio)
    if end_s is None:
        return utterance
    return replace(utterance, duration_s=max(0.0, end_s - (utterance.start_s or 0.0)))


def _header_duration_s(path: Path) -> float | None:
    """Seconds of an audio file by its header; None where libsndfile can't tell."""
    import soundfile

    try:
        duration = float(soundfile.info(str(path)).duration)
    # libsndfile's own faults are RuntimeErrors; TypeError: headerless formats need more arguments.
    except (RuntimeError, OSError, ValueError, TypeError):
        return None
    return duration or None
