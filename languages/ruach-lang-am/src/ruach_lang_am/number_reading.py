"""Numbers in running Amharic text: which are read, and how they join what stands beside them.

What has several readings (dates such as 12/05/2016, ranges, phone numbers, digits in a Latin name)
is left as it is written: `find_unread` lists it, and the check `am-numbers` reports it.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from ruach_core.text.ethiopic import LETTERS, NUMERALS, drop_section_marks
from ruach_core.text.ethiopic_numerals import parse_ethiopic
from ruach_core.text.normalization import Rule
from ruach_core.text.numerals import (
    Numeral,
    Spoken,
    find_numerals,
    has_digits,
    replace_numerals,
    to_ascii_digits,
)
from ruach_core.text.tables import read_table
from ruach_core.text.unicode import is_letter, is_mark
from ruach_lang_am.clitics import attach, enclitic_pattern, prefix_pattern
from ruach_lang_am.numbers import NumberWord, spell, spell_cardinal, term

_ETHIOPIC_RUN = re.compile(f"[{NUMERALS}]++(?:[.:፡፥/\\-–—][{NUMERALS}]++)*+")
_SIGNS = re.compile(f"[{NUMERALS}]+")
_HAS_SIGNS = re.compile(f"[{NUMERALS}]")
_PERCENT = re.compile(" ?%")
# A mark that only picks a glyph would part the number from the letters beside it.
_SELECTORS = "[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]+"
_SELECTORS_BY_DIGITS = re.compile(f"(?<=[0-9ዐ]){_SELECTORS}|{_SELECTORS}(?=[0-9ዐ])")

_PREFIXES = re.compile(f"(?<![{LETTERS}])(?:{prefix_pattern()}){{1,3}}(-?)$")
_LOOSE_PREFIX = re.compile("(?<![^ ])[በከለየ] $")
_DOTTED_WORD = re.compile(f"[{LETTERS}]\\.{{1,2}}$")
_TAIL = re.compile(f"-?([{LETTERS}]+)")
_ORDINAL = re.compile(f" ?-?ኛ([{LETTERS}]*)")
_LOOSE_ARTICLE = re.compile(f" ([ዱቱኙሩ])(?![{LETTERS}])")
_ENCLITIC = re.compile(enclitic_pattern())
_BIRR = re.compile(f" ?{term('birr')}(?![{LETTERS}])")
_GAP = "(?: ?፡ ?| ?)"  # the word space is still there
_HOUR = re.compile(f"{_GAP}(ሰ[ዓአዐኣ](?:ት|(?=[ቱታ])))([{LETTERS}]*)")
_SCALE = re.compile(f" ?(ሺ[ህሕ]?|(?:[ሚቢ]|ትሪ)ሊ[ዮየ]ን)(?![{LETTERS}])")


@dataclass(frozen=True, slots=True)
class _Reading:
    """The words of a number, the last one with its other forms, and what they replace after it."""

    head: tuple[str, ...]
    last: NumberWord
    n_after: int = 0

    def ending_in(self, word: str) -> str:
        return " ".join((*self.head, word))

    def before(self, word: str, n_after: int = 0) -> _Reading:
        return _Reading((*self.head, self.last.word), _plain(word), self.n_after + n_after)


def clear_digits() -> Rule:
    """Digits in ASCII, with nothing about them that vanishes after they have been read."""
    return Rule(
        "digits",
        _clear_digits,
        "Digits of other scripts become 0 to 9, with no hidden sign beside them, to be read next.",
    )


def read_numbers() -> Rule:
    """Numbers in words, wherever they have one reading; `clear_digits` comes before."""
    return replace_numerals(
        "numbers",
        _speak_unsigned,
        find=find_all_numerals,
        reason="Numbers are written in words where they have one reading; the others stay.",
    )


def read_signed_numbers() -> tuple[Rule, ...]:
    """For `score`: numbers with a sign too, whose word is contested; times left are made verses.

    The colon of a time that has no word beside it to show that it is one becomes ፥: punctuation
    that goes can bring such a word next to it, and a second pass would then read it.
    """

    def leave(numeral: Numeral, before: str, after: str) -> str | None:
        return re.sub("[:፡]", "፥", numeral.text) if numeral.kind == "time" else None

    return (
        replace_numerals(
            "signed numbers",
            _speak,
            find=find_all_numerals,
            reason="For scoring, numbers with a plus or minus are written in words too.",
        ),
        replace_numerals(
            "times",
            leave,
            reason="The colon of a time left in digits becomes ፥, so that scoring keeps it whole.",
        ),
    )


def find_unread(text: str) -> list[str]:
    """The numerals in a text that `read_numbers` has been through: what it left."""
    return [numeral.text for numeral in find_all_numerals(text)]


def find_all_numerals(text: str) -> Iterator[Numeral]:
    """The numerals in digits, and the Ethiopic ones."""
    if not _HAS_SIGNS.search(text):
        return find_numerals(text)
    return heapq.merge(find_numerals(text), _find_ethiopic(text), key=lambda n: n.start)


def _find_ethiopic(text: str) -> Iterator[Numeral]:
    for match in _ETHIOPIC_RUN.finditer(text):
        percent = _PERCENT.match(text, match.end())
        end = percent.end() if percent else match.end()
        written = text[match.start() : end]
        unread = Numeral(written, match.start(), end, "code", 0, "", "", False, ())
        found = list(find_numerals(_SIGNS.sub(_write_in_digits, written)))
        if len(found) == 1 and found[0].kind in ("integer", "time"):
            yield replace(found[0], text=written, start=match.start(), end=end)
        else:
            yield unread


def _write_in_digits(match: re.Match[str]) -> str:
    value = parse_ethiopic(match[0])
    return match[0] if value is None else str(value)


def _clear_digits(text: str) -> str:
    if "፠" in text or "፨" in text:
        text = drop_section_marks().apply(text)
    return _SELECTORS_BY_DIGITS.sub("", to_ascii_digits(text)) if has_digits(text) else text


def _speak_unsigned(numeral: Numeral, before: str, after: str) -> Spoken | None:
    return None if _sign(numeral, before) else _speak(numeral, before, after)


def _sign(numeral: Numeral, before: str) -> str:
    """Its sign; after a prefix (በ-5) a hyphen is one too, since no prefix takes a hyphen."""
    prefixes = _PREFIXES.search(before)
    return prefixes[1] if prefixes and not numeral.sign else numeral.sign


def _speak(numeral: Numeral, before: str, after: str) -> Spoken | None:
    # After a percent sign another number may begin.
    if numeral.is_ambiguous or _is_in_name(before, "" if numeral.is_percent else after):
        return None
    sign = _sign(numeral, before)
    if numeral.kind == "time":
        reading = None if sign else _read_time(numeral, before, after)
    else:
        reading = _read_quantity(numeral, before, after)
    if reading is None:
        return None
    if sign == "-":
        reading = replace(reading, head=(term("minus"), *reading.head))
    words, n_after = _join_after(reading, after)
    joint, n_before = _join_before(before)
    return Spoken(joint + words, n_before, n_after)


def _is_in_name(before: str, after: str) -> bool:
    """Whether the digits belong to a Latin name (A4) or to signs that they make no number with."""
    left, right = before[-1:], after[:1]
    if left and (is_mark(left) or (is_letter(left) and left != "ʼ" and not _is_ethiopic(left))):
        return True
    touching = left + right
    return (
        bool(_HAS_SIGNS.search(touching))
        or has_digits(touching)
        or (right != "" and is_mark(right))
    )


def _read_quantity(numeral: Numeral, before: str, after: str) -> _Reading:
    if numeral.kind == "decimal":
        if len(numeral.fraction) == 2 and not numeral.is_percent and (m := _BIRR.match(after)):
            return _read_money(numeral, m.end())
        words = [*spell(numeral.integer), _plain(term("point"))]
        words += [spell(int(digit))[0] for digit in numeral.fraction]
    else:
        words = spell(numeral.integer)
    reading = _Reading(tuple(word.word for word in words[:-1]), words[-1])
    if numeral.is_percent:
        return reading.before(term("percent"))
    if currency := _currencies().get(before[-1:]):
        scale = _SCALE.match(after)
        if scale:
            reading = reading.before(scale[1], scale.end())
        return reading.before(currency)
    return reading


def _read_money(numeral: Numeral, n_after: int) -> _Reading:
    birr, santim = numeral.integer, int(numeral.fraction)
    parts: list[str] = []
    if birr or not santim:
        parts += [spell_cardinal(birr), term("birr")]
    if santim:
        joint = term("and") if parts else ""
        parts += [joint + spell_cardinal(santim), term("santim")]
    return _Reading(tuple(parts[:-1]), _plain(parts[-1]), n_after)


def _read_time(numeral: Numeral, before: str, after: str) -> _Reading | None:
    """As it is written, never shifted: the day's twelve hours count from sunrise or from noon."""
    if len(numeral.groups) != 2:
        return None
    hours, minutes = map(int, numeral.groups)
    hour = _HOUR.match(after)
    if minutes not in (0, 30) and hour is None and not _has_time_cue(before):
        return None
    word, ending, n_after = term("hour"), "", 0
    if hour is not None:
        word, ending, n_after = hour[1], hour[2], hour.end()
    if ending and minutes and not _ENCLITIC.fullmatch(ending):
        return None  # 3:30 ሰዓቱ: the article would have to go to another word
    parts = [spell_cardinal(hours), word]
    if minutes == 30:
        parts.append(term("half"))
    elif minutes:
        parts += [term("and") + spell_cardinal(minutes), term("minute")]
    return _Reading(tuple(parts[:-1]), _plain(parts[-1] + ending), n_after)


