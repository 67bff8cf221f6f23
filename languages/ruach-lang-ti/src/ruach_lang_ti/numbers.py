"""Tigrinya words for numbers, by `tables/number_words.tsv` and `tables/ordinals.tsv`.

The rules are those of Gaim and Tesfamariam, "Tigrinya Number Verbalization" (arXiv 2601.03403) and
of their package tigrinya-numbers 0.2.0, in Eritrean forms: a number is a row of parts, and where
there are several, each takes the link ን (25 is ዕስራን ሓሙሽተን).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ruach_core.text.tables import read_table

_PACKAGE = "ruach_lang_ti"

MAX_CARDINAL = 10**15 - 1
"""The greatest number that there are words for."""


@dataclass(frozen=True, slots=True)
class NumberWords:
    """The words that numbers are made of.

    Attributes:
        units: 0 to 10.
        tens: 20, 30 ... 90.
        scales: powers of a thousand, the greatest first.
        signs: words that aren't values, by their role in the table.
    """

    units: dict[int, str]
    tens: dict[int, str]
    scales: tuple[tuple[int, str], ...]
    signs: dict[str, str]


@cache
def number_words() -> NumberWords:
    """The words of `tables/number_words.tsv`."""
    rows = read_table(
        _PACKAGE, "number_words.tsv", columns=("role", "value", "word", "contested", "source")
    )

    def of_role(role: str) -> dict[int, str]:
        return {int(row["value"]): row["word"] for row in rows if row["role"] == role}

    return NumberWords(
        units=of_role("unit"),
        tens=of_role("ten"),
        scales=tuple(sorted(of_role("scale").items(), reverse=True)),
        signs={r["role"]: r["word"] for r in rows if r["role"] not in ("unit", "ten", "scale")},
    )


def spell_cardinal(value: int) -> str:
    """The words of a whole number.

    A multiplier of one part stays with its scale (15,000 is ዓሰርተ ሓሙሽተ ሽሕ); one of several makes
    the scale a part of its own. Such a scale takes no link at the end of a number that has no
    other scale (25,000 is ዕስራን ሓሙሽተን ሽሕ): so tigrinya-numbers 0.2.0, whose older versions linked
    it; contested.

    Raises:
        ValueError: if the value is negative or above `MAX_CARDINAL`.
    """
    if not 0 <= value <= MAX_CARDINAL:
        raise ValueError(f"no words for {value}: it must be 0 to {MAX_CARDINAL}")
    words = number_words()
    if value == 0:
        return words.units[0]
    parts: list[str] = []
    n_scales = 0
    ends_in_bare_scale = False
    for scale, name in words.scales:
        multiplier, value = divmod(value, scale)
        if not multiplier:
            continue
        n_scales += 1
        multiplier_parts = _split_below_thousand(multiplier)
        ends_in_bare_scale = len(multiplier_parts) > 1
        if ends_in_bare_scale:
            parts += (*multiplier_parts, name)
        else:
            parts.append(f"{multiplier_parts[0]} {name}")
    rest = _split_below_thousand(value)
    return _link_parts([*parts, *rest], keep_last=ends_in_bare_scale and n_scales == 1 and not rest)


def spell_decimal(integer: int, fraction: str) -> str:
    """The words of a number with digits after the point, which are read one by one."""
    return f"{spell_cardinal(integer)} {number_words().signs['point']} {spell_digits(fraction)}"


def spell_digits(digits: str) -> str:
    """Each digit's word, for what isn't read as one number."""
    units = number_words().units
    return " ".join(units[int(digit)] for digit in digits)


def spell_ordinal(value: int, *, feminine: bool = False) -> str | None:
    """The ordinal of 1 to 10; None from 11 on, where it is መበል and the cardinal."""
    return _ordinals().get(value, (None, None))[feminine]


def link(words: str) -> str | None:
    """The words of a number with the link ን on them; None where they are linked already."""
    signs = number_words().signs
    hundred, linked_hundred = signs["hundred"], signs["linked-hundred"]
    last = words.rpartition(" ")[2]
    if last.endswith(signs["link"]) and last not in dict(_scale_names()):
        return None
    if last == hundred:
        words = words.removesuffix(hundred) + linked_hundred
    return words + signs["link"]


def _scale_names() -> list[tuple[str, int]]:
    return [(name, scale) for scale, name in number_words().scales]


@cache
def _ordinals() -> dict[int, tuple[str, str]]:
    rows = read_table(
        _PACKAGE, "ordinals.tsv", columns=("value", "masculine", "feminine", "source")
    )
    return {int(row["value"]): (row["masculine"], row["feminine"]) for row in rows}


def _split_below_thousand(value: int) -> list[str]:
    words = number_words()
    hundreds, below = divmod(value, 100)
    parts = [f"{words.units[hundreds]} {words.signs['linked-hundred']}"] if hundreds else []
    if below > 10 and below < 20:
        parts.append(f"{words.units[10]} {words.units[below - 10]}")
    elif below in words.units and below:
        parts.append(words.units[below])
    elif below:
        parts.append(words.tens[below - below % 10])
        if below % 10:
            parts.append(words.units[below % 10])
    return parts


def _link_parts(parts: list[str], *, keep_last: bool) -> str:
    signs = number_words().signs
    if len(parts) == 1:
        words = parts[0].split(" ")
        free = {signs["linked-hundred"]: signs["hundred"]}
        return " ".join(free.get(word, word) for word in words)
    linked = [part + signs["link"] for part in parts]
    if keep_last:
        linked[-1] = parts[-1]
    return " ".join(linked)
