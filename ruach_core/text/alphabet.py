"""What of a text an alphabet doesn't explain: stray letters, other scripts, digits, symbols."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

from ruach_core.text import unicode

StrayKind = Literal["letter", "foreign", "digit", "symbol"]
"""`letter`: a letter of the alphabet's own script, or a mark. `foreign`: of another script."""

_SPOKEN_SIGNS = frozenset("%&@#*_\\§¶†‡‰")
"""Punctuation by category that a reader speaks or that is mark-up; other punctuation is ordinary.
"""
_UNREMARKABLE = f"\u200c\u200d{unicode.REPLACEMENT}"
"""Joiners, which normalisers keep on purpose, and U+FFFD, which has a check of its own."""
_SCRIPTLESS = ("COMBINING", "MODIFIER", "")
"""First words of the names of marks and modifiers, which any script may use."""


class Alphabet:
    """The letters of a language, to look for what is none of them.

    A letter may be several code points, one with a mark or a digraph; the longest one that fits
    explains a place in the text, in upper, title or lower case and in any Unicode form.

    Args:
        letters: the letters.
    """

    def __init__(self, letters: Sequence[str]) -> None:
        variants = {
            unicode.normalize_form(variant, "NFD")
            for letter in letters
            for variant in (
                letter, letter.upper(), letter.lower(), letter.capitalize(), letter.casefold()
            )
            if variant
        }  # fmt: skip
        longest_first = sorted(variants, key=lambda variant: (-len(variant), variant))
        self._letter = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
        self._scripts = {_script(char) for variant in variants for char in variant}
        self._seen: dict[str, tuple[str, ...]] = {}

    def find_strays(self, word: str) -> tuple[str, ...]:
        """The code points of a word that the alphabet doesn't explain; punctuation is passed over.

        A letter with a mark comes as one code point where Unicode has it.
        """
        found = self._seen.get(word)
        if found is None:
            found = self._seen[word] = tuple(self._scan(unicode.normalize_form(word, "NFD")))
        return found

    def kind(self, char: str) -> StrayKind:
        """What sort of stray a code point from `find_strays` is."""
        major = unicode.category(char)[0]
        if major == "N":
            return "digit"
        if major not in "LM":
            return "symbol"
        script = _script(char)
        return "letter" if script in self._scripts or script in _SCRIPTLESS else "foreign"

    def _scan(self, text: str) -> Iterator[str]:
        start = 0
        while start < len(text):
            match = self._letter.match(text, start)
            end = match.end() if match else start
            if match is None and unicode.category(text[start])[0] not in "LM":
                if _is_worth_a_word(text[start]):
                    yield text[start]
                start += 1
                continue
            # The marks up to the next base belong to this letter.
            after = max(end, start + 1)
            while after < len(text) and unicode.is_mark(text[after]):
                after += 1
            if after > end:
                yield from self._explain(text[start:after], end - start)
            start = after

    def _explain(self, cluster: str, n_matched: int) -> Iterator[str]:
        """The strays of letters with their marks, of which the first code points are explained."""
        if self._letter.fullmatch(unicode.normalize_form(cluster.casefold(), "NFD")):
            return
        base = max(n_matched - 1, 0)
        while base and unicode.is_mark(cluster[base]):
            base -= 1
        composed = unicode.normalize_form(cluster[base:], "NFC")
        if n_matched and composed[0] == cluster[base]:
            composed = composed[1:]
        for char in composed:
            if not self._letter.fullmatch(unicode.normalize_form(char, "NFD")):
                yield char


def _is_worth_a_word(char: str) -> bool:
    """Whether a code point that is neither letter nor mark isn't ordinary punctuation."""
    major = unicode.category(char)[0]
    if major == "P":
        return char in _SPOKEN_SIGNS
    return major != "Z" and char not in _UNREMARKABLE


def _script(char: str) -> str:
    """The first word of the code point's name: LATIN, ETHIOPIC, COMBINING; "" without a name."""
    _, _, name = unicode.character_name(char).partition(" ")
    return name.partition(" ")[0]
