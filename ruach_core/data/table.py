"""Tables of clips (`metadata.csv`, `.tsv`), read lazily and row by row.

A row that can't be read costs that row alone: a stray quotation mark, say, must not swallow the
rows after it. Rows are numbered as a text editor does, the header being row 1.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ruach_core.errors import DataError

_MAX_LINE = 1_000_000
"""Characters; a line beyond this isn't a line of a table of clips."""
_MAX_LINES_OF_ROW = 20
"""A quoted transcript may hold line breaks, but not more than this."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOKS_LIKE_AUDIO = re.compile(r"\.(wav|flac|mp3|ogg|opus|oga|m4a|mp4|aac|webm|wma|aiff?)$", re.I)


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number in the file, and its cells by field; absent cells are missing."""

    number: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used, and why; `is_encoding` where its bytes aren't text."""

    number: int
    detail: str
    is_encoding: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table's lines become cells: the delimiter, the number of columns, their fields."""

    delimiter: str
    n_columns: int
    position: Mapping[str, int]

    def parse(self, text: str) -> list[str]:
        """The cells of one row.

        Raises:
            csv.Error: a quotation mark is open or out of place.
        """
        return _parse(text, self.delimiter)

    def is_row(self, line: str, key: str) -> bool:
        """Whether a line is a whole row by itself with an audio file in the column `key`."""
        try:
            cells = self.parse(line)
        except csv.Error:
            return False
        return len(cells) == self.n_columns and bool(
            _LOOKS_LIKE_AUDIO.search(cells[self.position[key]].strip())
        )


def read_table(
    path: Path, *, fields: Mapping[str, Sequence[str]], required: Collection[str], name: str = ""
) -> Iterator[TableRow | BadRow]:
    """The rows of a table with a header, lazily.

    Columns are found by name, in any order and case; the first of a field's names that the header
    has wins. Text is UTF-8 (a byte order mark is dropped) or UTF-16 with a byte order mark. Cells
    are separated by commas, semicolons or tabs: whichever makes the header hold the required
    columns, the file name's own kind first.

    Args:
        path: the table.
        fields: for each field, the column names that it may have, lower case, best first. The
            first field must be the one with the audio file's name.
        required: the fields that must be there.
        name: how messages call the table; its path by default.

    Raises:
        DataError: the table can't be read as a whole, lacks a required column, or most of its
            rows aren't valid UTF-8.
    """
    name = name or str(path)
    try:
        encoding = _find_encoding(path, name)
        errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
        with path.open(encoding=encoding, errors=errors) as file:
            lines = _Lines(file, name)
            layout = _read_header(lines, path, fields, required)
            yield from _read_rows(lines, layout, fields, required)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not {error.encoding} text; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror or error}") from error


