"""Segments as text, JSON, SubRip (srt) and WebVTT (vtt).

Subtitles follow the usual reading rules: at most two lines of about 42 characters, and no cue
longer than seven seconds where its segment can be split at a word. A split takes the words' own
times where they are known, else each cue's share of the characters.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Literal, get_args

from ruach_core.data.subtitle_files import escape_markup
from ruach_core.transcription.transcribe import Segment, Transcription

TextFormat = Literal["text", "json", "srt", "vtt"]
TEXT_FORMATS: tuple[TextFormat, ...] = get_args(TextFormat)
SUFFIXES: dict[TextFormat, str] = {"text": ".txt", "json": ".json", "srt": ".srt", "vtt": ".vtt"}

MAX_LINE_LENGTH = 42
MAX_LINES = 2
MAX_CUE_S = 7.0
_SENTENCE_ENDS = frozenset(".!?…።፧؟۔।॥。！？")
_SENTENCE_END_SHARE = 0.3
"""How far a cut may move to reach a sentence's end, in cue lengths."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One subtitle: times in milliseconds, and its lines."""

    start_ms: int
    end_ms: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word with the space before it, or a part of a word too long for a line."""

    text: str
    start_s: float
    end_s: float


def format_transcription(
    transcription: Transcription, text_format: TextFormat, *, lang: str | None = None
) -> str:
    """The transcription in one of the formats, with a line feed at its end.

    Args:
        transcription: of one file.
        text_format: one of `TEXT_FORMATS`.
        lang: the language's code, for the JSON.
    """
    if text_format == "text":
        return "".join(f"{segment.text}\n" for segment in transcription.segments)
    if text_format == "json":
        content = transcription_to_dict(transcription, lang=lang)
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"
    cues = build_cues(transcription.segments)
    return _format_srt(cues) if text_format == "srt" else _format_vtt(cues)


def transcription_to_dict(
    transcription: Transcription, *, lang: str | None = None
) -> dict[str, object]:
    """The transcription as plain data for JSON; times in seconds."""
    segments: list[dict[str, object]] = []
    for segment in transcription.segments:
        content: dict[str, object] = {
            "start": segment.start_s,
            "end": segment.end_s,
            "text": segment.text,
        }
        if segment.words:
            content["words"] = [
                {"start": word.start_s, "end": word.end_s, "word": word.text}
                for word in segment.words
            ]
        segments.append(content)
    return {
        "file": str(transcription.path),
        "language": lang,
        "duration": round(transcription.duration_s, 3),
        "segments": segments,
    }


def build_cues(segments: Sequence[Segment]) -> list[Cue]:
    """The segments as subtitles: in order, not overlapping, each at least a millisecond long."""
    cues: list[Cue] = []
    earliest_ms = 0
    for segment in segments:
        for group in _split_segment(segment):
            start_ms = max(earliest_ms, round(1000 * group[0].start_s))
            end_ms = max(start_ms + 1, round(1000 * group[-1].end_s))
            cues.append(Cue(start_ms, end_ms, tuple(_wrap(group))))
            earliest_ms = end_ms
    return cues


def _format_srt(cues: Sequence[Cue]) -> str:
    """SubRip: what would be read as a tag is escaped, and no line holds the arrow of its times."""
    blocks = []
    for number, cue in enumerate(cues, start=1):
        times = f"{_clock(cue.start_ms, ',')} --> {_clock(cue.end_ms, ',')}"
        lines = (re.sub("--+>", "->", line) for line in cue.lines)
        text = "\n".join(escape_markup(line, is_vtt=False) for line in lines)
        blocks.append(f"{number}\n{times}\n{text}\n")
    return "\n".join(blocks)


def _format_vtt(cues: Sequence[Cue]) -> str:
    """WebVTT, W3C: `&`, `<` and `>` are written as character references."""
    blocks = ["WEBVTT\n"]
    for cue in cues:
        times = f"{_clock(cue.start_ms, '.')} --> {_clock(cue.end_ms, '.')}"
        text = "\n".join(escape_markup(line, is_vtt=True) for line in cue.lines)
        blocks.append(f"{times}\n{text}\n")
    return "\n".join(blocks)


def _clock(time_ms: int, separator: str) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{separator}{milliseconds:03}"


def _split_segment(segment: Segment) -> list[list[_Piece]]:
    """The segment's pieces in as few cues as the reading rules allow, of about equal lengths."""
    pieces = _cut_pieces(segment)
    if not pieces:
        return []
    length = sum(len(piece.text) for piece in pieces)
    n_cues = max(
        math.ceil(length / (MAX_LINE_LENGTH * MAX_LINES)),
        math.ceil((segment.end_s - segment.start_s) / MAX_CUE_S),
        1,
    )
    while n_cues < len(pieces):
        groups = _share_out(pieces, n_cues)
        if all(len(_wrap(group)) <= MAX_LINES for group in groups):
            return groups
        n_cues += 1
    return [[piece] for piece in pieces]


