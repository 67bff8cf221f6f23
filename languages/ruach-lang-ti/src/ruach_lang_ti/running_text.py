"""Numerals in Tigrinya text, written in words where there is one reading.

`target` gets words for whole numbers, decimals, percentages, ordinals, amounts of money and full
hours, and only where what stands beside the numeral is understood
(`tables/number_neighbors.tsv`). Dates, other times, ranges, phone numbers and numerals in a code
(COVID-19) stay as they are written there: each is read in several ways. A time is never shifted
between the Ethiopian clock and the European one. `score` then reads whatever digits are left, group
by group, so that both sides of a comparison are in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ruach_core.text.ethiopic import LETTERS, NUMERALS
from ruach_core.text.ethiopic_numerals import NUMERAL, parse_ethiopic
from ruach_core.text.normalization import Rule
from ruach_core.text.numerals import CONTEXT, MAX_DIGITS, Numeral, Spoken, replace_numerals
from ruach_core.text.tables import read_table
from ruach_core.text.unicode import is_word_character
from ruach_lang_ti.numbers import (
    MAX_CARDINAL,
    link,
    number_words,
    spell_cardinal,
    spell_decimal,
    spell_digits,
    spell_ordinal,
)

_JOINT = ".,:/'’_+*×=^~፡፥\\-\u2010-\u2015\u2212"
_DIGIT = f"\\d{NUMERALS}"
_ETHIOPIC = re.compile(
    f"(?<![{_DIGIT}][{_JOINT}]){NUMERAL}(?![{_JOINT}][{_DIGIT}])(?P<percent> ?%)?"
)
_LEFT_OPEN = re.compile(f"(?:^|[\\s(\\[{{\"«“‹።፣፤፦፧፡;?!]|(?:^|[^\\w'])'|(?<![{_DIGIT}]),)$")
_LEFT_WORD = re.compile(f"(?:^|[^\\w'])([{LETTERS}]+)$")
_RIGHT_OPEN = re.compile(
    f"$|[\\s)\\]}}\"»”›።፣፤፦፧;?!…']|[፥፡](?![{_DIGIT}])|[.,:]+(?=$|[\\s\"')\\]}}])"
)
_RIGHT_WORD = re.compile(f"([{LETTERS}]+)(?![\\w])")
_NEXT_WORD = re.compile(f" ([{LETTERS}]+)(?![\\w'])")
_LEFTOVER = re.compile(f"(?P<numeral>\\d++|[{NUMERALS}]++)(?P<percent>%?)")


@dataclass(frozen=True, slots=True)
class _Neighbors:
    roles: dict[tuple[str, str], str]

    def has(self, text: str, role: str) -> bool:
        return (text, role) in self.roles


@cache
def _neighbors() -> _Neighbors:
    rows = read_table(
        "ruach_lang_ti", "number_neighbors.tsv", columns=("text", "role", "coin", "source")
    )
    return _Neighbors({(row["text"], row["role"]): row["coin"] for row in rows})


def write_numbers() -> tuple[Rule, ...]:
    """Numerals with one reading in words, for `target`; the others stay as they are written."""
    return (
        Rule(
            "ethiopic numbers",
            _speak_ethiopic,
            "Numbers in Ethiopic numerals are written in words where they have one reading.",
        ),
        replace_numerals(
            "numbers",
            _speak,
            reason="Numbers in digits are written in words where they have one reading.",
        ),
    )


def write_leftover_numbers() -> Rule:
    """All numerals that are left in words, for `score`, once punctuation has gone.

    Digits that aren't one number (007) are read one by one; malformed Ethiopic numerals stay.
    """

    def replacement(match: re.Match[str]) -> str:
        words = _read_leftover(match["numeral"])
        if words is None:
            return match[0]
        if match["percent"]:
            words = f"{words} {number_words().signs['percent']}"
        text, start, end = match.string, match.start(), match.end()
        before = text[max(0, start - CONTEXT) : start]
        is_glued = bool(before) and is_word_character(before[-1])
        gap = " " if is_glued and _read_left(before) != "" else ""
        is_followed = end < len(text) and is_word_character(text[end])
        return f"{gap}{words}{' ' if is_followed else ''}"

    return Rule(
        "leftover numbers",
        lambda text: _LEFTOVER.sub(replacement, text),
        "For scoring, the numbers that are still in digits are written in words as well.",
    )


def _read_leftover(numeral: str) -> str | None:
    if not numeral[0].isdecimal():
        value = parse_ethiopic(numeral)
        return None if value is None or value > MAX_CARDINAL else spell_cardinal(value)
    if len(numeral) > MAX_DIGITS or (len(numeral) > 1 and int(numeral[0]) == 0):
        return spell_digits(numeral)
    return spell_cardinal(int(numeral))


def _speak(numeral: Numeral, before: str, after: str) -> Spoken | None:
    if numeral.kind == "time":
        return _fit_full_hour(numeral, before, after)
    if numeral.kind not in ("integer", "decimal") or numeral.sign == "+":
        return None
    if numeral.fraction:
        return _fit_decimal(numeral, before, after)
    return _fit_integer(
        numeral.integer, numeral.sign == "-", numeral.is_percent, before=before, after=after
    )


def _speak_ethiopic(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for match in _ETHIOPIC.finditer(text):
        percent = match["percent"] or ""
        value = parse_ethiopic(match[0].removesuffix(percent))
        if value is None or value > MAX_CARDINAL or match.start() < position:
            continue
        before = text[max(position, match.start() - CONTEXT) : match.start()]
        after = text[match.end() : match.end() + CONTEXT]
        spoken = _fit_integer(value, False, bool(percent), before=before, after=after)
        if spoken is not None:
            pieces += (text[position : match.start()], spoken.text)
            position = match.end() + spoken.n_after
    return "".join(pieces) + text[position:]


def _fit_full_hour(numeral: Numeral, before: str, after: str) -> Spoken | None:
    """The hour of 3:00, minutes of zero being unsaid (tigrinya-numbers, num_to_time)."""
    hour, *rest = numeral.groups
    words = [_LEFT_WORD.search(before.removesuffix(" ")), _NEXT_WORD.match(after)]
    is_time = any(word is not None and _neighbors().has(word[1], "hour") for word in words)
    if not is_time or rest != ["00"] or int(hour) == 0:
        return None
    return _fit_integer(int(hour), False, numeral.is_percent, before=before, after=after)


def _fit_decimal(numeral: Numeral, before: str, after: str) -> Spoken | None:
    gap = _read_left(before)
    if gap is None or not _RIGHT_OPEN.match(after):
        return None
    sign = f"{number_words().signs['minus']} " if numeral.sign == "-" else ""
    if not numeral.sign and not numeral.is_percent and len(numeral.fraction) == 2:
        money = _NEXT_WORD.match(after)
        if money is not None and _neighbors().has(money[1], "currency"):
            words = _spell_money(numeral.integer, int(numeral.fraction), money[1])
            return Spoken(f"{gap}{words}", n_after=money.end())
    words = spell_decimal(numeral.integer, numeral.fraction)
    percent = f" {number_words().signs['percent']}" if numeral.is_percent else ""
    return Spoken(f"{gap}{sign}{words}{percent}")


def _fit_integer(
    value: int, is_negative: bool, is_percent: bool, *, before: str, after: str
) -> Spoken | None:
    """The words of a whole number, or None where what stands beside it isn't understood."""
    gap = _read_left(before)
    if gap is None:
        return None
    signs = number_words().signs
    words = spell_cardinal(value)
    n_after = 0
    if not _RIGHT_OPEN.match(after):
        suffix = _RIGHT_WORD.match(after)
        if suffix is None or is_percent or is_negative:
            return None
        suffixed = _add_suffix(value, words, suffix[1])
        if suffixed is None:
            return None
        words, n_after = suffixed, suffix.end()
    if is_percent:
        words = f"{words} {signs['percent']}"
    if is_negative:
        words = f"{signs['minus']} {words}"
    return Spoken(f"{gap}{words}", n_after=n_after)


