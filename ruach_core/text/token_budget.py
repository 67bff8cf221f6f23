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

from ruach_core.models.special_tokens import MAX_NEW_TOKENS
from ruach_core.types import SetAside, TextTokenizer, Utterance

STOCK_NEW_TOKENS = 224
"""CTranslate2, and so faster-whisper, generates no more than this unless it is told to."""

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
        tokens_per_word: tokens for each word between spaces.
        tokens_per_second: tokens for each second of audio; 0.0 where no duration is known.
        n_over_224: references longer than what CTranslate2 generates by default.
        share_over_224: their share.
        n_over_limit: references that don't fit the decoder's 448 positions.
        share_over_448: their share.
        longest: tokens of the longest reference.
        generation_length: tokens to generate at most, chosen from the references that fit: their
            99.9th percentile times 1.25, plus 8, from 32 to 444.
        refused: indices of the references that don't fit.
    """

    n_references: int
    n_tokens: int
    tokens_per_char: float
    tokens_per_word: float
    tokens_per_second: float
    n_over_224: int
    share_over_224: float
    n_over_limit: int
    share_over_448: float
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
    timed = [(n, s) for n, s in zip(lengths, durations_s, strict=True) if s > 0]
    n = len(lengths)
    n_over_224 = sum(length > STOCK_NEW_TOKENS for length in lengths)
    refused = tuple(i for i, length in enumerate(lengths) if length > MAX_NEW_TOKENS)
    return TokenBudget(
        n_references=n,
        n_tokens=sum(lengths),
        tokens_per_char=_ratio(sum(lengths), sum(len(r) for r in references)),
        tokens_per_word=_ratio(sum(lengths), sum(len(r.split()) for r in references)),
        tokens_per_second=_ratio(sum(t for t, _ in timed), sum(s for _, s in timed)),
        n_over_224=n_over_224,
        share_over_224=_ratio(n_over_224, n),
        n_over_limit=len(refused),
        share_over_448=_ratio(len(refused), n),
        longest=max(lengths, default=0),
        generation_length=_generation_length([x for x in lengths if x <= MAX_NEW_TOKENS]),
        refused=refused,
    )


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
    percentile = sorted(lengths)[math.ceil(_QUANTILE * len(lengths)) - 1]
    return min(MAX_NEW_TOKENS, max(_LEAST, math.ceil(percentile * _MARGIN) + _SPARE))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