def _has_time_cue(before: str) -> bool:
    return _time_cue().search(before) is not None


def _join_after(reading: _Reading, after: str) -> tuple[str, int]:
    """The words with what follows them, and how much of it they replace."""
    last, n_after = reading.last, reading.n_after
    rest = after[n_after:]
    if match := _ORDINAL.match(rest):
        return reading.ending_in(f"{last.ordinal}ኛ{match[1]}"), n_after + match.end()
    if match := _TAIL.match(rest):
        tail = match[1]
        if tail.startswith(f"{last.ordinal[-1]}ኛ"):  # 5ተኛ
            return reading.ending_in(last.ordinal + tail[1:]), n_after + match.end()
        word = attach(last.word, tail, plural=last.plural)
        if word is not None:
            return reading.ending_in(word), n_after + match.end()
        return f"{reading.ending_in(last.word)} ", n_after + match.start(1)
    words = reading.ending_in(last.word)
    if match := _LOOSE_ARTICLE.match(rest):
        word = attach(last.word, match[1])
        return (
            (words, n_after) if word is None else (reading.ending_in(word), n_after + match.end())
        )
    if (rest and is_letter(rest[0]) and rest[0] != "ʼ") or has_digits(rest[:1]):  # 5kg, 5%5
        return f"{words} ", n_after
    if rest[:1] == "." and _is_ethiopic(rest[1:2]):  # 1.መግቢያ
        return f"{words}. ", n_after + 1
    if rest[:1] == "." and has_digits(rest[1:2]):  # 5%.5
        return f"{words} ", n_after
    return words, n_after


