"""Swahili numbers in words, and the rule that writes a text's numerals so.

The words and how they join are those of CLDR's spell-out rules (`common/rbnf/sw.xml`), with nothing
where CLDR has a comma: mia tatu na arobaini na tano, elfu moja mia tisa na tisini na tisa. `na`
joins what is inside a group of three digits and nothing else, so every number has one reading:
elfu kumi na tano is 15,000 and elfu kumi tano is 10,005. Many speakers join the groups by `na`
too (contested).

The counting form is used everywhere. Agreement with a noun's class (watu wawili) would need a list
of nouns.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from ruach_core.text.normalization import Rule
from ruach_core.text.numerals import Numeral, replace_numerals
from ruach_core.text.tables import read_table

LIMIT = 10**15
"""The first integer without words."""

_PACKAGE = "ruach_lang_sw"
_OPENING = '([{"«“‹„'
_CLOSING = ')]}"»”›.,;:!?…'
_CLOCK = "saa"
_MINUTES = 60


def integer_words(value: int) -> str:
    """The words of an integer.

    Args:
        value: from 0 up to, but not including, `LIMIT`.

    Raises:
        ValueError: there are no words for it.
    """
    if not 0 <= value < LIMIT:
        raise ValueError(f"no words for {value}: must be 0 <= value < {LIMIT}")
    words = _words()
    if value == 0:
        return words[0]
    parts = []
    for scale in (10**12, 10**9, 10**6, 10**3):
        count, value = divmod(value, scale)
        if count:
            parts.append(f"{words[scale]} {_group_words(count)}")
    if value:
        parts.append(_group_words(value))
    return " ".join(parts)


def decimal_words(integer: int, fraction: str) -> str:
    """The words of a decimal number: 3.05 is tatu nukta sifuri tano.

    Args:
        integer: the number before the point.
        fraction: the ASCII digits after it, read one by one; "" if there are none.

    Raises:
        ValueError: there are no words for the integer.
    """
    words = [integer_words(integer)]
    if fraction:
        words += [_sign("point"), *(_words()[int(digit)] for digit in fraction)]
    return " ".join(words)


def write_numbers() -> Rule:
    """A rule that writes numerals in words where they stand alone and have one reading.

    Left as they are written: clock times, which Swahili counts from sunrise (saa 3:30, and saa 3.30
    with the dot of East African print), amounts of money, and whatever `Numeral.is_ambiguous`;
    also what is glued to a letter or sign (B12, 5kg), and an explicit plus.
    """
    return replace_numerals(
        "numbers",
        _speak,
        reason="Numbers with one sure reading are written in words; clock times and money stay.",
    )


def _speak(numeral: Numeral, before: str, after: str) -> str | None:
    if numeral.kind not in ("integer", "decimal") or numeral.sign == "+":
        return None
    if not _stands_alone(numeral, before, after):
        return None
    neighbour = _last_word(before)
    if _is_clock_time(numeral, neighbour) or _is_money(numeral, neighbour, _first_word(after)):
        return None
    words = decimal_words(numeral.integer, numeral.fraction)
    if numeral.sign == "-":
        words = f"{_sign('minus')} {words}"
    if numeral.is_percent and neighbour != _sign("percent"):
        words = f"{_sign('percent')} {words}"
    return words


def _group_words(value: int) -> str:
    return f" {_sign('and')} ".join(_parts_of_group(value))


def _parts_of_group(value: int) -> Iterator[str]:
    words = _words()
    hundreds, rest = divmod(value, 100)
    if hundreds:
        yield f"{words[100]} {words[hundreds]}"
    tens, units = divmod(rest, 10)
    if tens:
        yield words[10 * tens]
    if units:
        yield words[units]


def _stands_alone(numeral: Numeral, before: str, after: str) -> bool:
    outside = before.rstrip(_OPENING)
    is_at_start = not outside and numeral.start == len(before)
    is_open = is_at_start or outside[-1:].isspace()
    following = after.lstrip(_CLOSING)
    return is_open and (not following or following[0].isspace())


def _is_clock_time(numeral: Numeral, neighbour: str) -> bool:
    return (
        neighbour == _CLOCK
        and len(numeral.fraction) == 2
        and int(numeral.fraction) < _MINUTES
        and not numeral.is_percent
    )


def _is_money(numeral: Numeral, before: str, after: str) -> bool:
    kinds = {_money().get(before), _money().get(after)}
    # The cents of a named currency: shilingi 5.50 is no decimal number.
    return "sign" in kinds or ("name" in kinds and len(numeral.fraction) == 2)


def _last_word(before: str) -> str:
    words = before.split()
    return words[-1].strip(_OPENING + _CLOSING).casefold() if words else ""


def _first_word(after: str) -> str:
    words = after.split(maxsplit=1)
    is_beside = after[:1].isspace()
    return words[0].strip(_OPENING + _CLOSING).casefold() if words and is_beside else ""


@cache
def _words() -> dict[int, str]:
    rows = read_table(_PACKAGE, "number_words.tsv", columns=("value", "word", "source"))
    return {int(row["value"]): row["word"] for row in rows}


@cache
def _sign(role: str) -> str:
    rows = read_table(_PACKAGE, "signs.tsv", columns=("role", "word", "source"))
    return next(row["word"] for row in rows if row["role"] == role)


@cache
def _money() -> dict[str, str]:
    rows = read_table(_PACKAGE, "money.tsv", columns=("written", "kind", "source"))
    return {row["written"]: row["kind"] for row in rows}
