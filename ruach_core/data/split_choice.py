"""Which splits a user wants, and the record of them in a prepared folder's `dataset.json`."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ruach_core.data.assign import Assignment, Disjoint, Shares, assign_splits
from ruach_core.errors import DataError

KEPT: Mapping[str, object] = {"policy": "keep"}
"""The record of splits that are the source's own."""
RECORDED_AS = "splits_made"


def sentence_key(sentence: str) -> str:
    """A short name of a sentence in its `score` form."""
    text = sentence.encode("utf-8", "backslashreplace")
    return hashlib.blake2b(text, digest_size=10).hexdigest()


class SplitInput:
    """What the choice of splits looks at, clip by clip."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.speakers: list[str | None] = []
        self.durations_s: list[float] = []

    def add(self, sentence: str, speaker: str | None, duration_s: float) -> None:
        """One more clip: its `sentence_key`, who speaks, and its length (0 where unknown)."""
        self.sentences.append(sentence)
        self.speakers.append(speaker or None)
        self.durations_s.append(duration_s)


@dataclass(frozen=True, slots=True)
class NewSplits:
    """Splits that Ruach makes, in place of the source's own.

    Attributes:
        shares: the wanted shares.
        seed: another seed gives another choice.
        disjoint: what the splits are disjoint in; None for whatever is possible.
    """

    shares: Shares = field(default_factory=Shares)
    seed: int = 42
    disjoint: Disjoint | None = None

    def assign(self, clips: SplitInput) -> Assignment:
        """Choose the splits.

        Raises:
            DataError: `disjoint` is `both`, and that is impossible.
        """
        return assign_splits(
            clips.sentences,
            clips.speakers,
            clips.durations_s,
            shares=self.shares,
            seed=self.seed,
            disjoint=self.disjoint,
        )

    def to_record(self, done: Assignment) -> dict[str, object]:
        """As `dataset.json` has it, with what the splits turned out to be disjoint in."""
        return {
            "policy": "new",
            "validation": self.shares.validation,
            "test": self.shares.test,
            "seed": self.seed,
            "disjoint": done.disjoint,
        }


def recorded_splits(record: Mapping[str, object] | None) -> NewSplits | None:
    """The splits that a prepared folder was last given; None for the source's own.

    Splits that are disjoint in the sentence alone stay so; others may fall back to that.

    Raises:
        DataError: `dataset.json` says something else.
    """
    made = (record or {}).get(RECORDED_AS)
    if not isinstance(made, dict) or made.get("policy") != "new":
        return None
    try:
        shares = Shares(float(made["validation"]), float(made["test"]))
        disjoint: Disjoint | None = "sentence" if made["disjoint"] == "sentence" else None
        return NewSplits(shares, int(made["seed"]), disjoint)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"dataset.json: {RECORDED_AS} is damaged ({error})") from error


def are_made(record: Mapping[str, object], wanted: NewSplits | None) -> bool:
    """Whether the recorded splits are the wanted ones."""
    made = record.get(RECORDED_AS)
    if wanted is None:
        return made == KEPT
    if not isinstance(made, dict) or wanted.disjoint not in (None, made.get("disjoint")):
        return False
    shares = {"validation": wanted.shares.validation, "test": wanted.shares.test}
    asked = {"policy": "new", **shares, "seed": wanted.seed}
    return all(made.get(name) == value for name, value in asked.items())
