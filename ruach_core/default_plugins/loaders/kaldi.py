"""Kaldi data directories: `wav.scp` and `text`, with `segments` and `utt2spk` where they are.

Which audio may be read. Kaldi resolves the paths of `wav.scp` from the folder that a recipe runs
in, which is not written anywhere, and often they are absolute. Here they are looked for in the data
directory, then in each folder above it up to the corpus' root, and nowhere else. The root is the
source that the user gave, or the folder that holds `data/` where a split's directory lies in a
folder of that name (`s5` of Kaldi's `s5/data/train`). An absolute path is followed where it lies
inside the root. Any other, and a link that leads out, is set aside: a list from elsewhere has no
business with the user's other recordings. Commands in `wav.scp` are never run (see `kaldi_pipes`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ruach_core.data.kaldi_recordings import KaldiRecordings, UnusableRowError, parse_segment
from ruach_core.data.kaldi_tables import KaldiLookup, KaldiRow, KaldiTable, join
from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.split_names import SPLIT_OF_NAME
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, Split, Utterance

LAYOUT = (
    "a Kaldi data directory with wav.scp and text, or a folder with train/, dev/ and test/ of "
    "that kind, in it or in its data/"
)
_RECORDINGS, _TEXT, _SEGMENTS, _SPEAKERS = "wav.scp", "text", "segments", "utt2spk"
_GENDERS = "spk2gender"
_DATA = "data"
_SPLIT_OF: dict[str, Split] = {**SPLIT_OF_NAME, "eval": "test"}
_NAMES: dict[Split, list[str]] = {
    split: [name for name, its in _SPLIT_OF.items() if its == split] for split in get_args(Split)
}


class KaldiLoader:
    """Reads a Kaldi data directory as train, or a folder of them as splits.

    A directory is a split by its name: `train`, `dev` or `valid`, `test` or `eval`. Where there is
    none of a name, those that begin with it are taken together (`train_clean`, `dev-other`,
    `test_eval92`); an utterance that is in two of them counts once.

    Utterances come sorted by their id, which is the data directory and Kaldi's utterance id. A
    speaker that is called like the utterance is Kaldi's way to say that nobody knows.
    """

    name = "kaldi"

    def detect(self, source: Path) -> bool:
        """Whether the source, or a folder in it or in its `data`, has `wav.scp` and `text`."""
        try:
            if has_own_tables(source):
                return False
            if _is_data_directory(source):
                return True
            return any(_is_data_directory(folder) for folder in _folders(source))
        except (OSError, ValueError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a directory; train alone where there is only one directory.

        Raises:
            DataError: there is none, or none has a split's name.
        """
        found = _find_splits(source)
        return tuple(split for split in get_args(Split) if split in found)

    def info(self, source: Path) -> CorpusInfo:
        """Nothing: the layout has no place for it."""
        return CorpusInfo()

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances, sorted by id; see `DatasetLoader.read`."""
        found = _find_splits(source)
        if split not in found:
            raise DataError(f"{source}: has no {split} split; expected {LAYOUT}")
        directories = [_DataDirectory(source, folder, split) for folder in found[split]]
        if len(directories) == 1:
            return directories[0].read()
        return _without_repeats(directories)


def _is_data_directory(folder: Path) -> bool:
    return (folder / _RECORDINGS).is_file() and (folder / _TEXT).is_file()


def _folders(source: Path) -> list[Path]:
    """The folders in the source and in its `data`, by name."""
    found: list[Path] = []
    for parent in (source, source / _DATA):
        if parent.is_dir():
            with os.scandir(parent) as entries:
                found += sorted(parent / e.name for e in entries if e.is_dir())
    return found


def _find_splits(source: Path) -> dict[Split, list[Path]]:
    """The data directories of each split."""
    try:
        if not source.is_dir():
            problem = "is not a folder" if source.exists() else "no such folder"
            raise DataError(f"{source}: {problem}; expected {LAYOUT}")
        if _is_data_directory(source):
            return {"train": [source]}
        folders = [f for f in _folders(source) if (f / _RECORDINGS).is_file()]
        complete = [folder for folder in folders if _is_data_directory(folder)]
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    if not complete:
        problem = f"no {_TEXT} beside {folders[0] / _RECORDINGS}" if folders else "no wav.scp"
        raise DataError(f"{source}: {problem}; expected {LAYOUT}")
    found: dict[Split, list[Path]] = {}
    for split in _NAMES:
        of_split = [folder for folder in folders if folder.name.lower() in _NAMES[split]]
        of_split = of_split or [folder for folder in folders if _split_of(folder) == split]
        for folder in of_split:
            if folder not in complete:
                raise DataError(
                    f"{folder}: has no {_TEXT}, the transcripts of the {split} split; add it, or "
                    "move the folder away"
                )
        if of_split:
            found[split] = of_split
    if found:
        return found
    if len(complete) == 1:
        return {"train": complete}
    names_found = ", ".join(folder.name for folder in complete[:10])
    raise DataError(
        f"{source}: {names_found} are data directories, but none is named train, dev or test; "
        f"rename them, or give one: --data {complete[0]}"
    )


def _split_of(folder: Path) -> Split | None:
    """The split that the folder's name says or begins with."""
    for split, names in _NAMES.items():
        if re.fullmatch(rf"({'|'.join(names)})([_.\-\d].*)?", folder.name.lower(), re.S):
            return split
    return None


