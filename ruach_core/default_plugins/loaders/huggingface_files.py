"""Where a Hugging Face data set keeps its splits on disk, and what it says of itself.

The split names are those that `datasets` looks for in paths without a configuration of their own
(its documentation, "Structure your repository"): a folder or file whose name holds train, dev,
valid, validation, test and so on between separators.
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from ruach_core.data.arrow import SUFFIXES, check_table
from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.split_names import SPLIT_OF_NAME
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, Split

DICT_FILE, STATE_FILE, INFO_FILE = "dataset_dict.json", "state.json", "dataset_info.json"
LAYOUT = (
    "a folder written by save_to_disk, or DIR/train-00000-of-00001.parquet and the like, with "
    "columns audio and text"
)
_KEYWORDS: dict[str, Split] = {**SPLIT_OF_NAME, "eval": "test", "evaluation": "test"}
_SHARD = re.compile(r"-\d{5}-of-\d{5}.*$")
_MAX_DEPTH = 3
_MAX_NAMES, _MAX_FOLDERS = 2_000, 100
"""What detection looks at before it gives up: names in each folder, and folders."""
_MAX_JSON_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class TableFiles:
    """The tables of a data set by split, in their order.

    Attributes:
        root: the folder that names in messages and audio paths are relative to.
        by_split: the files of each split that there is.
        left_out: files that name a split which is none of Ruach's, such as `other`.
    """

    root: Path
    by_split: Mapping[Split, Sequence[Path]]
    left_out: Sequence[Path]


def split_of(name: str) -> Split | None:
    """The split that a file's, a folder's or a hub's name stands for, or None."""
    for word in re.split(r"[-._ 0-9]+", name.lower()):
        if word in _KEYWORDS:
            return _KEYWORDS[word]
    return None


def has_tables(source: Path) -> bool:
    """Whether a source is laid out as such a data set; cheap, and False for what can't be read.

    Names alone tell: what a broken file of such a name is, `find_tables` says.
    """
    try:
        if source.is_file():
            return source.suffix.lower() in SUFFIXES
        if has_own_tables(source):
            return False
        return _is_saved(source) or _holds_table(source)
    except OSError:
        return False


def find_tables(source: Path) -> TableFiles:
    """The tables of a source.

    Raises:
        DataError: there are none, or those of several configurations, or one isn't a table.
    """
    try:
        if source.is_file():
            check_table(source)
            return TableFiles(source.parent, {"train": [source]}, ())
        if not source.is_dir():
            raise DataError(f"{source}: no such folder; expected {LAYOUT}")
        if _is_saved(source):
            return _saved_tables(source)
        paths = [p for p in _walk(source, _MAX_DEPTH) if p.suffix.lower() in SUFFIXES]
        for path in paths:
            check_table(path)
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    if not paths:
        raise DataError(f"{source}: holds no parquet or arrow file; expected {LAYOUT}")
    return _by_name(source, paths)


def read_info(source: Path) -> CorpusInfo:
    """Title, licence and address from `dataset_info.json` and the head of `README.md`."""
    folder = source.parent if source.is_file() else source
    places = [folder, *(folder / name for name in _KEYWORDS)]
    facts = next((f for place in places if (f := _read_json(place / INFO_FILE))), {})
    # A folder of several configurations has their names around the facts.
    if (
        "features" not in facts
        and len(facts) == 1
        and isinstance(only := next(iter(facts.values())), dict)
    ):
        facts = only
    head = _readme_head(folder / "README.md")
    name, config = _text(facts, "dataset_name"), _text(facts, "config_name")
    if name and config and config != "default":
        name = f"{name}, {config}"
    return CorpusInfo(
        title=_text(head, "pretty_name") or name,
        license=_text(facts, "license") or _text(head, "license"),
        url=_text(facts, "homepage"),
    )


def _holds_table(source: Path) -> bool:
    """Whether a file in or not far below a folder is called as a table is; the nearest first."""
    folders, n_seen = deque([(source, 1)]), 0
    while folders and n_seen < _MAX_FOLDERS:
        folder, depth = folders.popleft()
        n_seen += 1
        try:
            with os.scandir(folder) as entries:
                for entry in itertools.islice(entries, _MAX_NAMES):
                    if entry.name.startswith("."):
                        continue
                    if Path(entry.name).suffix.lower() in SUFFIXES and entry.is_file():
                        return True
                    if depth < _MAX_DEPTH and entry.is_dir(follow_symlinks=False):
                        folders.append((Path(entry.path), depth + 1))
        except OSError:
            continue
    return False


