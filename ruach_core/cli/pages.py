"""Writing a page of HTML where the user wants it."""

from __future__ import annotations

import os
from pathlib import Path

from ruach_core.errors import UserError


def check_page_path(page: Path) -> None:
    """Refuse a place for a page before work is done for it.

    Raises:
        UserError: its folder doesn't exist.
    """
    if not page.absolute().parent.is_dir():
        raise UserError(f"{page}: its folder doesn't exist")


def write_page(page: Path, html: str) -> None:
    """Write the page beside its name first, so that a failure leaves no half page.

    Raises:
        UserError: it can't be written.
    """
    beside = page.with_name(f".{page.name}.{os.getpid()}")
    try:
        beside.write_text(html, encoding="utf-8", errors="replace")
        beside.replace(page)
    except OSError as error:
        raise UserError(f"{page}: can't be written: {error.strerror}") from error
    finally:
        beside.unlink(missing_ok=True)
