"""How many of Whisper's tokens a language's texts cost, and what follows from that.

Whisper's decoder has 448 positions, and the prompt (start, language, task, no timestamps) takes
4 of them: a text of n tokens has n + 4 decoder inputs (prompt, text) and n + 4 labels (language,
task, no timestamps, text, end), so 444 tokens is the longest text that fits. The tokenizer was
learnt on other languages: an Ethiopic letter costs more than two tokens, a Latin one a quarter.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ruach_core.models.special_tokens import MAX_NEW_TOKENS
from ruach_core.text import unicode
from ruach_core.text.tables import read_table
from ruach_core.types import SetAside, TextTokenizer, Utterance

STOCK_NEW_TOKENS = 224
"""CTranslate2, and so faster-whisper, generates no more than this unless it is told to."""

WINDOW_S = 30.0
"""Seconds of Whisper's window: no clip is longer, however few tokens its text has."""

_FAST_QUANTILE = 0.99
"""Of the clips' tokens a second; the mean would let half of the clips of its length overflow."""

ANY_SCRIPT = "Zyyy"
_QUANTILE = 0.999
_MARGIN, _SPARE, _LEAST = 1.25, 8, 32
"""Room for hypotheses that run longer than any reference; loops are still cut early."""


@dataclass(frozen=True, slots=True)
class TokenBudget:
    """What a set of references costs in tokens of text, prompt and end left out.

    Attributes:
        n_references: how many were counted.
        n_tokens: tokens in all.
        tokens_per_char: tokens for each Unicode code point, spaces included.
        tokens_per_letter: tokens for each letter; marks count with the letter before them, and
            the tokens of spaces and punctuation are shared out among the letters.
        tokens_per_word: tokens for each word between spaces.
        tokens_per_second: tokens for each second of audio; 0.0 where no duration is known.
        fast_tokens_per_second: what 99 of 100 clips stay below, those under a second taken for
            one of a second; 0.0 where no duration is known.
        n_over_224: references longer than what CTranslate2 generates by default.
        share_over_224: their share.
        seconds_over_224: seconds of their audio, as far as it is known.
        n_over_limit: references that don't fit the decoder's 448 positions.
        share_over_448: their share.
        seconds_over_448: seconds of their audio, as far as it is known.
        longest: tokens of the longest reference.
        generation_length: tokens to generate at most, chosen from the references that fit: their
            99.9th percentile times 1.25, plus 8, from 32 to 444.
        refused: indices of the references that don't fit.
    """

    n_references: int
    n_tokens: int
    tokens_per_char: float
    tokens_per_letter: float
    tokens_per_word: float
    tokens_per_second: float
    fast_tokens_per_second: float
    n_over_224: int
    share_over_224: float
    seconds_over_224: float
    n_over_limit: int
    share_over_448: float
    seconds_over_448: float
    longest: int
    generation_length: int
    refused: tuple[int, ...]

    def lines(self) -> list[str]:
        """Readable lines for a terminal."""
        if not self.n_references:
            return ["tokens     no references"]
        rates = f"{self.tokens_per_char:.2f} a character, {self.tokens_per_word:.1f} a word"
        if self.tokens_per_second:
            rates += f", {self.tokens_per_second:.1f} a second"
        return [
            f"tokens     {rates}; the longest text has {self.longest}",
            f"           over {STOCK_NEW_TOKENS}: {self.n_over_224} texts "
            f"({self.share_over_224:.1%}); over the decoder's 448 with its prompt: "
            f"{self.n_over_limit} ({self.share_over_448:.1%})",
            f"           generation length {self.generation_length}, from the data",
        ]


def token_budget(
    references: Sequence[str], durations_s: Sequence[float], tokenizer: TextTokenizer
) -> TokenBudget:
    """Count the tokens of references.

    Args:
        references: normalised texts.
        durations_s: seconds of each one's audio, in the same order; 0 where it isn't known.
        tokenizer: the base model's.

    Raises:
        ValueError: the two sequences differ in length.
    """
    lengths = [len(tokenizer.encode(reference)) for reference in references]
    pairs = list(zip(lengths, durations_s, strict=True))
    timed = [(n, s) for n, s in pairs if s > 0]
    n = len(lengths)
    n_over_224 = sum(length > STOCK_NEW_TOKENS for length in lengths)
    refused = tuple(i for i, length in enumerate(lengths) if length > MAX_NEW_TOKENS)
    return TokenBudget(
        n_references=n,
        n_tokens=sum(lengths),
        tokens_per_char=_ratio(sum(lengths), sum(len(r) for r in references)),
        tokens_per_letter=_ratio(sum(lengths), sum(map(_count_letters, references))),
        tokens_per_word=_ratio(sum(lengths), sum(len(r.split()) for r in references)),
        tokens_per_second=_ratio(sum(t for t, _ in timed), sum(s for _, s in timed)),
        fast_tokens_per_second=_quantile([speaking_rate(t, s) for t, s in timed], _FAST_QUANTILE),
        n_over_224=n_over_224,
        share_over_224=_ratio(n_over_224, n),
        seconds_over_224=sum(s for t, s in pairs if t > STOCK_NEW_TOKENS),
        n_over_limit=len(refused),
        share_over_448=_ratio(len(refused), n),
        seconds_over_448=sum(s for t, s in pairs if t > MAX_NEW_TOKENS),
        longest=max(lengths, default=0),
        generation_length=_generation_length([x for x in lengths if x <= MAX_NEW_TOKENS]),
        refused=refused,
    )


