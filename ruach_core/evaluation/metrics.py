"""Word and character error rates with their uncertainty, and signs of a derailed decoder.

Edits are counted by `jiwer` per utterance and pooled: the rate of a set is the sum of its edits
over the sum of its reference units, not a mean of rates. Because the counts stay apart by
utterance, confidence intervals and paired tests resample utterances from a small integer array.

What is counted:
- Words are separated by any white space. Both sides must be normalised already; nothing is folded
  here.
- Characters are code points, and the single spaces between words count as characters, as is usual
  for CER (and jiwer's own default): a wrongly joined or split word is an error there too.
- An empty reference is defined: every unit of its hypothesis is an insertion. Where no reference of
  a set has any unit, the divisor is 1, so the rate is 0 if the hypotheses are empty too.
- With insertions a rate can be above 1.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ruach_core.text.unicode import REPLACEMENT
from ruach_core.types import ErrorRate

Unit = Literal["word", "character"]

CONFIDENCE = 0.95
RESAMPLES = 1_000
PAIRED_RESAMPLES = 10_000
_MAX_DRAWN = 2_000_000
"""Indices drawn at once; bounds the memory of a bootstrap over many utterances."""

LOOP_WORD_REPEATS = 4
LOOP_CHARACTER_REPEATS = 8
LOOP_MAX_UNIT = 10
LOOP_COMPRESSION_RATIO = 2.4


@dataclass(frozen=True, slots=True)
class EditCounts:
    """Edits that turn one reference (or a pooled set) into its hypothesis."""

    substitutions: int
    deletions: int
    insertions: int
    hits: int

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def n_reference(self) -> int:
        """Units (words or characters) of the reference."""
        return self.substitutions + self.deletions + self.hits

    @property
    def rate(self) -> float:
        """Errors over reference units, as a fraction."""
        return self.errors / max(1, self.n_reference)


def count_edits(
    references: Sequence[str], hypotheses: Sequence[str], *, unit: Unit
) -> list[EditCounts]:
    """The edits of each pair, in order.

    Args:
        references: normalised truths.
        hypotheses: normalised model outputs, one for each reference.
        unit: what is compared, words or code points (spaces included).

    Raises:
        ValueError: the two sides differ in number.
    """
    import jiwer

    if len(references) != len(hypotheses):
        raise ValueError(f"{len(references)} references but {len(hypotheses)} hypotheses")
    if not references:
        return []
    process = jiwer.process_words if unit == "word" else jiwer.process_characters
    output = process(_single_spaced(references), _single_spaced(hypotheses))
    return [_sum_chunks(chunks) for chunks in output.alignments]


def pool_counts(counts: Iterable[EditCounts]) -> EditCounts:
    """The sum of the counts."""
    rows = [(c.substitutions, c.deletions, c.insertions, c.hits) for c in counts]
    return EditCounts(*(sum(column) for column in zip(*rows, strict=True))) if rows else _NOTHING


def error_rate(
    counts: Sequence[EditCounts], *, resamples: int = RESAMPLES, seed: int = 0
) -> ErrorRate:
    """The pooled rate with its 95 % percentile bootstrap interval over utterances.

    Method: B. Efron and R. Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; applied
    to word error rates by M. Bisani and H. Ney, ICASSP 2004. The same counts and seed give the same
    interval.
    """
    pooled = pool_counts(counts)
    low = high = pooled.rate
    if counts:
        rates = _resampled_rates([counts], resamples=resamples, seed=seed)[:, 0]
        low, high = _interval(rates)
    return ErrorRate(
        rate=pooled.rate,
        low=low,
        high=high,
        substitutions=pooled.substitutions,
        deletions=pooled.deletions,
        insertions=pooled.insertions,
        hits=pooled.hits,
    )


@dataclass(frozen=True, slots=True)
class PairedComparison:
    """Two systems on the same utterances; rates are fractions.

    `difference` is the second rate minus the first, `low` and `high` bound its 95 % interval;
    `p_value` is two-sided.
    """

    first_rate: float
    second_rate: float
    difference: float
    low: float
    high: float
    p_value: float
    n_utterances: int

    def verdict(self, first: str = "the first", second: str = "the second") -> str:
        """One line for people: which system is better, or that the clips can't tell."""
        for threshold in (0.01, 0.05):
            if self.p_value < threshold:
                names = (second, first) if self.difference < 0 else (first, second)
                return f"{names[0]} is better than {names[1]}, p < {threshold}"
        return f"can't tell with {self.n_utterances} clips"