def _share_out(pieces: Sequence[_Piece], n_groups: int) -> list[list[_Piece]]:
    """Groups of about equal lengths; a cut moves to a sentence's end that is near it."""
    ends = list(accumulate(len(piece.text) for piece in pieces))
    wanted = ends[-1] / n_groups
    cuts = [0]
    for number in range(1, n_groups):

        def badness(i: int, middle: float = number * wanted) -> float:
            is_sentence_end = pieces[i - 1].text[-1:] in _SENTENCE_ENDS
            return abs(ends[i - 1] - middle) - is_sentence_end * wanted * _SENTENCE_END_SHARE

        # At least one piece for each group before and after the cut.
        candidates = range(cuts[-1] + 1, len(pieces) - (n_groups - number) + 1)
        cuts.append(min(candidates, key=badness))
    return [list(pieces[i:j]) for i, j in pairwise([*cuts, len(pieces)])]


def _cut_pieces(segment: Segment) -> list[_Piece]:
    if segment.words:
        timed = [(word.text, word.start_s, word.end_s) for word in segment.words]
        return [piece for word in timed for piece in _cut_word(*word)]
    words = segment.text.split()
    length = sum(len(word) for word in words)
    seconds_per_character = (segment.end_s - segment.start_s) / max(1, length)
    pieces: list[_Piece] = []
    before = 0
    for word in words:
        start_s = segment.start_s + before * seconds_per_character
        before += len(word)
        pieces.extend(_cut_word(word, start_s, segment.start_s + before * seconds_per_character))
    return pieces


def _cut_word(word: str, start_s: float, end_s: float) -> list[_Piece]:
    """One piece, or several where the word (or a text without spaces) is longer than a line."""
    parts = [""]
    for character in word:
        # Only between two letters or digits: never before a combining mark or behind a joiner.
        may_break = character.isalnum() and parts[-1][-1:].isalnum()
        if may_break and len(parts[-1]) >= MAX_LINE_LENGTH:
            parts.append("")
        parts[-1] += character
    step_s = (end_s - start_s) / len(parts)
    return [
        _Piece(part if i else f" {part}", start_s + i * step_s, start_s + (i + 1) * step_s)
        for i, part in enumerate(parts)
    ]


def _wrap(pieces: Sequence[_Piece]) -> list[str]:
    """The pieces in lines of at most 42 characters, about equally long where two are enough."""
    length = len("".join(piece.text for piece in pieces).strip())
    if length <= MAX_LINE_LENGTH:
        return _fill(pieces, MAX_LINE_LENGTH)
    for width in range(math.ceil(length / MAX_LINES), MAX_LINE_LENGTH):
        lines = _fill(pieces, width)
        if len(lines) <= MAX_LINES and all(len(line) <= width for line in lines):
            return lines
    return _fill(pieces, MAX_LINE_LENGTH)


def _fill(pieces: Sequence[_Piece], width: int) -> list[str]:
    lines = [""]
    for piece in pieces:
        if lines[-1] and len(lines[-1]) + len(piece.text.rstrip()) > width:
            lines.append("")
        lines[-1] += piece.text if lines[-1] else piece.text.lstrip()
    return lines
