"""Core's own normaliser, for packs that bring none: safe in any script.

`target` changes nothing that a reader sees but white space. `score` also folds case, typed
apostrophes and punctuation; a word is never split at a combining mark or at a sign that its script
writes inside words, and an apostrophe inside a word stays, since in many languages it is a
consonant.
"""

from __future__ import annotations

from functools import cache

from ruach_core import hookimpl
from ruach_core.packs import core_version, find_packs, read_pack_toml
from ruach_core.text.normalization import ChainNormalizer, clean_rules, surface_folds
from ruach_core.text.unicode import UnicodeForm

_DOTLESS = frozenset({"tr", "tur", "az", "aze", "azj", "crh", "gag"})
"""Turkish, Azerbaijani, Crimean Tatar and Gagauz have both i and ı."""


@hookimpl(trylast=True)
def ruach_normalizer(lang: str) -> ChainNormalizer:
    """The safe normaliser in the Unicode form that the language's pack declares."""
    return build_normalizer(_declared_form(lang), dotless_i=lang.partition("-")[0] in _DOTLESS)


@cache
def build_normalizer(form: UnicodeForm, *, dotless_i: bool = False) -> ChainNormalizer:
    """The safe normaliser for one Unicode form.

    Args:
        form: of both purposes.
        dotless_i: I is the capital of ı.
    """
    target = clean_rules(form, keep_joiners=True)
    return ChainNormalizer(
        name=f"core {core_version()} ({form}{', dotless i' if dotless_i else ''})",
        target=target,
        score=target + surface_folds(form, dotless_i=dotless_i),
    )


def _declared_form(lang: str) -> UnicodeForm:
    for record in find_packs():
        if record.code == lang and record.directory is not None and record.problem is None:
            return "NFD" if read_pack_toml(record.directory).get("unicode_form") == "NFD" else "NFC"
    return "NFC"
