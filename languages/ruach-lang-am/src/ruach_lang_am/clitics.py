"""The clitics that are written as one word with a number or an abbreviation, and how words end.

Prepositions and the like stand before (በ2016, የት/ቤት), enclitics after (100ም); both are listed in
`tables/clitics.tsv`. The definite article and the possessives change the last letter of a word
that ends in a consonant: አምስት, አምስቱ, አምስታችን; after a vowel they are added (ሃያው).
"""

from __future__ import annotations

import re
from functools import cache

from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.tables import read_table

_U, _A, _SIXTH, _O, _WA = 1, 3, 5, 6, 7  # orders, as offsets from the first one's code point
_ARTICLES = {"ው": _U, "ዋ": _WA}


def prefix_pattern() -> str:
    """A regular expression of one prefix."""
    return _alternatives("prefix")


def enclitic_pattern() -> str:
    """A regular expression of one enclitic."""
    return _alternatives("suffix")


def attach(word: str, tail: str, *, plural: str = "") -> str | None:
    """The word with the letters that stand right after its digits or its abbreviation.

    Args:
        word: the word as read, without an ending.
        tail: all letters that follow: the ending as it is written after digits (ቱ of 5ቱ).
        plural: the word as it stands before ች, where the plural is to be read.

    Returns:
        The inflected word, or None where the letters are no ending but a word of their own.
    """
    if not tail or _enclitic().fullmatch(tail):
        return word + tail
    if plural and _PLURAL.fullmatch(tail):
        return plural + tail[1:]
    base = ord(word[-1]) & ~7
    if ord(word[-1]) - base != _SIXTH:
        if _is_ending(tail, "ቱ"):  # 20ቱ: after a vowel the article is ው
            return f"{word}ው{tail[1:]}"
        return word + tail if _is_ending(tail, "ውዋ") else None
    if _is_ending(tail, chr(base + _U) + chr(base + _WA) + word[-1], chr(base + _A)):
        return word[:-1] + tail
    if _is_ending(tail, "ውዋ"):
        return word[:-1] + chr(base + _ARTICLES[tail[0]]) + tail[1:]
    return word + tail if _is_ending(tail, "ቱ") else None  # 10ቱ ቃላት


_PLURAL = re.compile(f"ዎ[ችቹቿቻ][{LETTERS}]{{0,4}}")
_POSSESSIVES = "(?:ችን|ችሁ|ቸው)"


def _is_ending(tail: str, articles: str, possessive: str = "") -> bool:
    rest = tail[1:]
    if possessive and tail[0] == possessive:
        owner = re.match(_POSSESSIVES, rest)
        if owner is None:
            return False
        rest = rest[owner.end() :]
    elif tail[0] not in articles:
        return False
    return not rest or _enclitic().fullmatch(rest) is not None


@cache
def _enclitic() -> re.Pattern[str]:
    return re.compile(enclitic_pattern())


@cache
def _alternatives(side: str) -> str:
    rows = read_table("ruach_lang_am", "clitics.tsv", columns=("clitic", "side", "source"))
    clitics = sorted((r["clitic"] for r in rows if r["side"] == side), key=lambda c: (-len(c), c))
    return f"(?:{'|'.join(clitics)})"
