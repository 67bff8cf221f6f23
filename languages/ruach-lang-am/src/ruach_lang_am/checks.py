"""Checks of transcripts: letters that no Amharic text has, and numerals with several readings.

The normaliser keeps both, since it can't know what is right. Such letters show a wrong language, a
wrong scan, or text spoilt in a conversion from an old font; such numerals are dates, phone numbers
and the like, which the speaker has read in one of several ways.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files

from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.unicode import character_name
from ruach_core.types import Finding, TextTokenizer, Utterance
from ruach_lang_am.normalizer import build_normalizer
from ruach_lang_am.number_reading import find_unread

# Windows-1252 punctuation read as C1 controls (ጎበ\x97ቸው) and Cherokee letters: both are what the
# old Ethiopic fonts of the Walta news corpus leave after a wrong conversion.
_BROKEN = re.compile("[\x80-\x84\x86-\x9f\u13a0-\u13ff\uab70-\uabbf\ufffd]")
_ETHIOPIC = re.compile(f"[{LETTERS}]")


class LettersCheck:
    """Finds transcripts that a conversion has spoilt, and Ethiopic letters foreign to Amharic."""

    name = "am-letters"

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterable[Finding]:
        """At most one finding of each kind, with its number and its first case."""
        yield from self._find_broken(utterances)
        yield from self._find_foreign(utterances)

    def _find_broken(self, utterances: Sequence[Utterance]) -> Iterator[Finding]:
        broken = [u for u in utterances if _BROKEN.search(u.transcript)]
        if broken:
            yield Finding(
                check=self.name,
                severity="warning",
                message=f"{len(broken)} transcripts hold characters that a wrong conversion leaves",
                remedy="correct or remove these clips: the letters that stood there are lost",
                n=len(broken),
                example=f"{broken[0].row or broken[0].id}: {broken[0].transcript!a}",
            )

    def _find_foreign(self, utterances: Sequence[Utterance]) -> Iterator[Finding]:
        alphabet = read_alphabet()
        letters: Counter[str] = Counter()
        spoilt: list[Utterance] = []
        for utterance in utterances:
            foreign = [c for c in _ETHIOPIC.findall(utterance.transcript) if c not in alphabet]
            letters.update(foreign)
            if foreign:
                spoilt.append(utterance)
        if spoilt:
            common = ", ".join(character_name(c) for c, _ in letters.most_common(3))
            yield Finding(
                check=self.name,
                severity="warning",
                message=f"{len(spoilt)} transcripts hold Ethiopic letters that Amharic doesn't "
                f"use ({common})",
                remedy="see whether these clips are Amharic; the letters are kept as they are",
                n=len(spoilt),
                example=f"{spoilt[0].row or spoilt[0].id}: {spoilt[0].transcript}",
            )


class NumbersCheck:
    """Finds transcripts with numerals that the normaliser doesn't write in words."""

    name = "am-numbers"

    def check(self, utterances: Sequence[Utterance], tokenizer: TextTokenizer) -> Iterable[Finding]:
        """At most one finding, with the number of transcripts and the first case."""
        normalizer = build_normalizer({"numbers": "words"})
        n_numerals = 0
        left: list[tuple[Utterance, str]] = []
        for utterance in utterances:
            numerals = find_unread(normalizer.normalize(utterance.transcript, purpose="target"))
            n_numerals += len(numerals)
            if numerals:
                left.append((utterance, numerals[0]))
        if left:
            utterance, numeral = left[0]
            yield Finding(
                check=self.name,
                severity="warning",
                message=f"{len(left)} transcripts hold numerals with several readings or none "
                f"({n_numerals} in all): they stay in digits",
                remedy="write dates, ranges, phone numbers and the like as the speaker says them",
                n=len(left),
                example=f"{utterance.row or utterance.id}: {numeral} in {utterance.transcript}",
            )


def read_alphabet() -> frozenset[str]:
    """The letters that `pack.toml` declares."""
    import tomllib

    text = files("ruach_lang_am").joinpath("pack.toml").read_text(encoding="utf-8")
    letters: set[str] = set()
    for entry in tomllib.loads(text)["alphabet"].split():
        letters.update(map(chr, range(ord(entry[0]), ord(entry[-1]) + 1)))
    return frozenset(letters)
