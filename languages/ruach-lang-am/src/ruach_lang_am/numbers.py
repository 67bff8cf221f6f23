"""Amharic number words, by `tables/numbers.tsv`.

Groups of three digits from the largest down, side by side with no conjunction. A hundred at the
head of the number is bare (መቶ), inside it is አንድ መቶ; a thousand is always አንድ ሺህ.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ruach_core.text.tables import read_table

MAX_VALUE = 10**15 - 1
"""The greatest number with words."""

_SCALES = (10**12, 10**9, 10**6, 10**3, 1)


@dataclass(frozen=True, slots=True)
class NumberWord:
    """One number word: as it is, before the ordinal's ኛ, and before the plural's ች."""

    word: str
    ordinal: str
    plural: str


def spell_cardinal(value: int) -> str:
    """The words of a whole number.

    Raises:
        ValueError: the value is negative or above `MAX_VALUE`.
    """
    return " ".join(word.word for word in spell(value))


def spell(value: int) -> list[NumberWord]:
    """The words of a whole number, one by one.

    Raises:
        ValueError: the value is negative or above `MAX_VALUE`.
    """
    if not 0 <= value <= MAX_VALUE:
        raise ValueError(f"{value} has no words here: they reach from 0 to {MAX_VALUE}")
    words = _words()
    if value == 0:
        return [words[0]]
    spelled: list[NumberWord] = []
    for scale in _SCALES:
        group, value = divmod(value, scale)
        if group:
            spelled += _spell_group(group, is_first=not spelled)
            spelled += [words[scale]] if scale > 1 else []
    return spelled


@cache
def term(name: str) -> str:
    """A word that numbers are read with, by its name in `tables/number_terms.tsv`."""
    rows = read_table(
        "ruach_lang_am", "number_terms.tsv", columns=("term", "word", "contested", "source")
    )
    return {row["term"]: row["word"] for row in rows}[name]


def _spell_group(value: int, *, is_first: bool) -> list[NumberWord]:
    words = _words()
    hundreds, rest = divmod(value, 100)
    spelled: list[NumberWord] = []
    if hundreds:
        is_bare = hundreds == 1 and is_first
        spelled += [words[100]] if is_bare else [words[hundreds], words[100]]
    tens, ones = divmod(rest, 10)
    if tens == 1 and ones:
        spelled.append(NumberWord(term("teen"), "", ""))
    elif tens:
        spelled.append(words[10 * tens])
    if ones:
        spelled.append(words[ones])
    return spelled


@cache
def _words() -> dict[int, NumberWord]:
    columns = ("value", "word", "ordinal", "plural", "contested", "source")
    rows = read_table("ruach_lang_am", "numbers.tsv", columns=columns)
    return {int(r["value"]): NumberWord(r["word"], r["ordinal"], r["plural"]) for r in rows}
