"""Lines of text from a file or from standard input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from ruach_core.errors import DataError

_BYTE_ORDER_MARK = "\ufeff"


def read_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Lines of UTF-8 text, ended by LF or CR LF and by nothing else that Unicode calls a line.

    Args:
        stream: the text.
        name: what messages call it.

    Raises:
        DataError: a line isn't UTF-8; names it.
    """
    for number, raw in enumerate(stream, start=1):
        try:
            line = raw.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name} line {number}: not UTF-8 at byte {error.start}; "
                "convert the text, for example with iconv"
            ) from error
        yield line.removeprefix(_BYTE_ORDER_MARK) if number == 1 else line
