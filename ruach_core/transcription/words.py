"""Times of single words, from the cross-attention of the decoder (CTranslate2's `align`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import Window
from ruach_core.features import HOP_LENGTH, FloatArray
from ruach_core.text.unicode import REPLACEMENT
from ruach_core.types import SAMPLING_RATE, TextTokenizer

_POSITIONS_PER_SECOND = 50
"""The encoder halves the 100 mel frames of a second."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word and when it was said, in seconds from the start of the audio."""

    start_s: float
    end_s: float
    text: str


def align_words(
    recognizer: Ct2Recognizer,
    waveforms: Sequence[FloatArray],
    ids: Sequence[list[int]],
    *,
    starts_s: Sequence[float],
    window: Window = "trim",
    batch_s: float,
) -> list[tuple[Word, ...]]:
    """The timed words of each waveform; white space separates words.

    Args:
        recognizer: that gave the tokens.
        waveforms: what was decoded, each at most 30 s.
        ids: tokens of each waveform's text.
        starts_s: where each waveform starts in the audio, in seconds.
        window: that it was decoded in.
        batch_s: most seconds of window in a pass.
    """
    words: list[tuple[Word, ...]] = [()] * len(waveforms)
    spoken = [i for i, row in enumerate(ids) if row]
    lengths = [len(waveforms[i]) for i in spoken]
    for batch in recognizer.plan(lengths, window=window, batch_s=batch_s):
        members = [spoken[n] for n in batch.indices]
        features = recognizer.extract_features([waveforms[i] for i in members], batch.n_samples)
        n_frames = [max(2, len(waveforms[i]) // HOP_LENGTH) for i in members]
        results = recognizer.align(features, [ids[i] for i in members], n_frames)
        for i, result in zip(members, results, strict=True):
            onsets_s = _token_onsets(result.alignments, len(ids[i]))
            end_s = len(waveforms[i]) / SAMPLING_RATE
            words[i] = tuple(
                _build_word(text, onsets_s, first, last, start_s=starts_s[i], end_s=end_s)
                for text, first, last in group_words(ids[i], recognizer.tokenizer)
            )
    return words


def group_words(ids: Sequence[int], tokenizer: TextTokenizer) -> list[tuple[str, int, int]]:
    """The words of a token sequence with their first token and the one behind their last.

    A token may end within a character (Whisper's pieces are bytes), so tokens are gathered until
    they decode to whole characters.
    """
    words: list[tuple[str, int, int]] = []
    first = 0
    for last in range(1, len(ids) + 1):
        piece = tokenizer.decode(ids[first:last])
        if piece.endswith(REPLACEMENT) and last < len(ids):
            continue
        is_new = not words or piece[:1].isspace() or words[-1][0][-1:].isspace()
        if is_new:
            words.append((piece, first, last))
        else:
            words[-1] = (words[-1][0] + piece, words[-1][1], last)
        first = last
    return [(text.strip(), begin, end) for text, begin, end in words if text.strip()]


def _token_onsets(alignments: Sequence[tuple[int, int]], n_tokens: int) -> list[float]:
    """When each token starts, and (last) when the text ends, in seconds of the waveform."""
    onsets: dict[int, int] = {}
    for token, position in alignments:
        onsets.setdefault(token, position)
    times: list[float] = []
    latest = 0
    for token in range(n_tokens + 1):
        latest = max(latest, onsets.get(token, latest))
        times.append(latest / _POSITIONS_PER_SECOND)
    return times


def _build_word(
    text: str, onsets_s: Sequence[float], first: int, last: int, *, start_s: float, end_s: float
) -> Word:
    begin, end = min(onsets_s[first], end_s), min(onsets_s[last], end_s)
    return Word(round(start_s + begin, 3), round(start_s + max(begin, end), 3), text)
