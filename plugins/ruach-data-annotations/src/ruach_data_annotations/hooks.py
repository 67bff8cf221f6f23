"""The plugin's door: two loaders of annotated recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ruach_core import hookimpl

if TYPE_CHECKING:
    from ruach_core.types import DatasetLoader


@hookimpl
def ruach_dataset_loaders() -> Sequence[DatasetLoader]:
    """ELAN first: where a folder holds both, the TextGrids are mostly exports from it."""
    from ruach_data_annotations.loaders import ElanLoader, TextGridLoader

    return [ElanLoader(), TextGridLoader()]
