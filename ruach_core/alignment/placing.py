"""Which of the known words are said in which piece of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from ruach_core.alignment.known import KnownWord
from ruach_core.alignment.matching import MISSING, SKIPPED, Matching, match_texts
from ruach_core.alignment.settling import Evidence, Piece, Settler

_DIVIDED = 0.3
"""A word with this share of its letters heard in another piece is cut by the end of one."""
_COVERED = 0.3
"""A piece with words for less than this share of what was heard in it holds them by chance: either
it is in the text, or it isn't."""
_HEARD = 0.25
"""Share of its letters that must have been heard just so for a word to have been heard at all."""
_DIGIT = 5
"""Letters that a digit stands for: a model may write 8 where the text has eight."""
_MIN_SHIFT_WORDS = 20

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Placing:
    """The pieces' words.

    Attributes:
        piece_of: each word's piece, or `MISSING` or `SKIPPED` for none; where words have a piece
            it never falls. Shape (n_words,).
        is_heard: whether each word was understood; the others were placed by room or time, or have
            no piece. Shape (n_words,).
        is_unsure: of each piece whether its first words are unsure, and its last; shape
            (n_pieces, 2).
        n_foreign: of each piece how many of the letters heard in it belong to a stretch that isn't
            in the text; shape (n_pieces,).
        matched_share: share of what was heard that equals the text, as a fraction.
        shift_s: how much later the words are said than their own times say; None where that isn't
            known.
    """

    piece_of: Ints
    is_heard: Flags
    is_unsure: Flags
    n_foreign: Ints
    matched_share: float
    shift_s: float | None = None


def place_words(pieces: Sequence[Piece], words: Sequence[KnownWord]) -> Placing:
    """Find each word's piece by one alignment of all that was heard with the whole text.

    Args:
        pieces: in order, not overlapping.
        words: in order; where they have times, those decide what the alignment leaves open.
    """
    heard, known = "".join(p.key for p in pieces), "".join(w.key for w in words)
    matching = match_texts(heard, known)
    equal_share = _share_equal(words, matching, heard, known)
    piece_of, is_unsure = _elect(pieces, words, matching, equal_share)
    _drop_chance(pieces, words, piece_of)
    is_heard = piece_of >= 0
    evidence = Evidence(equal_share, _count_free(pieces, words, matching, piece_of))
    shift_s = _find_shift(pieces, words, matching)
    Settler(pieces, words, piece_of, is_unsure, evidence, shift_s or 0.0).settle()
    own_piece = _owner([len(piece.key) for piece in pieces])
    foreign = own_piece[matching.of_hypothesis == SKIPPED]
    n_foreign = np.bincount(foreign, minlength=len(pieces))
    return Placing(
        piece_of, is_heard, is_unsure, n_foreign, matching.n_equal / max(1, len(heard)), shift_s
    )


def _starts(lengths: Sequence[int]) -> Ints:
    return np.array([0, *accumulate(lengths)], dtype=np.int64)


def _owner(lengths: Sequence[int]) -> Ints:
    """For each letter of all, whose it is."""
    return np.repeat(np.arange(len(lengths)), lengths)


def _count_votes(
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


def _share_equal(
    words: Sequence[KnownWord], matching: Matching, heard: str, known: str
) -> npt.NDArray[np.float64]:
    """For each word the share of its letters that were heard just so."""
    lengths = [len(word.key) for word in words]
    partners = matching.of_text.tolist()
    equal = [j for j, i in enumerate(partners) if i >= 0 and heard[i] == known[j]]
    counts = np.bincount(_owner(lengths)[equal], minlength=len(words))
    return np.asarray(counts / np.array(lengths), dtype=np.float64)


def _elect(
    pieces: Sequence[Piece],
    words: Sequence[KnownWord],
    matching: Matching,
    equal_share: npt.NDArray[np.float64],
) -> tuple[Ints, Flags]:
    """Each word's piece by most of its letters; a border that divides a word is unsure."""
    starts = _starts([len(word.key) for word in words])
    piece_of = np.full(len(words), SKIPPED, dtype=np.int64)
    is_unsure = np.zeros((len(pieces), 2), dtype=bool)
    votes = _count_votes(pieces, words, matching)
    for i, (word, own) in enumerate(zip(words, votes, strict=True)):
        n_paired = sum(own.values())
        if 2 * n_paired >= len(word.key) and equal_share[i] >= _HEARD:
            best = max(own, key=lambda piece: own[piece])
            piece_of[i] = best
            if n_paired - own[best] > _DIVIDED * len(word.key):
                is_unsure[min(own), 1] = is_unsure[max(own), 0] = True
        elif n_paired or (matching.of_text[starts[i] : starts[i + 1]] == MISSING).any():
            piece_of[i] = MISSING
    return piece_of, is_unsure


def _drop_chance(pieces: Sequence[Piece], words: Sequence[KnownWord], piece_of: Ints) -> None:
    """Take from a piece the few words that some letters of a speech without text are like."""
    n_letters = np.zeros(len(pieces), dtype=np.int64)
    lengths = np.array([len(word.key) for word in words])
    placed = piece_of >= 0
    np.add.at(n_letters, piece_of[placed], lengths[placed])
    is_chance = n_letters < _COVERED * np.array([len(piece.key) for piece in pieces])
    piece_of[np.flatnonzero(placed)[is_chance[piece_of[placed]]]] = MISSING


def _count_free(
    pieces: Sequence[Piece], words: Sequence[KnownWord], matching: Matching, piece_of: Ints
) -> Ints:
    """Letters heard in each piece before its first word and after its last, shape (n_pieces, 2)."""
    word_of = _owner([len(word.key) for word in words])
    own_piece = _owner([len(piece.key) for piece in pieces])
    starts = _starts([len(piece.key) for piece in pieces])
    paired = np.flatnonzero(matching.of_hypothesis >= 0)
    is_own = piece_of[word_of[matching.of_hypothesis[paired]]] == own_piece[paired]
    paired = paired[is_own]
    left, right = np.searchsorted(paired, starts[:-1]), np.searchsorted(paired, starts[1:])
    heard = "".join(piece.key for piece in pieces)
    sizes = _starts([_DIGIT if char.isdigit() else 1 for char in heard])
    n_free = np.diff(sizes[starts]).repeat(2).reshape(-1, 2)
    has_own = np.flatnonzero(right > left)
    first, behind_last = paired[left[has_own]], paired[right[has_own] - 1] + 1
    n_free[has_own, 0] = sizes[first] - sizes[starts[has_own]]
    n_free[has_own, 1] = sizes[starts[has_own + 1]] - sizes[behind_last]
    return n_free


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
