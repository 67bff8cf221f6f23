"""Abbreviations with a dot or a slash, written out by `tables/abbreviations.tsv`.

Only those of the table are expanded (a slash between whole words, ነው/ናት, is none), and they are
before any folding: ዓ.ዓ and አ.አ differ by their letters alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from ruach_core.text.ethiopic import LETTERS, NUMERALS
from ruach_core.text.normalization import Rule
from ruach_core.text.tables import read_table
from ruach_lang_am.clitics import attach, enclitic_pattern, prefix_pattern

_PACKAGE = "ruach_lang_am"
_SIXTH_ORDER = 5  # as an offset from the first
_LONGEST = 40
"""Longer tokens are no abbreviations; the bound keeps each token's cost small."""

_START = f"(?<![{LETTERS}/])(?<![{LETTERS}]\\.)"
_TOKEN = re.compile(f"{_START}[{LETTERS}]++(?:[./][{LETTERS}]++)++(\\.(?!\\.))?")
_SPACED = re.compile(f"{_START}([{LETTERS}]{{1,5}})\\. ([{LETTERS}])(?=\\.|[^{LETTERS}./]|$)")
_SENTENCE_END = re.compile("[\"'»”›’)\\]]*$")
_PLURAL = re.compile(f"ዎ?[ችቹቿቻ][{LETTERS}]{{0,4}}")
_YOURS = re.compile(f"[ህሽዎ]{enclitic_pattern()}?")
# What may follow the last consonant by its order: ቤቱ, ቤታችን, ቤቴ, ቤቶች, ቤቷ.
_ENDINGS = {
    1: re.compile(f"{enclitic_pattern()}?"),
    3: re.compile(f"(?:ችን|ችሁ|ቸው){enclitic_pattern()}?"),
    4: re.compile(f"{enclitic_pattern()}?"),
    6: re.compile(f"[ችቹቿቻ][{LETTERS}]{{0,4}}"),
    7: re.compile(f"{enclitic_pattern()}?"),
}
_ENCLITIC_END = re.compile(f"{enclitic_pattern()}$")
_DIGIT = re.compile(f"[0-9{NUMERALS}]")
_LETTER_OR_DIGIT = re.compile(f"[{LETTERS}0-9]")


@dataclass(frozen=True, slots=True)
class _Abbreviation:
    parts: tuple[str, ...]
    long: str


def expand_abbreviations() -> Rule:
    """Abbreviations of the table become what they are read as, clitics and endings kept.

    The dot that ends a dotted one goes with it, but for the last of the text: there it ends the
    sentence as well.
    """

    def apply(text: str) -> str:
        if "." not in text and "/" not in text:
            return text
        return _TOKEN.sub(_replace, _SPACED.sub(_close_up, text))

    return Rule(
        "abbreviations", apply, "Known abbreviations such as ዓ.ም. are written out as they are read."
    )


def _close_up(match: re.Match[str]) -> str:
    """`ዓ. ም` is ዓ.ም; other words that a dot and a letter follow stay."""
    closed = f"{match[1]}.{match[2]}"
    return closed if _expand(closed) is not None else match[0]


def _replace(match: re.Match[str]) -> str:
    token = match[0]
    if len(token) > _LONGEST:
        return token
    body = token.removesuffix(".")
    long = _expand(body)
    if long is None:
        return token
    text, end = match.string, match.end()
    # A slash needs no dot after it: that one ends the sentence.
    if match[1] and ("/" in body or _SENTENCE_END.match(text, end)):
        long += "."
    before, after = text[max(0, match.start() - 1) : match.start()], text[end : end + 1]
    left = " " if _DIGIT.match(before) else ""
    right = " " if _LETTER_OR_DIGIT.match(after) else ""
    return f"{left}{long}{right}"


def _expand(body: str) -> str | None:
    """The long form of an abbreviation with its clitics; None for any other token."""
    for prefix in _prefixes(body):
        parts = tuple(re.split("[./]", body[len(prefix) :]))
        long = _lookup(parts) or (_expand_name(parts) if "." not in body else None)
        if long is not None:
            return prefix + long
    return None


