"""Writes the tables of a prepared folder, with every clip's file in its split.

At every moment each row of a table has its audio: clips that move to another split are linked there
first, then the tables are replaced, then the old names go. The new tables are made ready aside, and
one rename decides whether a run that is killed has changed nothing or will be finished by the next.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path

from ruach_core.data.prepared import (
    AUDIO,
    COLUMNS,
    SPLITS,
    TABLE,
    Row,
    SplitSummary,
    Summaries,
    audio_path,
    find_audio,
    read_rows,
)
from ruach_core.errors import DataError
from ruach_core.files import write_aside
from ruach_core.types import Split

_STAGING, _READY = ".tables-in-work", ".tables-ready"
_CLIP = re.compile(r"(^|-)[0-9a-f]{16}\.wav$")
"""What names of prepared clips look like."""


def arrange(
    folder: Path, rows: Iterable[tuple[Split, Row]], extra: Sequence[str]
) -> dict[Split, SplitSummary]:
    """Write the tables of all splits, with every clip's file in its split.

    May be killed at any moment and run again with the same rows.

    Args:
        folder: the prepared folder; the clips' files are somewhere in it.
        rows: each clip's split and cells, in the order of the tables.
        extra: the columns that follow `COLUMNS`.

    Raises:
        DataError: a clip's file is gone.
        OSError: the folder can't be written to.
    """
    recover(folder)
    summaries = {split: SplitSummary() for split in SPLITS}
    staging = folder / _STAGING
    staging.mkdir()
    with ExitStack() as stack:
        tables = {split: stack.enter_context(_Table(staging, split, extra)) for split in SPLITS}
        for split, row in rows:
            _link(folder, split, Path(row["file_name"]).name)
            tables[split].write(row)
            summaries[split].add(row)
        for table in tables.values():
            table.sync()
    # From here on the new tables hold, whatever happens.
    staging.rename(folder / _READY)
    recover(folder)
    for split, row in read_rows(folder):
        _remove_audio(folder, Path(row["file_name"]).name, keep=split)
    _remove_strangers(folder, summaries)
    for split, summary in summaries.items():
        if not summary.n_clips:
            _remove_empty(folder, split)
    return {split: summary for split, summary in summaries.items() if summary.n_clips}


class _Table:
    """One split's new table, aside until all are whole."""

    def __init__(self, folder: Path, split: Split, extra: Sequence[str]) -> None:
        self._file = (folder / f"{split}.csv").open("w", encoding="utf-8", newline="")
        self._writer = csv.DictWriter(
            self._file,
            [*COLUMNS, *extra],
            restval="",
            extrasaction="ignore",
            lineterminator="\n",
        )

    def __enter__(self) -> _Table:
        self._writer.writeheader()
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, row: Row) -> None:
        self._writer.writerow(row)

    def sync(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())


def recover(folder: Path) -> None:
    """Put in place the tables that a killed run had ready, and drop those that it hadn't.

    Raises:
        OSError: the folder can't be written to.
    """
    if (folder / _STAGING).is_dir():
        shutil.rmtree(folder / _STAGING)
    ready = folder / _READY
    if ready.is_dir():
        for split in SPLITS:
            if (ready / f"{split}.csv").is_file():
                _publish(ready / f"{split}.csv", folder / split / TABLE)
        ready.rmdir()


def _publish(new: Path, table: Path) -> None:
    """Move one new table to its place, or remove the old one where the new one has no rows."""
    with new.open("rb") as file:
        n_lines = sum(1 for _ in zip(file, range(2), strict=False))
    if n_lines < 2:
        table.unlink(missing_ok=True)
        new.unlink()
        return
    table.parent.mkdir(exist_ok=True)
    new.replace(table)


def _remove_audio(folder: Path, name: str, *, keep: Split) -> None:
    """Delete a clip's file from every split but `keep`."""
    for split in SPLITS:
        if split != keep:
            audio_path(folder, split, name).unlink(missing_ok=True)


def _link(folder: Path, split: Split, name: str) -> None:
    """Make the clip's file be in the split, beside where it is now."""
    wanted = audio_path(folder, split, name)
    if wanted.is_file():
        return
    found = find_audio(folder, name)
    if found is None:
        raise DataError(f"{wanted}: no such file; run ruach data prepare again")
    wanted.parent.mkdir(parents=True, exist_ok=True)
    try:
        wanted.hardlink_to(found)
    except OSError:
        # Not every file system has links.
        write_aside(wanted, lambda temporary: shutil.copyfile(found, temporary))


def _remove_strangers(folder: Path, summaries: Summaries) -> None:
    """Clips without a row: what the source no longer has, or can no longer be used."""
    for split, summary in summaries.items():
        audio = folder / split / AUDIO
        if not audio.is_dir():
            continue
        with os.scandir(audio) as entries:
            n_files = sum(1 for entry in entries if _CLIP.search(entry.name))
        if n_files == summary.n_clips:
            continue
        names = {Path(row["file_name"]).name for own, row in read_rows(folder) if own == split}
        with os.scandir(audio) as entries:
            strangers = [e.name for e in entries if _CLIP.search(e.name) and e.name not in names]
        for name in strangers:
            (audio / name).unlink(missing_ok=True)


def _remove_empty(folder: Path, split: Split) -> None:
    """Remove an empty split's folder; where files of others are in it, it gets an empty table."""
    try:
        for path in (folder / split / AUDIO, folder / split):
            if path.is_dir():
                path.rmdir()
    except OSError:
        text = ",".join(COLUMNS) + "\n"
        write_aside(folder / split / TABLE, lambda path: path.write_text(text, encoding="utf-8"))
