"""Pieces with their words as segments, each with a score and, where it isn't to be kept, why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ruach_core.alignment.known import KnownWord, join_words
from ruach_core.alignment.placing import Placing
from ruach_core.alignment.settling import Piece, runs
from ruach_core.evaluation.metrics import count_edits
from ruach_core.types import TextNormalizer

AUTO_FACTOR, AUTO_LEAST, AUTO_MOST = 2.0, 0.2, 0.5
"""The highest score that is kept is so many times the recording's median, within these bounds: what
a model gets worse than usual isn't said just so, and how well a model hears differs."""
_MAX_JOIN_GAP_S = 1.0
"""Pieces further apart are never joined, whatever is unsure between them."""
_MAX_FOREIGN = 5
"""Letters of a stretch that isn't in the text; fewer are the end of one beside it."""
_MAX_UNHEARD = 15
"""Letters of words in a row of which nothing was understood."""
_RATE_FACTOR = 2.5
"""A segment with so many times more or fewer letters a second than the median is odd."""


@dataclass(frozen=True, slots=True)
class AlignedSegment:
    """A stretch of the recording and the words that are said in it, as far as was found out.

    Attributes:
        start_s: where it starts in the recording.
        end_s: where it ends.
        transcription: the known words as they are written; empty where none are said.
        hypothesis: what the model heard.
        score: character error rate of the hypothesis against the known words, both in the `score`
            form, as a fraction; infinite without words.
        speaker: who speaks, where that is known and it is one.
        n_words: how many known words.
        reason: why a person should decide; empty where it can be kept.
    """

    start_s: float
    end_s: float
    transcription: str
    hypothesis: str
    score: float
    speaker: str | None = None
    n_words: int = 0
    reason: str = ""

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return self.end_s - self.start_s


@dataclass(frozen=True, slots=True)
class _Group:
    """Consecutive pieces: the first, and the last."""

    first: int
    last: int


def build_segments(
    pieces: Sequence[Piece],
    words: Sequence[KnownWord],
    placing: Placing,
    normalizer: TextNormalizer,
    *,
    max_segment_s: float,
    max_score: float | None = None,
) -> list[AlignedSegment]:
    """The segments of a recording, in order; every piece is in one.

    Args:
        pieces: of the recording.
        words: of the text.
        placing: of the words in the pieces.
        normalizer: its `score` form is compared.
        max_segment_s: pieces whose border is unsure are joined up to this length, in seconds.
        max_score: a segment with a higher score is for a person to decide; None for
            `choose_max_score`.
    """
    groups = _join(pieces, placing, max_segment_s)
    members = _words_of(groups, placing, len(pieces))
    segments = [
        _build(pieces[group.first : group.last + 1], [words[i] for i in own])
        for group, own in zip(groups, members, strict=True)
    ]
    segments = _score(segments, normalizer)
    limit = choose_max_score([s.score for s in segments]) if max_score is None else max_score
    rates = [_rate(s) for s in segments if s.score <= limit]
    median = float(np.median(rates)) if rates else 0.0
    judged = []
    for i, segment in enumerate(segments):
        reason = (
            _find_fault(segment, limit)
            or _find_border_fault(groups[i], members[i], words, placing)
            or _find_odd_rate(segment, median)
        )
        judged.append(replace(segment, reason=reason))
    return judged


def choose_max_score(scores: Sequence[float]) -> float:
    """The highest score to keep, by the scores of a recording's segments that have words."""
    known = [score for score in scores if score < 1]
    median = float(np.median(known)) if known else AUTO_MOST
    return round(min(AUTO_MOST, max(AUTO_LEAST, AUTO_FACTOR * median)), 2)


def _join(pieces: Sequence[Piece], placing: Placing, max_segment_s: float) -> list[_Group]:
    """Pieces whose border is unsure together, where the whole isn't too long."""
    has_words = np.zeros(len(pieces), dtype=bool)
    has_words[placing.piece_of[placing.piece_of >= 0]] = True
    groups: list[_Group] = []
    for i, piece in enumerate(pieces):
        is_unsure = bool(placing.is_unsure[i - 1, 1] or placing.is_unsure[i, 0])
        if groups and is_unsure and has_words[i] and has_words[i - 1]:
            first, last = pieces[groups[-1].first], pieces[i - 1]
            is_near = piece.start_s - last.end_s <= _MAX_JOIN_GAP_S
            if is_near and piece.end_s - first.start_s <= max_segment_s:
                groups[-1] = _Group(groups[-1].first, i)
                continue
        groups.append(_Group(i, i))
    return groups


def _words_of(groups: Sequence[_Group], placing: Placing, n_pieces: int) -> list[list[int]]:
    group_of = np.zeros(n_pieces, dtype=np.int64)
    for number, group in enumerate(groups):
        group_of[group.first : group.last + 1] = number
    members: list[list[int]] = [[] for _ in groups]
    for word in np.flatnonzero(placing.piece_of >= 0).tolist():
        members[group_of[placing.piece_of[word]]].append(word)
    return members


def _build(pieces: Sequence[Piece], words: Sequence[KnownWord]) -> AlignedSegment:
    speakers = {word.speaker for word in words}
    return AlignedSegment(
        start_s=pieces[0].start_s,
        end_s=pieces[-1].end_s,
        transcription=join_words(words),
        hypothesis=" ".join(piece.hypothesis for piece in pieces if piece.hypothesis),
        score=float("inf"),
        speaker=speakers.pop() if len(speakers) == 1 else None,
        n_words=len(words),
    )


def _score(segments: Sequence[AlignedSegment], normalizer: TextNormalizer) -> list[AlignedSegment]:
    known = [normalizer.normalize(s.transcription, purpose="score") for s in segments]
    heard = [normalizer.normalize(s.hypothesis, purpose="score") for s in segments]
    counts = count_edits(known, heard, unit="character")
    return [
        replace(segment, score=count.rate if text else float("inf"))
        for segment, count, text in zip(segments, counts, known, strict=True)
    ]


def _find_fault(segment: AlignedSegment, limit: float) -> str:
    if not segment.hypothesis:
        return "nothing was heard"
    if not segment.n_words:
        return "not in the text"
    if segment.score > limit:
        return f"score above {limit:g}"
    return ""


def _find_border_fault(
    group: _Group, own: Sequence[int], words: Sequence[KnownWord], placing: Placing
) -> str:
    """What is unsure of its first and last words, and of those between."""
    if placing.is_unsure[group.first, 0] or placing.is_unsure[group.last, 1]:
        return "first or last words unsure"
    if own[-1] - own[0] + 1 != len(own):
        return "words of the text are left out inside"
    if placing.n_foreign[group.first : group.last + 1].sum() > _MAX_FOREIGN:
        return "something else is said too"
    unheard = runs(~placing.is_heard[own])
    if any(sum(len(words[i].key) for i in own[a:b]) > _MAX_UNHEARD for a, b in unheard):
        return "several words weren't heard"
    return ""


def _rate(segment: AlignedSegment) -> float:
    return len(segment.transcription) / max(0.1, segment.duration_s)


def _find_odd_rate(segment: AlignedSegment, median: float) -> str:
    rate = _rate(segment)
    if not median / _RATE_FACTOR <= rate <= median * _RATE_FACTOR:
        return f"{'fewer' if rate < median else 'more'} characters a second than usual"
    return ""