def _root(source: Path, folder: Path) -> Path:
    """The folder that a data directory's recordings must be in."""
    # Not resolved: a data directory that is a link is where it says, not where it leads.
    absolute = Path(os.path.abspath(folder))  # noqa: PTH100
    holder = absolute.parent.parent
    is_recipe = absolute.parent.name == _DATA and _split_of(folder) is not None
    return holder if is_recipe and holder != Path(os.path.abspath(source)) else source  # noqa: PTH100


def _without_repeats(directories: Sequence[_DataDirectory]) -> Iterator[Utterance | SetAside]:
    seen: dict[bytes, str] = {}
    for directory in directories:
        for item in directory.read():
            if isinstance(item, SetAside):
                yield item
                continue
            utterance = item.id.removeprefix(directory.prefix).encode("utf-8", "surrogateescape")
            key = hashlib.blake2b(utterance, digest_size=16).digest()
            first = seen.setdefault(key, directory.prefix)
            if first == directory.prefix:
                yield item
            else:
                detail = f"the same utterance as in {first.rstrip('/')}"
                yield SetAside(item.id, item.split, "bad-row", detail, item.row)


class _DataDirectory:
    """One data directory as a split, or a part of one."""

    def __init__(self, source: Path, folder: Path, split: Split) -> None:
        name = folder.relative_to(source).as_posix()
        self.prefix = "" if name == "." else f"{name}/"
        self._source = source
        self._folder = folder
        self._split: Split = split

    def read(self) -> Iterator[Utterance | SetAside]:
        """The utterances by id: a merge of the tables.

        Raises:
            DataError: a table can't be read.
        """
        text = KaldiTable(self._folder / _TEXT)
        scp = KaldiTable(self._folder / _RECORDINGS)
        segments = self._open(_SEGMENTS)
        speakers = KaldiLookup(self._open(_SPEAKERS))
        genders = table.load() if (table := self._open(_GENDERS)) is not None else {}
        # Of recordings that are cut into segments there are few, of whole utterances many.
        rows = scp.load() if segments is not None else {}
        recordings = KaldiRecordings(_root(self._source, self._folder), self._folder, rows)
        placed = segments or scp
        previous = ("", "")
        for written, place in join(text.rows(), placed.rows()):
            row, table = (written, text) if written is not None else (place, placed)
            assert row is not None
            speaker_id = _speaker(row.key, speakers.get(row.key))
            where = f"{self.prefix}{table.path.name} row {row.number}"
            try:
                if row.key == previous[0]:
                    raise UnusableRowError("bad-row", f"same utterance as in {previous[1]}")
                previous = (row.key, where)
                audio, start_s, end_s = _find_audio(written, place, placed, recordings)
            except UnusableRowError as error:
                identity = self.prefix + row.key
                yield SetAside(identity, self._split, error.reason, error.detail, where)
                continue
            gender = genders.get(speaker_id or "")
            yield Utterance(
                id=self.prefix + row.key,
                audio=audio,
                transcript=row.value,
                split=self._split,
                speaker_id=speaker_id,
                start_s=start_s,
                end_s=end_s,
                row=where,
                attributes={"gender": gender.value} if gender is not None else {},
            )

    def _open(self, name: str) -> KaldiTable | None:
        path = self._folder / name
        return KaldiTable(path) if path.is_file() else None


def _find_audio(
    written: KaldiRow | None,
    place: KaldiRow | None,
    placed: KaldiTable,
    recordings: KaldiRecordings,
) -> tuple[Path, float | None, float | None]:
    """The file of an utterance, and where it starts and ends in it, in seconds.

    Args:
        written: its row in `text`.
        place: its row in `segments`, or in `wav.scp` where there are no segments.
        placed: the table of `place`.
        recordings: finds the files.
    """
    if written is None:
        raise UnusableRowError("no-transcript", f"not in {_TEXT}")
    if place is None:
        raise UnusableRowError("missing", f"not in {placed.path.name}")
    if written.problem:
        raise UnusableRowError("bad-row", written.problem)
    if placed.path.name != _SEGMENTS:
        return recordings.resolve(place), None, None
    segment = parse_segment(place)
    audio = recordings.find(segment.recording, segment.channel)
    return audio, segment.start_s, segment.end_s


def _speaker(utterance: str, row: KaldiRow | None) -> str | None:
    if row is None or row.problem or row.value == utterance:
        return None
    return row.value or None
