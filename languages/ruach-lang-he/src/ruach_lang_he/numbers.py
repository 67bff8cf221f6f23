"""Numbers in running text: which of them have one right reading, and what it is.

A number agrees in gender with the noun that it counts, and is feminine where it only names
something: a year, a page, a bus, an age, an hour. So a number is read where the word after it is in
`tables/nouns.tsv`, where the word before it is in `tables/labels.tsv`, where it stands by itself,
and where both genders sound the same (20, 100). Everywhere else it stays in digits, as do dates,
times, sums of money, percentages, fractions and telephone numbers.

Numbers are read from the right, since what follows a number decides: so a second pass, which sees
words where the first saw digits, changes nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from ruach_core.text.normalization import Rule, replace_pattern
from ruach_core.text.numerals import Numeral, find_numerals, has_digits
from ruach_core.text.tables import read_table
from ruach_lang_he.number_words import (
    MAX_NUMBER,
    Gender,
    all_words,
    bound_words,
    has_one_form,
    scale_words,
    spell_count,
    spell_number,
)

LETTERS = "א-ת"
"""The letters, as the inside of a regular expression's `[...]`."""

DASHES = "\\-\u2010-\u2013"
"""What is typed for the hyphen after a prefix, likewise."""

_CONTEXT = 48
_LONGEST_UNGROUPED = 6
_YEARS = range(1800, 2101)
_LATE_YEARS = range(1000, 3000)

# At the end of the text before the number. A prefix may have a hyphen, and a space after that.
_PREFIXED = re.compile(f"(?<![\\w\"'{DASHES}])([{LETTERS}]{{1,4}})(?:[{DASHES}] ?)?$")
_STANDS_FREE = re.compile("(?:^| )[(\\[\"']{0,2}$")
_WORD_BEFORE = re.compile(f"(?<![{LETTERS}\"'\\w])([{LETTERS}]+'?) $")
# A name (Windows 10), or a sum of money.
_NAME_BEFORE = re.compile("[A-Za-z\u00c0-\u024f$£€₪#№][^ ]* $")
_NUMBER_BEFORE = re.compile(f"(?:\\d|(?<![{LETTERS}])([{LETTERS}]+)) $")

# At the start of the text after it.
_WORD_AFTER = re.compile(f' ([{LETTERS}]+(?:"[{LETTERS}]+)?)(?![\\w"\'{DASHES}])')
_GOES_ON = re.compile("[^\\s)\\]\"'.,;:!?…]| ?[%$£€₪°]")
_STOP_AFTER = re.compile("[\"')\\]]{0,3}(?:$|[.,;:!?…](?!\\d)| ?[(\\[]| [-–—] )|[\"')\\]]{1,3} ")
_NUMBER_AFTER = re.compile(
    f"\\W{{0,4}}(?:(?:[{LETTERS}]{{1,4}}(?:[{DASHES}] ?)?)?\\d|([{LETTERS}]+))"
)


@dataclass(frozen=True, slots=True)
class _Label:
    """A word of `tables/labels.tsv`."""

    kind: str
    may_be_prefixed: bool


@dataclass(frozen=True, slots=True)
class _Context:
    """A whole number and what stands about it.

    Attributes:
        number: the number.
        is_plain: written without commas.
        prefix: the clitics before it; "" if there are none.
        label: the kind in `tables/labels.tsv` of the word before it; "" if it has none.
        word: the Hebrew word that follows; "" if none does.
        is_last: whether it ends a clause, so that it counts nothing.
        is_listed: whether another number follows, so that a noun may be common to both.
    """

    number: int
    is_plain: bool
    prefix: str
    label: str
    word: str
    is_last: bool
    is_listed: bool


def read_numbers() -> Rule:
    """A rule that writes in words the numbers with one right reading."""
    return Rule(
        "numbers",
        _read_numbers,
        "Numbers are written in words where only one reading is right; the others stay in digits.",
    )


def join_prefixes() -> Rule:
    """A prefix that a hyphen parts from its number goes to it: ב-5 is ב5; for `score`."""
    known = "|".join(sorted(_prefixes(), key=lambda prefix: (-len(prefix), prefix)))
    return replace_pattern(
        "prefixes",
        f"(?<![\\w\"'{DASHES}])({known})[{DASHES}] ?(?=\\d)",
        r"\1",
        reason="The hyphen between a prefix and its number goes: ב-5 is also written ב5.",
    )


def _read_numbers(text: str) -> str:
    if not has_digits(text):
        return text
    pieces: list[str] = []  # from right to left
    end = len(text)
    after = ""
    for numeral in reversed(list(find_numerals(text))):
        between = text[numeral.end : end]
        after = (between[:_CONTEXT] + after)[:_CONTEXT]
        before = text[max(0, numeral.start - _CONTEXT) : numeral.start]
        prefix = _PREFIXED.search(before)
        words = _read(numeral, before, after, prefix)
        start = numeral.start
        if words is None:
            words = numeral.text
        elif prefix:
            start -= len(before) - prefix.start()
            words = prefix[1] + words
        pieces += (between, words)
        after = (words[:_CONTEXT] + after)[:_CONTEXT]
        end = start
    pieces.append(text[:end])
    return "".join(reversed(pieces))


