"""A release in its archive: one pass writes the tables and the clips to the cache.

Clips and tables come in whatever order the archive has them, so all clips are kept: which ones the
tables name is known at the end only. A note in the cache says what was found, so that the archive
is read once.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from ruach_core.data.archive import ArchiveFault, ArchiveMember, read_archive
from ruach_core.data.extraction import AudioCache
from ruach_core.errors import DataError
from ruach_core.files import write_aside
from ruach_core.text.unicode import normalize_form
from ruach_core.types import SetAside, SetAsideReason
from ruach_data_common_voice.release import (
    CLIPS,
    TABLES,
    choose_language,
    has_marks,
    is_table,
)

_NOTE = "common-voice.json"
_NOTE_VERSION = 1
_PEEK_MEMBERS = 64
_PEEK_BYTES = 64 << 20
"""How far into an archive its kind is looked for."""
_MAX_FAULTS = 1_000
_MAX_FOLDERS = 2_000
_CLIP = re.compile(r"(?:^|/)clips/common_voice_[^/]+\.mp3$")
_TABLE_NAMES = frozenset({*TABLES, "invalidated", "other"})

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ArchivedRelease:
    """One language of a release that lies in an archive; all of it is in the cache."""

    tables: Mapping[str, Path]
    root: str
    cache: AudioCache
    faults: tuple[SetAside, ...]

    def find(self, clip: str) -> Path | SetAside:
        """The clip's file in the cache."""
        name = PurePosixPath(self.root, CLIPS, clip)
        if ".." in name.parts or PurePosixPath(clip).is_absolute():
            return SetAside(f"{CLIPS}/{clip}", "train", "outside-folder", f"not inside {CLIPS}")
        path = self.cache.path(normalize_form(name.as_posix(), "NFC"))
        if not path.is_file():
            detail = (
                "not in the archive (or gone from the cache: delete "
                f"{self.cache.folder} to have it read again)"
            )
            return SetAside(f"{CLIPS}/{clip}", "train", "missing", detail)
        return path


@dataclass(slots=True)
class _Note:
    """What an archive was found to hold."""

    folders: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: list[tuple[str, SetAsideReason, str]] = field(default_factory=list)
    n_faults: int = 0
    damage: str = ""

    def add(self, fault: ArchiveFault) -> None:
        """Remember a fault; the first ones in full, the rest by number."""
        if not fault.name:
            self.damage = fault.detail
        self.n_faults += 1
        if len(self.faults) < _MAX_FAULTS or not fault.name:
            self.faults.append((fault.name, fault.reason, fault.detail))


def peek(archive: Path) -> tuple[str, str] | None:
    """The release's folder and the language as an archive's first members have them.

    Returns:
        None where these aren't Common Voice's.

    Raises:
        DataError: the file isn't an archive.
    """
    n_bytes = 0
    for n_seen, member in enumerate(read_archive(archive)):
        if isinstance(member, ArchiveMember):
            path = PurePosixPath(member.name)
            if path.suffix == ".tsv" and path.stem in _TABLE_NAMES:
                if has_marks(member.read(4096) or b""):
                    return _parent(archive, path.parent)
            elif _CLIP.search(member.name):
                return _parent(archive, path.parent.parent)
            n_bytes += member.n_bytes
        if n_seen >= _PEEK_MEMBERS or n_bytes > _PEEK_BYTES:
            break
    return None


def open_archive(archive: Path, lang: str) -> ArchivedRelease:
    """The language's release; at first use the whole archive is read, which can take minutes.

    Raises:
        DataError: the archive can't be read, holds no tables, or not the language; or the cache
            can't be written.
    """
    cache = AudioCache(archive)
    note = _load_note(cache) or _read_whole(archive, cache)
    folders = {
        folder: tables
        for folder, names in note.folders.items()
        if (tables := {table: cache.path(name) for table, name in names.items()})
        and any(is_table(path) for path in tables.values())
    }
    if not folders:
        problem = note.damage or "holds no train.tsv or validated.tsv of Common Voice"
        raise DataError(f"{archive}: {problem}")
    if len(folders) == 1:
        (root,) = folders
    else:
        by_language = {PurePosixPath(folder).name: folder for folder in folders}
        root = by_language[choose_language(archive, by_language, lang)]
    faults = [
        SetAside(name or archive.name, "train", reason, detail, f"{archive.name} {name}".strip())
        for name, reason, detail in note.faults
    ]
    if note.n_faults > len(note.faults):
        more = f"{note.n_faults - len(note.faults)} more members of the archive can't be used"
        faults.append(SetAside(archive.name, "train", "bad-row", more, archive.name))
    return ArchivedRelease(folders[root], root, cache, tuple(faults))


def _parent(archive: Path, folder: PurePosixPath) -> tuple[str, str]:
    release = folder.parent.name if len(folder.parts) > 1 else archive.name
    return release, folder.name


def _read_whole(archive: Path, cache: AudioCache) -> _Note:
    _log.info("reading %s into %s, once", archive, cache.folder)
    note = _Note()
    seen: set[bytes] = set()
    for member in read_archive(archive):
        if isinstance(member, ArchiveFault):
            note.add(member)
            continue
        path = PurePosixPath(member.name)
        is_wanted_table = path.suffix == ".tsv" and path.stem in TABLES
        is_clip = path.parent.name == CLIPS
        if path.name.startswith(".") or not (is_wanted_table or is_clip):
            continue
        digest = hashlib.sha256(member.name.encode("utf-8", "surrogateescape")).digest()[:16]
        if digest in seen:
            detail = "twice in the archive; the first one is used"
            note.add(ArchiveFault(member.name, "bad-row", detail))
            continue
        seen.add(digest)
        if member.save(cache) is None or is_clip:
            continue
        folder = path.parent.as_posix()
        if folder in note.folders or len(note.folders) < _MAX_FOLDERS:
            note.folders.setdefault(folder, {})[path.stem] = member.name
    _save_note(cache, note)
    return note


def _save_note(cache: AudioCache, note: _Note) -> None:
    content = {
        "version": _NOTE_VERSION, "folders": note.folders, "faults": note.faults,
        "n_faults": note.n_faults, "damage": note.damage,
    }  # fmt: skip
    try:
        cache.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content)
        write_aside(cache.folder / _NOTE, lambda beside: beside.write_text(text, encoding="ascii"))
    except OSError as error:
        raise DataError(
            f"{cache.folder}: can't be written ({error.strerror or error}); set RUACH_CACHE to a "
            "folder that can"
        ) from error


def _load_note(cache: AudioCache) -> _Note | None:
    """The note of an earlier reading, or None where there is none or a table has gone since."""
    try:
        content = json.loads((cache.folder / _NOTE).read_text(encoding="ascii"))
        if content["version"] != _NOTE_VERSION:
            return None
        note = _Note(
            {str(folder): dict(tables) for folder, tables in content["folders"].items()},
            [(name, reason, detail) for name, reason, detail in content["faults"]],
            int(content["n_faults"]),
            str(content["damage"]),
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    names = (name for tables in note.folders.values() for name in tables.values())
    return note if all(cache.path(name).is_file() for name in names) else None
