"""What an audit keeps of each clip: some numbers and a line, both on disk.

Nothing here grows with the corpus in memory but what the system can take back: the numbers are
mapped from a file, the lines are sought when a finding names them.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from ruach_core.types import SetAside, Split, Utterance

SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_BUFFERED = 8_192
_MAX_TEXT = 600

RECORD = np.dtype(
    [
        ("line", "<u8"), ("audio", "<u8"), ("sentence", "<u8"), ("speaker", "<u8"),
        ("path", "<u8"), ("folded", "<u8"),
        ("duration_s", "<f4"), ("level_db", "<f4"), ("snr_db", "<f4"),
        ("n_chars", "<u4"), ("n_tokens", "<u4"), ("split", "u1"), ("is_usable", "?"),
    ]
)  # fmt: skip
"""One clip. `audio`, `sentence`, `speaker`, `path` and `folded` (the path without its case) are
64-bit digests, 0 for none; `line` is where its line begins; `is_usable` says whether its audio
could be measured. Levels and durations are NaN where they aren't known."""

Records = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Line:
    """What a finding says of one row."""

    id: str
    row: str
    audio: str
    transcript: str
    start_s: float | None
    end_s: float | None


class RecordStore:
    """Writes records and lines to a temporary folder, then gives them back; a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ruach-audit-")
        folder = Path(self._folder.name)
        self._records_path = folder / "records"
        self._records: BinaryIO = self._records_path.open("wb")
        self._lines: BinaryIO = (folder / "lines").open("w+b")
        self._buffer: Records = np.zeros(_BUFFERED, RECORD)
        self._n_buffered = 0
        self._end = 0
        self.n = 0

    def __enter__(self) -> RecordStore:
        return self

    def __exit__(self, *_: object) -> None:
        self._records.close()
        self._lines.close()
        self._folder.cleanup()

    def write_line(self, row: Utterance | SetAside) -> int:
        """Keep what may be said of a row; where it begins."""
        if isinstance(row, Utterance):
            line: list[Any] = [row.id, row.row, str(row.audio), row.transcript[:_MAX_TEXT]]
            line += [row.start_s, row.end_s]
        else:
            line = [row.utterance_id, row.row, "", row.detail[:_MAX_TEXT], None, None]
        # Lone surrogates stay in: JSON writes them as escapes.
        content = json.dumps(line).encode("ascii") + b"\n"
        start = self._end
        self._lines.write(content)
        self._end += len(content)
        return start

    def read_line(self, start: int) -> Line:
        """The line that begins there."""
        self._lines.seek(start)
        line = Line(*json.loads(self._lines.readline()))
        self._lines.seek(0, 2)
        return line

    def add(self, **values: Any) -> None:
        """Keep one clip's numbers, all of `RECORD`."""
        record = self._buffer[self._n_buffered]
        for name, value in values.items():
            record[name] = value
        self._n_buffered += 1
        self.n += 1
        if self._n_buffered == _BUFFERED:
            self._flush()

    def records(self) -> Records:
        """All records, mapped from the file, shape (n,)."""
        self._flush()
        self._records.flush()
        if not self.n:
            return np.zeros(0, RECORD)
        mapped: Records = np.memmap(self._records_path, RECORD, "r")
        return mapped

    def _flush(self) -> None:
        self._records.write(self._buffer[: self._n_buffered].tobytes())
        self._n_buffered = 0