def _is_saved(folder: Path) -> bool:
    """Whether `save_to_disk` wrote it."""
    if (folder / DICT_FILE).is_file():
        return True
    return (folder / STATE_FILE).is_file() and (folder / INFO_FILE).is_file()


def _saved_tables(source: Path) -> TableFiles:
    if not (source / DICT_FILE).is_file():
        return _by_split(source, [("train", path) for path in _state_files(source)])
    names = _read_json(source / DICT_FILE).get("splits")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{source / DICT_FILE}: lists no splits; save the data set anew")
    found = []
    for name in names:
        folder = source / Path(name).name
        found += [(name, path) for path in _state_files(folder)]
    return _by_split(source, found)


def _state_files(folder: Path) -> list[Path]:
    """The arrow files that the folder's state names, in their order."""
    entries = _read_json(folder / STATE_FILE).get("_data_files")
    if not isinstance(entries, list):
        raise DataError(f"{folder / STATE_FILE}: lists no data files; save the data set anew")
    names = [str(entry.get("filename", "")) for entry in entries if isinstance(entry, dict)]
    paths = [folder / name for name in names if name and Path(name).name == name]
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise DataError(f"{folder}: {missing[0] if missing else 'an arrow file'} is missing; save "
                        "the data set anew")  # fmt: skip
    return paths


def _by_name(source: Path, paths: Sequence[Path]) -> TableFiles:
    """Splits by the names of folders and files; all is train where none is named."""
    groups: dict[str, list[tuple[str, Path]]] = {}
    for path in paths:
        *folders, file = path.relative_to(source).parts
        stem = _SHARD.sub("", Path(file).stem)
        name = next((folder for folder in folders if split_of(folder)), stem)
        config = "/".join(f for f in folders if f != "data" and not split_of(f))
        groups.setdefault(config, []).append((name, path))
    if len(groups) > 1:
        names = sorted(group for group in groups if group)
        shown = ", ".join(names[:8]) + (" ..." if len(names) > 8 else "")
        raise DataError(
            f"{source}: holds several configurations ({shown}); give one: {source / names[0]}"
        )
    return _by_split(source, *groups.values())


def _by_split(source: Path, named: Sequence[tuple[str, Path]]) -> TableFiles:
    found: dict[Split, list[Path]] = {}
    left_out: list[Path] = []
    for name, path in named:
        split = split_of(name)
        if split is None:
            left_out.append(path)
        else:
            found.setdefault(split, []).append(path)
    if not found:
        return TableFiles(source, {"train": left_out}, ())
    ordered = {split: found[split] for split in get_args(Split) if split in found}
    return TableFiles(source, ordered, left_out)


def _walk(folder: Path, depth: int) -> Iterator[Path]:
    """Files in and below a folder, by name; hidden ones and links to folders are left out."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    for entry in ordered:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth > 1:
                yield from _walk(Path(entry.path), depth - 1)
        # The hub's cache is made of links to files.
        elif entry.is_file():
            yield Path(entry.path)


def _read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file; empty where there is none or it isn't one."""
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            return {}
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _readme_head(path: Path) -> dict[str, str]:
    """The simple `name: value` lines between the first two `---` of a data set card."""
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            text = file.read(65_536)
    except OSError:
        return {}
    if not text.startswith("---\n"):
        return {}
    head = text[4:].partition("\n---")[0]
    # A list of one, as in "license:\n- cc0-1.0", is a value too.
    found = re.findall(r"^(\w+):[ \t]*(?:\n[ \t]*-[ \t]*)?(\S[^\n]*)$", head, re.MULTILINE)
    return {name: value.strip("'\" ") for name, value in found}


def _text(facts: Mapping[str, Any], name: str) -> str | None:
    value = facts.get(name)
    return " ".join(value.split())[:200] or None if isinstance(value, str) else None
