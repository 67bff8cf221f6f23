"""Whether sources of base models may fetch one from a network now."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_are_allowed: ContextVar[bool] = ContextVar("downloads_are_allowed", default=True)


def downloads_are_allowed() -> bool:
    """False inside `no_downloads`: a source then gives only what is on this machine."""
    return _are_allowed.get()


@contextmanager
def no_downloads() -> Iterator[None]:
    """Forbid downloads of base models, to look at what is there without spending anything."""
    token = _are_allowed.set(False)
    try:
        yield
    finally:
        _are_allowed.reset(token)
