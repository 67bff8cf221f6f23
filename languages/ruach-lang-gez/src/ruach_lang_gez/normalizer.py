"""The Ge'ez normaliser: punctuation and numerals, and not one letter folded.

Ge'ez is a liturgical and literary language with an orthography of its own: ሀ ሐ ኀ, ሠ ሰ, አ ዐ and ጸ ፀ
are different letters in different words, and a text that confounds them is misspelt. So `score`
forgives what isn't spelling alone: punctuation, and the choice between Ethiopic and ASCII
numerals. Both write one value (Unicode ch. 19.4), and neither tells how it is read: Ge'ez number
words agree with their noun in gender and case, so digits are never written in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from ruach_core.text import ethiopic
from ruach_core.text.ethiopic import NUMERALS
from ruach_core.text.ethiopic_numerals import write_ascii_digits
from ruach_core.text.normalization import (
    SPACES,
    ChainNormalizer,
    Rule,
    clean_rules,
    drop_variation_selectors,
    remove_punctuation,
    replace_pattern,
    unicode_form,
)


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: `numbers`: `keep`, the default of `target`, or `digits`, that of `score`.
    """
    return _build(options.get("numbers", "keep"), options.get("numbers", "digits"))


@cache
def _build(target_numbers: str, score_numbers: str) -> ChainNormalizer:
    target = target_rules(numbers=target_numbers)
    return ChainNormalizer(
        name=f"ruach-lang-gez {version('ruach-lang-gez')} (numbers={score_numbers} in score)",
        target=target,
        score=target + fold_rules(numbers=score_numbers),
    )


def target_rules(*, numbers: str) -> tuple[Rule, ...]:
    """What a reader doesn't miss: code points, spacing, punctuation.

    Args:
        numbers: `keep`, or `digits` for ASCII digits.
    """
    rules = (
        *clean_rules("NFC"),
        *ethiopic.clean_marks(),
        separate_numerals(),
        *ethiopic.punctuation_rules(),
    )
    return (*rules, write_ascii_digits()) if numbers == "digits" else rules


def fold_rules(*, numbers: str) -> tuple[Rule, ...]:
    """What `score` leaves out of a text that has been through `target_rules`: no letter."""
    rules: tuple[Rule, ...] = (
        ethiopic.strip_tonal_marks(),
        drop_variation_selectors(),
        ethiopic.join_digit_groups(),
        # Ge'ez has neither fractions nor clock times: a mark between numerals parts them.
        remove_punctuation(between_letters="", between_digits=""),
    )
    if numbers == "digits":
        rules = (*rules, write_ascii_digits())
    return (*rules, unicode_form("NFC"), SPACES)


def separate_numerals() -> Rule:
    """A wordspace between numerals parts them, as it does words.

    The newer languages write the time of day so; Ge'ez puts a wordspace after every word.
    """
    digit = f"[0-9{NUMERALS}]"
    return replace_pattern(
        "wordspace of numerals",
        f"(?<={digit})፡(?={digit})",
        " ",
        reason="Between numerals ፡ parts them as it parts words: Ge'ez writes no clock times so.",
    )
