"""The Amharic normaliser: what `target` mends, and what `score` folds on top of it.

`target` keeps the writer's fidel: spelling variants are wide spread (14 % of word tokens of the
African Almanac hold a letter that folding changes), and folding them would teach the model a
spelling that no reader expects. `score` folds what is one word to a reader; the tables, each row
with its source, are in the folder `tables`.
"""

from __future__ import annotations

from collections.abc import Mapping
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
from ruach_core.text.tables import read_table
from ruach_lang_am.lookalikes import PREFIXES, repair_pe, repair_zero

_PACKAGE = "ruach_lang_am"


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: `numbers` and `abbreviations`; `keep`, the one value of each, is the default.
    """
    del options  # each option has one value so far, and the facade has checked it
    return _build()


@cache
def _build() -> ChainNormalizer:
    target = target_rules()
    return ChainNormalizer(
        name=f"ruach-lang-am {version('ruach-lang-am')}",
        target=target,
        score=target + fold_rules(),
    )


def target_rules() -> tuple[Rule, ...]:
    """What a reader doesn't miss: code points, spacing, punctuation, two look-alike repairs."""
    return (
        *clean_rules("NFC"),
        *ethiopic.clean_marks(),
        repair_pe(),
        repair_zero(),
        *ethiopic.punctuation_rules(),
    )


def fold_rules() -> tuple[Rule, ...]:
    """What `score` folds in a text that has been through `target_rules`."""
    return (
        ethiopic.strip_tonal_marks(),
        drop_variation_selectors(),
        fold_case("NFC"),
        join_initials(),
        join_digit_groups(),
        drop_inner_apostrophes(),
        remove_punctuation(between_letters="", between_digits=".:,", after_digits="%"),
        # Joined initials can bring the letters of this repair together.
        repair_pe(),
        fold_homophones(),
        compose_labialised(),
        unicode_form("NFC"),
        SPACES,
    )


def fold_homophones() -> Rule:
    """Fidel that sound alike, labiovelars and ዉ, by `tables/homophones.tsv`."""
    rows = read_table(
        _PACKAGE, "homophones.tsv", columns=("from", "to", "rule", "contested", "source")
    )
    return replace_characters(
        "homophones", {letter: row["to"] for row in rows for letter in row["from"]}
    )


def compose_labialised() -> Rule:
    """Second order and ዋ become the -wa letter, by `tables/labialised.tsv`."""
    rows = read_table(_PACKAGE, "labialised.tsv", columns=("from", "to", "source"))
    return replace_sequences("labialised", {row["from"]: row["to"] for row in rows})


def join_initials() -> Rule:
    """Dotted initials are one word: ኢ.ፌ.ዴ.ሪ is also written ኢፌዴሪ (Walta news has both)."""
    initials = f"(?<![{LETTERS}.]){PREFIXES}?[{LETTERS}](?:\\.[{LETTERS}])*"
    return replace_pattern(
        "initials",
        f"{initials}\\.[{LETTERS}]{{1,3}}(?![{LETTERS}])",
        lambda match: match[0].replace(".", ""),
    )


def join_digit_groups() -> Rule:
    """1,234,567 is 1234567: Amharic text groups thousands by commas."""
    return replace_pattern(
        "digit groups",
        r"(?<![0-9])(?<![0-9][.,])[0-9]{1,3}(?:,[0-9]{3})++(?![0-9])(?!,[0-9])",
        lambda match: match[0].replace(",", ""),
    )


def drop_inner_apostrophes() -> Rule:
    """An apostrophe inside a word joins its parts, Latin words (don't) included."""
    return replace_pattern("apostrophes", r"(?<=[^ 'ʼ])['ʼ]++(?=\w)", "")
