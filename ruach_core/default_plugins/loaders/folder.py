"""Core's own corpus layout: a folder of clips with a metadata table, one for each split or for all.

Hugging Face's `audiofolder` layout is among those that are read: `metadata.jsonl`, a table beside
the folders of the splits, `dev`, `valid` and `val` for validation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.own_tables import find_table, has_own_tables
from ruach_core.data.split_names import SPLIT_OF_NAME, find_split_folders, sort_by_split
from ruach_core.data.table import BadRow, TableRow, has_field, read_table
from ruach_core.default_plugins.loaders.clip_rows import (
    FIELDS,
    REQUIRED,
    FirstRows,
    describe_segment,
    find_audio,
    read_attributes,
    read_segment,
)
from ruach_core.default_plugins.loaders.corpus_info import read_info
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = (
    "DIR/train/metadata.csv and DIR/test/metadata.csv, or DIR/metadata.csv, "
    "with columns file_name, transcription[, speaker][, split]"
)


@dataclass(frozen=True, slots=True)
class _Table:
    """One metadata table and the clips' folder that it lies in.

    Attributes:
        path: the table.
        source: what the user gave; ids and messages are relative to it.
        split: whose table it is, or None where the rows themselves tell.
        has_split_column: whether they tell by a column, and not by their audio's folder.
    """

    path: Path
    source: Path
    split: Split | None
    has_split_column: bool = False

    def rows(self) -> Iterator[TableRow | BadRow]:
        """The table's rows, lazily."""
        return read_table(self.path, fields=FIELDS, required=REQUIRED)

    def split_of(self, row: TableRow) -> Split | None:
        """The row's split, or None where it can't be told."""
        if self.split is not None:
            return self.split
        if self.has_split_column:
            return SPLIT_OF_NAME.get(row.cells.get("split", "").strip().lower())
        name = os.path.normpath(row.cells["file"].strip().replace("\\", "/"))
        folders = name.lower().split("/")[:-1]
        return next((SPLIT_OF_NAME[f] for f in folders if f in SPLIT_OF_NAME), "train")


class FolderLoader:
    """Reads DIR/{train,validation,test}/metadata.csv, or one DIR/metadata.csv for all splits.

    A single table says by a column `split`, or by the first folder on the way to a clip that is
    called as a split is (`test/a.wav`, `audio/Test/a.wav`), to which split a row belongs; where it
    says neither, all is train. File names are relative to the table's folder and stay inside the
    source. Columns are found by the names that `clip_rows.FIELDS`
    lists; all others come as `attributes`. Rows whose split can't be told come with train.
    """

    name = "folder"

    def __init__(self) -> None:
        self._splits: dict[tuple[Path, int, int], tuple[Split, ...]] = {}

    def detect(self, source: Path) -> bool:
        """Whether the folder, or the folder of a split in it, holds a metadata table."""
        try:
            return has_own_tables(source)
        except OSError:
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a folder, or rows in a single table; train alone at the least.

        Raises:
            DataError: the source isn't such a folder, or a split's folder has no table.
        """
        tables = _find_tables(source)
        brought = {table.split for table in tables}
        if None in brought:
            return self._find_splits(tables[0])
        return tuple(split for split in get_args(Split) if split in brought)

    def info(self, source: Path) -> CorpusInfo:
        """What a `dataset.json` in the folder says."""
        return read_info(source)

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the table's order; see `DatasetLoader.read`."""
        for table in _find_tables(source):
            if table.split in (split, None):
                return _read_split(table, split)
        raise DataError(f"{source}: has no {split} split; expected {LAYOUT}")

    def _find_splits(self, table: _Table) -> tuple[Split, ...]:
        """The splits of a single table, which is read until all three were seen, and once only."""
        try:
            state = table.path.stat()
        except OSError as error:
            raise DataError(f"{table.path}: can't be read: {error.strerror or error}") from error
        key = (table.path, state.st_size, state.st_mtime_ns)
        if key not in self._splits:
            seen: set[Split] = set()
            for row in table.rows():
                found = table.split_of(row) if isinstance(row, TableRow) else None
                seen.add(found or "train")
                if len(seen) == len(get_args(Split)):
                    break
            in_order = tuple(split for split in get_args(Split) if split in seen)
            self._splits = {key: in_order or ("train",)}
        return self._splits[key]


