"""What corpora call their splits."""

from __future__ import annotations

from collections.abc import Mapping

from ruach_core.types import Split

SPLIT_OF_NAME: Mapping[str, Split] = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
"""The split of a folder or column of this name, lower case; in the splits' order. A loader adds the
names that only its own layout has."""
