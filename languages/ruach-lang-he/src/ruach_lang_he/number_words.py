"""Hebrew words for whole numbers, in either gender.

`ו` stands before the last part of a number and nowhere else (Academy of the Hebrew Language,
"ו' החיבור במספרים": אלפיים ותשע עשרה, מאה ועשרים). What multiplies אלף, מיליון and מיליארד is a
number of its own, masculine, with its own `ו` (עשרים ואחד אלף). The words are in
`tables/number_words.tsv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Literal

from ruach_core.text.tables import read_table

Gender = Literal["feminine", "masculine"]

MAX_NUMBER = 10**12 - 1
"""The largest number with words: a word for 10^12 means another number to other speakers."""

_FORMS = ("feminine", "masculine", "feminine_construct", "masculine_construct")
_AND = "ו"


def spell_number(number: int, gender: Gender) -> str:
    """The words of a number: the feminine names, counts and tells years.

    Args:
        number: from 0 to `MAX_NUMBER`.
        gender: of what is counted.

    Raises:
        ValueError: the number is outside the range.
    """
    if not 0 <= number <= MAX_NUMBER:
        raise ValueError(f"{number} isn't from 0 to {MAX_NUMBER}")
    words = _words(gender)
    if number in words:
        return words[number]
    groups: list[list[str]] = []
    rest = number
    for scale in (10**9, 10**6, 1000):
        factor, rest = divmod(rest, scale)
        if factor:
            groups.append([_spell_multiple(factor, scale)])
    if rest:
        groups.append(_split_hundreds(rest, gender))
    *first, last = groups
    spelled = [_join(group) for group in first]
    # A last group of several words has its ו inside; so has a multiple such as עשרים ואחד אלף.
    glue = _AND if first and len(last) == 1 and f" {_AND}" not in last[0] else ""
    return " ".join([*spelled, glue + _join(last)])


def spell_count(number: int, gender: Gender, *, is_definite: bool = False) -> str | None:
    """The words of a number before the noun that it counts; None for 1, which comes after it.

    Args:
        number: from 0 to `MAX_NUMBER`.
        gender: of the noun.
        is_definite: whether the noun has the article: שלושת הילדים beside שלושה ילדים.

    Raises:
        ValueError: the number is outside the range.
    """
    if number == 1:
        return None
    if number == 2 or (is_definite and 2 < number <= 10):
        return _words(f"{gender}_construct")[number]
    return spell_number(number, gender)


def has_one_form(number: int) -> bool:
    """Whether a number sounds the same whatever is counted: 20, 100, 1980, but not 3 or 2005."""
    return spell_number(number, "feminine") == spell_number(number, "masculine")


@cache
def all_words() -> frozenset[str]:
    """Every word that a number holds, without `ו`, and without those of `bound_words`."""
    words = {
        word for form in _FORMS for spelled in _words(form).values() for word in spelled.split()
    }
    return frozenset(words - bound_words())


@cache
def bound_words() -> frozenset[str]:
    """The first words of 12: not numbers by themselves (שנים is also "years")."""
    return frozenset(_words(form)[12].split()[0] for form in _FORMS)


@cache
def scale_words() -> frozenset[str]:
    """The words that a number can stand before: אלף, מיליון, מיליארד."""
    return frozenset(_words("masculine")[scale] for scale in (10**3, 10**6, 10**9))


def _spell_multiple(factor: int, scale: int) -> str:
    words = _words("masculine")
    if factor * scale in words:
        return words[factor * scale]
    return f"{_join(_split_hundreds(factor, 'masculine'))} {words[scale]}"


def _split_hundreds(number: int, gender: Gender) -> list[str]:
    """The parts of a number from 1 to 999: hundreds, tens, units or teens."""
    words = _words(gender)
    hundreds, rest = number - number % 100, number % 100
    parts = [words[hundreds]] if hundreds else []
    if rest in words and rest:
        parts.append(words[rest])
    elif rest:
        parts += [words[rest - rest % 10], words[rest % 10]]
    return parts


def _join(parts: Sequence[str]) -> str:
    *first, last = parts
    return " ".join([*first, (_AND if first else "") + last])


@cache
def _words(form: str) -> dict[int, str]:
    rows = read_table("ruach_lang_he", "number_words.tsv", columns=("value", *_FORMS, "source"))
    return {int(row["value"]): row[form] for row in rows}
