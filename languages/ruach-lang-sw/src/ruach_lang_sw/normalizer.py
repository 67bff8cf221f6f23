"""The Swahili normaliser: ng' is a consonant, and numerals can be written in words."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from ruach_core.text.latin import apostrophe_rules, latin_folds, unify_hyphens
from ruach_core.text.normalization import ChainNormalizer, Rule, clean_rules, replace_pattern
from ruach_lang_sw.numbers import write_numbers


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: `numbers`, one of `keep` and `words`; without it, `target` keeps numerals and
            `score` writes them in words.
    """
    return _build(options.get("numbers"))


@cache
def _build(numbers: str | None) -> ChainNormalizer:
    words = (write_numbers(),)
    in_target = words if numbers == "words" else ()
    in_score = () if numbers == "keep" else words
    folds = latin_folds("NFC", keep_numerals=bool(in_score))
    target = (*clean_rules("NFC"), *apostrophe_rules(), unify_hyphens(), *in_target)
    suffix = "" if numbers is None else f" (numbers={numbers})"
    return ChainNormalizer(
        name=f"ruach-lang-sw {version('ruach-lang-sw')}{suffix}",
        target=target,
        # Numbers first, while what is beside them is there; and last, since without punctuation
        # more of them stand alone.
        score=(*target, *in_score, join_reduplication(), *folds, *in_score),
    )


def join_reduplication() -> Rule:
    """A doubled word is one word: mbali-mbali is also written mbalimbali (UDHR swh has both).

    Other hyphens part words, as in print they are compounds or dashes typed without spaces.
    """
    return replace_pattern(
        "reduplication",
        r"(?<![\w'-])(?P<half>[^\W\d_](?:[^\W\d_]|')++)-(?P<copy>(?i:(?P=half)))(?![\w'-])",
        r"\g<half>\g<copy>",
        reason="A doubled word with a hyphen counts as one word: mbali-mbali is mbalimbali.",
    )
