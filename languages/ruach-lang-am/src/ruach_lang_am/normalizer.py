"""The Amharic normaliser: what `target` mends, and what `score` folds on top of it.

`target` keeps the writer's fidel: spelling variants are wide spread (14 % of word tokens of the
African Almanac hold a letter that folding changes), and folding them would teach the model a
spelling that no reader expects. `score` folds what is one word to a reader; the tables, each row
with its source, are in the folder `tables`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import version

from ruach_core.text import ethiopic
from ruach_core.text.ethiopic import LETTERS
from ruach_core.text.normalization import (
    SPACES,
    ChainNormalizer,
    Rule,
    clean_rules,
    drop_variation_selectors,
    fold_case,
    remove_punctuation,
    replace_characters,
    replace_pattern,
    replace_sequences,
    unicode_form,
)
from ruach_core.text.numerals import shield_numerals
from ruach_core.text.plain_words import plain_words_shortcut
from ruach_core.text.tables import read_table
from ruach_lang_am.abbreviations import expand_abbreviations
from ruach_lang_am.lookalikes import PREFIXES, repair_pe, repair_zero
from ruach_lang_am.number_reading import (
    clear_digits,
    find_all_numerals,
    read_numbers,
    read_signed_numbers,
)
from ruach_lang_am.number_variants import level_number_variants

_PACKAGE = "ruach_lang_am"
_DISTRIBUTION = "ruach-lang-am"


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: those of `pack.toml`, by name; one that is absent keeps its defaults.
    """
    return _build(
        reads_numbers=options.get("numbers") != "keep",
        expands=options.get("abbreviations") != "keep",
        levels=options.get("number_variants") == "level",
        folds_sixth=options.get("labialised_sixth") == "fold",
    )


@cache
def _build(
    *, reads_numbers: bool, expands: bool, levels: bool, folds_sixth: bool
) -> ChainNormalizer:
    target = target_rules(reads_numbers=reads_numbers, expands=expands)
    folds = fold_rules(reads_numbers=reads_numbers, levels=levels, folds_sixth=folds_sixth)
    settings = {
        "numbers=keep": not reads_numbers,
        "abbreviations=keep": not expands,
        "number_variants=level": levels,
        "labialised_sixth=fold": folds_sixth,
    }
    changed = ", ".join(name for name, is_set in settings.items() if is_set)
    return ChainNormalizer(
        name=f"{_DISTRIBUTION} {version(_DISTRIBUTION)}{f' ({changed})' if changed else ''}",
        target=target,
        score=target + folds,
        # Levelling changes whole words of a plain text.
        shortcut=None if levels else plain_text_shortcut(folds_sixth=folds_sixth),
    )


def target_rules(*, reads_numbers: bool = True, expands: bool = True) -> tuple[Rule, ...]:
    """What a reader doesn't miss: code points, spacing, punctuation, two look-alike repairs.

    Args:
        reads_numbers: write numbers in words.
        expands: write abbreviations out.
    """
    return (
        *clean_rules("NFC"),
        *ethiopic.clean_marks(),
        repair_pe(),
        *((clear_digits(),) if reads_numbers else ()),
        repair_zero(),
        # Before the punctuation, which treats words and digits differently.
        *((expand_abbreviations(),) if expands else ()),
        *((read_numbers(),) if reads_numbers else ()),
        *ethiopic.punctuation_rules(),
    )


def fold_rules(
    *, reads_numbers: bool = True, levels: bool = False, folds_sixth: bool = False
) -> tuple[Rule, ...]:
    """What `score` folds in a text that has been through `target_rules`.

    Args:
        reads_numbers: as for `target_rules`.
        levels: level number words that have two forms.
        folds_sixth: fold the sixth order and ዋ as well.
    """
    compose = compose_labialised(folds_sixth=folds_sixth)
    return (
        ethiopic.strip_tonal_marks(),
        drop_variation_selectors(),
        fold_case("NFC"),
        join_initials(),
        *_strip_punctuation(reads_numbers),
        fold_homophones(),
        # Joined initials can bring its letters together, and the fold can spell a prefix.
        repair_pe(),
        compose,
        # Again after levelling: ሺዋ has become ሺህዋ.
        *((level_number_variants(), compose) if levels else ()),
        unicode_form("NFC"),
        SPACES,
    )


