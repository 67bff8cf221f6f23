"""The plugin's door: two loaders of Common Voice, by its own splits and by all validated clips."""

from __future__ import annotations

from collections.abc import Sequence

from ruach_core import hookimpl
from ruach_core.types import DatasetLoader
from ruach_data_common_voice.loader import CommonVoiceLoader, ValidatedLoader


@hookimpl
def ruach_dataset_loaders(lang: str) -> Sequence[DatasetLoader]:
    """`common-voice`, which finds its layout by itself, and `common-voice-validated`, by name."""
    return [CommonVoiceLoader(lang), ValidatedLoader(lang)]