@dataclass(frozen=True, slots=True)
class SpeechRate:
    """Tokens that a second of fast speech may hold.

    Attributes:
        tokens_per_second: the rate.
        origin: where it comes from, for people: measured, or assumed and how.
    """

    tokens_per_second: float
    origin: str

    def safe_s(self, n_tokens: int) -> float:
        """Seconds of fast speech that fit a number of tokens, 30 at most.

        Whisper's window is no longer than that.
        """
        if not self.tokens_per_second:
            return WINDOW_S
        return min(WINDOW_S, n_tokens / self.tokens_per_second)


def fast_speech(
    budget: TokenBudget, *, script: str = ANY_SCRIPT, tokens_per_char: float = 0.0
) -> SpeechRate:
    """The rate of fast speech: that of the clips where it is known, else an assumed one.

    Args:
        budget: of the texts.
        script: ISO 15924 code, which decides the characters a second that are assumed
            (`tables/speech_rates.tsv`).
        tokens_per_char: what the language's pack states, 0 for none; the higher of it and the
            texts' own is taken.
    """
    if budget.fast_tokens_per_second:
        return SpeechRate(budget.fast_tokens_per_second, "99 of 100 clips are slower")
    chars_per_second = fast_chars_per_second(script)
    costliest = max(budget.tokens_per_char, tokens_per_char)
    return SpeechRate(
        chars_per_second * costliest,
        f"assumed: {chars_per_second:g} characters a second, {costliest:.2f} tokens each",
    )


def fast_chars_per_second(script: str) -> float:
    """Characters, spaces too, that fast speech has in a second (`tables/speech_rates.tsv`).

    Args:
        script: ISO 15924 code.
    """
    rates = _speech_rates()
    return rates.get(script, rates[ANY_SCRIPT])


def speaking_rate(n_tokens: int, duration_s: float) -> float:
    """Tokens a second of one clip; a clip under a second says little, and is taken for a second."""
    return n_tokens / max(1.0, duration_s)


class EncodedOnce:
    """A TextTokenizer that encodes each text once, for checks that all ask for the same texts."""

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._ids: dict[str, tuple[int, ...]] = {}

    def encode(self, text: str) -> Sequence[int]:
        """Token ids of the bare text, without special tokens."""
        ids = self._ids.get(text)
        if ids is None:
            ids = self._ids[text] = tuple(self._tokenizer.encode(text))
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids."""
        return self._tokenizer.decode(ids)


def refuse_long_labels(
    utterances: Sequence[Utterance], tokenizer: TextTokenizer
) -> tuple[tuple[Utterance, ...], tuple[SetAside, ...]]:
    """Set aside, clip by clip, the utterances whose reference doesn't fit the decoder.

    Returns:
        The utterances that stay, in their order, and the others.
    """
    kept: list[Utterance] = []
    refused: list[SetAside] = []
    for utterance in utterances:
        n = len(tokenizer.encode(utterance.reference or ""))
        if n <= MAX_NEW_TOKENS:
            kept.append(utterance)
            continue
        detail = f"{n} tokens, the decoder takes {MAX_NEW_TOKENS}; cut the clip in two"
        refused.append(
            SetAside(utterance.id, utterance.split, "label-too-long", detail, utterance.row)
        )
    return tuple(kept), tuple(refused)


def _generation_length(lengths: Sequence[int]) -> int:
    if not lengths:
        return MAX_NEW_TOKENS
    percentile = _quantile(lengths, _QUANTILE)
    return min(MAX_NEW_TOKENS, max(_LEAST, math.ceil(percentile * _MARGIN) + _SPARE))


def _quantile(values: Sequence[float], share: float) -> float:
    """The least value that the share of all values don't pass; 0.0 where there are none."""
    return sorted(values)[math.ceil(share * len(values)) - 1] if values else 0.0


def _count_letters(text: str) -> int:
    return len(text.translate(_LETTERS))


class _OnlyLetters(dict[int, int | None]):
    """A table for `str.translate` that deletes all but letters."""

    def __missing__(self, code_point: int) -> int | None:
        self[code_point] = code_point if unicode.is_letter(chr(code_point)) else None
        return self[code_point]


_LETTERS = _OnlyLetters()


@cache
def _speech_rates() -> dict[str, float]:
    columns = ("script", "chars_per_second", "source")
    rows = read_table("ruach_core.text", "speech_rates.tsv", columns=columns)
    return {row["script"]: float(row["chars_per_second"]) for row in rows}


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
