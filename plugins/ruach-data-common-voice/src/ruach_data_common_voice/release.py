"""A Common Voice release of one language: where its tables and clips are, unpacked or archived.

Both kinds hold `<release>/<language>/` with `train.tsv`, `dev.tsv`, `test.tsv`, `validated.tsv`
(and more that isn't needed here) and the clips in `clips/`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside

TABLES = ("train", "dev", "test", "validated")
"""The tables that are read, without `.tsv`; those of invalidated and reported clips aren't."""
CLIPS = "clips"
_MARKS = frozenset({"client_id", "path", "sentence"})
"""Columns that every release since the second has, and that no other corpus has together."""
_MAX_LANGUAGES = 2_000
_RELEASE = re.compile(
    r"cv-corpus-(\d+(?:\.\d+)*)(-delta|-singleword)?(?:-(\d{4}-\d\d-\d\d))?", re.I
)
LAYOUT = (
    "a release's folder (clips/ beside train.tsv, dev.tsv, test.tsv), the folder above it, or the "
    ".tar.gz as downloaded"
)


class Release(Protocol):
    """One language of a release."""

    @property
    def tables(self) -> Mapping[str, Path]:
        """The tables that there are, of those in `TABLES`."""
        ...

    @property
    def faults(self) -> Iterable[SetAside]:
        """What couldn't be used while it was opened."""
        ...

    def find(self, clip: str) -> Path | SetAside:
        """The clip of that file name; a SetAside, without its row, where it can't be had."""
        ...


@dataclass(frozen=True, slots=True)
class FolderRelease:
    """A release that has been unpacked."""

    tables: Mapping[str, Path]
    clips: AudioFolder
    faults: tuple[SetAside, ...] = ()

    def find(self, clip: str) -> Path | SetAside:
        """The clip, existing or not, inside the folder."""
        name = f"{CLIPS}/{clip}"
        try:
            path = self.clips.find(clip)
        except OSError as error:
            return SetAside(name, "train", "unreadable", f"{error.strerror or error}")
        if path is None:
            return SetAside(name, "train", "outside-folder", f"not inside {CLIPS}")
        return path


def open_folder(folder: Path) -> FolderRelease:
    """A language's folder, as `find_folder` gives it.

    Raises:
        DataError: the folder can't be read.
    """
    try:
        tables = {name: path for name in TABLES if (path := folder / f"{name}.tsv").is_file()}
        return FolderRelease(tables, AudioFolder(folder / CLIPS))
    except OSError as error:
        raise DataError(f"{folder}: can't be read: {error.strerror or error}") from error


def is_language_folder(folder: Path) -> bool:
    """Whether a folder holds one language of a release.

    Raises:
        OSError: the folder can't be read.
    """
    if not (folder / CLIPS).is_dir():
        return False
    tables = (folder / f"{name}.tsv" for name in TABLES)
    return any(is_table(path) for path in tables if path.is_file())


def is_table(path: Path) -> bool:
    """Whether a file is a table of Common Voice."""
    return has_marks(first_bytes(path))


def read_columns(start: bytes) -> list[str]:
    """The names of a table's columns, in lower case, from its first bytes."""
    is_utf16 = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if is_utf16 else "utf-8-sig", "replace")
    return [cell.strip().strip('"').lower() for cell in text.split("\n", 1)[0].split("\t")]


def has_rows(path: Path) -> bool:
    """Whether a table holds more than its header."""
    return bool(first_bytes(path, 1 << 16).partition(b"\n")[2].strip(b"\0 \r\n\t"))


def has_marks(start: bytes) -> bool:
    """Whether the first bytes of a file are those of a table of Common Voice."""
    return set(read_columns(start)) >= _MARKS


def find_folder(source: Path, lang: str) -> Path:
    """The folder of the language: the source itself, or the one in it that has its name.

    Raises:
        DataError: there is none, or more than one that could be meant.
    """
    try:
        if not source.is_dir():
            problem = "is neither a folder nor an archive" if source.exists() else "no such file"
            raise DataError(f"{source}: {problem}; give {LAYOUT}")
        if is_language_folder(source):
            return source
        found = {folder.name: folder for folder in language_folders(source)}
    except OSError as error:
        what = error.filename or source
        raise DataError(f"{what}: can't be read: {error.strerror or error}") from error
    if not found:
        raise DataError(f"{source}: holds no Common Voice release; give {LAYOUT}")
    return found[choose_language(source, found, lang)]


def language_folders(source: Path) -> list[Path]:
    """The folders of languages right under a release's folder.

    Raises:
        OSError: the folder can't be read.
    """
    folders: list[Path] = []
    for n_seen, path in enumerate(source.iterdir()):
        if n_seen >= _MAX_LANGUAGES:
            break
        try:
            if path.is_dir() and is_language_folder(path):
                folders.append(path)
        except OSError:
            continue
    return sorted(folders)


def choose_language(source: Path, names: Iterable[str], lang: str) -> str:
    """Which of a release's languages is asked for.

    Common Voice has codes with a region for some (`sv-SE`), which `sv` means too where there is
    only one such.

    Raises:
        DataError: none is, or several could be.
    """
    ordered = sorted(names)
    same = [name for name in ordered if name.lower() == lang.lower()]
    same = same or [name for name in ordered if _base(name) == _base(lang)]
    if lang == "und" and len(ordered) == 1:
        same = ordered
    if len(same) == 1:
        return same[0]
    shown = ", ".join((same or ordered)[:20])
    problem = f"holds several for {lang}" if same else f"holds no {lang}"
    raise DataError(f"{source}: {problem} ({shown}); give the language's own folder or archive")


def describe(release: str, language: str) -> CorpusInfo:
    """What a release says of itself by the names of its folders."""
    title = "Common Voice"
    if match := _RELEASE.search(release):
        version, kind, date = match.groups()
        title += f" {version}" + (kind or "").replace("-", " ") + (f" ({date})" if date else "")
    return CorpusInfo(
        title=f"{title}, {language}" if language else title,
        license="CC0-1.0",
        url="https://commonvoice.mozilla.org",
    )


def _base(code: str) -> str:
    return code.replace("_", "-").split("-")[0].lower()


def first_bytes(path: Path, n_bytes: int = 4096) -> bytes:
    """The start of a file.

    Raises:
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        return file.read(n_bytes)
