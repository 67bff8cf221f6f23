"""The Oromo normaliser: the hudhaa is a consonant, so an apostrophe never splits a word."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version

from ruach_core.text.latin import apostrophe_rules, latin_folds, unify_hyphens
from ruach_core.text.normalization import ChainNormalizer, clean_rules


def build_normalizer(options: Mapping[str, str]) -> ChainNormalizer:
    """The normaliser for a set of the pack's options.

    Args:
        options: `numbers`; `keep`, its one value, is the default.
    """
    del options  # the option has one value so far, and the facade has checked it
    return _build()


@cache
def _build() -> ChainNormalizer:
    target = (*clean_rules("NFC"), *apostrophe_rules(), unify_hyphens())
    return ChainNormalizer(
        name=f"ruach-lang-om {version('ruach-lang-om')}",
        target=target,
        # A hyphenated compound is one word, as its spelling without the hyphen is: the UDHR has
        # walii-galaa beside waliigala.
        score=(*target, *latin_folds("NFC", inside_words="'-")),
    )
