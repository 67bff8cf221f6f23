"""A data set on a model hub, row by row, through `datasets`: nothing is downloaded as a whole.

Its audio comes as the bytes that the hub has: `datasets` would decode it with torchcodec, and
isn't asked to. No script of a data set is run; `datasets` 4 and later have no way to.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruach_core.data.arrow import Kind, Row
from ruach_core.errors import DataError, require_extra
from ruach_core.models.cache import cache_dir
from ruach_core.types import CorpusInfo

_REMEDY = (
    "check the name, the configuration (hf:OWNER/CORPUS@CONFIG), the connection and, where the "
    "corpus asks for consent, hf auth login; or fetch it where there is a connection (hf download "
    "OWNER/CORPUS --repo-type dataset --local-dir DIR) and give that folder"
)


@dataclass(frozen=True, slots=True)
class HubCorpus:
    """What a hub has under one name.

    Attributes:
        revision: of the data; clips in the cache are told apart by it.
        splits: the rows of each split by the hub's name for it; each may be read many times.
        kinds: the columns; empty where the hub doesn't say.
        info: what the corpus says of itself.
    """

    revision: str
    splits: Mapping[str, Iterable[Row]]
    kinds: Mapping[str, Kind]
    info: CorpusInfo


def open_hub(name: str, config: str | None) -> HubCorpus:
    """A data set by its hub id; only its description is fetched now.

    Raises:
        UserError: `datasets` isn't installed.
        DataError: it can't be reached, or isn't there.
    """
    try:
        import datasets
        from huggingface_hub import HfApi
    except ImportError as error:
        raise require_extra("datasets", "train") from error
    try:
        revision = str(HfApi().dataset_info(name).sha)
        found = datasets.load_dataset(name, config, streaming=True, revision=revision)
        splits = {str(split): rows.decode(False) for split, rows in found.items()}
    # httpx, the hub's client and datasets each have errors of their own for what can't be reached.
    except Exception as error:
        raise unreachable(name, error) from error
    first = next(iter(found.values()))
    facts = first.info
    return HubCorpus(
        revision=revision,
        splits=splits,
        kinds={column: _kind(feature) for column, feature in (first.features or {}).items()},
        info=CorpusInfo(
            title=facts.dataset_name or name,
            license=facts.license or None,
            url=facts.homepage or None,
        ),
    )


def read_remote(path: str) -> bytes:
    """The bytes of a file beside a hub's table, by its `hf://` path.

    Raises:
        OSError: it can't be fetched.
    """
    from huggingface_hub import HfFileSystem

    content: bytes = HfFileSystem().cat_file(path)
    return content


def unreachable(name: str, error: BaseException) -> DataError:
    """The one line for whatever went wrong between here and the hub."""
    reason = " ".join(str(error).split()) or type(error).__name__
    reason = reason[:160] + ("..." if len(reason) > 160 else "")
    return DataError(
        f"hf:{name}: no folder here, and the hub's can't be read ({reason}); {_REMEDY}"
    )


def mark(name: str, config: str | None, revision: str) -> Path:
    """A file that stands for a revision of a hub's data set, for the cache of its audio."""
    safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{name}@{config}@{revision}")
    path = cache_dir() / "hub" / safe[:200]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()
    except OSError as error:
        raise DataError(
            f"{path.parent}: can't be written ({error.strerror or error}); set RUACH_CACHE to a "
            "folder that can"
        ) from error
    return path


def _kind(feature: Any) -> Kind:
    """What a feature of `datasets` holds."""
    if type(feature).__name__ == "Audio":
        return "audio"
    dtype = str(getattr(feature, "dtype", ""))
    if dtype in ("string", "large_string"):
        return "text"
    if dtype in ("binary", "large_binary"):
        return "bytes"
    return "number" if dtype.startswith(("int", "uint", "float", "bool")) else "other"
