"""LJSpeech's layout, which many corpora made for speech synthesis share.

    DIR/metadata.csv    (or .txt) no header; the clip's name, its text, and its text with numbers
                        and abbreviations written out; separated by bars, quotation marks bare
    DIR/wavs/NAME.wav

Source: the README of the LJ Speech Dataset, https://keithito.com/LJ-Speech-Dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import is_audio_name
from ruach_core.data.own_tables import has_split_tables
from ruach_core.data.table import TableRow, read_columns
from ruach_core.data.table_rows import find_fault, open_lines
from ruach_core.default_plugins.loaders.clip_rows import FIELDS, ClipRow, find_audio, read_clip_rows
from ruach_core.default_plugins.loaders.corpus_info import read_info
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = "DIR/metadata.csv with rows NAME|text[|text in full words], and DIR/wavs/NAME.wav"
_TABLES = ("metadata.csv", "metadata.txt")
_AUDIO = "wavs"
_COLUMNS = ("name", "text", "spoken")
_DELIMITER = "|"
_README = "README"
_MAX_README = 1_000


class LJSpeechLoader:
    """Reads DIR/metadata.csv with the clips in DIR/wavs; all of it is train.

    The transcript is the text in full words where there is one, since that is what was said; the
    text as it was printed is then the attribute `text`.
    """

    name = "ljspeech"

    def detect(self, source: Path) -> bool:
        """Whether there are such a table without a header and a folder `wavs`."""
        try:
            # The table right in the source is this layout's own.
            if has_split_tables(source):
                return False
            table = _find_table(source)
            return table is not None and (source / _AUDIO).is_dir() and _has_rows(table)
        except (OSError, DataError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """Train alone: the layout has no others."""
        return ("train",)

    def info(self, source: Path) -> CorpusInfo:
        """The LJ Speech Dataset's own title and licence; else what a `dataset.json` says."""
        try:
            with (source / _README).open(encoding="utf-8", errors="replace") as file:
                is_original = "LJ Speech Dataset" in file.read(_MAX_README)
        except OSError:
            is_original = False
        if not is_original:
            return read_info(source)
        url = "https://keithito.com/LJ-Speech-Dataset"
        return CorpusInfo("The LJ Speech Dataset", "public domain", url)

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The utterances in the table's order; see `DatasetLoader.read`."""
        try:
            table = _find_table(source)
        except OSError as error:
            raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
        if table is None or split != "train":
            problem = "no metadata.csv" if table is None else f"no {split} split"
            raise DataError(f"{source}: has {problem}; expected {LAYOUT}")
        return _read_rows(source, table)


def _find_table(source: Path) -> Path | None:
    return next((source / name for name in _TABLES if (source / name).is_file()), None)


def _has_rows(table: Path) -> bool:
    """Whether the first row is one of such a table, and no header."""
    with open_lines(table, str(table)) as lines:
        line = lines.next_filled()
    cells = [cell.strip() for cell in line.split(_DELIMITER)]
    if find_fault(line, 1) or not 2 <= len(cells) <= len(_COLUMNS):
        return False
    return bool(cells[0]) and not any(cell.lower() in FIELDS["file"] for cell in cells)


def _read_rows(source: Path, table: Path) -> Iterator[Utterance | SetAside]:
    folder = AudioFolder(source)
    rows = read_columns(table, columns=_COLUMNS, n_required=2, delimiter=_DELIMITER)

    def find(name: str, where: str) -> Path | SetAside:
        return find_audio(name, folder, "train", where)

    for found in read_clip_rows(rows, table, "train", find_name=_find_name, find_clip=find):
        yield found if isinstance(found, SetAside) else _build(found, source)


def _find_name(row: TableRow) -> str:
    """The clip's file relative to the source, or nothing; some write `wavs/` and `.wav` too."""
    name = row.cells["name"].strip()
    if not name:
        return ""
    name = name if is_audio_name(name) else f"{name}.wav"
    return name if name.startswith(f"{_AUDIO}/") else f"{_AUDIO}/{name}"


def _build(found: ClipRow, source: Path) -> Utterance:
    text, spoken = found.row.cells["text"], found.row.cells.get("spoken", "")
    return Utterance(
        id=found.audio.relative_to(source).as_posix(),
        audio=found.audio,
        transcript=spoken if spoken.strip() else text,
        split="train",
        row=found.where,
        attributes={"text": text} if spoken.strip() and spoken != text else {},
    )
