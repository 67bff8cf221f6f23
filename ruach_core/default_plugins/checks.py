"""Core's own checks of references, as Whisper's tokenizer and as the language pack see them."""

from __future__ import annotations

from collections.abc import Sequence

from ruach_core.default_plugins.text_checks import AlphabetCheck, BrokenTextCheck, WordChangesCheck
from ruach_core.default_plugins.token_checks import (
    RoundTripCheck,
    SuppressedTokensCheck,
    TokenBudgetCheck,
)
from ruach_core.errors import PackError
from ruach_core.hookspecs import hookimpl
from ruach_core.manifest import PackManifest, load_manifest
from ruach_core.packs import find_pack
from ruach_core.types import TokenizationCheck


@hookimpl
def ruach_tokenization_checks(lang: str) -> Sequence[TokenizationCheck]:
    """The checks of the tokens, and those of the letters and words.

    What needs the language's pack (its alphabet, its rate of tokens) is left out without one.
    """
    manifest = _find_manifest(lang)
    checks: list[TokenizationCheck] = [
        TokenBudgetCheck.of(manifest) if manifest else TokenBudgetCheck(),
        RoundTripCheck(),
        SuppressedTokensCheck(),
        BrokenTextCheck(),
        WordChangesCheck(),
    ]
    if manifest is not None:
        checks.append(AlphabetCheck(lang, manifest.letters))
    return checks


def _find_manifest(lang: str) -> PackManifest | None:
    try:
        return load_manifest(find_pack(lang))
    except PackError:
        return None