def _join_before(before: str) -> tuple[str, int]:
    """What goes between the text before and the words, and how much of that text it replaces."""
    n_sign = 1 if before[-1:] in _currencies() else 0
    text = before[: len(before) - n_sign]
    if prefixes := _PREFIXES.search(text):
        return "", n_sign + len(prefixes[1])
    if _LOOSE_PREFIX.search(text):
        return "", n_sign + 1
    if _is_ethiopic(text[-1:]):
        return " ", n_sign
    if text[-1:] == "-" and text[-2:-1] and is_letter(text[-2]):  # COVID-19
        return " ", n_sign + 1
    if _DOTTED_WORD.search(text):  # ቁ.5
        return " ", n_sign
    return "", n_sign


def _plain(word: str) -> NumberWord:
    return NumberWord(word, ordinal=word, plural="")


def _is_ethiopic(char: str) -> bool:
    return re.match(f"[{LETTERS}]", char) is not None


@cache
def _currencies() -> dict[str, str]:
    rows = read_table("ruach_lang_am", "currencies.tsv", columns=("sign", "word", "source"))
    return {row["sign"]: row["word"] for row in rows}


@cache
def _time_cue() -> re.Pattern[str]:
    rows = read_table("ruach_lang_am", "time_cues.tsv", columns=("word", "source"))
    words = "|".join(row["word"] for row in rows)
    gap = "(?: ?፡ ?| )"
    return re.compile(f"(?:{words}){gap}(?:{prefix_pattern()}{{1,2}}{gap}?)?$")
