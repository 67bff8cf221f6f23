"""The Yoruba normaliser: one encoding for each letter; tones and underdots are spelling.

ẹ, ọ and ṣ are letters of their own, and tone tells words apart (ọkọ husband, ọkọ̀ vehicle, ọkọ́ hoe),
so both purposes keep them. Texts differ in how they are encoded: composed or not, marks in either
order, a line or another sign for the dot (`tables/underdots.tsv`). A letter with both a dot and a
tone has no composed form (ẹ̀ is U+1EB9 U+0300), which is why normalisers that take marks for
punctuation tear Yoruba words apart.

Numbers stay as they are written: see the README.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from importlib.metadata import version

from ruach_core.text import unicode
from ruach_core.text.latin import apostrophe_rules, latin_folds, unify_hyphens
from ruach_core.text.normalization import (
    ChainNormalizer,
    Rule,
    clean_rules,
    replace_characters,
    replace_pattern,
)
from ruach_core.text.tables import parse_code_points, read_table

_DOT = "\N{COMBINING DOT BELOW}"
_DOTTED = frozenset("eosEOS")

_CONSONANT = "[bcdfghjklmnpqrstvwxyzBCDFGHJKLMNPQRSTVWXYZṣṢ]"
_LETTER_BEFORE = r"(?:(?<=[^\W\d_])|(?<=[\u0300-\u036F]))"
_LETTER_AFTER = r"(?=[^\W\d_])"


def build_normalizer(*, tones: str = "keep", diacritics: str = "keep") -> ChainNormalizer:
    """The normaliser of Yoruba.

    Args:
        tones: `strip` takes tone marks off in `score`, and leaves underdots.
        diacritics: `strip` takes every mark off in `score`.
    """
    target = target_rules()
    score = [
        *target,
        drop_loose_accents(),
        *latin_folds("NFC", accents=False),
        # Case folding makes an s of ẞ, and the sign under it may be one of them.
        mend_underdots(),
    ]
    if diacritics == "strip":
        score.append(strip_diacritics())
    elif tones == "strip":
        score.append(strip_tones())
    stripped = [f"{name}=strip" for name, value in _items(tones, diacritics) if value == "strip"]
    suffix = f" ({', '.join(stripped)})" if stripped else ""
    return ChainNormalizer(
        name=f"ruach-lang-yo {version('ruach-lang-yo')}{suffix}",
        target=target,
        score=tuple(score),
    )


def target_rules() -> tuple[Rule, ...]:
    """What a reader doesn't miss: encoding, spaces, one apostrophe, one hyphen, one quote."""
    return (
        *clean_rules("NFC"),
        mend_underdots(),
        # Not between any two letters: after a vowel a loose accent may be its tone.
        *apostrophe_rules(accents=False),
        replace_pattern(
            "accents for apostrophes",
            f"(?<={_CONSONANT})[´`′](?=[^\\W\\d_])",
            "'",
            reason="An accent alone after a consonant is typed for the apostrophe, and becomes it.",
        ),
        unify_hyphens(),
        replace_characters(
            "quotes",
            dict.fromkeys("“”„‟", '"'),
            reason="Curly quotation marks become the plain one, so that one kind is learned.",
        ),
    )


def mend_underdots() -> Rule:
    """The signs of `tables/underdots.tsv` under e, o and s become the dot, in its proper place."""
    signs = _marks("underdots.tsv")

    def mend(base: str, marks: str) -> str:
        if base not in _DOTTED or signs.isdisjoint(marks):
            return base + marks
        others = "".join(mark for mark in marks if mark not in signs and mark != _DOT)
        return base + _DOT + others

    reason = "A line or another sign under e, o and s is typed for the dot: all become ẹ, ọ and ṣ."
    return _change_marks("underdots", mend, reason)


def drop_loose_accents() -> Rule:
    """A spacing accent between two letters goes, for `score`: as a symbol it would split the word.

    It is a tone that came loose from its vowel, or an apostrophe; nothing tells which.
    """
    return replace_pattern(
        "loose accents",
        f"{_LETTER_BEFORE}[´`′]++{_LETTER_AFTER}",
        "",
        reason="An accent alone between letters is left out for scoring, lest it split the word.",
    )


def strip_tones() -> Rule:
    """The marks of `tables/tone_marks.tsv` go from Latin letters; ẹ, ọ and ṣ keep their dot."""
    tones = _marks("tone_marks.tsv")

    def strip(base: str, marks: str) -> str:
        if not _is_latin(base):
            return base + marks
        return base + "".join(mark for mark in marks if mark not in tones)

    return _change_marks(
        "tones",
        strip,
        "With this option, scoring leaves tone marks out; ẹ, ọ and ṣ keep their dot.",
    )


def strip_diacritics() -> Rule:
    """Every mark goes from Latin letters."""
    return _change_marks(
        "diacritics",
        lambda base, marks: base if _is_latin(base) else base + marks,
        "With this option, scoring leaves tone marks and underdots out.",
    )


def _change_marks(name: str, change: Callable[[str, str], str], reason: str) -> Rule:
    """A rule on each character with the marks that follow it, seen in NFD; the result is NFC."""

    def apply(text: str) -> str:
        if text.isascii():
            return text
        loose = unicode.normalize_form(text, "NFD")
        changed = "".join(change(base, marks) for base, marks in _clusters(loose))
        return unicode.normalize_form(changed, "NFC")

    return Rule(name, apply, reason)


def _clusters(text: str) -> Iterator[tuple[str, str]]:
    start = 0
    for position, char in enumerate(text):
        if position > start and not _is_mark(char):
            yield text[start], text[start + 1 : position]
            start = position
    if text:
        yield text[start], text[start + 1 :]


@cache
def _is_mark(char: str) -> bool:
    return unicode.is_mark(char)


def _is_latin(char: str) -> bool:
    """Whether a letter is Latin, as far as letters that marks are written on go (ɛ and ɔ too)."""
    return char.isalpha() and (char < "\u02b0" or "\u1e00" <= char < "\u1f00")


def _items(tones: str, diacritics: str) -> tuple[tuple[str, str], ...]:
    return ("tones", tones), ("diacritics", diacritics)


@cache
def _marks(table: str) -> frozenset[str]:
    rows = read_table("ruach_lang_yo", table, columns=("code_points", "name", "source"))
    return frozenset(chr(c) for row in rows for c in parse_code_points(row["code_points"]))
