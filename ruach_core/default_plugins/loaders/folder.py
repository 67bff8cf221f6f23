"""Core's own corpus layout: a folder of clips with a `metadata.csv` for each split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.table import BadRow, TableRow, read_table
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = (
    "DIR/train/metadata.csv and DIR/test/metadata.csv, or DIR/metadata.csv, "
    "with columns file_name, transcription[, speaker]"
)
_TABLES = ("metadata.csv", "metadata.tsv")
_FIELDS = {
    "file": ("file_name", "filename", "file", "path", "audio", "audio_path", "wav"),
    "transcript": ("transcription", "transcript", "sentence", "text"),
    "speaker": ("speaker", "speaker_id", "client_id"),
    "start": ("start_s",),
    "end": ("end_s",),
}
_REQUIRED = ("file", "transcript")
_FOLDERS: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}


class FolderLoader:
    """Reads DIR/{train,validation,test}/metadata.csv, or one DIR/metadata.csv, all of it train.

    File names are relative to the table's folder and stay inside it. Optional columns `start_s`
    and `end_s` pick a segment of a file, in seconds.
    """

    name = "folder"

    def detect(self, source: Path) -> bool:
        """Whether the folder, or the folder of a split in it, holds a metadata table."""
        try:
            return any(
                _find_table(folder) is not None for folder in [source, *_split_folders(source)]
            )
        except OSError:
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a folder; train alone for a single table.

        Raises:
            DataError: the source isn't such a folder, or a split's folder has no table.
        """
        return tuple(split for split in get_args(Split) if split in _find_tables(source))

    def info(self, source: Path) -> CorpusInfo:
        """Nothing: the layout has no place for it."""
        return CorpusInfo()

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the table's order; see `DatasetLoader.read`."""
        tables = _find_tables(source)
        if split not in tables:
            raise DataError(f"{source}: has no {split} split; expected {LAYOUT}")
        return _read_split(source, tables[split], split)


def _split_folders(source: Path) -> list[Path]:
    names = {name for names in _FOLDERS.values() for name in names}
    return [path for path in sorted(source.iterdir()) if path.is_dir() and path.name in names]


def _find_table(folder: Path) -> Path | None:
    return next((folder / name for name in _TABLES if (folder / name).is_file()), None)


def _find_tables(source: Path) -> dict[Split, Path]:
    """The metadata table of each split that the source brings."""
    try:
        if not source.is_dir():
            problem = "is not a folder" if source.exists() else "no such folder"
            raise DataError(f"{source}: {problem}; expected {LAYOUT}")
        folders = _split_folders(source)
        with_table = {folder: table for folder in folders if (table := _find_table(folder))}
        if not with_table:
            if (table := _find_table(source)) is not None:
                return {"train": table}
            problem = "has no metadata.csv" if any(source.iterdir()) else "the folder is empty"
            raise DataError(f"{source}: {problem}; expected {LAYOUT}")
        for folder in folders:
            if folder not in with_table:
                raise DataError(f"{folder}: has no metadata.csv; expected {LAYOUT}")
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    tables: dict[Split, Path] = {}
    for split, names in _FOLDERS.items():
        of_split = [folder for folder in folders if folder.name in names]
        if len(of_split) > 1:
            both = ", ".join(folder.name for folder in of_split)
            raise DataError(f"{source}: {both} are all the {split} split; keep one")
        if of_split:
            tables[split] = with_table[of_split[0]]
    return tables


def _read_split(source: Path, table: Path, split: Split) -> Iterator[Utterance | SetAside]:
    name = table.relative_to(source).as_posix()
    folder = AudioFolder(table.parent)
    first_row: dict[str, int] = {}
    rows = read_table(table, fields=_FIELDS, required=_REQUIRED, name=str(table))
    for row in rows:
        where = f"{name} row {row.number}"
        if isinstance(row, BadRow):
            yield SetAside(where, split, "bad-row", row.detail, where)
            continue
        utterance = _read_utterance(row, split, source, folder, where)
        if isinstance(utterance, Utterance):
            earlier = first_row.setdefault(utterance.id, row.number)
            if earlier != row.number:
                utterance = SetAside(
                    utterance.id, split, "bad-row", f"same file as in row {earlier}", where
                )
        yield utterance


def _read_utterance(
    row: TableRow, split: Split, source: Path, folder: AudioFolder, where: str
) -> Utterance | SetAside:
    name = row.cells["file"].strip()
    if not name:
        return SetAside(where, split, "bad-row", "names no audio file", where)
    try:
        start_s, end_s = _read_time(row, "start"), _read_time(row, "end")
        if (start_s or 0.0) < 0 or (end_s is not None and end_s <= (start_s or 0.0)):
            raise ValueError(f"segment from {start_s} to {end_s}")
    except ValueError as error:
        return SetAside(name, split, "bad-row", f"start_s, end_s: {error}", where)
    try:
        audio = folder.find(name)
    except OSError as error:
        return SetAside(name, split, "unreadable", f"{error.strerror or error}", where)
    if audio is None:
        detail = f"not inside {folder.path.name}; file names are relative to the table's folder"
        return SetAside(name, split, "outside-folder", detail, where)
    segment = "" if start_s is None and end_s is None else f"#{start_s or 0:g}-{end_s or 'end'}"
    return Utterance(
        id=audio.relative_to(source).as_posix() + segment,
        audio=audio,
        transcript=row.cells["transcript"],
        split=split,
        speaker_id=row.cells.get("speaker", "").strip() or None,
        start_s=start_s,
        end_s=end_s,
        row=where,
    )


def _read_time(row: TableRow, field: str) -> float | None:
    cell = row.cells.get(field, "").strip()
    if not cell:
        return None
    seconds = float(cell)
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{cell} is not a time in seconds")
    return seconds
