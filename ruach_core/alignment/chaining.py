"""Strings that two texts share, and the chain of them that tells best where one is in the other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

MATCH = 3
JUMP = 30
"""What passing over a stretch of either side costs, whatever its length."""

_MAX_OCCURRENCES = (16, 4, 1)
"""A string that the text has more often tells little; fewer are taken where that is too many."""
_MAX_RUNS = 40_000
_LOOK_BACK = 64
"""Earlier runs that each is joined to with the true cost of what lies between."""

Ints = npt.NDArray[np.int32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Run:
    """A string that both sides have: where it starts in each, and its length."""

    heard: int
    known: int
    length: int


def find_chain(heard: Ints, known: Ints, length: int) -> list[Run]:
    """Shared strings of at least `length` characters, rising on both sides, that score best.

    Args:
        heard: code points, shape (n_heard,).
        known: code points, shape (n_known,).
        length: of the shortest string that counts, at least 2.
    """
    if min(len(heard), len(known)) < length:
        return []
    first, second = _hash(heard, length), _hash(known, length)
    order = np.argsort(second, kind="stable")
    ordered = second[order]
    left = np.searchsorted(ordered, first, side="left")
    counts = np.searchsorted(ordered, first, side="right") - left
    for most in _MAX_OCCURRENCES:
        starts, partners, lengths = _merge(left, np.where(counts > most, 0, counts), order, length)
        if len(starts) <= _MAX_RUNS:
            break
    return _Chaining(starts, partners, lengths).best()


def _hash(codes: Ints, length: int) -> npt.NDArray[np.uint64]:
    """A number for each string of that length; polynomial, modulo 2^64."""
    base = np.uint64(0x9E3779B97F4A7C15)
    wide = codes.astype(np.uint64) * np.uint64(0xD6E8FEB86659FD93)
    n = len(codes) - length + 1
    result = np.zeros(n, dtype=np.uint64)
    for offset in range(length):
        result = result * base + wide[offset : offset + n]
    # Without mixing, texts of two letters have strings whose numbers are the same (Thue-Morse).
    return result ^ (result >> np.uint64(29))


def _merge(
    left: Places, counts: Places, order: Places, length: int
) -> tuple[Places, Places, Places]:
    """Neighbouring matches on one diagonal as one: starts on both sides, and lengths."""
    heard = np.repeat(np.arange(len(counts)), counts)
    if not len(heard):
        return heard, heard, heard
    within = np.arange(len(heard)) - np.repeat(np.cumsum(counts) - counts, counts)
    known = order[np.repeat(left, counts) + within]
    by_diagonal = np.lexsort((heard, known - heard))
    heard, known = heard[by_diagonal], known[by_diagonal]
    is_first = np.ones(len(heard), dtype=bool)
    is_first[1:] = (np.diff(known - heard) != 0) | (np.diff(heard) != 1)
    begins = np.flatnonzero(is_first)
    lengths = np.diff(np.append(begins, len(heard))) + length - 1
    heard, known = heard[begins], known[begins]
    in_order = np.lexsort((known, heard))
    return heard[in_order], known[in_order], lengths[in_order]


class _Chaining:
    """The best chain that ends in each run: its score, the run before, the cut off its start."""

    def __init__(self, heard: Places, known: Places, lengths: Places) -> None:
        self._heard, self._known, self._lengths = heard, known, lengths
        self._scores = np.zeros(len(heard), dtype=np.int64)
        self._before = np.full(len(heard), -1, dtype=np.int64)
        self._cuts = np.zeros(len(heard), dtype=np.int64)

    def best(self) -> list[Run]:
        """The runs of the best chain, in order."""
        heard, known, lengths, scores = self._heard, self._known, self._lengths, self._scores
        far = _Far(known + lengths)
        by_end = np.argsort(heard + lengths, kind="stable")
        n_far = 0
        for r in range(len(heard)):
            while n_far < r and heard[by_end[n_far]] + lengths[by_end[n_far]] <= heard[r]:
                far.add(int(by_end[n_far]), scores)
                n_far += 1
            # Alone, or behind whatever is best so far and ends early enough, by a jump on both
            # sides.
            start = min(int(heard[r]), JUMP // 2) + min(int(known[r]), JUMP // 2)
            scores[r] = MATCH * lengths[r] - start
            score, q = far.best(int(known[r]))
            if q >= 0 and score - 2 * JUMP + MATCH * lengths[r] > scores[r]:
                scores[r], self._before[r] = score - 2 * JUMP + MATCH * lengths[r], q
            self._join_near(r)
        return self._read_back()

    def _join_near(self, r: int) -> None:
        """Join run `r` to the best of those just before it; what overlaps is cut off its start."""
        heard, known, lengths, scores = self._heard, self._known, self._lengths, self._scores
        near = slice(max(0, r - _LOOK_BACK), r)
        gap_heard = heard[r] - heard[near] - lengths[near]
        gap_known = known[r] - known[near] - lengths[near]
        cut = np.maximum(0, -np.minimum(gap_heard, gap_known))
        gap_heard, gap_known = gap_heard + cut, gap_known + cut
        shorter, longer = np.minimum(gap_heard, gap_known), np.maximum(gap_heard, gap_known)
        # What lies between is as likely right as wrong; the difference in length is surely wrong.
        price = np.minimum(2 * (longer - shorter), JUMP) + np.minimum(shorter // 8, JUMP)
        joined = scores[near] - price + MATCH * (lengths[r] - cut)
        is_behind = (cut < lengths[r]) & (known[near] < known[r]) & (heard[near] < heard[r])
        joined = np.where(is_behind, joined, np.iinfo(np.int64).min)
        if len(joined) and joined.max() > scores[r]:
            best = int(np.argmax(joined))
            scores[r] = joined[best]
            self._before[r] = near.start + best
            self._cuts[r] = cut[best]

    def _read_back(self) -> list[Run]:
        if not len(self._scores) or self._scores.max() <= 0:
            return []
        runs: list[Run] = []
        r = int(np.argmax(self._scores))
        while r >= 0:
            cut = int(self._cuts[r]) if self._before[r] >= 0 else 0
            start = int(self._heard[r]) + cut, int(self._known[r]) + cut
            runs.append(Run(*start, int(self._lengths[r]) - cut))
            r = int(self._before[r])
        return runs[::-1]


class _Far:
    """The best score among runs that end before a place of the text; a binary indexed tree."""

    def __init__(self, ends: Places) -> None:
        self._ends: list[int] = sorted(set(ends.tolist()))
        self._rank = {end: rank + 1 for rank, end in enumerate(self._ends)}
        self._of = ends
        self._tree = [(0, -1)] * (len(self._ends) + 1)

    def add(self, run: int, scores: Places) -> None:
        """Take a run in, once its score is known."""
        entry = (int(scores[run]), run)
        rank = self._rank[int(self._of[run])]
        while rank < len(self._tree):
            if self._tree[rank] < entry:
                self._tree[rank] = entry
            rank += rank & -rank

    def best(self, start: int) -> tuple[int, int]:
        """The best score of those that end at or before `start`, and its run; -1 for none."""
        rank = bisect_right(self._ends, start)
        best = (0, -1)
        while rank:
            best = max(best, self._tree[rank])
            rank -= rank & -rank
        return best
