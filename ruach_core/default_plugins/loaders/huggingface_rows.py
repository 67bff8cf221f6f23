"""A row of a Hugging Face data set to an utterance."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ruach_core.data.arrow import Kind, Row, Unreadable
from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.extraction import MAX_FILE_BYTES, AudioCache
from ruach_core.errors import DataError
from ruach_core.types import SetAside, SetAsideReason, Split, Utterance

_NAMES = {
    "audio": ("audio", "speech", "file_name", "filename", "file", "path", "audio_path", "wav"),
    "transcript": (
        "transcription", "transcript", "sentence", "text", "normalized_text", "raw_text",
    ),
    "speaker": ("speaker_id", "speaker", "client_id"),
    "start": ("start_s", "start"),
    "end": ("end_s", "end"),
}  # fmt: skip
_KINDS: dict[str, tuple[Kind, ...]] = {
    "audio": ("audio", "bytes", "text"), "transcript": ("text",), "speaker": ("text", "number"),
    "start": ("number", "text"), "end": ("number", "text"),
}  # fmt: skip
_MAX_TRANSCRIPT, _MAX_ATTRIBUTE = 1_000_000, 1_000
_MAX_ARRAY = 100_000_000
"""Samples of decoded audio in a cell; over an hour and a half at 16 kHz."""

OpenRemote = Callable[[str], bytes]
"""Gives the bytes of a file that a hub has beside the table."""


class Columns:
    """Which column holds what; found by name in any case, and by what it can hold."""

    def __init__(self, kinds: Mapping[str, Kind], where: str) -> None:
        """`kinds` are the table's columns; `where` names the table.

        Raises:
            DataError: no column holds audio, or none holds text.
        """
        lowered = {name.lower(): name for name in reversed(list(kinds))}
        self.by_field: dict[str, str] = {}
        for field, names in _NAMES.items():
            found = (lowered[name] for name in names if name in lowered)
            column = next((c for c in found if kinds[c] in _KINDS[field]), None)
            if column is not None:
                self.by_field[field] = column
        audio = self.by_field.get("audio")
        if audio is None or kinds[audio] == "text":
            # A column of any name that holds clips is surer than one of paths.
            embedded = next((name for name, kind in kinds.items() if kind == "audio"), audio)
            if embedded is not None:
                self.by_field["audio"] = embedded
        missing = [field for field in ("audio", "transcript") if field not in self.by_field]
        if missing:
            shown = ", ".join(ascii(name)[1:-1][:40] for name in list(kinds)[:20]) or "none"
            wanted = {"audio": "audio", "transcript": "sentence, text or transcription"}
            raise DataError(f"{where}: needs a column {wanted[missing[0]]}; found {shown}")
        used = set(self.by_field.values())
        self.attributes = [
            name for name, kind in kinds.items()
            if name not in used and kind in ("text", "number")
        ]  # fmt: skip
        self.all = [*dict.fromkeys(self.by_field.values()), *self.attributes]


class RowReader:
    """Makes utterances of the rows of one split; ids are unique among them."""

    def __init__(self, split: Split, open_remote: OpenRemote | None = None) -> None:
        """`open_remote` fetches what a row names as `hf://...`; None where nothing is remote."""
        self._split = split
        self._open_remote = open_remote
        self._taken: set[bytes] = set()

    def read(
        self,
        row: Row | Unreadable,
        columns: Columns,
        *,
        place: tuple[str, int],
        folder: AudioFolder | None,
        cache: AudioCache,
    ) -> Utterance | SetAside:
        """One row.

        Args:
            row: its cells.
            columns: of its table.
            place: the table's name and the row's number, from 1.
            folder: where the audio of a path is; None where there are no files.
            cache: of the table, for the audio that it holds.

        Raises:
            DataError: the cache can't be written.
        """
        where = f"{place[0]} row {place[1]}"
        try:
            if isinstance(row, Unreadable):
                raise _Refused("bad-row", row.detail)
            cells = {field: row.get(column) for field, column in columns.by_field.items()}
            transcript = cells["transcript"] or ""
            if not isinstance(transcript, str):
                raise _Refused("bad-row", "its transcript isn't text")
            if len(transcript) > _MAX_TRANSCRIPT:
                raise _Refused("bad-row", f"a transcript of {len(transcript)} characters")
            start_s, end_s = _read_times(cells.get("start"), cells.get("end"))
            audio, name = self._audio(cells["audio"], place, folder, cache)
        except _Refused as refused:
            return SetAside(where, self._split, refused.reason, refused.detail, where)
        segment = "" if start_s is None and end_s is None else f"#{start_s or 0:g}-{end_s or 'end'}"
        identity = self._identity(name, segment, place, is_embedded=audio.is_relative_to(
            cache.folder))  # fmt: skip
        if identity is None:
            detail = f"{name}{segment} is in an earlier row too"
            return SetAside(where, self._split, "bad-row", detail, where)
        speaker = cells.get("speaker")
        return Utterance(
            id=identity,
            audio=audio,
            transcript=transcript,
            split=self._split,
            speaker_id=(str(speaker).strip() or None) if speaker is not None else None,
            start_s=start_s,
            end_s=end_s,
            row=where,
            attributes={
                name: str(value)[:_MAX_ATTRIBUTE]
                for name in columns.attributes
                if (value := row.get(name)) is not None
            },
        )

    def _audio(
        self,
        cell: Any,
        place: tuple[str, int],
        folder: AudioFolder | None,
        cache: AudioCache,
    ) -> tuple[Path, str]:
        """The file with a row's audio, and what it is called; embedded bytes go to the cache."""
        name: object = cell
        content: object = None
        if isinstance(cell, bytes):
            content, name = cell, None
        elif isinstance(cell, dict):
            content, name = cell.get("bytes"), cell.get("path")
            if content is None and cell.get("array") is not None:
                content = _encode(cell["array"], cell.get("sampling_rate"))
        name = name if isinstance(name, str) else ""
        if content is None and name.startswith("hf://") and self._open_remote is not None:
            try:
                content = self._open_remote(name)
            except OSError as error:
                raise _Refused("unreadable", f"can't be fetched: {_one_line(error)}") from error
        if isinstance(content, bytes):
            return _store(content, name, place, cache)
        if not name.strip():
            raise _Refused("bad-row", "holds no audio")
        return _find(name.strip(), PurePosixPath(place[0]).parent, folder)

    def _identity(
        self, name: str, segment: str, place: tuple[str, int], *, is_embedded: bool
    ) -> str | None:
        """A name of its own; None where two rows are the same stretch of the same file."""
        table, number = place
        names = [f"{self._split}/{name}{segment}"] if name else []
        if is_embedded:  # two clips may well be called 1.wav
            names.append(f"{self._split}/{table}#{number}")
        for identity in names:
            digest = hashlib.blake2b(
                identity.encode("utf-8", "surrogateescape"), digest_size=16
            ).digest()
            if digest not in self._taken:
                self._taken.add(digest)
                return identity
        return None


