"""The pack's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ruach_core import hookimpl

if TYPE_CHECKING:
    from ruach_core.types import TextNormalizer


@hookimpl
def ruach_normalizer(lang: str, options: Mapping[str, str]) -> TextNormalizer | None:
    """The normaliser of Hebrew."""
    if lang != "he":
        return None
    from ruach_lang_he.normalizer import build_normalizer

    return build_normalizer(numbers=options.get("numbers"))
