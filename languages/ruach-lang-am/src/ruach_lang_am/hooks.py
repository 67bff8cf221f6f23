"""The hooks of the Amharic pack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ruach_core import hookimpl

if TYPE_CHECKING:
    from ruach_core.types import TextNormalizer, TokenizationCheck

CODE = "am"


@hookimpl
def ruach_normalizer(lang: str, options: Mapping[str, str]) -> TextNormalizer | None:
    """The Amharic normaliser."""
    if lang != CODE:
        return None
    from ruach_lang_am.normalizer import build_normalizer

    return build_normalizer(options)


@hookimpl
def ruach_tokenization_checks(lang: str) -> Sequence[TokenizationCheck]:
    """The checks of letters that aren't Amharic, and of numerals that stay in digits."""
    if lang != CODE:
        return []
    from ruach_lang_am.checks import LettersCheck, NumbersCheck

    return [LettersCheck(), NumbersCheck()]
