"""The canonical folder that `ruach data prepare` writes: its tables, its clips, its record.

OUTPUT/{train,validation,test}/metadata.csv with OUTPUT/{...}/audio/*.wav, OUTPUT/rejected.csv and
OUTPUT/dataset.json.
"""

from __future__ import annotations

import csv
import hashlib
import json
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from ruach_core.errors import DataError
from ruach_core.files import write_aside
from ruach_core.types import Split

FORMAT = "ruach-prepared/1"
RECORD = "dataset.json"
TABLE = "metadata.csv"
REJECTED = "rejected.csv"
COLUMNS = ("file_name", "transcription", "speaker", "duration_s", "source_id", "audio_sha256")
"""Of every table, first; the source's other columns follow."""
_QUANTILES = (0.0, 0.1, 0.5, 0.9, 1.0)
SPLITS: tuple[Split, ...] = get_args(Split)
AUDIO = "audio"

Row = Mapping[str, str]


@dataclass(slots=True)
class SplitSummary:
    """What one split holds.

    The content hash is the sum of the clips' own SHA-256 modulo 2^256, so it depends neither on
    the order of the clips nor on when, where and in which split they were written.
    """

    speakers: set[str] = field(default_factory=set)
    durations_s: array[float] = field(default_factory=lambda: array("d"))
    total_ms: int = 0
    content: int = 0

    def add(self, row: Row) -> None:
        """Count one row of a table.

        Raises:
            DataError: its duration isn't a number.
        """
        try:
            duration_s = float(row["duration_s"])
            self.total_ms += round(1000 * duration_s)
        except (ValueError, OverflowError) as error:
            raise DataError(
                f"{row['file_name']}: duration_s is {row['duration_s']!r}, not a number"
            ) from error
        self.durations_s.append(duration_s)
        if row["speaker"]:
            self.speakers.add(row["speaker"])
        fields = [row[name] for name in ("source_id", "transcription", "speaker", "audio_sha256")]
        text = json.dumps(fields, ensure_ascii=True)
        self.content += int.from_bytes(hashlib.sha256(text.encode()).digest(), "big")
        self.content %= 1 << 256

    @property
    def n_clips(self) -> int:
        """How many clips."""
        return len(self.durations_s)

    @property
    def hours(self) -> float:
        """Their length together."""
        return self.total_ms / 3_600_000

    @property
    def content_hash(self) -> str:
        """Of the texts, speakers and samples."""
        return f"sha256-sum:{self.content:064x}"

    def to_dict(self) -> dict[str, object]:
        """As `dataset.json` has it."""
        return {
            "clips": self.n_clips,
            "hours": round(self.hours, 4),
            "speakers": len(self.speakers),
            "duration_quantiles_s": duration_quantiles_s(self.durations_s),
            "content_hash": self.content_hash,
        }


def duration_quantiles_s(durations_s: Sequence[float]) -> list[float]:
    """The shortest, the deciles 1, 5 and 9, and the longest, in seconds; empty for no clips."""
    ordered = sorted(durations_s)
    return [round(ordered[round(q * (len(ordered) - 1))], 3) for q in _QUANTILES if ordered]


Summaries = Mapping[Split, SplitSummary]


def read_record(folder: Path) -> dict[str, Any] | None:
    """The folder's `dataset.json`; None where the folder wasn't made by `ruach data prepare`.

    Raises:
        DataError: it is there but can't be read.
    """
    path = folder / RECORD
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    is_ours = isinstance(content, dict) and content.get("format") == FORMAT
    return content if is_ours else None


def write_record(folder: Path, about: Mapping[str, object], summaries: Summaries) -> None:
    """Write `dataset.json`: what is given, then what the splits hold.

    Raises:
        OSError: the folder can't be written to.
    """
    content = {
        "format": FORMAT,
        **about,
        "clips": sum(summary.n_clips for summary in summaries.values()),
        "hours": round(sum(summary.total_ms for summary in summaries.values()) / 3_600_000, 4),
        "speakers": len(set().union(*(summary.speakers for summary in summaries.values()))),
        "content_hash": _joined_hash(summaries),
        "splits": {split: summaries[split].to_dict() for split in SPLITS if split in summaries},
    }
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    write_aside(
        folder / RECORD,
        lambda path: path.write_text(text, encoding="utf-8", errors="backslashreplace"),
    )


def _joined_hash(summaries: Summaries) -> str:
    total = sum(summary.content for summary in summaries.values()) % (1 << 256)
    return f"sha256-sum:{total:064x}"


def audio_path(folder: Path, split: Split, name: str) -> Path:
    """Where a clip of this file name is, or would be, in a split."""
    return folder / split / AUDIO / name


def find_audio(folder: Path, name: str) -> Path | None:
    """The clip's file in whichever split it is."""
    paths = (audio_path(folder, split, name) for split in SPLITS)
    return next((path for path in paths if path.is_file()), None)


def read_rows(folder: Path) -> Iterator[tuple[Split, dict[str, str]]]:
    """The rows of all tables of a prepared folder, lazily.

    Raises:
        DataError: a table can't be read, or lacks a column.
    """
    for split in SPLITS:
        path = folder / split / TABLE
        if not path.is_file():
            continue
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                reader = csv.DictReader(file, strict=True)
                missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
                if missing:
                    raise DataError(f"{path}: lacks the column {missing[0]}; prepare it anew")
                for row in reader:
                    if None in row or None in row.values():
                        raise DataError(f"{path} line {reader.line_num}: too many or few cells")
                    yield split, row
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise DataError(f"{path}: can't be read: {error}; prepare it anew") from error


def extra_columns(folder: Path) -> list[str]:
    """The columns beside `COLUMNS` that any table of a prepared folder has."""
    found: dict[str, None] = {}
    for split in SPLITS:
        path = folder / split / TABLE
        if path.is_file():
            with path.open(encoding="utf-8-sig", newline="") as file:
                found.update(dict.fromkeys(csv.DictReader(file).fieldnames or ()))
    return [name for name in found if name not in COLUMNS]