class _Refused(Exception):  # noqa: N818 - never leaves this module
    def __init__(self, reason: SetAsideReason, detail: str) -> None:
        self.reason: SetAsideReason = reason
        self.detail = detail


def _store(
    content: bytes, name: str, place: tuple[str, int], cache: AudioCache
) -> tuple[Path, str]:
    if not content:
        raise _Refused("empty", "its audio has 0 bytes")
    if len(content) > MAX_FILE_BYTES:
        raise _Refused("unreadable", f"its audio has {len(content)} bytes, which isn't a clip")
    # Some tables keep the whole path of the machine that they were made on.
    name = PurePosixPath(name.replace("\\", "/")).name
    name = "".join(c for c in name if c.isprintable())
    return cache.put(f"{place[0]}/{place[1]}/{name}", content), name


def _find(name: str, beside: PurePosixPath, folder: AudioFolder | None) -> tuple[Path, str]:
    """The file of a path that is relative to its table's folder, or else to the data set's."""
    names = dict.fromkeys((str(beside / name), name))
    try:
        found = [folder.find(each) for each in names] if folder is not None else [None]
        there = next((path for path in found if path is not None and path.exists()), None)
    except (OSError, ValueError) as error:
        raise _Refused("unreadable", _one_line(error)) from error
    path = there or found[0]
    if folder is None or path is None or (there is None and None in found):
        raise _Refused(
            "outside-folder",
            "its audio isn't in the table but outside of the data set's folder; save the data set "
            "with its audio embedded",
        )
    return path, path.relative_to(folder.path).as_posix()


def _encode(array: Any, rate: Any) -> bytes:
    """Decoded samples, shape (n_samples,), as a wav file of floats."""
    import numpy as np
    import soundfile

    if not isinstance(array, list) or not isinstance(rate, int):
        raise _Refused("bad-row", "its samples have no sampling rate")
    if not 1_000 <= rate <= 768_000 or len(array) > _MAX_ARRAY:
        raise _Refused("bad-row", f"{len(array)} samples at {rate} Hz")
    try:
        samples = np.asarray(array, dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise _Refused("bad-row", "its samples aren't numbers") from error
    if samples.ndim != 1:
        raise _Refused("bad-row", f"samples of {samples.ndim} dimensions")
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype="FLOAT")
    return file.getvalue()


def _read_times(start: object, end: object) -> tuple[float | None, float | None]:
    start_s, end_s = _read_time(start), _read_time(end)
    if end_s is not None and end_s <= (start_s or 0.0):
        raise _Refused("bad-row", f"a segment from {start_s or 0:g} to {end_s:g} s")
    return start_s, end_s


def _read_time(value: object) -> float | None:
    if value is None or value == "":
        return None
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        seconds = math.nan
    if not 0 <= seconds < math.inf:
        raise _Refused("bad-row", f"{str(value)[:40]} is not a time in seconds")
    return seconds


def _one_line(error: BaseException) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split())[:160]
