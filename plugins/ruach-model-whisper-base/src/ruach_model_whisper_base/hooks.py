"""The plugin's door: one source of base models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core import hookimpl

if TYPE_CHECKING:
    from ruach_core.types import BaseModelSource

MODEL_NAMES = frozenset({"whisper-base", "base", "openai/whisper-base"})


class WhisperBaseSource:
    """Whisper base, built from the installed parts at first use and cached."""

    name = "whisper-base-offline"

    def resolve(self, model: str, *, progress: bool = True) -> Path | None:
        """The model's folder; None for any other model's name.

        Raises:
            UserError: a part is missing or isn't what it should be, or the cache can't be
                written.
        """
        if model not in MODEL_NAMES:
            return None
        from ruach_model_whisper_base.build import cached_whisper_base, find_parts

        return cached_whisper_base(find_parts(), progress=progress)


@hookimpl
def ruach_base_models() -> Sequence[BaseModelSource]:
    """Whisper base, without a network."""
    return [WhisperBaseSource()]
