"""The plugin's door: one loader of webdataset shards."""

from __future__ import annotations

from collections.abc import Sequence

from ruach_core import hookimpl
from ruach_core.types import DatasetLoader
from ruach_data_webdataset.loader import WebdatasetLoader


@hookimpl
def ruach_dataset_loaders() -> Sequence[DatasetLoader]:
    """The loader `webdataset`."""
    return [WebdatasetLoader()]
