"""Tables of clips (`metadata.csv`, `.tsv`, `.jsonl`), read lazily and row by row.

A row that can't be read costs that row alone: a stray quotation mark, say, must not swallow the
rows after it. Rows are numbered as a text editor does, the header being row 1.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.data.audio_names import is_audio_name
from ruach_core.data.json_table import read_json_rows
from ruach_core.data.table_rows import (
    MAX_CELL,
    MAX_LINE,
    OVERLONG,
    BadRow,
    Lines,
    TableRow,
    check_encoding,
    find_fault,
    open_lines,
    wanted_columns_error,
)
from ruach_core.errors import DataError

__all__ = ["BadRow", "TableRow", "has_field", "read_columns", "read_table"]

JSON_SUFFIXES = (".jsonl", ".ndjson")
_MAX_LINES_OF_ROW = 20
"""A quoted transcript may hold line breaks, but not more than this."""
_MAX_OBJECTS = 100
"""JSON objects in which a field is looked for; in some it may be null."""
_DELIMITERS = ",;\t|"
_BARE_QUOTES = "\t|"
"""Corpora separated by these leave quotation marks bare; spreadsheets quote whole cells."""
_GOES_ON = "a quotation mark opens and the text goes on in the next line; put it on one line"
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Byte order and direction marks, which editors of right-to-left text leave round a name."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a table's lines become cells: the delimiter, the columns, which field has which."""

    delimiter: str
    columns: Sequence[str]
    position: Mapping[str, int]
    others: Sequence[tuple[str, int]]

    @property
    def n_columns(self) -> int:
        """How many cells a whole row has."""
        return len(self.columns)

    def parse(self, text: str) -> list[str]:
        """The cells of one row.

        Raises:
            csv.Error: a quotation mark is open or out of place.
        """
        return _parse(text, self.delimiter)

    def goes_on(self, cells: Sequence[str], lines: Lines, key: str) -> bool:
        """Whether the last cell seems to be a quoted one that the next line goes on with.

        Where quotation marks may be bare, one that opens isn't enough: the next line must look
        like no row either.
        """
        last = cells[-1].strip()
        if self.delimiter not in _BARE_QUOTES or last[:1] != '"' or last.count('"') % 2 == 0:
            return False
        following = lines.peek_filled()
        others = self.parse(following)
        i = self.position[key]
        is_audio = i < len(others) and is_audio_name(others[i].strip())
        return bool(following) and len(others) != self.n_columns and not is_audio

    def is_row(self, line: str, key: str) -> bool:
        """Whether a line is a whole row by itself with an audio file in the column `key`."""
        try:
            cells = self.parse(line)
        except csv.Error:
            return False
        return len(cells) == self.n_columns and is_audio_name(cells[self.position[key]].strip())


def read_table(
    path: Path, *, fields: Mapping[str, Sequence[str]], required: Collection[str], name: str = ""
) -> Iterator[TableRow | BadRow]:
    """The rows of a table with a header, or with one JSON object a line, lazily.

    Columns are found by name, in any order and case; the first of a field's names that the header
    has wins. Text is UTF-8 (a byte order mark is dropped) or UTF-16 with a byte order mark. Cells
    are separated by commas, semicolons, tabs or bars: whichever makes the header hold the required
    columns, the file name's own kind first.

    Args:
        path: the table; one that ends in `.jsonl` or `.ndjson` is read as JSON.
        fields: for each field, the column names that it may have, lower case, best first. The
            first field must be the one with the audio file's name.
        required: the fields that must be there.
        name: how messages call the table; its path by default.

    Raises:
        DataError: the table can't be read as a whole, lacks a required column, or most of its
            rows aren't valid UTF-8.
    """
    needed = tuple(field for field in fields if field in required)
    with open_lines(path, name or str(path)) as lines:
        if path.suffix.lower() in JSON_SUFFIXES:
            rows = read_json_rows(lines, fields, needed)
        else:
            rows = _read_rows(lines, _read_header(lines, path, fields, needed), fields, needed)
        yield from check_encoding(rows, lines.name)


def has_field(
    path: Path,
    field: str,
    *,
    fields: Mapping[str, Sequence[str]],
    required: Collection[str],
    name: str = "",
) -> bool:
    """Whether the header, or one of the first JSON objects, has a column for the field.

    Raises:
        DataError: as `read_table`.
    """
    needed = tuple(field for field in fields if field in required)
    with open_lines(path, name or str(path)) as lines:
        if path.suffix.lower() not in JSON_SUFFIXES:
            return field in _read_header(lines, path, fields, needed).position
        rows = itertools.islice(read_json_rows(lines, fields, needed), _MAX_OBJECTS)
        return any(isinstance(row, TableRow) and field in row.cells for row in rows)


def read_columns(
    path: Path, *, columns: Sequence[str], n_required: int, delimiter: str, name: str = ""
) -> Iterator[TableRow | BadRow]:
    """The rows of a table without a header, lazily; quotation marks are part of the text.

    Args:
        path: the table, UTF-8 or UTF-16 with a byte order mark.
        columns: the fields in the order in which the table has them.
        n_required: how many of them, from the first, a row must have.
        delimiter: what stands between cells.
        name: how messages call the table; its path by default.

    Raises:
        DataError: the table can't be read as a whole, or most of its rows aren't valid UTF-8.
    """
    with open_lines(path, name or str(path)) as lines:
        rows = _read_bare_rows(lines, columns, n_required, delimiter)
        yield from check_encoding(rows, lines.name)


