"""One alignment of two long strings: what was heard, and a text of which it may be a part.

The score of an alignment is that of local alignment (Smith and Waterman, 1981) with two kinds of
gap: each character that is missing or too many costs a little, and a whole stretch of either side
may be passed over at a price that doesn't grow with its length (a preface that nobody reads, an
announcement that isn't in the text). That price keeps chance from scattering a hypothesis over a
text that is longer: the letters of any word come in order somewhere in a book.

All pairs of an hour's 60,000 characters would be 3.6 billion, so strings that both sides share are
found first, by their hashes, and chained as H. Li's minimap2 does (Bioinformatics 34(18), 2018);
what lies between two of the chain is aligned exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ruach_core.alignment.chaining import JUMP, MATCH, find_chain

MISMATCH = INDEL = -2
"""Beside `MATCH` 3: a stretch with more than three errors in five characters isn't worth pairing,
and two unrelated texts, which share some 36 % of their letters in order, aren't either."""

MISSING, SKIPPED = -1, -2
"""In place of a partner: a character that lacks one among others that have one, and a character of
a stretch that was passed over as a whole."""

_MAX_CELLS = 1 << 21
"""Of a table that is filled whole; more is divided further first."""
_SEED_LENGTHS = (14, 9, 6)
_CORNER = 1_400
"""Characters on both sides that are tried at the ends of what has no seed."""

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Matching:
    """Who is whose partner; both arrays rise, but for `MISSING` and `SKIPPED`.

    Attributes:
        of_text: for each character of the text its partner in the hypothesis, shape (n_text,).
        of_hypothesis: the same the other way round, shape (n_hypothesis,).
        n_equal: pairs of equal characters.
    """

    of_text: Ints
    of_hypothesis: Ints
    n_equal: int


def match_texts(hypothesis: str, text: str) -> Matching:
    """Align a hypothesis with a text.

    Time grows with the lengths, not with their product, and memory stays in bounds: a table of at
    most `_MAX_CELLS` at a time. Nothing is normalised here.
    """
    heard, known = _encode(hypothesis), _encode(text)
    matcher = _Matcher(heard, known)
    matcher.align(0, len(heard), 0, len(known), level=0)
    paired = np.flatnonzero(matcher.of_text >= 0)
    of_hypothesis = matcher.of_hypothesis
    n_equal = int((known[paired] == heard[matcher.of_text[paired]]).sum())
    return Matching(matcher.of_text, of_hypothesis, n_equal)


def _encode(text: str) -> Ints:
    return np.array([ord(char) for char in text], dtype=np.int32)


class _Matcher:
    """Fills in partners, rectangle by rectangle."""

    def __init__(self, heard: Ints, known: Ints) -> None:
        self._heard, self._known = heard, known
        self.of_hypothesis = np.full(len(heard), SKIPPED, dtype=np.int32)
        self.of_text = np.full(len(known), SKIPPED, dtype=np.int32)

    def align(self, i0: int, i1: int, j0: int, j1: int, *, level: int) -> None:
        """Align heard[i0:i1] with known[j0:j1], both whole."""
        if i0 == i1 or j0 == j1:
            self._pass_over(i0, i1, j0, j1)
        elif (i1 - i0) * (j1 - j0) <= _MAX_CELLS:
            self._trace(i0, i1, j0, j1)
        elif level == len(_SEED_LENGTHS):
            self._align_corners(i0, i1, j0, j1)
        else:
            chain = find_chain(self._heard[i0:i1], self._known[j0:j1], _SEED_LENGTHS[level])
            i, j = i0, j0
            for run in chain:
                self.align(i, i0 + run.heard, j, j0 + run.known, level=level + 1)
                i, j = i0 + run.heard + run.length, j0 + run.known + run.length
                self._pair(i - run.length, j - run.length, run.length)
            self.align(i, i1, j, j1, level=level + 1)

    def _pair(self, i: int, j: int, length: int) -> None:
        self.of_hypothesis[i : i + length] = np.arange(j, j + length)
        self.of_text[j : j + length] = np.arange(i, i + length)

    def _pass_over(self, i0: int, i1: int, j0: int, j1: int) -> None:
        """What has nothing on the other side: missing letters where they are few."""
        for partners, first, end in ((self.of_hypothesis, i0, i1), (self.of_text, j0, j1)):
            is_short = (first - end) * INDEL <= JUMP
            partners[first:end] = MISSING if is_short else SKIPPED

    def _align_corners(self, i0: int, i1: int, j0: int, j1: int) -> None:
        """Two long stretches that share no seed: what may belong to their ends, no more."""
        n, m = min(_CORNER, (i1 - i0) // 2), min(_CORNER, (j1 - j0) // 2)
        table = _fill(self._heard[i0 : i0 + n], self._known[j0 : j0 + m])
        i, j = np.unravel_index(int(np.argmax(table)), table.shape)
        self._trace(i0, i0 + int(i), j0, j0 + int(j))
        table = _fill(self._heard[i1 - n : i1][::-1], self._known[j1 - m : j1][::-1])
        i, j = np.unravel_index(int(np.argmax(table)), table.shape)
        self._trace(i1 - int(i), i1, j1 - int(j), j1)

    def _trace(self, i0: int, i1: int, j0: int, j1: int) -> None:
        """Fill the table of a rectangle, and follow its best path back."""
        heard, known = self._heard[i0:i1], self._known[j0:j1]
        table = _fill(heard, known)
        i, j = len(heard), len(known)
        while i and j:
            score = table[i, j]
            pair = MATCH if heard[i - 1] == known[j - 1] else MISMATCH
            if score == table[i - 1, j - 1] + pair:
                i, j = i - 1, j - 1
                self._pair(i0 + i, j0 + j, 1)
            elif score == table[i - 1, j] + INDEL:
                i -= 1
                self.of_hypothesis[i0 + i] = MISSING
            elif score == table[i, j - 1] + INDEL:
                j -= 1
                self.of_text[j0 + j] = MISSING
            else:
                # A jump leaves SKIPPED behind, which is what all are at first.
                above = np.flatnonzero(table[:i, j] == score + JUMP)
                if len(above):
                    i = int(above[-1])
                else:
                    j = int(np.flatnonzero(table[i, :j] == score + JUMP)[-1])
        self._pass_over(i0, i0 + i, j0, j0 + j)


def _fill(heard: Ints, known: Ints) -> Ints:
    """Best scores of all pairs of beginnings, shape (n_heard + 1, n_known + 1)."""
    n, m = len(heard), len(known)
    steps = np.arange(m + 1, dtype=np.int32) * -INDEL
    table = np.empty((n + 1, m + 1), dtype=np.int32)
    table[0] = np.maximum(-steps, -JUMP)
    table[0, 0] = 0
    highest = table[0] - JUMP
    base = np.empty(m + 1, dtype=np.int32)
    for i in range(1, n + 1):
        above = table[i - 1]
        np.maximum(above + INDEL, highest, out=base)
        pairs = np.where(known == heard[i - 1], MATCH, MISMATCH) + above[:-1]
        np.maximum(base[1:], pairs, out=base[1:])
        row = np.maximum.accumulate(base + steps) - steps
        np.maximum(row, np.maximum.accumulate(base) - JUMP, out=row)
        table[i] = row
        np.maximum(highest, row - JUMP, out=highest)
    return table
