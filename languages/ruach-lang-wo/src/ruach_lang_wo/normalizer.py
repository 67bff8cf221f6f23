"""The Wolof normaliser: diacritics are spelling, and a doubled word (sañ-sañ) is one word."""

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
        name=f"ruach-lang-wo {version('ruach-lang-wo')}",
        target=target,
        # Nearly every hyphen of the UDHR stands inside one word, mostly a doubled one: sañ-sañ,
        # léeg-léeg, góor-góorlu.
        score=(*target, *latin_folds("NFC", inside_words="'-")),
    )
