"""The metadata tables of a source that a person, or `ruach data prepare`, has laid out for Ruach.

They say what is to be trained on and what isn't, so they come before any other layout in the
source: a download that they were made of may lie beside them.
"""

from __future__ import annotations

from pathlib import Path

from ruach_core.data.split_names import find_split_folders

_TABLES = ("metadata.csv", "metadata.tsv", "metadata.jsonl")


def find_table(folder: Path) -> Path | None:
    """The metadata table right in a folder."""
    return next((folder / name for name in _TABLES if (folder / name).is_file()), None)


def has_split_tables(source: Path) -> bool:
    """Whether the folder of a split in the source holds a metadata table.

    Raises:
        OSError: the source can't be listed.
    """
    return any(find_table(folder) is not None for folder in find_split_folders(source))


def has_own_tables(source: Path) -> bool:
    """Whether the source, or the folder of a split in it, holds a metadata table.

    A loader of another layout that may be asked before core's for tables asks this first in
    `detect`, and leaves such a source alone.

    Raises:
        OSError: the source can't be listed.
    """
    return find_table(source) is not None or has_split_tables(source)
