"""The Tigrinya normaliser: what `target` mends, and what `score` folds on top of it.

Tigrinya keeps apart what Amharic has merged: ሐ and ሀ, ዐ and አ, ኸ and ከ, ቐ and ቀ are different
sounds, and folding them as Amharic text may be folded would merge words. Only ሠ = ሰ and ፀ = ጸ are
folded, in `score` (`tables/folds.tsv`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from ruach_core.text import ethiopic
from ruach_core.text.ethiopic import LETTERS, NUMERALS
from ruach_core.text.ethiopic_numerals import write_ascii_digits
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
    unicode_form,
    unify_apostrophes,
)
from ruach_core.text.tables import read_table
from ruach_lang_ti.running_text import write_leftover_numbers, write_numbers

_MODIFIER_APOSTROPHE = replace_characters(
    "modifier apostrophe",
    {"ʼ": "'"},
    reason="The apostrophe letter ʼ is typed for the apostrophe, and becomes the plain one, '.",
)


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: `numbers` (`keep`, or `words`, the default) and `alef` (`fold`, or `keep`, the
            default).
    """
    return _build(options.get("numbers", "words"), options.get("alef", "keep"))


@cache
def _build(numbers: str, alef: str) -> ChainNormalizer:
    target = target_rules(numbers=numbers)
    chosen = [f"{name}={value}" for name, value in (("numbers", numbers), ("alef", alef))]
    return ChainNormalizer(
        name=f"ruach-lang-ti {version('ruach-lang-ti')} ({', '.join(chosen)})",
        target=target,
        score=target + fold_rules(numbers=numbers, alef=alef),
    )


def target_rules(*, numbers: str) -> tuple[Rule, ...]:
    """What a reader doesn't miss: code points, clitics' apostrophe, punctuation, digits.

    Args:
        numbers: `words` or `keep`.
    """
    punctuation = ethiopic.punctuation_rules(comma_before_space=True)
    before = (*clean_rules("NFC"), *ethiopic.clean_marks(), *write_apostrophes(), *punctuation)
    if numbers == "keep":
        return before
    # Words have brought letters to marks that stood beside digits.
    return (*before, *write_numbers(), *punctuation)


def fold_rules(*, numbers: str, alef: str) -> tuple[Rule, ...]:
    """What `score` folds in a text that has been through `target_rules`."""
    surface = (
        ethiopic.strip_tonal_marks(),
        drop_variation_selectors(),
        fold_case("NFC"),
        # Case folding makes some: U+0149 becomes two letters, the first of them this one.
        _MODIFIER_APOSTROPHE,
        ethiopic.join_initials(),
        replace_pattern(
            "percent sign",
            f"(?<=[\\d{NUMERALS}]) %",
            "%",
            reason="A percent sign stands right after its number: 5 % counts as 5%.",
        ),
    )
    letters = (fold_letters(alef=alef), unicode_form("NFC"), SPACES)
    if numbers == "keep":
        return (
            *surface,
            write_ascii_digits(),
            ethiopic.join_digit_groups(),
            remove_punctuation(after_digits="%"),
            write_ascii_digits(),
            *letters,
        )
    return (
        *surface,
        ethiopic.join_digit_groups(),
        remove_punctuation(between_digits="", after_digits="%"),
        write_leftover_numbers(),
        *letters,
    )


def write_apostrophes() -> tuple[Rule, ...]:
    """`'` for every apostrophe of a clitic (ከምኡ'ውን), which stays inside its word."""
    return (
        unify_apostrophes(),
        _MODIFIER_APOSTROPHE,
        replace_pattern(
            "accents for apostrophes",
            f"(?<=[{LETTERS}])[´`′](?=[{LETTERS}])",
            "'",
            reason="An accent alone between letters is typed for the apostrophe, and becomes it.",
        ),
    )


def fold_letters(*, alef: str) -> Rule:
    """Letters that are one sound, by `tables/folds.tsv`; አ and ኣ with `alef="fold"`."""
    rows = read_table("ruach_lang_ti", "folds.tsv", columns=("from", "to", "rule", "source"))
    wanted = {"always", "alef"} if alef == "fold" else {"always"}
    pairs = "ሠ = ሰ, ፀ = ጸ, አ = ኣ" if alef == "fold" else "ሠ = ሰ, ፀ = ጸ"
    return replace_characters(
        "one sound",
        {letter: row["to"] for row in rows if row["rule"] in wanted for letter in row["from"]},
        reason=f"Letters that are one sound are one letter for scoring: {pairs}.",
    )