def _read_left(before: str) -> str | None:
    """What goes between the text before a numeral and its words; None where that is unclear."""
    if _LEFT_OPEN.search(before):
        return ""
    word = _LEFT_WORD.search(before)
    if word is None or len(word[0]) == CONTEXT:
        return None
    if _neighbors().has(word[1], "proclitic"):
        return ""
    return " " if _neighbors().has(word[1], "word") else None


def _add_suffix(value: int, words: str, suffix: str) -> str | None:
    neighbors = _neighbors()
    if neighbors.has(suffix, "masculine") or neighbors.has(suffix, "feminine"):
        return spell_ordinal(value, feminine=neighbors.has(suffix, "feminine"))
    if neighbors.has(suffix, "link"):
        return link(words)
    if suffix in {name for _, name in number_words().scales}:
        return f"{words} {suffix}"
    return None


def _spell_money(whole: int, coins: int, currency: str) -> str:
    """5.50 is five nakfa and fifty cents, both linked (tigrinya-numbers, num_to_currency)."""
    coin = _neighbors().roles[currency, "currency"]
    if not coins:
        return f"{spell_cardinal(whole)} {currency}"
    if not whole:
        return f"{spell_cardinal(coins)} {coin}"
    linked = number_words().signs["link"]
    return f"{spell_cardinal(whole)} {currency}{linked} {spell_cardinal(coins)} {coin}{linked}"
