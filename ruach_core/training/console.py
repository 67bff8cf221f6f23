"""Where a run speaks: lines on standard output, a progress bar on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol


class Bar(Protocol):
    """A progress bar under way."""

    def update(self, n: int = 1) -> object:
        """`n` more are done."""
        ...

    def set_postfix_str(self, text: str) -> object:
        """What stands behind the bar."""
        ...


class Console:
    """Lines and bars; bars only where a person looks on (a terminal)."""

    def __init__(self, *, is_quiet: bool = False) -> None:
        """`is_quiet` leaves everything out."""
        self._is_quiet = is_quiet
        self._bar: Any = None

    def line(self, text: str = "") -> None:
        """One line of output, above the bar."""
        if self._is_quiet:
            return
        if self._bar is not None and not self._bar.disable:
            self._bar.clear()
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        if self._bar is not None and not self._bar.disable:
            self._bar.refresh()

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Announce a stage and say how long it took."""
        self.line(f"== {title}")
        began = time.perf_counter()
        yield
        self.line(f"   ({time.perf_counter() - began:.1f} s)")

    @contextmanager
    def progress(self, total: int, title: str, *, done: int = 0) -> Iterator[Bar]:
        """A bar over `total` steps."""
        from tqdm import tqdm

        is_hidden = self._is_quiet or not sys.stderr.isatty()
        outer = self._bar
        with tqdm(
            total=total, initial=done, desc=title, disable=is_hidden, leave=False,
            dynamic_ncols=True,
        ) as bar:  # fmt: skip
            self._bar = bar
            try:
                yield bar
            finally:
                self._bar = outer