def _read_bare_rows(
    lines: Lines, columns: Sequence[str], n_required: int, delimiter: str
) -> Iterator[TableRow | BadRow]:
    while line := lines.next_filled():
        number = lines.number
        cells = line.rstrip("\n").split(delimiter)
        if fault := find_fault(line, number) or _find_long_cell(line, cells, number):
            yield fault
        elif not n_required <= len(cells) <= len(columns):
            wanted = f"{len(columns)} columns separated by {delimiter!r}"
            yield BadRow(number, f"{len(cells)} cells for {wanted}")
        else:
            yield TableRow(number, dict(zip(columns, cells, strict=False)))


def _parse(text: str, delimiter: str) -> list[str]:
    text = text.rstrip("\n")
    if '"' not in text:
        return text.split(delimiter)
    if delimiter not in _BARE_QUOTES:
        return next(csv.reader([text], delimiter=delimiter, strict=True), [])
    return [
        cell[1:-1].replace('""', '"') if _QUOTED.fullmatch(cell) else cell
        for cell in text.split(delimiter)
    ]


def _read_header(
    lines: Lines, path: Path, fields: Mapping[str, Sequence[str]], required: Sequence[str]
) -> _Layout:
    header = lines.next_filled()
    if not header:
        raise DataError(f"{lines.name}: the table is empty; its first row names the columns")
    if header is OVERLONG:
        raise DataError(
            f"{lines.name} row {lines.number}: over {MAX_LINE} characters without a line break; "
            "this isn't a table of clips"
        )
    found: list[str] = []
    for delimiter in "\t,;|" if path.suffix.lower() == ".tsv" else ",;\t|":
        try:
            columns = [_clean_name(column) for column in _parse(header, delimiter)]
        except csv.Error:
            continue
        lowered = [column.lower() for column in columns]
        position = {
            field: lowered.index(name)
            for field, names in fields.items()
            if (name := next((name for name in names if name in lowered), None)) is not None
        }
        if all(field in position for field in required):
            taken = set(position.values())
            others = {c: i for i, c in reversed([*enumerate(columns)]) if c and i not in taken}
            return _Layout(delimiter, columns, position, list(others.items())[::-1])
        found = max(found, columns, key=len)
    raise wanted_columns_error(lines.name, lines.number, fields, required, found)


def _clean_name(column: str) -> str:
    return column.strip().strip(_INVISIBLE).strip()


def _read_rows(
    lines: Lines, layout: _Layout, fields: Mapping[str, Sequence[str]], required: Sequence[str]
) -> Iterator[TableRow | BadRow]:
    key = next(iter(fields))
    while line := lines.next_filled():
        yield _read_row(line, lines, layout, key, required)


def _read_row(
    line: str, lines: Lines, layout: _Layout, key: str, required: Sequence[str]
) -> TableRow | BadRow:
    """One row that starts with `line`; takes the lines that an open quotation mark needs."""
    number = lines.number
    if line is OVERLONG:
        return find_fault(line, number) or BadRow(number, "")
    cells, problem = _take_row(line, lines, layout, key)
    fault = find_fault(line if problem else "".join(cells), number)
    if fault and (fault.is_encoding or not problem):
        return fault
    if problem:
        return BadRow(number, problem)
    if fault := _find_long_cell(line, cells, number):
        return fault
    if len(cells) > layout.n_columns and any(cell.strip() for cell in cells[layout.n_columns :]):
        return BadRow(
            number,
            f"{len(cells)} cells for {layout.n_columns} columns; put quotation marks round "
            f"text that holds {layout.delimiter!r}",
        )
    found = {field: cells[i] for field, i in layout.position.items() if i < len(cells)}
    for field in required:
        if field not in found:
            detail = f"{len(cells)} of {layout.n_columns} cells; lacks {field}"
            return BadRow(number, detail + _guess_separator(line, layout))
    others = {c: cells[i] for c, i in layout.others if i < len(cells) and cells[i].strip()}
    return TableRow(number, found, others)


def _find_long_cell(line: str, cells: Sequence[str], number: int) -> BadRow | None:
    # The csv module itself refuses cells of rows that go over several lines.
    if len(line) > MAX_CELL and max(map(len, cells)) > MAX_CELL:
        return BadRow(number, f"a cell of over {MAX_CELL} characters; this isn't a transcript")
    return None


def _guess_separator(line: str, layout: _Layout) -> str:
    for delimiter in _DELIMITERS:
        if delimiter != layout.delimiter and line.count(delimiter) >= layout.n_columns - 1:
            return f"; is it separated by {delimiter!r}, the header by {layout.delimiter!r}?"
    return ""


def _take_row(line: str, lines: Lines, layout: _Layout, key: str) -> tuple[list[str], str]:
    """A row's cells, or none and a problem; lines that turn out to be other rows are given back."""
    taken: list[str] = []
    problem = "a quotation mark opens and never closes"
    while len(taken) < _MAX_LINES_OF_ROW:
        try:
            cells = layout.parse(line + "".join(taken))
        except csv.Error as error:
            if "field limit" in str(error):
                problem = f"a cell of over {MAX_CELL} characters; this isn't a transcript"
                break
            if "unexpected end" not in str(error):
                problem = f"a quotation mark is out of place ({error})"
                break
        else:
            if not taken and layout.goes_on(cells, lines, key):
                return [], _GOES_ON
            if not taken or len(cells) == layout.n_columns:
                return cells, ""
            break
        more = lines.next()
        if not more:
            break
        taken.append(more)
        if more is OVERLONG or layout.is_row(more, key):
            break
    lines.give_back(taken)
    return [], problem
