"""The layout of FLEURS (Conneau et al. 2022, arXiv:2205.12446), as it is fetched or unpacked.

    LANG/{train,dev,test}.tsv       no header: the sentence's number, the clip's file, the text as
                                    written, the text in lower case without punctuation, its
                                    characters, the number of samples, the speaker's gender
    LANG/audio/{train,dev,test}/*.wav, or LANG/audio/{train,dev,test}.tar.gz with the same files

Quotation marks are bare. Some unpack the archives elsewhere, so LANG/{train,dev,test}/*.wav,
LANG/audio/*.wav and LANG/*.wav are found too.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ruach_core.data.archive import ArchiveFault, read_archive
from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import is_audio_name
from ruach_core.data.extraction import AudioCache
from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.table import TableRow, read_columns
from ruach_core.data.table_rows import open_lines
from ruach_core.default_plugins.loaders.clip_rows import ClipRow, find_audio, read_clip_rows
from ruach_core.errors import DataError
from ruach_core.text.unicode import normalize_form
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = "LANG/train.tsv with LANG/audio/train/*.wav or LANG/audio/train.tar.gz"
_NAMES: dict[Split, str] = {"train": "train", "validation": "dev", "test": "test"}
_COLUMNS = ("id", "file", "raw", "transcription", "characters", "num_samples", "gender")
_KEPT = ("id", "transcription", "num_samples", "gender")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[a-z]+)?_[a-z0-9]{2,3}")
"""How the corpus names a language: am_et, es_419, cmn_hans_cn."""
_ARCHIVES = (".tar.gz", ".tgz", ".tar")
_MAX_ENTRIES = 1_000
"""Of a folder, in looking for the folders of languages."""


class FleursLoader:
    """Reads one language of FLEURS: its folder, or one above it that holds no other language.

    The transcript is the text as written, with case and punctuation; the other form of it, the
    sentence's number and the speaker's gender are attributes. Speakers aren't told apart.
    """

    name = "fleurs"

    def detect(self, source: Path) -> bool:
        """Whether the source, `data/LANG` or `LANG` in it has a table as FLEURS writes them."""
        try:
            return not has_own_tables(source) and next(_find_folders(source), None) is not None
        except OSError:
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a table.

        Raises:
            DataError: the source isn't of this layout, or holds several languages.
        """
        folder = _find_folder(source)
        return tuple(s for s, name in _NAMES.items() if (folder / f"{name}.tsv").is_file())

    def info(self, source: Path) -> CorpusInfo:
        """The corpus' name with the language's, and its licence."""
        folder = _find_folder(source).name
        title = f"FLEURS, {folder}" if _LANGUAGE.fullmatch(folder) else "FLEURS"
        return CorpusInfo(title, "CC-BY-4.0", "https://arxiv.org/abs/2205.12446")

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances in the table's order; see `DatasetLoader.read`."""
        folder = _find_folder(source)
        table = folder / f"{_NAMES[split]}.tsv"
        if not table.is_file():
            raise DataError(f"{folder}: has no {table.name}; expected {LAYOUT}")
        return _read_rows(folder, table, split)


def _find_folder(source: Path) -> Path:
    try:
        folders = list(itertools.islice(_find_folders(source), 2))
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    if not folders:
        raise DataError(f"{source}: isn't FLEURS; expected {LAYOUT}")
    if len(folders) > 1:
        raise DataError(f"{source}: holds several languages; give one, such as {folders[0]}")
    return folders[0]


def _find_folders(source: Path) -> Iterator[Path]:
    """The folders of languages at the source; more than one only where it isn't one itself."""
    if not source.is_dir():
        return
    if _is_language(source):
        yield source
        return
    for parent in (source / "data", source):
        if parent.is_dir():
            with os.scandir(parent) as entries:
                names = [entry.name for entry in itertools.islice(entries, _MAX_ENTRIES)]
            for name in sorted(filter(_LANGUAGE.fullmatch, names)):
                if _is_language(parent / name):
                    yield parent / name


def _is_language(folder: Path) -> bool:
    for name in _NAMES.values():
        table = folder / f"{name}.tsv"
        if table.is_file():
            try:
                with open_lines(table, str(table)) as lines:
                    cells = lines.next_filled().rstrip("\n").split("\t")
            except DataError:
                return False
            return len(cells) == len(_COLUMNS) and is_audio_name(cells[1]) and cells[5].isdecimal()
    return False


def _read_rows(folder: Path, table: Path, split: Split) -> Iterator[Utterance | SetAside]:
    audio = _Audio(folder, table.stem)
    rows = read_columns(table, columns=_COLUMNS, n_required=len(_COLUMNS), delimiter="\t")

    def find(name: str, where: str) -> Path | SetAside:
        return audio.find(name, split, where)

    for found in read_clip_rows(rows, table, split, find_name=_find_name, find_clip=find):
        yield found if isinstance(found, SetAside) else _build(found, table, split)


def _find_name(row: TableRow) -> str:
    return row.cells["file"].strip()


def _build(found: ClipRow, table: Path, split: Split) -> Utterance:
    return Utterance(
        # The same wherever the audio lies, so that unpacking it changes no id.
        id=f"{table.stem}/{_find_name(found.row)}",
        audio=found.audio,
        transcript=found.row.cells["raw"],
        split=split,
        row=found.where,
        attributes={name: text for name in _KEPT if (text := found.row.cells[name].strip())},
    )


class _Audio:
    """The clips of one split: in a folder, or in an archive."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = AudioFolder(folder)
        self._place = next((p for p in (f"audio/{name}", name) if _holds_files(folder / p)), "")
        archives = [folder / f"{p}{end}" for p in (f"audio/{name}", name) for end in _ARCHIVES]
        archive = next((path for path in archives if path.is_file()), None)
        self._archive = None
        if not self._place and archive is not None:
            self._archive = _Archive(archive)
        elif not self._place and _holds_files(folder / "audio"):
            self._place = "audio"

    def find(self, name: str, split: Split, where: str) -> Path | SetAside:
        """The clip's file, existing or not, or why there can be none."""
        if self._archive is None:
            return find_audio(f"{self._place}/{name}".lstrip("/"), self._folder, split, where)
        path = self._archive.find(normalize_form(name, "NFC"))
        if self._archive.damage and not path.is_file():
            return SetAside(name, split, "unreadable", self._archive.damage, where)
        return path


class _Archive:
    """The clips of an archive, whichever folder it has them in.

    It is unpacked as far as the rows ask for it, and not again for what is there already.

    Attributes:
        damage: why it breaks off, once that was met.
    """

    def __init__(self, path: Path) -> None:
        self.damage = ""
        self._cache = AudioCache(path)
        self._members = read_archive(path)

    def find(self, name: str) -> Path:
        """Where the clip is, or would be if the archive had it."""
        path = self._cache.path(name)
        if path.is_file():
            return path
        for member in self._members:
            if isinstance(member, ArchiveFault):
                # What can't be a clip is passed over: its row comes as missing.
                self.damage = self.damage if member.name else member.detail
                continue
            base = PurePosixPath(member.name).name
            if not is_audio_name(base):
                continue
            if not self._cache.path(base).is_file():
                member.save(self._cache, base)
            # Where the archive breaks off within the clip, the fault comes next.
            if base == name and path.is_file():
                break
        return path


def _holds_files(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(
                is_audio_name(entry.name) for entry in itertools.islice(entries, _MAX_ENTRIES)
            )
    except OSError:
        return False
