"""The layouts of the crowd-sourced corpora on OpenSLR, in some forty languages.

    DIR/line_index.tsv      no header: the clip's name, its text, in some corpora other cells
                            between; also line_index_female.tsv and line_index_male.tsv
    DIR/utt_spk_text.tsv    no header: the clip's name, the speaker's, the text
    DIR/NAME.wav, DIR/FOLDER/NAME.wav, DIR/data/NA/NAME.flac or DIR/FOLDER/data/NA/NAME.flac,
                            where NA are the first two characters of NAME

Sources: the pages and archives of SLR32, 35 to 37, 41 to 44, 52 to 54, 63 to 66, 69 to 80 and 86
(O. Kjartansson et al., SLTU 2018 and 2020; A. Gutkin et al., Interspeech 2020).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import is_audio_name
from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.table import TableRow, read_columns
from ruach_core.data.table_rows import open_lines
from ruach_core.default_plugins.loaders.clip_rows import ClipRow, find_audio, read_clip_rows
from ruach_core.default_plugins.loaders.corpus_info import read_info
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = "DIR/line_index.tsv or DIR/utt_spk_text.tsv, and the clips in DIR or a folder of it"
_WITH_SPEAKERS = "utt_spk_text.tsv"
_TABLES = ("line_index.tsv", "line_index_female.tsv", "line_index_male.tsv", _WITH_SPEAKERS)
_COLUMNS = ("name", "second", "third", "fourth")
_SPEAKER = re.compile(r"([a-z]{2,4}_\d{4,5})_\d+")
"""In a clip's name, such as yof_00295_00024634964: the language and sex, the speaker, the line."""
_SUFFIXES = (".wav", ".flac")
_WAYS = ("", "data/*/", "*/")
"""Where in a folder a clip lies; a star stands for its name's first two characters."""
_LICENSE_FILE = "LICENSE"
_SHARE_ALIKE = re.compile(r"Attribution-ShareAlike 4\.0|CC[ -]BY-SA 4\.0|by-sa/4\.0")
_MAX_LICENSE = 4_000
_MAX_ENTRIES = 1_000
"""Of a folder, in looking for tables and clips."""


class OpenSLRLoader:
    """Reads one such corpus: its folder, or one above the folders of its parts; all is train.

    The speaker is what the table says, or what the clip's name does where names are built so.
    """

    name = "openslr"

    def detect(self, source: Path) -> bool:
        """Whether the source, or a folder in it, has such a table."""
        try:
            if has_own_tables(source):
                return False
            tables = _find_tables(source)
            return bool(tables) and _has_rows(tables[0])
        except (OSError, ValueError, DataError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """Train alone: the corpora have no others."""
        return ("train",)

    def info(self, source: Path) -> CorpusInfo:
        """The licence, where the corpus brings it; else what a `dataset.json` says."""
        try:
            with (source / _LICENSE_FILE).open(encoding="utf-8", errors="replace") as file:
                is_share_alike = bool(_SHARE_ALIKE.search(file.read(_MAX_LICENSE)))
        except OSError:
            is_share_alike = False
        found = read_info(source)
        if found.license is None and is_share_alike:
            return CorpusInfo(found.title, "CC-BY-SA-4.0", found.url)
        return found

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The utterances, table by table; see `DatasetLoader.read`."""
        try:
            tables = _find_tables(source)
        except OSError as error:
            raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
        if not tables or split != "train":
            problem = f"no {split} split" if tables else "no such table"
            raise DataError(f"{source}: has {problem}; expected {LAYOUT}")
        return _read_tables(source, tables)


def _find_tables(source: Path) -> list[Path]:
    """The tables of the source itself, or of the folders in it."""
    own = [source / name for name in _TABLES if (source / name).is_file()]
    if own or not source.is_dir():
        return own
    return [
        folder / name
        for folder in _subfolders(source)
        for name in _TABLES
        if (folder / name).is_file()
    ]


def _subfolders(folder: Path) -> list[Path]:
    entries = itertools.islice(folder.iterdir(), _MAX_ENTRIES)
    return sorted(path for path in entries if path.name[0] != "." and path.is_dir())


def _has_rows(table: Path) -> bool:
    with open_lines(table, str(table)) as lines:
        return 2 <= len(lines.next_filled().split("\t")) <= len(_COLUMNS)


def _read_tables(source: Path, tables: Sequence[Path]) -> Iterator[Utterance | SetAside]:
    """The tables' rows; a clip that two of them have is used once.

    Some corpora bring an index of all clips beside those of the female and the male speakers.
    """
    if len(tables) == 1:
        yield from _read_rows(source, tables[0])
        return
    first_rows: dict[str, str] = {}
    for item in itertools.chain.from_iterable(_read_rows(source, table) for table in tables):
        if isinstance(item, Utterance):
            first = first_rows.setdefault(item.id, item.row)
            if first != item.row:
                yield SetAside(item.id, "train", "bad-row", f"also in {first}", item.row)
                continue
        yield item


def _read_rows(source: Path, table: Path) -> Iterator[Utterance | SetAside]:
    clips = _Clips(source, table.parent)
    n_required = 3 if table.name == _WITH_SPEAKERS else 2
    rows = read_columns(table, columns=_COLUMNS, n_required=n_required, delimiter="\t")
    title = table.relative_to(source).as_posix()
    for found in read_clip_rows(
        rows, table, "train", find_name=_find_name, find_clip=clips.find, title=title
    ):
        yield found if isinstance(found, SetAside) else _build(found, source, table)


def _build(found: ClipRow, source: Path, table: Path) -> Utterance:
    return Utterance(
        id=found.audio.relative_to(source).as_posix(),
        audio=found.audio,
        transcript=list(found.row.cells.values())[-1],
        split="train",
        speaker_id=_find_speaker(found.row, table),
        row=found.where,
    )


def _find_name(row: TableRow) -> str:
    return row.cells["name"].strip()


def _find_speaker(row: TableRow, table: Path) -> str | None:
    if table.name == _WITH_SPEAKERS:
        return row.cells["second"].strip() or None
    match = _SPEAKER.match(_find_name(row))
    return match[1] if match else None


class _Clips:
    """The clips of one table: beside it, or in one of the folders there, in the places above."""

    def __init__(self, source: Path, folder: Path) -> None:
        try:
            below = [path.name for path in _subfolders(folder)]
        except OSError as error:
            raise DataError(f"{folder}: can't be read: {error.strerror or error}") from error
        self._inside = AudioFolder(source)
        self._prefix = "" if folder == source else f"{folder.relative_to(source).as_posix()}/"
        self._patterns = [
            (place, way, suffix)
            for way in _WAYS
            for place in ("", *(f"{name}/" for name in below))
            for suffix in _SUFFIXES
        ]

    def find(self, name: str, where: str) -> Path | SetAside:
        """The clip's file, or where it would be; or why there can be none."""
        if is_audio_name(name):
            name = name.rpartition(".")[0]
        for i, (place, way, suffix) in enumerate(self._patterns):
            file = f"{self._prefix}{place}{way.replace('*', name[:2])}{name}{suffix}"
            audio = find_audio(file, self._inside, "train", where)
            if isinstance(audio, SetAside):
                return audio
            if audio.is_file():
                # The next clip is most likely in the same kind of place.
                self._patterns.insert(0, self._patterns.pop(i))
                return audio
        return self._inside.path / f"{self._prefix}{name}{_SUFFIXES[0]}"
