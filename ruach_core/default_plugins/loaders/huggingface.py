"""Hugging Face data sets: saved to disk, as parquet or arrow files, or on the hub."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import get_args

from ruach_core.data.arrow import ArrowTable, Kind, Row
from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.extraction import AudioCache
from ruach_core.default_plugins.loaders import hub
from ruach_core.default_plugins.loaders.huggingface_files import (
    TableFiles,
    find_tables,
    has_tables,
    read_info,
    split_of,
)
from ruach_core.default_plugins.loaders.huggingface_rows import Columns, RowReader
from ruach_core.errors import DataError, RuachError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance


class HuggingFaceLoader:
    """Reads what `save_to_disk` wrote, folders of parquet or arrow files, and `hf:OWNER/CORPUS`.

    `hf:OWNER/CORPUS@CONFIG` names a configuration, as does `hf:DIR@CONFIG` for a folder that holds
    several. The files on disk are read with pyarrow alone, some rows at a time; `datasets` is
    asked for the hub only.
    """

    name = "hf"

    def __init__(self) -> None:
        self._opened: dict[Path, hub.HubCorpus] = {}

    def detect(self, source: Path) -> bool:
        """Whether the source is such a file or folder; a hub's name only goes with `hf:`."""
        return has_tables(source)

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that files, folders or the hub name; train alone where none is named.

        Raises:
            DataError: the source has no tables, several configurations, or can't be reached.
        """
        local = _local(source)
        if local is not None:
            return tuple(find_tables(local).by_split)
        return tuple(split for split in get_args(Split) if split in self._hub_splits(source))

    def info(self, source: Path) -> CorpusInfo:
        """What `dataset_info.json`, the card's head or the hub says."""
        local = _local(source)
        return read_info(local) if local is not None else self._open(source).info

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the tables' order; see `DatasetLoader.read`."""
        local = _local(source)
        if local is not None:
            yield from _read_files(find_tables(local), split, source)
        else:
            yield from self._read_hub(source, split)

    def _open(self, source: Path) -> hub.HubCorpus:
        if source not in self._opened:
            name, config = _hub_name(source)
            self._opened[source] = hub.open_hub(name, config)
        return self._opened[source]

    def _hub_splits(self, source: Path) -> dict[Split, list[str]]:
        names = list(self._open(source).splits)
        found: dict[Split, list[str]] = {}
        for name in names:
            if (split := split_of(name)) is not None:
                found.setdefault(split, []).append(name)
        return found or {"train": names}

    def _read_hub(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        corpus = self._open(source)
        name, config = _hub_name(source)
        names = self._hub_splits(source).get(split)
        if not names:
            raise DataError(f"hf:{source}: has no {split} split; it has {', '.join(corpus.splits)}")
        reader = RowReader(split, hub.read_remote)
        cache = AudioCache(hub.mark(name, config, corpus.revision))
        columns: Columns | None = None
        for part in names:
            rows = enumerate(_from_hub(corpus.splits[part], name), start=1)
            for number, row in rows:
                if columns is None:
                    columns = Columns(corpus.kinds or _kinds_of(row), f"hf:{source}")
                yield reader.read(row, columns, place=(part, number), folder=None, cache=cache)


def _from_hub(rows: object, name: str) -> Iterator[Row]:
    """The rows; whatever ends them early is one line."""
    try:
        yield from rows  # type: ignore[misc]
    except RuachError:
        raise
    # As in `open_hub`: a connection may end in many ways.
    except Exception as error:
        raise hub.unreachable(name, error) from error


def _kinds_of(row: Mapping[str, object]) -> dict[str, Kind]:
    """What the columns hold, by a row."""
    kinds: dict[str, Kind] = {}
    for name, value in row.items():
        if isinstance(value, dict):
            kinds[name] = "audio" if {"bytes", "path"} & value.keys() else "other"
        else:
            kinds[name] = "bytes" if isinstance(value, bytes) else "text"
            kinds[name] = "number" if isinstance(value, int | float) else kinds[name]
    return kinds


def _read_files(tables: TableFiles, split: Split, source: Path) -> Iterator[Utterance | SetAside]:
    paths = tables.by_split.get(split)
    if not paths:
        raise DataError(f"{source}: has no {split} split; it has {', '.join(tables.by_split)}")
    reader = RowReader(split)
    root = AudioFolder(tables.root)
    for path in paths:
        table = ArrowTable(path)
        columns = Columns(table.kinds, str(path))
        cache, name = AudioCache(path), path.relative_to(tables.root).as_posix()
        for number, row in enumerate(table.rows(columns.all), start=1):
            yield reader.read(row, columns, place=(name, number), folder=root, cache=cache)
    if split == "train":
        for path in tables.left_out:
            name = path.relative_to(tables.root).as_posix()
            detail = "names none of the splits train, validation and test; rename it to use it"
            yield SetAside(name, split, "bad-row", detail, name)


def _local(source: Path) -> Path | None:
    """The folder or file on disk, its configuration's where one is named; None for a hub's."""
    if source.exists():
        return source
    folder, at, config = str(source).rpartition("@")
    if at and Path(folder).is_dir() and Path(config).name == config:
        return Path(folder) / config
    # A hub's names have one slash at most; what looks like a path is one.
    if source.is_absolute() or len(source.parts) > 2 or source.parts[:1] == ("..",):
        raise DataError(f"{source}: no such folder, and no name of a hub's data set")
    return None


def _hub_name(source: Path) -> tuple[str, str | None]:
    name, _, config = source.as_posix().partition("@")
    return name, config or None
