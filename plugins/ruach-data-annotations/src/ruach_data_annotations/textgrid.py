"""Praat's TextGrid in its text formats, long and short.

To Praat a text file is a row of free-standing numbers, quoted texts and flags, whatever stands
between them being comment ("TextGrid file formats" in Praat's manual), so one reader does both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from ruach_core.errors import DataError
from ruach_data_annotations.tiers import MAX_NAME, Segment, Tier

MAX_BYTES = 128 << 20
"""Hours of phone segments take a few MB."""
MAX_TEXT = 100_000
"""Characters of one interval."""
_TOKEN = re.compile(
    r'"(?P<text>[^"]*+(?:""[^"]*+)*+)"'
    r"|(?<!\S)(?P<number>[+-]?[0-9]{1,40}(?:\.[0-9]{0,40})?(?:[eE][+-]?[0-9]{1,4})?)\S*"
    r"|(?<!\S)(?P<flag><[a-z]+>)"
    r"|(?<!\S)![^\r\n]*"
)
_SAVE = "open it in Praat and choose Save as text file"
_C1 = re.compile("[\x80-\x9f]")


def read_textgrid(path: Path, name: str) -> tuple[tuple[Tier, ...], str]:
    """The tiers of a TextGrid file, and the encoding that it was read in.

    Points come as segments of no length. Text may be UTF-8, UTF-16 with a byte order mark, or
    Latin-1.

    Args:
        path: the file.
        name: what messages call it.

    Raises:
        DataError: it can't be read, is binary, isn't a TextGrid, ends early, is in another
            encoding, or is larger than `MAX_BYTES`.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{name}: over {MAX_BYTES >> 20} MiB; split the recording in Praat")
        text, encoding = decode(path.read_bytes(), name)
    except OSError as error:
        raise DataError(f"{name}: can't be read: {error.strerror or error}") from error
    return tuple(parse_textgrid(text, name)), encoding


def decode(content: bytes, name: str) -> tuple[str, str]:
    """A TextGrid file's text and the name of its encoding.

    Raises:
        DataError: it is binary, or in an encoding that can't be told.
    """
    if content.startswith(b"ooBinaryFile"):
        raise DataError(f"{name}: a binary TextGrid; {_SAVE}")
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        if encoding == "utf-16":
            raise DataError(f"{name}: damaged UTF-16; {_SAVE}") from error
        text, encoding = _decode_latin(content, name), "latin-1"
    if "\0" in text:
        raise DataError(f"{name}: holds NUL characters; {_SAVE}")
    return text, encoding.removesuffix("-sig")


def _decode_latin(content: bytes, name: str) -> str:
    text = content.decode("latin-1")
    # Letters of MacRoman and quotation marks of Windows-1252 are control codes in Latin-1.
    if found := _C1.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise DataError(
            f"{name} line {line}: byte 0x{ord(found.group()):02x} is neither UTF-8 nor Latin-1, "
            "perhaps MacRoman or Windows-1252; open it in Praat where it was made and save it, "
            "with Text writing preferences set to UTF-8"
        )
    return text


def parse_textgrid(text: str, name: str) -> Iterator[Tier]:
    """The tiers of a TextGrid's text.

    Raises:
        DataError: it isn't a TextGrid, or ends early; names the line.
    """
    tokens = _Tokens(text, name)
    _read_header(tokens)
    tokens.number(), tokens.number()
    if tokens.flag() == "<absent>":
        return
    seen: set[str] = set()
    for position in range(1, tokens.count() + 1):
        kind = tokens.text()
        if kind not in ("IntervalTier", "TextTier"):
            raise tokens.error(f"a tier of class {kind[:40]!r}, not IntervalTier or TextTier")
        tier_name = tokens.text()[:MAX_NAME]
        # Praat lets tiers share a name; ids of utterances mustn't.
        if tier_name in seen:
            tier_name = f"{tier_name} (tier {position})"
        seen.add(tier_name)
        tokens.number(), tokens.number()
        n_segments = tokens.count()
        read = _read_interval if kind == "IntervalTier" else _read_point
        yield Tier(tier_name, [read(tokens, i + 1) for i in range(n_segments)])


def _read_header(tokens: _Tokens) -> None:
    first = tokens.text()
    if "chronological" in first:
        raise DataError(f"{tokens.name}: a chronological TextGrid; {_SAVE}")
    if not first.startswith("ooTextFile"):
        raise DataError(f"{tokens.name}: not a TextGrid; {_SAVE}")
    if (kind := tokens.text()) != "TextGrid":
        raise DataError(f"{tokens.name}: holds a {kind[:40]!r}, not a TextGrid")


def _read_interval(tokens: _Tokens, number: int) -> Segment:
    start_s, end_s, text = tokens.number(), tokens.number(), tokens.text()
    problem = f"over {MAX_TEXT} characters" if len(text) > MAX_TEXT else ""
    return Segment(start_s, end_s, text[:MAX_TEXT], f"interval {number}", problem)


def _read_point(tokens: _Tokens, number: int) -> Segment:
    time_s, text = tokens.number(), tokens.text()
    return Segment(time_s, time_s, text[:MAX_TEXT], f"point {number}", "a point, without a length")


class _Tokens:
    """What of the text isn't comment, one by one."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        self._text = text
        self._matches = _TOKEN.finditer(text)
        self._position = 0

    def text(self) -> str:
        """The next token, which must be a quoted text."""
        return self._next("text", "a text in quotation marks").replace('""', '"')

    def flag(self) -> str:
        """The next token, which must be a flag such as `<exists>`."""
        return self._next("flag", "<exists>")

    def number(self) -> float:
        """The next token, which must be a finite number."""
        value = float(self._next("number", "a number"))
        if not math.isfinite(value):
            raise self.error("a number beyond all bounds")
        return value

    def count(self) -> int:
        """The next token, which must be a whole number, 0 or more."""
        value = self.number()
        if value < 0 or value != int(value):
            raise self.error(f"{value:g} instead of a number of tiers or intervals")
        return int(value)

    def error(self, what: str) -> DataError:
        """The error for what was found at this place."""
        line = self._text.count("\n", 0, self._position) + 1
        return DataError(f"{self.name} line {line}: {what}; {_SAVE} again")

    def _next(self, kind: str, wanted: str) -> str:
        for match in self._matches:
            if match.lastgroup is None:
                continue
            self._position = match.start()
            if match.lastgroup != kind:
                raise self.error(f"{match.group()[:40]!r} instead of {wanted}")
            return match.group(kind)
        self._position = len(self._text)
        raise self.error(f"ends where {wanted} should be")