def _read(numeral: Numeral, before: str, after: str, prefix: re.Match[str] | None) -> str | None:
    """The words of a numeral without its prefix, or None where it must stay."""
    number = numeral.integer
    if numeral.kind != "integer" or numeral.sign or numeral.is_percent or number > MAX_NUMBER:
        return None
    if prefix:
        if prefix[1] not in _prefixes():
            return None
        before = before[: prefix.start()]
    if not _STANDS_FREE.search(before) or _NAME_BEFORE.search(before) or _GOES_ON.match(after):
        return None
    word = _WORD_AFTER.match(after)
    context = _Context(
        number=number,
        is_plain=len(numeral.groups) == 1,
        prefix=prefix[1] if prefix else "",
        label=_find_label(before),
        word=word[1] if word else "",
        is_last=_STOP_AFTER.match(after) is not None,
        is_listed=_begins_with_number(after),
    )
    spoken = _choose(context)
    if spoken and not prefix and spoken.split()[0] in scale_words() and _ends_in_number(before):
        return None  # 25 1000000 isn't twenty-five million
    return spoken


def _choose(context: _Context) -> str | None:
    """The reading that the context calls for, if there is only one."""
    number, word = context.number, context.word
    if _is_month(word):
        # The days from 1 to 10 are also ordinals (האחד, הראשון במאי).
        return spell_number(number, "masculine") if 11 <= number <= 31 else None
    if _prefixes().get(context.prefix):
        return _read_definite(context)
    noun = _find_gender(word)
    if _names_something(context):
        is_clear = noun != "masculine" or context.label == "year" or has_one_form(number)
        return spell_number(number, "feminine") if is_clear else None
    if context.is_listed and word not in scale_words():
        return spell_number(number, "feminine") if _is_safe(context) else None
    if word in scale_words():
        # 5 אלף is said חמשת אלפים: other words than those that are written.
        is_said_so = number > 10 if word == spell_number(1000, "masculine") else number > 1
        return spell_count(number, "masculine") if is_said_so else None
    if noun:
        if number == 2 and word in _duals():
            return None  # שנתיים or שתי שנים
        is_definite = word not in _genders()
        return spell_count(number, noun, is_definite=is_definite)
    if context.is_last and context.label != "factor":
        is_short = not context.is_plain or len(str(number)) <= _LONGEST_UNGROUPED
        return spell_number(number, "feminine") if is_short else None
    return spell_number(number, "feminine") if _is_safe(context) else None


def _names_something(context: _Context) -> bool:
    """Whether the number is a name (of a year, a page), not a count."""
    number, is_plain = context.number, context.is_plain
    if context.label in ("year", "name"):
        return True
    if context.label in ("year_late", "month"):
        return is_plain and number in _LATE_YEARS
    # במאה ה-19 and the like have an article, and are elsewhere.
    is_dated = context.prefix[-1:] in ("ב", "מ", "ל") and context.prefix != ""
    return is_dated and is_plain and number in _YEARS and not context.is_listed


def _read_definite(context: _Context) -> str | None:
    """A number with the article: 19 in המאה ה-19, 80 in שנות ה-80; an ordinal up to 10."""
    number = context.number
    if number <= 10:
        return None
    if context.label == "century" or has_one_form(number):
        return spell_number(number, "feminine")
    return None


def _is_safe(context: _Context) -> bool:
    """Whether a number that counts something unknown sounds the same whatever that is."""
    if context.word.startswith("ה") and context.number <= 10:
        return False
    return has_one_form(context.number) and (context.word != "" or context.label == "factor")


def _find_gender(word: str) -> Gender | None:
    genders = _genders()
    # A singular with the article is no count: היום is "today", השבוע "this week".
    is_definite = word.startswith("ה") and word.endswith(("ים", "ות"))
    return genders.get(word) or (genders.get(word[1:]) if is_definite else None)


def _find_label(before: str) -> str:
    match = _WORD_BEFORE.search(before)
    if match is None:
        return ""
    labels = _labels()
    for word in _without_prefix(match[1]):
        if word in labels and (word == match[1] or labels[word].may_be_prefixed):
            return labels[word].kind
    return ""


def _is_month(word: str) -> bool:
    label = _labels().get(word[1:]) if word[:1] in ("ב", "ל") else None
    return label is not None and label.kind == "month"


def _begins_with_number(after: str) -> bool:
    match = _NUMBER_AFTER.match(after)
    if match is None:
        return False
    if match[1] is None or _is_number_word(match[1]):
        return True
    is_bound = any(part in bound_words() for part in _without_prefix(match[1]))
    return is_bound and after.startswith(" עשר", match.end())


def _ends_in_number(before: str) -> bool:
    match = _NUMBER_BEFORE.search(before)
    if match is None:
        return False
    return match[1] is None or _is_number_word(match[1])


def _is_number_word(word: str) -> bool:
    return any(part in all_words() for part in _without_prefix(word))


def _without_prefix(word: str) -> list[str]:
    """The word, and what is left of it after each sequence of clitics that it may begin with."""
    prefixes = _prefixes()
    rest = [word[n:] for n in range(1, min(5, len(word))) if word[:n] in prefixes]
    return [word, *rest]


@cache
def _prefixes() -> dict[str, bool]:
    """Clitics, and whether the article is in them."""
    rows = read_table("ruach_lang_he", "prefixes.tsv", columns=("prefix", "article", "source"))
    return {row["prefix"]: row["article"] == "yes" for row in rows}


@cache
def _genders() -> dict[str, Gender]:
    rows = read_table("ruach_lang_he", "nouns.tsv", columns=("word", "gender", "source"))
    return {row["word"]: "masculine" if row["gender"] == "m" else "feminine" for row in rows}


@cache
def _duals() -> frozenset[str]:
    rows = read_table("ruach_lang_he", "duals.tsv", columns=("word", "dual", "source"))
    return frozenset(row["word"] for row in rows)


@cache
def _labels() -> dict[str, _Label]:
    columns = ("word", "kind", "prefixed", "source")
    rows = read_table("ruach_lang_he", "labels.tsv", columns=columns)
    return {row["word"]: _Label(row["kind"], row["prefixed"] == "yes") for row in rows}