def _strip_punctuation(reads_numbers: bool) -> tuple[Rule, ...]:
    if not reads_numbers:
        return (
            ethiopic.join_digit_groups(),
            drop_inner_apostrophes(),
            remove_punctuation(between_letters="", between_digits=".:,", after_digits="%"),
        )
    rules = (
        drop_inner_apostrophes(),
        remove_punctuation(between_letters="", between_digits="", after_digits=""),
    )
    # What still is in digits has several readings: whole, lest its parts be read.
    return (*read_signed_numbers(), *shield_numerals(rules, find=find_all_numerals))


def plain_text_shortcut(*, folds_sixth: bool = False) -> Callable[[str], str | None]:
    """All that the `score` chain does to letters, one space apart, with plain marks after words.

    Args:
        folds_sixth: as for `fold_rules`.
    """
    return plain_words_shortcut(
        _homophones(),
        before=[("ኘ", repair_pe())],
        after=[("ኘ", repair_pe()), ("ዋ", compose_labialised(folds_sixth=folds_sixth))],
    )


def fold_homophones() -> Rule:
    """Fidel that sound alike, labiovelars and ዉ, by `tables/homophones.tsv`."""
    return replace_characters(
        "homophones",
        _homophones(),
        reason="Letters that sound alike today are one for scoring: ሐ, ኀ = ሀ, ሠ = ሰ, ዐ = አ, ፀ = ጸ.",
    )


def _homophones() -> dict[str, str]:
    rows = read_table(
        _PACKAGE, "homophones.tsv", columns=("from", "to", "rule", "contested", "source")
    )
    return {letter: row["to"] for row in rows for letter in row["from"]}


def compose_labialised(*, folds_sixth: bool = False) -> Rule:
    """Second order and ዋ become the -wa letter, by `tables/labialised.tsv`.

    Args:
        folds_sixth: the sixth order and ዋ too (ቤትዋ, ጥዋት), with words in which they are no such
            letter (ህዋስ, ንዋይ, ልዋጭ): a variant that no rule can tell from them.
    """
    rows = read_table(_PACKAGE, "labialised.tsv", columns=("from", "to", "source"))
    mapping = {row["from"]: row["to"] for row in rows}
    if folds_sixth:
        second_to_sixth = 4
        mapping |= {chr(ord(u[0]) + second_to_sixth) + u[1:]: to for u, to in mapping.items()}
    return replace_sequences(
        "labialised",
        mapping,
        reason="A letter and ዋ that spell out a -wa letter count as that letter: ሉዋ is ሏ.",
    )


def join_initials() -> Rule:
    """Dotted initials are one word: ኢ.ፌ.ዴ.ሪ is also written ኢፌዴሪ (Walta news has both).

    With two dots the last letter may have an ending. With one both sides are single letters, since
    a full stop whose space was forgotten (በቃ.አለ) parts words.
    """
    letter = f"[{LETTERS}]"
    ends = f"(?:(?:\\.{letter})+\\.{letter}{{1,3}}|\\.{letter})(?!{letter})"
    return replace_pattern(
        "initials",
        f"(?<![{LETTERS}.]){PREFIXES}?{letter}{ends}",
        lambda match: match[0].replace(".", ""),
        reason="Dotted initials count as one word: ኢ.ፌ.ዴ.ሪ is also written ኢፌዴሪ.",
    )


def drop_inner_apostrophes() -> Rule:
    """An apostrophe inside a word joins its parts, Latin words (don't) included."""
    return replace_pattern(
        "apostrophes",
        r"(?<=[^ 'ʼ])['ʼ]++(?=\w)",
        "",
        reason="An apostrophe inside a word is left out for scoring, so that the word stays one.",
    )