def _prefixes(body: str) -> list[str]:
    longest = re.match(f"(?:{prefix_pattern()}){{0,3}}", body)
    assert longest is not None
    # Shorter ones too, none first: የ may be the abbreviation's own first letter.
    return [body[:n] for n in range(longest.end() + 1) if _is_prefix(body[:n])]


@cache
def _is_prefix(letters: str) -> bool:
    return re.fullmatch(f"(?:{prefix_pattern()}){{0,3}}", letters) is not None


def _lookup(parts: tuple[str, ...]) -> str | None:
    key = parts[:-1]
    for fold in (False, True):
        found = _by_head(fold).get(_fold(key) if fold else key, ())
        for abbreviation in found:
            long = _match_last(abbreviation, parts[-1], fold=fold)
            if long is not None:
                return long
    return None


def _match_last(abbreviation: _Abbreviation, last: str, *, fold: bool) -> str | None:
    short, folded = abbreviation.parts[-1], last
    is_same_end = short[-1] == abbreviation.long[-1]
    if fold:
        short, folded = _fold((short,))[0], _fold((last,))[0]
    if folded.startswith(short):
        return _inflect(abbreviation.long, last[len(short) :])
    # ቤት in ት/ቤቱ and ት/ቤቶች: the ending has changed the letter that both forms end in.
    tail = last[len(short) - 1 :]
    if not is_same_end or not tail or folded[: len(short) - 1] != short[:-1]:
        return None
    if ord(tail[0]) & ~7 != ord(abbreviation.long[-1]) & ~7 or tail[0] == abbreviation.long[-1]:
        return None
    return _inflect(abbreviation.long, tail)


def _inflect(long: str, tail: str) -> str | None:
    """The long form with an ending: an article, a plural, a possessive, an enclitic."""
    base = ord(long[-1]) & ~7
    if tail and ord(long[-1]) - base == _SIXTH_ORDER and tail[0] != long[-1]:
        ending = _ENDINGS.get(ord(tail[0]) - base)
        if ending is not None and ending.fullmatch(tail, 1):
            return long[:-1] + tail
    inflected = attach(long, tail)
    if inflected is None and (_PLURAL.fullmatch(tail) or _YOURS.fullmatch(tail)):
        return long + tail
    return inflected


def _expand_name(parts: tuple[str, ...]) -> str | None:
    first, second = _names()
    name = _fold(parts[-1:])[0]
    if name not in second and _ENCLITIC_END.sub("", name) not in second:
        return None
    long = [first.get(part) or first.get(_fold((part,))[0]) for part in parts[:-1]]
    return None if None in long else " ".join([*filter(None, long), parts[-1]])


@cache
def _by_head(fold: bool) -> Mapping[tuple[str, ...], list[_Abbreviation]]:
    """The abbreviations by all their parts but the last, the longest last part first."""
    rows = read_table(
        _PACKAGE, "abbreviations.tsv", columns=("short", "long", "contested", "source")
    )
    entries = [_Abbreviation(tuple(re.split("[./]", r["short"])), r["long"]) for r in rows]
    entries.sort(key=lambda entry: -len(entry.parts[-1]))
    if fold:
        keys = [_fold(entry.parts) for entry in entries]
        entries = [e for e in entries if keys.count(_fold(e.parts)) == 1]
    heads: dict[tuple[str, ...], list[_Abbreviation]] = {}
    for entry in entries:
        head = entry.parts[:-1]
        heads.setdefault(_fold(head) if fold else head, []).append(entry)
    return heads


@cache
def _names() -> tuple[Mapping[str, str], frozenset[str]]:
    rows = read_table(_PACKAGE, "name_parts.tsv", columns=("part", "side", "long", "source"))
    first = {r["part"]: r["long"] for r in rows if r["side"] == "first"}
    first |= {_fold((part,))[0]: long for part, long in first.items()}
    second = {r["part"] for r in rows if r["side"] == "second"}
    return first, frozenset(_fold(tuple(second)))


def _fold(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(part.translate(_folds()) for part in parts)


@cache
def _folds() -> Mapping[int, str]:
    columns = ("from", "to", "rule", "contested", "source")
    rows = read_table(_PACKAGE, "homophones.tsv", columns=columns)
    return {ord(letter): row["to"] for row in rows for letter in row["from"]}
