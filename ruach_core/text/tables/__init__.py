"""Character tables as data: tab-separated files with a heading, each row with its source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.resources import files

from ruach_core.errors import PackError

_CODE_POINTS = re.compile(r"U\+([0-9A-F]{4,6})(?:\.\.U\+([0-9A-F]{4,6}))?")


def read_table(package: str, name: str, *, columns: Sequence[str]) -> list[dict[str, str]]:
    """The rows of a table in the folder `tables` of a package.

    Empty lines and lines that start with `#` are passed over.

    Args:
        package: dotted name of the package ("ruach_lang_am").
        name: file name in its folder `tables`.
        columns: the columns that the heading must name, in order.

    Raises:
        PackError: another heading, or a row with another number of cells; names file and row.
    """
    text = files(package).joinpath("tables", name).read_text(encoding="utf-8")
    numbered = [
        (row, line.split("\t"))
        for row, line in enumerate(text.split("\n"), start=1)
        if line.strip() and not line.startswith("#")
    ]
    where = f"{package}: tables/{name}"
    if not numbered or numbered[0][1] != list(columns):
        raise PackError(f"{where}: the heading must be {', '.join(columns)}, separated by tabs")
    for row, cells in numbered:
        if len(cells) != len(columns):
            raise PackError(f"{where} row {row}: {len(cells)} cells instead of {len(columns)}")
    return [dict(zip(columns, cells, strict=True)) for _, cells in numbered[1:]]


def parse_code_points(cell: str) -> range:
    """The code points of a cell: `U+00AD`, or a range `U+200B..U+200F`.

    Raises:
        PackError: the cell isn't so written.
    """
    match = _CODE_POINTS.fullmatch(cell)
    if match is None:
        raise PackError(f"{cell!r} isn't a code point such as U+200B or U+200B..U+200F")
    return range(int(match[1], 16), int(match[2] or match[1], 16) + 1)
