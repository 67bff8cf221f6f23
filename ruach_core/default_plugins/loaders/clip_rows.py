"""A row of a metadata table as an utterance: columns by their many names, segments, the audio."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.table import BadRow, TableRow
from ruach_core.text.unicode import normalize_form
from ruach_core.types import SetAside, Split

FIELDS = {
    "file": (
        "file_name", "filename", "audio_file_name", "audio_filepath", "audio_file", "audio_path",
        "wav_filename", "file_path", "filepath", "file", "path", "audio", "wav", "clip",
    ),
    "transcript": (
        "transcription", "transcript", "sentence", "text", "normalized_text", "normalised_text",
    ),
    "speaker": ("speaker", "speaker_id", "client_id", "speaker_name", "spk_id"),
    "start": ("start_s", "start", "start_time", "begin", "offset"),
    "end": ("end_s", "end", "end_time", "stop"),
    "duration": ("duration_s", "duration"),
    "split": ("split",),
}  # fmt: skip
"""For each field the names that its column may have, lower case, best first."""
REQUIRED = ("file", "transcript")
_DESCRIPTIVE = ("duration", "split")
_DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class ClipRow:
    """A row, its clip's file (existing or not), and where the row stands, for messages."""

    row: TableRow
    audio: Path
    where: str


def read_segment(row: TableRow) -> tuple[float | None, float | None]:
    """Where the row's clip starts and ends in its file, in seconds; None for the file's own ends.

    A duration counts where the row has a start and no end: alone it describes the whole file.

    Raises:
        ValueError: a time is no number, or the end isn't after the start.
    """
    start_s, end_s = _read_time(row, "start"), _read_time(row, "end")
    if start_s is not None and end_s is None:
        length_s = _read_time(row, "duration")
        end_s = None if length_s is None else start_s + length_s
    if end_s is not None and end_s <= (start_s or 0.0):
        raise ValueError(f"segment from {start_s or 0:g} to {end_s:g}")
    return start_s, end_s


def read_clip_rows(
    rows: Iterable[TableRow | BadRow],
    table: Path,
    split: Split,
    *,
    find_name: Callable[[TableRow], str],
    find_clip: Callable[[str, str], Path | SetAside],
    title: str = "",
) -> Iterator[ClipRow | SetAside]:
    """The rows of a table of whole clips; each names one that no earlier row has named.

    Args:
        rows: of the table.
        table: its path.
        split: of the rows.
        find_name: how a row names its clip; empty if it doesn't.
        find_clip: the file of a name, or why there can be none; also takes where the row stands.
        title: how messages call the table; its file's name by default.
    """
    first_rows = FirstRows(table)
    for row in rows:
        where = f"{title or table.name} row {row.number}"
        if isinstance(row, BadRow):
            yield SetAside(where, split, "bad-row", row.detail, where)
            continue
        name = find_name(row)
        if not name:
            yield SetAside(where, split, "bad-row", "names no audio file", where)
        elif (earlier := first_rows.find(name, "", row.number)) is not None:
            yield SetAside(name, split, "bad-row", f"same file as in row {earlier}", where)
        else:
            audio = find_clip(name, where)
            yield audio if isinstance(audio, SetAside) else ClipRow(row, audio, where)


def find_audio(name: str, folder: AudioFolder, split: Split, where: str) -> Path | SetAside:
    """The row's audio file, existing or not, or why there can be none."""
    try:
        audio = folder.find(name)
    except OSError as error:
        return SetAside(name, split, "unreadable", f"{error.strerror or error}", where)
    if audio is None:
        return SetAside(name, split, "outside-folder", folder.explain(name), where)
    return audio


def read_attributes(row: TableRow) -> dict[str, str]:
    """The fields that describe a clip and have no place in an utterance, as they are written."""
    return {name: text for name in _DESCRIPTIVE if (text := row.cells.get(name, "").strip())}


def describe_segment(start_s: float | None, end_s: float | None) -> str:
    """What tells the segments of one file apart in ids: "#1.5-3", and nothing for a whole file."""
    if start_s is None and end_s is None:
        return ""
    return f"#{start_s or 0:.10g}-{'end' if end_s is None else format(end_s, '.10g')}"


class FirstRows:
    """In which row each clip of a table was first named; keeps digests, a million in 140 MB.

    Two names that differ in their Unicode form only are one, and so are two that differ in case
    only where the file system says so.
    """

    def __init__(self, table: Path) -> None:
        """`table` lies on the file system that the names are for."""
        self._is_case_folded = _ignores_case(table)
        self._rows: dict[bytes, int] = {}

    def find(self, name: str, segment: str, number: int) -> int | None:
        """The earlier row that named the same clip, or None; remembers this one."""
        name = os.path.normpath(name.strip().replace("\\", "/"))
        if not name.isascii():
            name = normalize_form(name, "NFC")
        if self._is_case_folded:
            name = name.casefold()
        key = (name + segment).encode("utf-8")
        digest = hashlib.blake2b(key, digest_size=_DIGEST_BYTES).digest()
        first = self._rows.setdefault(digest, number)
        return None if first == number else first


def _ignores_case(table: Path) -> bool:
    """Whether the file system knows a file by its name in other letter cases too."""
    try:
        return table.with_name(table.name.swapcase()).samefile(table)
    except OSError:
        return False


def _read_time(row: TableRow, field: str) -> float | None:
    cell = row.cells.get(field, "").strip()
    if not cell:
        return None
    try:
        seconds = float(cell)
    except ValueError as error:
        raise ValueError(f"{field} is {cell[:40]!r}, not a time in seconds") from error
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{field} is {cell[:40]!r}, not a time in seconds")
    return seconds
