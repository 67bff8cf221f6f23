"""The hooks of the Tigrinya pack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ruach_core import hookimpl

if TYPE_CHECKING:
    from ruach_core.types import TextNormalizer

CODE = "ti"


@hookimpl
def ruach_normalizer(lang: str, options: Mapping[str, str]) -> TextNormalizer | None:
    """The Tigrinya normaliser."""
    if lang != CODE:
        return None
    from ruach_lang_ti.normalizer import build_normalizer

    return build_normalizer(options)
