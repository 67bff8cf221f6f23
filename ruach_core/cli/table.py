"""Plain tables for the terminal."""

from __future__ import annotations

from collections.abc import Sequence


def format_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Left-aligned columns, two spaces apart, without trailing spaces."""
    lines = [heading, *rows]
    widths = [max(_width(line[column]) for line in lines) for column in range(len(heading))]
    return "\n".join(
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def _width(cell: str) -> int:
    """Columns that a cell takes: a combining mark takes none of its own."""
    if cell.isascii():
        return len(cell)
    from ruach_core.text.unicode import is_mark

    return sum(not is_mark(char) for char in cell)