class _Lines:
    """Lines of a text file with their numbers; lines can be given back."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._given_back: list[str] = []
        self.name = name
        self.number = 0

    def next(self) -> str:
        """The next line with its line break; empty at the end."""
        line = self._given_back.pop() if self._given_back else self._file.readline(_MAX_LINE)
        if len(line) >= _MAX_LINE:
            raise DataError(
                f"{self.name} row {self.number + 1}: over {_MAX_LINE} characters without a line "
                "break; this isn't a table of clips"
            )
        self.number += bool(line)
        return line

    def give_back(self, lines: Sequence[str]) -> None:
        """Let these lines, the last ones that were taken, be taken again."""
        self._given_back.extend(reversed(lines))
        self.number -= len(lines)


def _find_encoding(path: Path, name: str) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in start:
        raise DataError(f"{name}: not a text file, or UTF-16 without a mark; save it as UTF-8")
    return "utf-8-sig"


def _parse(text: str, delimiter: str) -> list[str]:
    text = text.rstrip("\n")
    if delimiter != "\t":
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    # Tab-separated corpora leave quotation marks bare; spreadsheets quote whole cells.
    return [
        cell[1:-1].replace('""', '"') if re.fullmatch(r'"(?:[^"]|"")*"', cell) else cell
        for cell in text.split("\t")
    ]


def _read_header(
    lines: _Lines, path: Path, fields: Mapping[str, Sequence[str]], required: Collection[str]
) -> _Layout:
    header = lines.next()
    while header and not header.strip():
        header = lines.next()
    if not header:
        raise DataError(f"{lines.name}: the table is empty; its first row names the columns")
    found: list[str] = []
    for delimiter in "\t,;" if path.suffix.lower() == ".tsv" else ",;\t":
        try:
            columns = [column.strip() for column in _parse(header, delimiter)]
        except csv.Error:
            continue
        lowered = [column.lower() for column in columns]
        position = {
            field: lowered.index(name)
            for field, names in fields.items()
            if (name := next((name for name in names if name in lowered), None)) is not None
        }
        if all(field in position for field in required):
            return _Layout(delimiter, len(columns), position)
        found = max(found, columns, key=len)
    wanted = " and ".join(fields[field][0] for field in fields if field in required)
    shown = ", ".join(ascii(c) if _SURROGATE.search(c) or "\0" in c else c[:40] for c in found[:20])
    raise DataError(
        f"{lines.name} row {lines.number}: needs the columns {wanted}; found {shown or 'none'}"
    )


def _read_rows(
    lines: _Lines,
    layout: _Layout,
    fields: Mapping[str, Sequence[str]],
    required: Collection[str],
) -> Iterator[TableRow | BadRow]:
    n_good = n_encoding = first_encoding = 0
    key = next(iter(fields))
    while line := lines.next():
        if not line.strip():
            continue
        number = lines.number
        row = _read_row(line, lines, layout, key, required)
        if isinstance(row, BadRow):
            if row.is_encoding:
                n_encoding += 1
                first_encoding = first_encoding or number
        else:
            n_good += 1
        yield row
    if n_encoding > n_good:
        raise DataError(
            f"{lines.name} row {first_encoding}: not UTF-8, like {n_encoding} of "
            f"{n_encoding + n_good} rows; save the table as UTF-8"
        )


def _read_row(
    line: str, lines: _Lines, layout: _Layout, key: str, required: Collection[str]
) -> TableRow | BadRow:
    """One row that starts with `line`; takes the lines that an open quotation mark needs."""
    number = lines.number
    cells, problem = _take_row(line, lines, layout, key)
    text = "".join(cells)
    if bad := _SURROGATE.search(line if problem else text):
        byte = ord(bad.group()) - 0xDC00
        return BadRow(number, f"not UTF-8 (byte 0x{byte:02x}); save the table as UTF-8", True)
    if problem:
        return BadRow(number, problem)
    if "\0" in text:
        return BadRow(number, "holds a NUL character")
    if len(cells) > layout.n_columns:
        if any(cell.strip() for cell in cells[layout.n_columns :]):
            return BadRow(
                number,
                f"{len(cells)} cells for {layout.n_columns} columns; put quotation marks round "
                f"text that holds {layout.delimiter!r}",
            )
        cells = cells[: layout.n_columns]
    found = {field: cells[i] for field, i in layout.position.items() if i < len(cells)}
    missing = [field for field in required if field not in found]
    if missing:
        return BadRow(number, f"{len(cells)} of {layout.n_columns} cells; lacks {missing[0]}")
    return TableRow(number, found)


def _take_row(line: str, lines: _Lines, layout: _Layout, key: str) -> tuple[list[str], str]:
    """A row's cells, or none and a problem; lines that turn out to be other rows are given back."""
    taken: list[str] = []
    problem = "a quotation mark opens and never closes"
    while len(taken) < _MAX_LINES_OF_ROW:
        try:
            cells = layout.parse(line + "".join(taken))
        except csv.Error as error:
            if "unexpected end" not in str(error):
                problem = f"a quotation mark is out of place ({error})"
                break
        else:
            if not taken or len(cells) == layout.n_columns:
                return cells, ""
            break
        more = lines.next()
        if not more:
            break
        taken.append(more)
        if layout.is_row(more, key):
            break
    lines.give_back(taken)
    return [], problem