def _find_tables(source: Path) -> list[_Table]:
    """The metadata table of each split that the source brings, or the one that all share."""
    try:
        if not source.is_dir():
            problem = "is not a folder" if source.exists() else "no such folder"
            raise DataError(f"{source}: {problem}; expected {LAYOUT}")
        folders = find_split_folders(source)
        with_table = {folder: table for folder in folders if (table := find_table(folder))}
        if not with_table:
            if (table := find_table(source)) is not None:
                has_column = has_field(table, "split", fields=FIELDS, required=REQUIRED)
                return [_Table(table, source, None, has_column)]
            problem = "has no metadata.csv" if any(source.iterdir()) else "the folder is empty"
            raise DataError(f"{source}: {problem}; expected {LAYOUT}")
        for folder in folders:
            if folder not in with_table:
                raise DataError(f"{folder}: has no metadata.csv; expected {LAYOUT}")
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    by_split = sort_by_split(source, folders)
    return [_Table(with_table[folder], source, split) for split, folder in by_split.items()]


def _read_split(table: _Table, split: Split) -> Iterator[Utterance | SetAside]:
    name = table.path.relative_to(table.source).as_posix()
    reader = _RowReader(table, split)
    for row in table.rows():
        where = f"{name} row {row.number}"
        if isinstance(row, BadRow):
            if split == (table.split or "train"):
                yield SetAside(where, split, "bad-row", row.detail, where)
            continue
        row_split = table.split_of(row)
        if row_split is None and split == "train":
            said = row.cells.get("split", "").strip()[:40] or "nothing"
            detail = f"its split is {said}, not train, validation or test"
            yield SetAside(where, split, "bad-row", detail, where)
        item = reader.read(row, where, is_wanted=row_split == split)
        if item is not None:
            yield item


class _RowReader:
    """Makes utterances of rows, each clip once."""

    def __init__(self, table: _Table, split: Split) -> None:
        self._source = table.source
        self._split: Split = split
        self._start = table.path.parent.relative_to(table.source).as_posix()
        self._folder = AudioFolder(table.source, self._start)
        self._first_rows = FirstRows(table.path)

    def read(self, row: TableRow, where: str, *, is_wanted: bool) -> Utterance | SetAside | None:
        """The row's utterance, or why there is none; None for a row of another split.

        Those rows are remembered too: a clip belongs to the split that names it first.
        """
        split, name, earlier = self._split, row.cells["file"].strip(), None
        problem = "" if name else "names no audio file"
        try:
            start_s, end_s = read_segment(row)
        except ValueError as error:
            problem = problem or str(error)
        if not problem:
            segment = describe_segment(start_s, end_s)
            in_source = os.path.join(self._start, name)  # noqa: PTH118
            earlier = self._first_rows.find(in_source, segment, row.number)
            problem = "" if earlier is None else f"same file as in row {earlier}"
        if not is_wanted:
            return None
        if problem:
            return SetAside(name or where, split, "bad-row", problem, where)
        audio = find_audio(name, self._folder, split, where)
        if isinstance(audio, SetAside):
            return audio
        return Utterance(
            id=audio.relative_to(self._source).as_posix() + segment,
            audio=audio,
            transcript=row.cells["transcript"],
            split=split,
            speaker_id=row.cells.get("speaker", "").strip() or None,
            start_s=start_s,
            end_s=end_s,
            row=where,
            attributes={**row.others, **read_attributes(row)},
        )
