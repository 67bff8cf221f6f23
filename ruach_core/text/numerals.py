"""Numbers written in digits in running text: found, and told apart from dates and phone numbers.

No language is in here: a pack gives the words. Digits are those of any decimal system of Unicode
(general category Nd: 7, ٧, ७, ７); Ethiopic and Roman numerals are no decimal digits, and
`ethiopic_numerals` reads the former. Grouping and point are read the English way, as Amharic,
Swahili, Hebrew and Tigrinya text has them: `1,234,567.5`. What can be read in two ways, or isn't a
quantity at all, is found too, with a kind that `Numeral.is_ambiguous` tells; a rule made by
`replace_numerals` should leave it as it is written.

Time is linear in the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ruach_core.text.normalization import Rule

NumeralKind = Literal[
    "integer", "decimal", "time", "range", "ratio", "date", "version", "grouping", "spaced",
    "phone", "code",
]  # fmt: skip
"""What a run of digits and separators looks like.

- `integer`: 5, 1999, 1,234,567; `decimal`: 3.14, 1,234.5, 0.05;
- `time`: 3:30, 12:05:59 (hours up to 24, minutes of two digits); two readings, but its own kind;
- `range`: 5-9, 2.5-3, 1990-1995, 3:00-4:30;
- `ratio`: 1/2, 2015/16, 4:1, chapter and verse 5፥3;
- `date`: 12/05/2016, 12-05-16, 2016-05-12, 12.05.2016;
- `version`: 1.2.3, 192.168.1.1;
- `grouping`: 1,23 and 1,2,3 and 12,34,567: a decimal comma, a list, or Indian groups;
- `spaced`: 1 234 567, which may be one number or three;
- `phone`: +251 911 23 45 67, 0911234567, 0911-23-45-67;
- `code`: everything else: a leading zero (007), more than 15 digits, `.5`, 2+3, 10², digits of two
  scripts in one number.
