"""Checks of the letters and words of references."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ruach_core.text import unicode
from ruach_core.text.alphabet import Alphabet, StrayKind
from ruach_core.text.excerpt import excerpt
from ruach_core.text.word_changes import ChangeKind, WordChange, find_word_changes
from ruach_core.types import Finding, Severity, TextTokenizer, Utterance

_N_NAMED = 10
_N_EXAMPLES = 3
_SPOKEN = frozenset("%‰&@+=×÷°")
"""Signs that people read aloud, beside currencies; others may be mark-up (<, *, _, |)."""


class BrokenTextCheck:
    """Whether references hold U+FFFD, the trace of a text that was read in the wrong encoding."""

    name = "broken-text"

    def check(self, utterances: Sequence[Utterance], _: TextTokenizer) -> Iterator[Finding]:
        """One finding if any reference does."""
        broken = [u for u in utterances if unicode.REPLACEMENT in (u.reference or "")]
        if not broken:
            return
        first = broken[0]
        yield Finding(
            check=self.name,
            severity="warning",
            message=f"{len(broken)} of {len(utterances)} texts hold U+FFFD, where a character "
            "was lost",
            remedy="read the source again in its own encoding, or leave these texts out",
            n=len(broken),
            example=f"{_place(first)}: {_shown(first, unicode.REPLACEMENT)}",
        )


class WordChangesCheck:
    """What the normaliser did to words, white space and punctuation apart."""

    name = "normalization"

    def check(self, utterances: Sequence[Utterance], _: TextTokenizer) -> Iterator[Finding]:
        """A warning if words of letters and marks were split; a note on all that was changed."""
        counts: Counter[ChangeKind] = Counter()
        examples: dict[ChangeKind, tuple[Utterance, WordChange]] = {}
        broken: list[tuple[Utterance, WordChange]] = []
        n_words = 0
        for utterance in utterances:
            reference = utterance.reference or ""
            n_words += len(reference.split())
            if utterance.transcript == reference:
                continue
            for change in find_word_changes(utterance.transcript, reference):
                counts[change.kind] += change.n_words
                examples.setdefault(change.kind, (utterance, change))
                if change.breaks_a_word:
                    broken.append((utterance, change))
        if broken:
            yield self._broken(broken)
        if counts:
            listed = ", ".join(f"{n} {kind}" for kind, n in counts.most_common())
            yield Finding(
                check=self.name,
                severity="info",
                message=f"the normaliser changed {counts.total()} words of {n_words}: {listed}",
                remedy="none needed if the examples are what the pack should do; else set its "
                "options, or tell its maintainers",
                n=counts.total(),
                example="; ".join(_describe_change(*example) for example in examples.values()),
            )

    def _broken(self, broken: Sequence[tuple[Utterance, WordChange]]) -> Finding:
        return Finding(
            check=self.name,
            severity="warning",
            message=f"the normaliser split {len(broken)} words that hold nothing but letters and "
            "marks",
            remedy="report it to the pack's maintainers with the example; a model would learn the "
            "broken words",
            n=len(broken),
            example="; ".join(_describe_change(*example) for example in broken[:_N_EXAMPLES]),
        )


@dataclass
class _Strays:
    """The strays of one kind: how often each comes, and the utterance and word where first."""

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, tuple[Utterance, str]] = field(default_factory=dict)

    def add(self, char: str, utterance: Utterance, word: str) -> None:
        """Count one."""
        self.counts[char] += 1
        self.first.setdefault(char, (utterance, word))

    def list_named(self) -> str:
        """The most frequent ones by code point and name, with their count and first place."""
        named = [
            f"{n} x {unicode.character_name(char)} ({_place(self.first[char][0])})"
            for char, n in self.counts.most_common(_N_NAMED)
        ]
        rest = len(self.counts) - _N_NAMED
        return "; ".join([*named, f"and {rest} more"] if rest > 0 else named)

    def example(self) -> str:
        """The place of the most frequent one."""
        utterance, word = self.first[self.counts.most_common(1)[0][0]]
        return f"{utterance.id}: {_shown(utterance, word)}"


class AlphabetCheck:
    """Whether references keep to the alphabet of the language's pack.

    Args:
        lang: code of the language, for messages.
        letters: its letters, as the pack has them.
    """

    name = "alphabet"

    def __init__(self, lang: str, letters: Sequence[str]) -> None:
        self._lang = lang
        self._alphabet = Alphabet(letters)

    def check(self, utterances: Sequence[Utterance], _: TextTokenizer) -> Iterator[Finding]:
        """One finding for each sort of stray: letters, other scripts' letters, digits, symbols."""
        found: dict[StrayKind, _Strays] = {
            kind: _Strays() for kind in ("letter", "foreign", "digit", "symbol")
        }
        for utterance in utterances:
            for word in (utterance.reference or "").split():
                for char in self._alphabet.find_strays(word):
                    found[self._alphabet.kind(char)].add(char, utterance, word)
        yield from self._describe(
            found["letter"],
            "letters and marks outside the alphabet of {lang}",
            "correct the transcripts; if the language does use them, tell the pack's maintainers",
        )
        yield from self._describe(
            found["foreign"],
            "letters of scripts that {lang} isn't written in",
            "write such words as the language writes them, or leave the texts out; look-alikes "
            "from another keyboard are mistakes",
        )
        yield from self._describe(
            found["digit"],
            "digits, which the model has to learn to read aloud",
            "write numbers as the words that were said, or set the pack's option for numbers if it "
            "has one",
            severity="info",
        )
        are_spoken = all(
            c in _SPOKEN or unicode.category(c) == "Sc" for c in found["symbol"].counts
        )
        yield from self._describe(
            found["symbol"],
            "symbols that are neither letters nor ordinary punctuation",
            "write them as the words that were said, or remove them",
            severity="info" if are_spoken else "warning",
        )

    def _describe(
        self, strays: _Strays, what: str, remedy: str, *, severity: Severity = "warning"
    ) -> Iterator[Finding]:
        if strays.counts:
            yield Finding(
                check=self.name,
                severity=severity,
                message=f"{what.format(lang=self._lang)}, {strays.counts.total()} in all: "
                f"{strays.list_named()}",
                remedy=remedy,
                n=strays.counts.total(),
                example=strays.example(),
            )


def _place(utterance: Utterance) -> str:
    return utterance.row or utterance.id


def _shown(utterance: Utterance, around: str) -> str:
    return excerpt(utterance.reference or "", around=around)


def _describe_change(utterance: Utterance, change: WordChange) -> str:
    return f"{_place(utterance)}: {excerpt(change.before)} becomes {excerpt(change.after)}"
