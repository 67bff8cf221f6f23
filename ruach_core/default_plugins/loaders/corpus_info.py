"""What a corpus says of itself in a `dataset.json` beside its table."""

from __future__ import annotations

import json
from pathlib import Path

from ruach_core.types import CorpusInfo

INFO_FILE = "dataset.json"
_MAX_BYTES = 1 << 20


def read_info(folder: Path) -> CorpusInfo:
    """The texts under `title`, `license` and `url`; nothing where there is no file that has them.

    Other programs write a `dataset.json` of another kind, so what doesn't fit is passed over.
    """
    try:
        with (folder / INFO_FILE).open("rb") as file:
            found = json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, RecursionError):
        return CorpusInfo()
    if not isinstance(found, dict):
        return CorpusInfo()
    return CorpusInfo(*(_text(found.get(key)) for key in ("title", "license", "url")))


def _text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None