"""

CLEAR_KINDS: frozenset[NumeralKind] = frozenset({"integer", "decimal", "time"})
"""The kinds with one value; all others are ambiguous."""

MAX_DIGITS = 15
"""A longer run of digits is an account or a serial number, not a quantity (and 10^15 is the first
number that the packs' words don't reach)."""

CONTEXT = 64
"""Characters of text that `replace_numerals` shows on each side of a numeral, at most."""

_DASHES = "\\-\u2010-\u2015\u2212"
_SEPARATORS = f".,:/'’_+*×=^~\u066b\u066c፡፥{_DASHES}"
_RAISED = "\u00b2\u00b3\u00b9\u00bc-\u00be\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215e"  # 10², 2½

# A sign counts where a word could start: not in COVID-19, 2+3 or ም-5.
_SIGN = "(?:(?<![^\\s(\\[{\"'«“‹])[+\\-\u2212])?"
# Each alternative consumes what it has read: nothing is scanned twice.
_NUMERAL = re.compile(
    rf"(?P<phone>[+0]\d(?:[ {_DASHES}/]?\d){{5,}}+(?:[{_SEPARATORS}]\d++)*+)"
    rf"|(?P<spaced>{_SIGN}\d{{1,3}}(?:[ \u00a0\u2009\u202f]\d{{3}}(?!\d|[{_SEPARATORS}]\d))++)"
    rf"|(?P<sign>{_SIGN})(?P<run>(?:(?<![\w.…])\.)?\d++(?:[{_SEPARATORS}]\d++)*+[{_RAISED}]*+)"
)
_PERCENT = re.compile(" ?[%٪％]")

# Matched against runs whose digits are in ASCII.
_INTEGER = r"(?:0|[1-9]\d*|[1-9]\d{0,2}(?:[,\u066c]\d{3})+)"
_NUMBER = rf"{_INTEGER}(?:[.\u066b]\d+)?"
_TIME = r"(?:[01]?\d|2[0-4])[:፡][0-5]\d(?:[:፡][0-5]\d)?"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-3])", r"\d{4}"
_SHAPES: tuple[tuple[NumeralKind, re.Pattern[str]], ...] = (
    ("integer", re.compile(_INTEGER)),
    ("decimal", re.compile(_NUMBER)),
    ("time", re.compile(_TIME)),
    (
        "date",
        re.compile(
            rf"(?:{_DAY}([/.\-])(?:{_MONTH}|{_DAY})\1(?:{_YEAR}|\d\d)"
            rf"|{_YEAR}([/.\-]){_MONTH}\2{_DAY})"
        ),
    ),
    ("version", re.compile(r"\d+(?:\.\d+){2,}")),
    ("range", re.compile(rf"(?:{_NUMBER}[{_DASHES}]{_NUMBER}|{_TIME}[{_DASHES}]{_TIME})")),
    ("ratio", re.compile(r"\d+[/:፡፥]\d+")),
    ("grouping", re.compile(r"\d+(?:[,\u066c]\d+)+(?:[.\u066b]\d+)?")),
)
_LONGEST_RUN = 64
_ASCII_DIGITS = re.compile("[0-9]")
_OTHER_DIGITS = re.compile("[^0-9\\D]")


@dataclass(frozen=True, slots=True)
class Numeral:
    """One number, or what looks like one, as it is written in a text.

    Attributes:
        text: as written, with its sign and its percent sign: `-1,234.5%`.
        start: where it starts in the text.
        end: where it ends.
        kind: what it looks like.
        integer: value of the digits before the point; 0 for all kinds but integer and decimal.
        fraction: digits after the point, in ASCII, zeros kept; "" if there are none.
        sign: "-", "+" or "".
        is_percent: whether a percent sign follows, which `text` then includes.
        groups: the runs of digits, in ASCII: ("3", "30") for 3:30, ("5", "9") for 5-9.
    """

    text: str
    start: int
    end: int
    kind: NumeralKind
    integer: int
    fraction: str
    sign: str
    is_percent: bool
    groups: tuple[str, ...]

    @property
    def is_ambiguous(self) -> bool:
        """Whether it has several readings, or none as a number."""
        return self.kind not in CLEAR_KINDS


@dataclass(frozen=True, slots=True)
class Spoken:
    """Words for a numeral that also stand for some of the text beside it.

    Attributes:
        text: the words.
        n_before: how many characters before the numeral they replace too.
        n_after: how many after it (an ordinal's suffix, a unit).
    """

    text: str
    n_before: int = 0
    n_after: int = 0


Speak = Callable[[Numeral, str, str], "str | Spoken | None"]
"""Gives the words for a numeral, from it and the text before and after; None leaves it."""

FindNumerals = Callable[[str], Iterable[Numeral]]
"""Gives the numerals of a text from left to right."""


def has_digits(text: str) -> bool:
    """Whether the text has a decimal digit of any script; a cheap guard."""
    return _ASCII_DIGITS.search(text) is not None or (
        not text.isascii() and _OTHER_DIGITS.search(text) is not None
    )


def find_numerals(text: str) -> Iterator[Numeral]:
    """The numerals of a text from left to right; they don't overlap, and cover every digit."""
    if not has_digits(text):
        return
    for match in _NUMERAL.finditer(text):
        percent = _PERCENT.match(text, match.end())
        end = percent.end() if percent else match.end()
        sign = "-" if (match["sign"] or "") in ("-", "\u2212") else match["sign"] or ""
        kind, integer, fraction = _classify(match)
        yield Numeral(
            text=text[match.start() : end],
            start=match.start(),
            end=end,
            kind=kind,
            integer=integer,
            fraction=fraction,
            sign=sign if match["sign"] else "",
            is_percent=percent is not None,
            groups=tuple(re.findall("[0-9]+", to_ascii_digits(match[0]))),
        )


def replace_numerals(
    name: str, speak: Speak, *, find: FindNumerals = find_numerals, reason: str = ""
) -> Rule:
    """A rule that writes numerals in words.

    Args:
        name: the rule's name.
        speak: called with each numeral, the text before it (the last `CONTEXT` characters, other
            numerals as they are written), and the text after it (the first `CONTEXT`). It returns
            the words; or `Spoken`, if they stand for text beside the numeral as well; or None,
            which leaves the numeral as it is written. Spaces between the words and what they are
            glued to (50ሺ) are its business.
        find: gives the numerals in their order, where a script has others beside the digits.
        reason: see `Rule`.
    """

    def apply(text: str) -> str:
        pieces: list[str] = []
        position = 0
        for numeral in find(text):
            if numeral.start < position:
                continue
            before = text[max(0, numeral.start - CONTEXT) : numeral.start]
            spoken = speak(numeral, before, text[numeral.end : numeral.end + CONTEXT])
            if spoken is None:
                spoken = numeral.text
            if isinstance(spoken, str):
                spoken = Spoken(spoken)
            pieces.append(text[position : max(position, numeral.start - spoken.n_before)])
            pieces.append(spoken.text)
            position = numeral.end + spoken.n_after
        return "".join(pieces) + text[position:] if pieces else text

    return Rule(name, apply, reason)


def _classify(match: re.Match[str]) -> tuple[NumeralKind, int, str]:
    if match["phone"]:
        return "phone", 0, ""
    if match["spaced"]:
        return "spaced", 0, ""
    run = match["run"]
    if len(run) > _LONGEST_RUN or not _is_one_script(run):
        return "code", 0, ""
    run = to_ascii_digits(run)
    kind: NumeralKind = next((kind for kind, shape in _SHAPES if shape.fullmatch(run)), "code")
    if kind not in ("integer", "decimal"):
        return kind, 0, ""
    whole, _, fraction = run.replace("\u066b", ".").partition(".")
    digits = whole.replace(",", "").replace("\u066c", "")
    if len(digits) > MAX_DIGITS:
        return "code", 0, ""
    return kind, int(digits), fraction


def to_ascii_digits(text: str) -> str:
    """The text with the decimal digits of all scripts written 0 to 9."""
    if text.isascii():
        return text
    return _OTHER_DIGITS.sub(lambda match: str(int(match[0])), text)


def _is_one_script(run: str) -> bool:
    # The ten digits of a system stand side by side: each one's distance to its zero is its value.
    return run.isascii() or len({ord(c) - int(c) for c in run if c.isdecimal()}) == 1


# Capital letters stand for what punctuation rules would take away: after case folding a text has
# none of its own.
_SHIELDS = dict(zip(".,:/'_+*×=^~\u066b\u066c፥- %", "ABCDEFGHIJKLMNOPQR", strict=True))
_TO_SHIELD = str.maketrans(
    _SHIELDS
    | dict.fromkeys("‐‑‒–—―\u2212", _SHIELDS["-"])
    | {"’": _SHIELDS["'"], "፡": _SHIELDS[":"], "٪": _SHIELDS["%"], "％": _SHIELDS["%"]}
)
_FROM_SHIELD = str.maketrans({capital: char for char, capital in _SHIELDS.items()})
_CAPITAL = re.compile("[A-R]")


def shield_numerals(
    rules: Sequence[Rule], *, find: FindNumerals = find_numerals
) -> tuple[Rule, ...]:
    """The rules, with the numerals of the text kept whole through them.

    For `score`: once the clear numerals are words, the ambiguous ones that were left would fall
    apart with the punctuation (5-9 into 5 and 9, which a second pass would then read). Kept whole,
    they stay what they are. A sign before them goes, and dashes come out as `-`.

    Args:
        rules: the rules that remove punctuation; the text must be case-folded before them.
        find: see `replace_numerals`.
    """

    def hide(numeral: Numeral, before: str, after: str) -> str:
        text = numeral.text[len(numeral.sign) :].translate(_TO_SHIELD)
        # What begins with a sign or a point is not to be joined with what stands before it.
        return f" {text}" if numeral.text[0] in "+.-−" else text

    def show(text: str) -> str:
        return text.translate(_FROM_SHIELD) if _CAPITAL.search(text) else text

    return (
        replace_numerals(
            "hide numerals",
            hide,
            find=find,
            reason="Signs inside numbers are set aside while punctuation goes, so 5-9 stays whole.",
        ),
        *rules,
        Rule("show numerals", show, "The signs inside numbers that were set aside come back."),
    )
