"""What others reached with how many hours: `tables/published.tsv`, each row with its source."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ruach_core.text.tables import read_table
from ruach_core.training.costs import named_size

_NEAREST = 3
"""Results that make a range; fewer would look like a prediction."""
_UNKNOWN_PENALTY = 2.0
"""A language that Whisper knows, for one that it doesn't: as far as four times the hours."""
_FAR = 4.0
"""Beyond so many times the hours, or so small a part of them, a result is from another world."""


@dataclass(frozen=True, slots=True)
class PublishedResult:
    """One fine-tuned model. Error rates are fractions.

    Attributes:
        model: size of Whisper.
        language: name of the language.
        is_known: whether Whisper has a token for it.
        hours: of training audio.
        zero_shot_wer: of the base model; None where it isn't published.
        wer: after fine-tuning.
        source: where it is published, and how it was measured where that matters.
    """

    model: str
    language: str
    is_known: bool
    hours: float
    zero_shot_wer: float | None
    wer: float
    source: str


@dataclass(frozen=True, slots=True)
class Expectation:
    """A range of WERs (fractions) that others reached, and who.

    `hours` are those that were asked for. `is_far` says that none of the results had a like amount
    of data, so that the range says little.
    """

    low: float
    high: float
    results: tuple[PublishedResult, ...]
    hours: float
    is_far: bool

    def describe(self) -> str:
        """`30 to 63 %`."""
        low, high = round(100 * self.low), round(100 * self.high)
        return f"{low} %" if low == high else f"{low} to {high} %"

    def advise(self) -> str:
        """What to expect, for the end of a sentence."""
        who = ", ".join(dict.fromkeys(result.language for result in self.results))
        if not self.is_far:
            return f"expect a WER of {self.describe()} (published for {who})"
        less, more = ("worse", "more") if self.hours < self.results[0].hours else ("better", "less")
        return (
            f"expect a {less} WER than the {self.describe()} published for {who} with {more} data"
        )


def expect_wer(model: str, hours: float, *, is_known: bool) -> Expectation:
    """The range of the results that are nearest in size of model, hours and Whisper's knowledge.

    The distance counts doublings: of the hours, of the parameters, and two for a language that
    Whisper has a token for against one that it hasn't.

    Args:
        model: size of Whisper, as in `costs.model_sizes`.
        hours: of training audio.
        is_known: whether Whisper has a token of the language's own.
    """
    results = published_results()

    def distance(result: PublishedResult) -> float:
        ours, theirs = named_size(model), named_size(result.model)
        assert ours is not None  # the callers' names are those of sizes
        assert theirs is not None  # and so are the table's, by a test
        doublings = math.log2(theirs.n_parameters / ours.n_parameters)
        penalty = 0.0 if result.is_known == is_known else _UNKNOWN_PENALTY
        return abs(math.log2(result.hours / hours)) + abs(doublings) + penalty

    nearest = sorted(results, key=distance)[:_NEAREST]
    is_far = all(not 1 / _FAR <= result.hours / hours <= _FAR for result in nearest)
    wers = [result.wer for result in nearest]
    return Expectation(min(wers), max(wers), tuple(nearest), hours, is_far)


@cache
def published_results() -> Sequence[PublishedResult]:
    """Every row of the table."""
    columns = ("model", "language", "is_known", "hours", "zero_shot_wer", "wer", "source")
    return tuple(
        PublishedResult(
            model=row["model"],
            language=row["language"],
            is_known=row["is_known"] == "yes",
            hours=float(row["hours"]),
            zero_shot_wer=float(row["zero_shot_wer"]) / 100 if row["zero_shot_wer"] else None,
            wer=float(row["wer"]) / 100,
            source=row["source"],
        )
        for row in read_table("ruach_core.training", "published.tsv", columns=columns)
    )
