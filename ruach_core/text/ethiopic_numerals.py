"""Ethiopic numerals (U+1369..U+137C) to integers and back.

The signs are 1 to 9, the tens, ፻ (100) and ፼ (10,000); there is no zero. A number is written in
groups of up to 9,999, and each group stands before one ፼ more than the group after it:

* in a group, digits add up and ፻ multiplies what precedes it (nothing = 1): ፳፻፲፮ = 2016;
* ፼ multiplies what has been read so far (nothing = 1), so that a run of them is a power of it:
  ፲፪፼፴፬፻፶፮ = 123456, ፼፻ = 10100, ፼፼ = 100,000,000.

Source: Unicode chapter 19.4 and CSS Counter Styles Level 3 (`ethiopic-numeric`); the packages geez,
abugida and abyssinica agree on 26 values tested, ICU's `%ethiopic` rules on 21 of them.
"""

from __future__ import annotations

import re

from ruach_core.text.normalization import Rule, replace_pattern

MAX_VALUE = 10**20 - 1
"""The greatest value that is read or written: five groups. Longer runs of ፼ are noise."""

_ONES = "፩፪፫፬፭፮፯፰፱"
_TENS = "፲፳፴፵፶፷፸፹፺"
_VALUES = {sign: n for n, sign in enumerate(_ONES, 1)} | {
    sign: 10 * n for n, sign in enumerate(_TENS, 1)
}
_PAIR = f"[{_TENS}]?[{_ONES}]?"
_GROUP = re.compile(f"(?:(?P<hundreds>{_PAIR})(?P<sign>፻))?(?P<rest>{_PAIR})")
_MAX_GROUPS = 5
_DIGIT = f"[\\d{_ONES}{_TENS}፻፼]"

NUMERAL = f"(?<!{_DIGIT})(?<!{_DIGIT}[.,])[{_ONES}{_TENS}፻፼]++(?!{_DIGIT})(?![.,]{_DIGIT})"
"""Pattern of an Ethiopic numeral that stands by itself in running text.

One that touches a decimal digit (፲5), or that a point or a comma joins to another numeral (፲.፻),
isn't one: Ethiopic numerals have neither fractions nor grouping, so it's a list or a slip.
"""


def parse_ethiopic(text: str) -> int | None:
    """The value of an Ethiopic numeral.

    A written one before ፻ or ፼ (፩፻) is read, though `format_ethiopic` never writes it.

    Args:
        text: the numeral alone.

    Returns:
        The value, or None for what isn't one numeral: the empty string; any other character
        (spaces, ASCII digits, fidel); two ones or two tens side by side (፩፪, ፲፳); a one before a
        ten (፩፲); ፻ twice in a group (፻፻, ፻፪፻); a value above `MAX_VALUE`.
    """
    groups = text.split("፼", _MAX_GROUPS)
    if not text or len(groups) > _MAX_GROUPS:
        return None
    value = 0
    for position, group in enumerate(groups):
        matched = _GROUP.fullmatch(group)
        if matched is None:
            return None
        hundreds = (_pair_value(matched["hundreds"]) or 1) if matched["sign"] else 0
        group_value = 100 * hundreds + _pair_value(matched["rest"])
        if position == 0 and not group:
            group_value = 1
        value = 10_000 * value + group_value
    return value


def format_ethiopic(value: int) -> str:
    """The Ethiopic numeral of a value, without a ፩ before ፻ or at the head before ፼.

    Raises:
        ValueError: if the value is below 1 (there is no zero) or above `MAX_VALUE`.
    """
    if not 1 <= value <= MAX_VALUE:
        raise ValueError(f"no Ethiopic numeral for {value}: it must be 1 to {MAX_VALUE}")
    groups: list[str] = []
    while value:
        value, group = divmod(value, 10_000)
        hundreds, rest = divmod(group, 100)
        sign = "፻" if hundreds else ""
        groups.append(f"{_format_pair(hundreds) if hundreds > 1 else ''}{sign}{_format_pair(rest)}")
    if len(groups) > 1 and groups[-1] == "፩":
        groups[-1] = ""
    return "፼".join(reversed(groups))


def write_ascii_digits() -> Rule:
    """Ethiopic numerals in running text become ASCII digits: በ፳፻፲፮ is በ2016.

    For `score`, or ahead of a rule that reads numbers; malformed numerals and those that aren't
    `NUMERAL` stay as they are written.
    """

    def replacement(match: re.Match[str]) -> str:
        value = parse_ethiopic(match[0])
        return match[0] if value is None else str(value)

    return replace_pattern(
        "ethiopic numerals",
        NUMERAL,
        replacement,
        reason="Numbers in Ethiopic numerals are written in digits: ፳፭ is 25.",
    )


def _pair_value(pair: str) -> int:
    return sum(_VALUES[sign] for sign in pair)


def _format_pair(value: int) -> str:
    tens, ones = divmod(value, 10)
    return (_TENS[tens - 1] if tens else "") + (_ONES[ones - 1] if ones else "")
