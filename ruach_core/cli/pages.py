"""Where a page of HTML may be written."""

from __future__ import annotations

from pathlib import Path

from ruach_core.errors import UserError


def check_page_path(page: Path) -> None:
    """Refuse a place for a page before work is done for it.

    Raises:
        UserError: its folder doesn't exist.
    """
    if not page.absolute().parent.is_dir():
        raise UserError(f"{page}: its folder doesn't exist")
