"""What reading a table gives row by row, and the lines that it is read from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ruach_core.errors import DataError

MAX_LINE = 1_000_000
"""Characters; a line beyond this isn't a line of a table of clips."""
MAX_CELL = 100_000
"""Characters; a cell beyond this isn't a transcript."""
_MAX_BLANK = 20
"""Blank lines that are looked across for the next one that isn't."""
OVERLONG = "\0overlong\n"
"""Stands for a line beyond `MAX_LINE`, which is passed over; told apart by identity."""
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row: its number in the file, and its cells by field; absent cells are missing.

    `others` are the cells of the columns that no field took, by the column's name, without the
    empty ones.
    """

    number: int
    cells: Mapping[str, str]
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that can't be used, and why; `is_encoding` where its bytes aren't text."""

    number: int
    detail: str
    is_encoding: bool = False


class Lines:
    """Lines of a text file with their numbers, from 1; lines can be given back."""

    def __init__(self, file: TextIO, name: str) -> None:
        self._file = file
        self._given_back: list[str] = []
        self.name = name
        self.number = 0

    def next(self) -> str:
        """The next line with its line break, or OVERLONG in its place; empty at the end."""
        line = self._given_back.pop() if self._given_back else self._read()
        self.number += bool(line)
        return line

    def next_filled(self) -> str:
        """The next line that isn't blank; empty at the end."""
        line = self.next()
        while line and not line.strip():
            line = self.next()
        return line

    def peek_filled(self) -> str:
        """The next line that isn't blank, if it isn't far away; it is taken by the next call."""
        taken: list[str] = []
        while len(taken) < _MAX_BLANK and (line := self.next()):
            taken.append(line)
            if line.strip():
                break
        self.give_back(taken)
        return taken[-1] if taken and taken[-1].strip() else ""

    def give_back(self, lines: Sequence[str]) -> None:
        """Let these lines, the last ones that were taken, be taken again."""
        self._given_back.extend(reversed(lines))
        self.number -= len(lines)

    def _read(self) -> str:
        line = self._file.readline(MAX_LINE)
        if len(line) < MAX_LINE:
            return line
        while line and not line.endswith("\n"):
            line = self._file.readline(MAX_LINE)
        return OVERLONG


@contextmanager
def open_lines(path: Path, name: str) -> Iterator[Lines]:
    """The lines of a text file: UTF-8, or UTF-16 with a byte order mark.

    Bytes that aren't UTF-8 come as lone surrogates; `find_fault` says which.

    Raises:
        DataError: the file can't be read, is UTF-16 that isn't valid, or isn't text at all.
    """
    try:
        encoding = _find_encoding(path, name)
        errors = "surrogateescape" if encoding == "utf-8-sig" else "strict"
        with path.open(encoding=encoding, errors=errors) as file:
            yield Lines(file, name)
    except UnicodeDecodeError as error:
        raise DataError(f"{name}: not {error.encoding} text; save it as UTF-8") from error
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror or error}") from error


def find_fault(text: str, number: int) -> BadRow | None:
    """What in a row's text can't be used by anything: bytes that aren't UTF-8, NULs, no end."""
    if text is OVERLONG:
        return BadRow(number, f"over {MAX_LINE} characters without a line break; break it up")
    if bad := _SURROGATE.search(text):
        code = ord(bad.group())
        if not 0xDC80 <= code <= 0xDCFF:
            return BadRow(number, f"holds half a character (U+{code:04X})")
        detail = f"not UTF-8 (byte 0x{code - 0xDC00:02x}); save the table as UTF-8"
        return BadRow(number, detail, True)
    return BadRow(number, "holds a NUL character") if "\0" in text else None


def check_encoding(rows: Iterator[TableRow | BadRow], name: str) -> Iterator[TableRow | BadRow]:
    """The rows as they are.

    Raises:
        DataError: most of them weren't valid UTF-8, once all have been given.
    """
    n_good = n_encoding = first_encoding = 0
    for row in rows:
        if isinstance(row, TableRow):
            n_good += 1
        elif row.is_encoding:
            n_encoding += 1
            first_encoding = first_encoding or row.number
        yield row
    if n_encoding > n_good:
        raise DataError(
            f"{name} row {first_encoding}: not UTF-8, like {n_encoding} of "
            f"{n_encoding + n_good} rows; save the table as UTF-8"
        )


def wanted_columns_error(
    name: str, number: int, fields: Mapping[str, Sequence[str]], required: Sequence[str],
    found: Sequence[str],
) -> DataError:  # fmt: skip
    """The error for a table that lacks a required column; lists those that it has."""
    wanted = " and ".join(fields[field][0] for field in fields if field in required)
    shown = ", ".join(ascii(c) if _SURROGATE.search(c) or "\0" in c else c[:40] for c in found[:20])
    return DataError(f"{name} row {number}: needs the columns {wanted}; found {shown or 'none'}")


def _find_encoding(path: Path, name: str) -> str:
    with path.open("rb") as file:
        start = file.read(4)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in start:
        raise DataError(f"{name}: not a text file, or UTF-16 without a mark; save it as UTF-8")
    return "utf-8-sig"
