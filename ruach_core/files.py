"""Files that are whole or not there: written under another name in their folder, and renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from ruach_core.errors import UserError


def write_aside(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make the file under another name in its folder, and rename it.

    A killed process may leave the other name behind: `.NAME.PID.tmp`.

    Raises:
        OSError: as `write` raised it; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        write(temporary)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a text file whole, as UTF-8, and the folders above it where they aren't there.

    Half characters, which names of files may hold, are written as escapes.

    Raises:
        UserError: it can't be written; names the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(
            path,
            lambda temporary: temporary.write_text(
                text, encoding="utf-8", errors="backslashreplace", newline=""
            ),
        )
    except OSError as error:
        raise UserError(f"{path}: can't be written: {error.strerror or error}") from error
