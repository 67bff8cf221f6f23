"""The tables of a Kaldi data directory: lines of a key and a value, sorted by key.

Kaldi sorts its tables as C does (`LC_ALL=C sort`) so that they can be joined in one pass
(https://kaldi-asr.org/doc/data_prep.html). Tables that are sorted are joined here in the same way,
without holding them; one that isn't is sorted in memory first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ruach_core.errors import DataError

_MAX_LINE = 1_000_000
"""Characters; a line beyond this isn't a line of a table of clips."""
_BLOCK = 1 << 17
_CONTROL = bytes(set(range(0x20)) - set(b"\t\n"))
_KEY = re.compile(r"[ \t]*([^ \t\n]+)")
_NOT_UTF8 = "not UTF-8"
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class KaldiRow:
    """One line: its number in the file, its key, and the rest; why it can't be used, if so."""

    number: int
    key: str
    value: str
    problem: str = ""


class KaldiTable:
    """A file of lines `KEY VALUE`; only spaces and tabs separate, as in Kaldi.

    Text is UTF-8 (a byte order mark is dropped) or UTF-16 with a byte order mark.
    """

    def __init__(self, path: Path) -> None:
        """Look over the whole file once: is it text, and sorted?

        Raises:
            DataError: the file can't be read, or most of its lines aren't UTF-8.
        """
        self.path = path
        self._encoding = _find_encoding(path)
        self._is_sorted = _is_plainly_sorted(path) or self._look_over()

    def rows(self) -> Iterator[KaldiRow]:
        """The rows by key; of two with one key the first in the file comes first."""
        if self._is_sorted:
            return self._read()
        return iter(sorted(self._read(), key=lambda row: row.key))

    def load(self) -> Mapping[str, KaldiRow]:
        """All rows by key, in memory; of two with one key the first."""
        found: dict[str, KaldiRow] = {}
        for row in self._read():
            found.setdefault(row.key, row)
        return found

    def _look_over(self) -> bool:
        is_sorted, previous = True, ""
        n_rows = n_encoding = first_encoding = 0
        for number, line in self._lines():
            match = _KEY.match(line)
            if match is None:
                continue
            is_sorted = is_sorted and previous <= match[1]
            previous = match[1]
            n_rows += 1
            if not line.isascii() and _SURROGATE.search(line):
                n_encoding += 1
                first_encoding = first_encoding or number
        if 2 * n_encoding > n_rows:
            raise DataError(
                f"{self.path} row {first_encoding}: {_NOT_UTF8}, like {n_encoding} of {n_rows} "
                "rows; save the file as UTF-8"
            )
        return is_sorted

    def _read(self) -> Iterator[KaldiRow]:
        for number, line in self._lines():
            match = _KEY.match(line)
            if match is not None:
                value = line[match.end() :].strip(" \t\n")
                yield KaldiRow(number, match[1], value, _find_problem(line))

    def _lines(self) -> Iterator[tuple[int, str]]:
        errors = "surrogateescape" if self._encoding == "utf-8-sig" else "strict"
        number = 0
        try:
            with self.path.open(encoding=self._encoding, errors=errors) as file:
                while line := file.readline(_MAX_LINE):
                    number += 1
                    if len(line) >= _MAX_LINE:
                        raise DataError(
                            f"{self.path} row {number}: over {_MAX_LINE} characters without a "
                            "line break; this isn't a table of clips"
                        )
                    yield number, line
        except UnicodeDecodeError as error:
            raise DataError(f"{self.path}: not {error.encoding} text; save it as UTF-8") from error
        except OSError as error:
            raise DataError(f"{self.path}: can't be read: {error.strerror or error}") from error


class KaldiLookup:
    """Finds rows of a table by keys that only grow, reading along."""

    def __init__(self, table: KaldiTable | None) -> None:
        """Without a table nothing is found."""
        self._rows = table.rows() if table is not None else iter(())
        self._row = next(self._rows, None)

    def get(self, key: str) -> KaldiRow | None:
        """The key's row; no key may be below the one before."""
        while self._row is not None and self._row.key < key:
            self._row = next(self._rows, None)
        return self._row if self._row is not None and self._row.key == key else None


def join(
    left: Iterator[KaldiRow], right: Iterator[KaldiRow]
) -> Iterator[tuple[KaldiRow | None, KaldiRow | None]]:
    """The rows of both tables by key, those without a partner with None in its place.

    Args:
        left: rows, sorted by key; of several with one key the first has the partner.
        right: rows, sorted by key.
    """
    a, b = next(left, None), next(right, None)
    while a is not None or b is not None:
        if b is None or (a is not None and a.key < b.key):
            yield a, None
            a = next(left, None)
        elif a is None or b.key < a.key:
            yield None, b
            b = next(right, None)
        else:
            yield a, b
            a, b = next(left, None), next(right, None)


def _find_encoding(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" in start:
        raise DataError(f"{path}: not a text file, or UTF-16 without a mark; save it as UTF-8")
    return "utf-8-sig"


def _is_plainly_sorted(path: Path) -> bool:
    """Whether the file is sorted UTF-8 without anything odd; a table is mostly, and this is fast.

    A line's key is sorted if the whole line is, since what may follow a key is below whatever may
    be in one.
    """
    last = rest = b""
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                *lines, rest = (rest + block).split(b"\n")
                if len(rest) >= _MAX_LINE or len(block.translate(None, _CONTROL)) < len(block):
                    return False
                if lines:
                    first, last_before, last = lines[0], last, lines[-1]
                    if first < last_before or first[:1] <= b" " or lines != sorted(lines):
                        return False
                    b"\n".join(lines).decode("utf-8")
            rest.decode("utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    return not rest or (rest >= last and rest[:1] > b" ")


def _find_problem(line: str) -> str:
    if "\0" in line:
        return "holds a NUL character"
    if not line.isascii() and (bad := _SURROGATE.search(line)):
        return f"{_NOT_UTF8} (byte 0x{ord(bad.group()) - 0xDC00:02x}); save the file as UTF-8"
    return ""
