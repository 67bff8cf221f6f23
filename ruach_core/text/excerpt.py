"""Short quotations of texts, for findings and messages."""

from __future__ import annotations

_WIDTH = 60


def excerpt(text: str, *, around: str = "") -> str:
    """At most 60 characters of a text, quoted, with what they are shown for among them.

    Args:
        text: any text.
        around: a part of the text that must show; the beginning shows by default.
    """
    middle = max(text.find(around), 0) + len(around) // 2
    start = max(0, min(middle - _WIDTH // 2, len(text) - _WIDTH))
    end = start + _WIDTH
    return ("..." if start else "") + repr(text[start:end]) + ("..." if end < len(text) else "")
