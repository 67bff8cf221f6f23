"""Which of the known words are said in which piece of a recording."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ruach_core.alignment.known import KnownWord
from ruach_core.alignment.matching import MISSING, SKIPPED, Matching, match_texts

_SHORT = 15
"""Letters: so many may be missing at a place before they count as not said there."""
_DIVIDED = 0.3
"""A word with this share of its letters heard in another piece is cut by the end of one."""
_RATE_RANGE = (0.5, 2.0)
"""Letters a second, against the recording's median, that what wasn't understood may have."""
_TIME_SLACK_S = 1.0
"""How far outside a piece a subtitle's word may be by its time and still be in it."""
_MIN_SHIFT_WORDS = 20

Ints = npt.NDArray[np.int64]


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
class Placing:
    """The pieces' words.

    Attributes:
        piece_of: each word's piece, or `MISSING` or `SKIPPED` for none; where words have a piece
            it never falls. Shape (n_words,).
        is_unsure: whether it isn't sure which words are before and which are behind a piece's end;
            shape (n_pieces,).
        matched_share: share of what was heard that equals the text, as a fraction.
        shift_s: how much later the words are said than their own times say; None where that isn't
            known.
    """

    piece_of: Ints
    is_unsure: npt.NDArray[np.bool_]
    matched_share: float
    shift_s: float | None = None


def place_words(pieces: Sequence[Piece], words: Sequence[KnownWord]) -> Placing:
    """Find each word's piece by one alignment of all that was heard with the whole text.

    Args:
        pieces: in order, not overlapping.
        words: in order; where they have times, those decide what the alignment leaves open.
    """
    matching = match_texts("".join(p.key for p in pieces), "".join(w.key for w in words))
    weights = _count_pairs(pieces, words, matching)
    piece_of, is_divided = _vote(pieces, words, matching, weights)
    n_heard = sum(len(piece.key) for piece in pieces)
    shift_s = _find_shift(pieces, words, matching)
    settler = _Settler(pieces, words, piece_of, shift_s)
    settler.settle()
    is_unsure = settler.is_unsure
    is_unsure[is_divided] = True
    return Placing(piece_of, is_unsure, matching.n_equal / max(1, n_heard), shift_s)


def _starts(lengths: Sequence[int]) -> Ints:
    return np.array([0, *accumulate(lengths)], dtype=np.int64)


def _owner(lengths: Sequence[int]) -> Ints:
    """For each letter of all, whose it is."""
    return np.repeat(np.arange(len(lengths)), lengths)


def _count_pairs(
    pieces: Sequence[Piece], words: Sequence[KnownWord], matching: Matching
) -> list[dict[int, int]]:
    """For each word how many of its letters are paired with letters of which piece."""
    word_of = _owner([len(word.key) for word in words])
    piece_of = _owner([len(piece.key) for piece in pieces])
    paired = np.flatnonzero(matching.of_text >= 0)
    found: list[dict[int, int]] = [{} for _ in words]
    for word, piece in zip(
        word_of[paired].tolist(), piece_of[matching.of_text[paired]].tolist(), strict=True
    ):
        found[word][piece] = found[word].get(piece, 0) + 1
    return found


def _vote(
    pieces: Sequence[Piece],
    words: Sequence[KnownWord],
    matching: Matching,
    weights: Sequence[dict[int, int]],
) -> tuple[Ints, list[int]]:
    """Each word's piece by most of its letters; and the pieces whose end divides a word."""
    starts = _starts([len(word.key) for word in words])
    piece_of = np.full(len(words), SKIPPED, dtype=np.int64)
    divided: list[int] = []
    for i, (word, own) in enumerate(zip(words, weights, strict=True)):
        n_paired = sum(own.values())
        if 2 * n_paired >= len(word.key):
            best = max(own, key=lambda piece: own[piece])
            piece_of[i] = best
            if n_paired - own[best] > _DIVIDED * len(word.key):
                divided += [piece for piece in own if piece != max(own)]
        elif n_paired or (matching.of_text[starts[i] : starts[i + 1]] == MISSING).any():
            piece_of[i] = MISSING
    return piece_of, divided


