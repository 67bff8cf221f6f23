"""Whether a normaliser's time grows linearly with the length of a line.

What is compared is processor time on a line and on one eight times as long, the best of several
tries, so that a busy machine doesn't matter. In linear time the long line takes eight times as
long, in quadratic time sixty-four times.
"""

from __future__ import annotations

import time
from typing import get_args

from ruach_core.types import Purpose, TextNormalizer

_SHORT, _LONG = 500, 4_000
_MAX_RATIO = 20.0
_ATTEMPTS = 6
_SHORT_LAPS = 3
"""One lap slowed by a busy machine would have a long line look linear beside it."""
_END = "\N{RUNIC LETTER FEHU FEOH FE F}"
_FLOOR_S = 0.0005
"""Less than this can't be told from the clock's own noise."""
_HOPELESS_S = 2.0
"""Seconds for a short line at which a long one isn't tried: it might never end."""


def find_slowness(normalizer: TextNormalizer, unit: str) -> str | None:
    """How a line of one unit over and over takes too long, or None where it doesn't.

    Args:
        normalizer: the normaliser; it has been used, so that all it needs is built.
        unit: what the line is made of, at least one character.
    """
    short_line, long_line = _repeat(unit, _SHORT), _repeat(unit, _LONG)
    short = long = float("inf")
    for _ in range(_ATTEMPTS):
        for _ in range(_SHORT_LAPS):
            short = min(short, _measure(normalizer, short_line))
            if short > _HOPELESS_S:
                return f"{_SHORT} characters of {unit!r} over and over take {short:.1f} s"
        long = min(long, _measure(normalizer, long_line))
        # Once more: a machine that was busy a moment ago would let a slow rule pass.
        short = min(short, _measure(normalizer, short_line))
        if long <= _MAX_RATIO * max(short, _FLOOR_S):
            return None
    return (
        f"{_LONG} characters of {unit!r} over and over take {1000 * long:.0f} ms, "
        f"{_SHORT} take {1000 * short:.1f} ms: more than linear time"
    )


def _repeat(unit: str, length: int) -> str:
    # A search for the end of the run meets something else there, and may begin anew.
    return (unit * (length // len(unit) + 1))[:length] + _END


def _measure(normalizer: TextNormalizer, line: str) -> float:
    started = time.process_time()
    for purpose in get_args(Purpose):
        normalizer.normalize(line, purpose=purpose)
    return time.process_time() - started
