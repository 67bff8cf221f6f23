"""What corpora call their splits, and the folders of these names in a source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ruach_core.errors import DataError
from ruach_core.types import Split

SPLIT_OF_NAME: Mapping[str, Split] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""The split of a folder or column of this name, lower case; in the splits' order. A loader adds the
names that only its own layout has."""


def find_split_folders(source: Path) -> dict[Path, Split]:
    """The folders in the source that are called as a split is, in any case; by name.

    Raises:
        OSError: the source can't be listed.
    """
    if not source.is_dir():
        return {}
    with os.scandir(source) as entries:
        names = sorted(entry.name for entry in entries if entry.name.lower() in SPLIT_OF_NAME)
    folders = {source / name: SPLIT_OF_NAME[name.lower()] for name in names}
    return {folder: split for folder, split in folders.items() if folder.is_dir()}


def sort_by_split(source: Path, folders: Mapping[Path, Split]) -> dict[Split, Path]:
    """The one folder of each split.

    Raises:
        DataError: a split has two.
    """
    found: dict[Split, Path] = {}
    for folder, split in folders.items():
        if split in found:
            both = f"{found[split].name}, {folder.name}"
            raise DataError(f"{source}: {both} are all the {split} split; keep one")
        found[split] = folder
    return found
