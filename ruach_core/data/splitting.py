"""`ruach data split`: new splits for a prepared folder, or a table of them for any other source."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.data.arrange import arrange, recover
from ruach_core.data.assign import Assignment
from ruach_core.data.prepared import (
    TABLE,
    Summaries,
    extra_columns,
    find_audio,
    read_record,
    read_rows,
    write_record,
)
from ruach_core.data.split_choice import RECORDED_AS, NewSplits, SplitInput, sentence_key
from ruach_core.data.transcripts import read_durations
from ruach_core.errors import DataError
from ruach_core.files import write_aside
from ruach_core.types import SetAside, Split, TextNormalizer, Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

_TOTALS = ("format", "clips", "hours", "speakers", "content_hash", "splits")


@dataclass(frozen=True, slots=True)
class SplitResult:
    """What was chosen.

    Attributes:
        clips: what the choice looked at.
        assignment: each clip's split.
        n_moved: clips that are in another split than before.
        n_left_out: rows without a usable text, which are in no split.
        written: what was written, or None for a dry run.
    """

    clips: SplitInput
    assignment: Assignment
    n_moved: int
    n_left_out: int
    written: Path | None


def split_prepared(
    folder: Path, normalizer: TextNormalizer, wanted: NewSplits, *, is_dry_run: bool
) -> SplitResult:
    """Give a prepared folder new splits: its tables are written anew, its clips moved, not copied.

    Args:
        folder: what `ruach data prepare` wrote.
        normalizer: tells which texts are one sentence.
        wanted: how to split.
        is_dry_run: only say what would be done.

    Raises:
        DataError: the folder is unfinished or damaged, or can't be split as is wanted.
        OSError: the folder can't be written to.
    """
    recover(folder)
    clips = SplitInput()
    before: list[Split] = []
    for split, row in read_rows(folder):
        if find_audio(folder, Path(row["file_name"]).name) is None:
            raise DataError(f"{folder}: {row['file_name']} is gone; run ruach data prepare again")
        sentence = normalizer.normalize(row["transcription"], purpose="score")
        clips.add(sentence_key(sentence), row["speaker"], _seconds(folder / split / TABLE, row))
        before.append(split)
    if not before:
        raise DataError(f"{folder}: has no clips; run ruach data prepare again")
    done = wanted.assign(clips)
    n_moved = sum(old != new for old, new in zip(before, done.splits, strict=True))
    if not is_dry_run:
        old = read_rows(folder)
        rows = ((split, row) for split, (_, row) in zip(done.splits, old, strict=True))
        summaries = arrange(folder, rows, extra_columns(folder))
        _update_record(folder, wanted, done, summaries)
    return SplitResult(clips, done, n_moved, 0, None if is_dry_run else folder)


def split_source_rows(
    source: Path,
    plugins: Plugins,
    normalizer: TextNormalizer,
    wanted: NewSplits,
    *,
    table: Path | None,
) -> SplitResult:
    """Choose splits for a source that isn't prepared, and write them as a table of its own.

    Args:
        source: the folder (or whatever a loader knows); it is only read.
        plugins: gives the loader.
        normalizer: tells which texts are one sentence.
        wanted: how to split.
        table: the CSV file with `utterance_id` and `split`; None for a dry run.

    Raises:
        DataError: the source can't be read as a whole, or can't be split as is wanted.
        OSError: the table can't be written.
    """
    clips = SplitInput()
    names: list[str] = []
    before: list[Split] = []
    n_left_out = 0
    loader = plugins.find_dataset_loader(source)
    rows = (row for split in loader.splits(source) for row in loader.read(source, split))
    for row in read_durations(rows):
        sentence = ""
        if isinstance(row, Utterance):
            sentence = normalizer.normalize(row.transcript, purpose="score")
        if isinstance(row, SetAside) or not sentence.strip():
            n_left_out += 1
            continue
        clips.add(sentence_key(sentence), row.speaker_id, row.duration_s or 0.0)
        names.append(row.id)
        before.append(row.split)
    if not before:
        raise DataError(f"{source}: no row has a text to split by; ruach data check says more")
    done = wanted.assign(clips)
    if table is not None:
        write_aside(table, lambda path: _write_table(path, names, done.splits))
    n_moved = sum(old != new for old, new in zip(before, done.splits, strict=True))
    return SplitResult(clips, done, n_moved, n_left_out, table)


def _write_table(path: Path, names: Sequence[str], splits: Sequence[Split]) -> None:
    # File names may hold bytes that aren't UTF-8; they are shown escaped.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["utterance_id", "split"])
        writer.writerows(zip(names, splits, strict=True))


def _update_record(folder: Path, wanted: NewSplits, done: Assignment, summaries: Summaries) -> None:
    record = read_record(folder) or {}
    about = {name: value for name, value in record.items() if name not in _TOTALS}
    write_record(folder, {**about, RECORDED_AS: wanted.to_record(done)}, summaries)


def _seconds(table: Path, row: dict[str, str]) -> float:
    try:
        return float(row["duration_s"])
    except ValueError as error:
        raise DataError(
            f"{table}: the row of {row['file_name']} has duration_s {row['duration_s']!r}, not a "
            "number; correct it, or prepare the folder anew"
        ) from error
