"""Which files are shards, and which split each belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from ruach_core.data.archive import looks_like_archive
from ruach_core.data.split_names import SPLIT_OF_NAME
from ruach_core.errors import DataError
from ruach_core.types import Split

LAYOUT = (
    "a .tar or .tar.gz, or a folder of them (train-000000.tar ..., or in train/, dev/ and test/)"
)
_WORD = re.compile(r"[^\W_\d]+")


def find_shards(source: Path) -> dict[Split, list[Path]]:
    """The shards of each split, in the order of their names; none under a split without any.

    A shard's split is that of its folder, else the first word in its name that is one, else train.

    Raises:
        DataError: the source isn't there, can't be read, or has no shards.
    """
    try:
        if source.is_file():
            shards = [source] if looks_like_archive(source) else []
        elif source.is_dir():
            shards = list(list_shards(source))
        else:
            raise DataError(f"{source}: no such file or folder; give {LAYOUT}")
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    if not shards:
        raise DataError(f"{source}: holds no shards; give {LAYOUT}")
    found: dict[Split, list[Path]] = {split: [] for split in get_args(Split)}
    for shard in shards:
        found[_find_split(shard, source)].append(shard)
    return found


def list_shards(folder: Path) -> Iterator[Path]:
    """The shards in a folder and in those of its folders that are named for a split.

    Raises:
        OSError: a folder can't be read.
    """
    entries = list(folder.iterdir())
    inner = [path for path in entries if path.name.lower() in SPLIT_OF_NAME and path.is_dir()]
    for paths in [entries, *(list(path.iterdir()) for path in sorted(inner))]:
        archives = sorted((path for path in paths if looks_like_archive(path)), key=_order)
        yield from (path for path in archives if path.is_file())


def _order(path: Path) -> tuple[list[tuple[str, int]], str]:
    """Sorts the numbers in names by their value: shard 2 before shard 10."""
    parts = re.findall(r"(\D*)([0-9]{0,18})", path.name)
    return [(text, int(digits or "-1")) for text, digits in parts], path.name


def _find_split(shard: Path, source: Path) -> Split:
    if shard != source and shard.parent != source:
        return SPLIT_OF_NAME[shard.parent.name.lower()]
    words = _WORD.findall(shard.name.lower())
    return next((SPLIT_OF_NAME[word] for word in words if word in SPLIT_OF_NAME), "train")