def _find_shift(
    pieces: Sequence[Piece], words: Sequence[KnownWord], matching: Matching
) -> float | None:
    """The median of how much later letters are heard than the subtitles say, in seconds."""
    if words[0].time_s is None:
        return None
    starts = _starts([len(piece.key) for piece in pieces])
    middle = _starts([len(word.key) for word in words])[:-1] + np.array(
        [len(word.key) // 2 for word in words]
    )
    partners = matching.of_text[middle]
    delays = []
    for word, partner in zip(words, partners.tolist(), strict=True):
        if partner >= 0 and word.time_s is not None:
            i = int(np.searchsorted(starts, partner, side="right")) - 1
            share = (partner - starts[i]) / len(pieces[i].key)
            heard_s = pieces[i].start_s + share * (pieces[i].end_s - pieces[i].start_s)
            delays.append(heard_s - word.time_s)
    return float(np.median(delays)) if len(delays) >= _MIN_SHIFT_WORDS else None


class _Settler:
    """Decides on the words that the alignment left without a piece."""

    def __init__(
        self,
        pieces: Sequence[Piece],
        words: Sequence[KnownWord],
        piece_of: Ints,
        shift_s: float | None,
    ) -> None:
        self._pieces, self._words, self._piece_of = pieces, words, piece_of
        self._shift_s = shift_s or 0.0
        self.is_unsure = np.zeros(len(pieces), dtype=bool)
        self._rate = self._median_rate()

    def settle(self) -> None:
        """Go through the runs of words without a piece."""
        for first, end in list(_runs(self._piece_of < 0)):
            before = int(self._piece_of[first - 1]) if first else -1
            behind = int(self._piece_of[end]) if end < len(self._words) else len(self._pieces)
            if before == behind:
                if self._is_short(first, end):
                    self._piece_of[first:end] = before
            elif self._words[first].time_s is not None:
                self._settle_by_time(first, end, before, behind)
            elif behind - before > 1:
                self._settle_by_rate(first, end, before, behind)
            elif self._is_short(first, end):
                self._settle_at_end(first, end, before, behind)

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
        for piece in (before, behind - 1):
            if 0 <= piece < len(self._pieces) and (self._piece_of[first:end] == piece).any():
                self.is_unsure[piece] = True

    def _distance_s(self, piece: int, time_s: float) -> float:
        own = self._pieces[piece]
        return max(own.start_s - time_s, time_s - own.end_s, 0.0)

    def _settle_by_rate(self, first: int, end: int, before: int, behind: int) -> None:
        """Over the pieces between, none of whose words was understood, if so many can be said."""
        between = range(before + 1, behind)
        seconds = [self._pieces[p].end_s - self._pieces[p].start_s for p in between]
        rate = self._n_letters(first, end) / max(0.01, sum(seconds))
        low, high = (factor * self._rate for factor in _RATE_RANGE)
        if not low <= rate <= high:
            return
        ends = list(accumulate(second * rate for second in seconds))
        n_before, k = 0.0, 0
        for i in range(first, end):
            middle = n_before + len(self._words[i].key) / 2
            while k + 1 < len(between) and middle > ends[k]:
                k += 1
            self._piece_of[i] = between[k]
            n_before += len(self._words[i].key)
        for piece in range(max(0, before), behind):
            self.is_unsure[piece] = True

    def _settle_at_end(self, first: int, end: int, before: int, behind: int) -> None:
        """Few words between two pieces: to the one that they make less unusual in its rate."""
        if before < 0 or behind == len(self._pieces):
            piece = behind if before < 0 else before
        else:
            costs = {p: self._oddity(p, self._n_letters(first, end)) for p in (before, behind)}
            piece = min(costs, key=lambda p: costs[p])
            self.is_unsure[before] = True
        self._piece_of[first:end] = piece

    def _oddity(self, piece: int, n_more: int) -> float:
        """How much further from the median rate a piece is with so many letters more."""
        own = self._pieces[piece]
        seconds = max(0.1, own.end_s - own.start_s)
        n_letters = max(1, len(own.key))
        rates = (n_letters / seconds, (n_letters + n_more) / seconds)
        before, behind = (abs(math.log(rate / self._rate)) for rate in rates)
        return behind - before

    def _median_rate(self) -> float:
        rates = [len(p.key) / max(0.1, p.end_s - p.start_s) for p in self._pieces if p.key]
        return float(np.median(rates)) if rates else 1.0


def _runs(mask: npt.NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Where the mask is set: first and behind last of each run."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