def compare_systems(
    first: Sequence[EditCounts],
    second: Sequence[EditCounts],
    *,
    resamples: int = PAIRED_RESAMPLES,
    seed: int = 0,
) -> PairedComparison:
    """Paired bootstrap test of two systems' counts on the same utterances, in the same order.

    Each resample draws utterances once for both systems. The p-value is twice the share of
    resamples in which the difference is zero or has the other sign, counted with the sample
    itself so that it is never zero (A. Davison and D. Hinkley, Bootstrap Methods, 1997, 4.2).

    On a handful of clips resampling is too sure of itself: where all that differ do so in one
    direction, no resample has the other sign. So the p-value is never below what the exact
    sign-flip test can reach. Were the systems alike, each of the k clips whose errors differ would
    be as likely to favour either, and the 2^k patterns of signs equally likely; the most extreme
    one and its mirror are 2 / 2^k of them. Six clips at least must differ for p < 0.05.

    Raises:
        ValueError: the lists differ in length, or don't hold the same references.
    """
    if [c.n_reference for c in first] != [c.n_reference for c in second]:
        raise ValueError("the two systems weren't scored on the same references")
    a, b = pool_counts(first).rate, pool_counts(second).rate
    low = high = 0.0
    p_value = 1.0
    if first:
        rates = _resampled_rates([first, second], resamples=resamples, seed=seed)
        differences = rates[:, 1] - rates[:, 0]
        low, high = _interval(differences)
        tail = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
        n_differing = sum(x.errors != y.errors for x, y in zip(first, second, strict=True))
        p_value = min(1.0, max(2 * (tail + 1) / (resamples + 1), 2.0 ** (1 - n_differing)))
    return PairedComparison(a, b, b - a, low, high, p_value, len(first))


def has_loop(text: str) -> bool:
    """Whether a text has a repetition loop, the usual way for a decoder to derail.

    The rule: up to ten words said four times or more in a row, or up to ten code points eight
    times or more in a row, or a compression ratio (zlib) above 2.4. The ratio's threshold is
    openai-whisper's; but the text is first written as one byte for each distinct code point,
    because plain UTF-8 of a script with three bytes a letter compresses beyond 2.4 as it is.
    """
    words = text.split()
    return (
        _has_run(words, repeats=LOOP_WORD_REPEATS)
        or _has_run(" ".join(words), repeats=LOOP_CHARACTER_REPEATS)
        or compression_ratio(text) > LOOP_COMPRESSION_RATIO
    )


def compression_ratio(text: str) -> float:
    """Code points over their zlib-compressed size, whatever the script; 0 for no text."""
    ranks = {character: min(rank, 255) for rank, character in enumerate(dict.fromkeys(text))}
    data = bytes(ranks[character] for character in text)
    return len(data) / len(zlib.compress(data)) if data else 0.0


def loop_rate(hypotheses: Sequence[str], references: Sequence[str] | None = None) -> float:
    """Share of hypotheses with a loop; one whose reference loops too is speech, not a fault."""
    excused = references if references is not None else [""] * len(hypotheses)
    loops = sum(
        has_loop(hypothesis) and not has_loop(reference)
        for hypothesis, reference in zip(hypotheses, excused, strict=True)
    )
    return loops / max(1, len(hypotheses))


def replacement_rate(hypotheses: Sequence[str]) -> float:
    """Share of hypotheses with U+FFFD: bytes that the model wrote but that aren't a character."""
    broken = sum(REPLACEMENT in hypothesis for hypothesis in hypotheses)
    return broken / max(1, len(hypotheses))


_NOTHING = EditCounts(0, 0, 0, 0)


def _single_spaced(texts: Sequence[str]) -> list[str]:
    return [" ".join(text.split()) for text in texts]


def _sum_chunks(chunks: Iterable[object]) -> EditCounts:
    totals = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
    for chunk in chunks:
        kind: str = chunk.type  # type: ignore[attr-defined]
        in_reference: int = chunk.ref_end_idx - chunk.ref_start_idx  # type: ignore[attr-defined]
        in_hypothesis: int = chunk.hyp_end_idx - chunk.hyp_start_idx  # type: ignore[attr-defined]
        totals[kind] += in_hypothesis if kind == "insert" else in_reference
    return EditCounts(totals["substitute"], totals["delete"], totals["insert"], totals["equal"])


def _resampled_rates(
    systems: Sequence[Sequence[EditCounts]], *, resamples: int, seed: int
) -> npt.NDArray[np.float64]:
    """Rates of the systems over utterances drawn with replacement, shape (resamples, n_systems)."""
    errors = np.array([[c.errors for c in counts] for counts in systems], dtype=np.int64)
    lengths = np.array([c.n_reference for c in systems[0]], dtype=np.int64)
    n_utterances = len(lengths)
    generator = np.random.default_rng(seed)
    rates = np.empty((resamples, len(systems)))
    step = max(1, _MAX_DRAWN // n_utterances)
    for start in range(0, resamples, step):
        stop = min(start + step, resamples)
        drawn = generator.integers(0, n_utterances, size=(stop - start, n_utterances))
        n_units = np.maximum(1, lengths[drawn].sum(axis=1))
        for column, system in enumerate(errors):
            rates[start:stop, column] = system[drawn].sum(axis=1) / n_units
    return rates


def _interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return float(low), float(high)


def _has_run(items: Sequence[str], *, repeats: int) -> bool:
    for period in range(1, min(LOOP_MAX_UNIT, len(items) // repeats) + 1):
        run = 0
        for earlier, later in zip(items, items[period:], strict=False):
            run = run + 1 if earlier == later else 0
            if run >= period * (repeats - 1):
                return True
    return False
