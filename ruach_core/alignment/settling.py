"""Decides on the words that an alignment left without a piece, and on what stays unsure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ruach_core.alignment.known import KnownWord
from ruach_core.alignment.matching import MISSING

_SHORT = 15
"""Letters: so many may be missing at a place before they count as not said there."""
_TINY = 4
"""Letters: a model may pass over a word of so many without leaving a trace."""
_SURE = 0.5
"""Share of its letters that the word at a piece's end needs to mark it."""
_SLOW = 0.8
"""A piece with fewer letters a second than this share of the median has room for unheard words."""
_RATE_RANGE = (0.5, 2.0)
"""Letters a second, against the recording's median, that what wasn't understood may have."""
_TIME_SLACK_S = 1.0
"""How far outside a piece a subtitle's word may be by its time and still be in it."""

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of speech between two pauses, and what the model heard in it.

    Attributes:
        start_s: where it starts in the recording.
        end_s: where it ends.
        hypothesis: the model's text.
        key: its letters, as `matching_key` gives them.
    """

    start_s: float
    end_s: float
    hypothesis: str
    key: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an alignment says of words and of pieces' ends.

    Attributes:
        equal_share: of each word the share of its letters that were heard just so.
        n_free: of each piece how many letters were heard before its first word and after its
            last; shape (n_pieces, 2).
    """

    equal_share: npt.NDArray[np.float64]
    n_free: Ints


class Settler:
    """Goes through the runs of words without a piece; changes `piece_of` and `is_unsure`."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        words: Sequence[KnownWord],
        piece_of: Ints,
        is_unsure: Flags,
        evidence: Evidence,
        shift_s: float,
    ) -> None:
        self._pieces, self._words = pieces, words
        self._piece_of, self._is_unsure = piece_of, is_unsure
        self._evidence, self._shift_s = evidence, shift_s
        self._rate = self._median_rate()

    def settle(self) -> None:
        """Give the words a piece where it can be told, and mark the ends that stay unsure."""
        for first, end in list(runs(self._piece_of < 0)):
            before = int(self._piece_of[first - 1]) if first else -1
            behind = int(self._piece_of[end]) if end < len(self._words) else len(self._pieces)
            if before == behind:
                if self._is_short(first, end):
                    self._piece_of[first:end] = before
            elif self._words[first].time_s is not None:
                self._settle_by_time(first, end, before, behind)
            elif behind - before > 1 and self._settle_by_rate(first, end, before, behind):
                pass
            else:
                self._settle_by_ends(first, end, before, behind)

    def _n_letters(self, first: int, end: int) -> int:
        return sum(len(word.key) for word in self._words[first:end])

    def _is_short(self, first: int, end: int) -> bool:
        is_missing = bool((self._piece_of[first:end] == MISSING).all())
        return is_missing and self._n_letters(first, end) <= _SHORT

    def _settle_by_time(self, first: int, end: int, before: int, behind: int) -> None:
        """By the subtitles' times, as far as they lie in or near one of the pieces."""
        candidates = range(max(0, before), min(behind, len(self._pieces) - 1) + 1)
        for i in range(first, end):
            time_s = (self._words[i].time_s or 0.0) + self._shift_s
            distance_s, piece = min((self._distance_s(p, time_s), p) for p in candidates)
            if distance_s <= _TIME_SLACK_S:
                self._piece_of[i] = piece
        self._doubt_between(before, behind)

    def _distance_s(self, piece: int, time_s: float) -> float:
        own = self._pieces[piece]
        return max(own.start_s - time_s, time_s - own.end_s, 0.0)

    def _settle_by_rate(self, first: int, end: int, before: int, behind: int) -> bool:
        """Over the pieces between, none of whose words was understood, if so many can be said."""
        between = range(before + 1, behind)
        seconds = [self._pieces[p].end_s - self._pieces[p].start_s for p in between]
        rate = self._n_letters(first, end) / max(0.01, sum(seconds))
        low, high = (factor * self._rate for factor in _RATE_RANGE)
        if not low <= rate <= high:
            return False
        ends = list(accumulate(second * rate for second in seconds))
        n_before, k = 0.0, 0
        for i in range(first, end):
            middle = n_before + len(self._words[i].key) / 2
            while k + 1 < len(between) and middle > ends[k]:
                k += 1
            self._piece_of[i] = between[k]
            n_before += len(self._words[i].key)
        self._doubt_between(before, behind)
        return True

    def _settle_by_ends(self, first: int, end: int, before: int, behind: int) -> None:
        """By what was heard at the two ends beside the words.

        An end whose own word was heard well, with nothing behind it and no time to spare, has no
        room for more: the words are at the other end, or not said at all.
        """
        n_letters = self._n_letters(first, end)
        is_before_full = before < 0 or self._is_full(before, 1, first - 1, n_letters)
        is_behind_full = behind == len(self._pieces) or self._is_full(behind, 0, end, n_letters)
        is_tiny = is_before_full and is_behind_full and n_letters <= _TINY
        is_neighbor = before >= 0 and behind == before + 1 and behind < len(self._pieces)
        if before >= 0 and (not is_before_full or is_tiny):
            self._is_unsure[before, 1] = True
        if behind < len(self._pieces) and (not is_behind_full or is_tiny):
            self._is_unsure[behind, 0] = True
        if (
            is_neighbor
            and self._is_short(first, end)
            and (is_tiny or not (is_before_full and is_behind_full))
        ):
            room = [p for p, is_full in ((before, is_before_full), (behind, is_behind_full))
                    if is_tiny or not is_full]  # fmt: skip
            self._piece_of[first:end] = min(room, key=lambda p: self._oddity(p, n_letters))

    def _is_full(self, piece: int, side: int, word: int, n_letters: int) -> bool:
        is_marked = bool(self._evidence.equal_share[word] >= _SURE)
        has_free = int(self._evidence.n_free[piece, side]) > n_letters // 3
        is_slow = self._rate_of(piece) < _SLOW * self._rate
        has_time = is_slow and self._oddity(piece, n_letters) < 0
        return is_marked and not has_free and not has_time

    def _doubt_between(self, before: int, behind: int) -> None:
        """Mark all ends from that of piece `before` to the start of piece `behind`."""
        n_pieces = len(self._pieces)
        self._is_unsure[max(0, before) : min(behind, n_pieces), 1] = True
        self._is_unsure[before + 1 : min(behind, n_pieces - 1) + 1, 0] = True

    def _oddity(self, piece: int, n_more: int) -> float:
        """How much further from the median rate a piece is with so many letters more."""
        rates = (self._rate_of(piece), self._rate_of(piece, n_more))
        before, behind = (abs(math.log(rate / self._rate)) for rate in rates)
        return behind - before

    def _rate_of(self, piece: int, n_more: int = 0) -> float:
        own = self._pieces[piece]
        return max(1, len(own.key) + n_more) / max(0.1, own.end_s - own.start_s)

    def _median_rate(self) -> float:
        rates = [self._rate_of(i) for i, piece in enumerate(self._pieces) if piece.key]
        return float(np.median(rates)) if rates else 1.0


def runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where the mask is set: first and behind last of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
