"""The two loaders: folders of ELAN files or TextGrids with their recordings, or one such file."""

from __future__ import annotations

import hashlib
import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import get_args

from ruach_core.data.own_tables import has_own_tables
from ruach_core.data.split_names import SPLIT_OF_NAME, find_split_folders
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, SetAsideReason, Split, Utterance
from ruach_data_annotations.eaf import Media, read_eaf, read_license
from ruach_data_annotations.recordings import NotFound, Recordings
from ruach_data_annotations.textgrid import read_textgrid
from ruach_data_annotations.tiers import (
    MAX_SEGMENT_S,
    TIERS_FILE,
    Choice,
    Segment,
    Tier,
    TierError,
    choose_tiers,
    dependents,
    is_silence,
    join_words,
    speaker_of,
)

_KALDI = "wav.scp"
"""A folder with this has been prepared; annotations in it are where it came from."""
_DETECT_ENTRIES = 10_000
"""Folder entries that `detect` looks at, at most, in each folder."""
_DETECT_FOLDERS = 50
_INFO_FILES = 20
_MAX_TIERS_BYTES = 1 << 13
_MAX_NOTES = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Annotations:
    """What one file says: its tiers, its recording's offset, and what a user should know.

    Attributes:
        tiers: all of them.
        audio: the recording, or why there is none.
        origin_s: where the annotations' time line starts in the recording, in seconds.
        note: something to tell once for the whole source, or empty.
    """

    tiers: Sequence[Tier]
    audio: Path | NotFound
    origin_s: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class _File:
    """A file of annotations: its path, its name within the source, its split."""

    path: Path
    name: PurePosixPath
    split: Split

    def set_aside(
        self, reason: SetAsideReason, detail: str, label: str = "", where: str = ""
    ) -> SetAside:
        """This file, or the part of it that the label names and that is there, set aside."""
        row = f"{self.name}{where}"
        return SetAside(f"{self.name}{label}", self.split, reason, detail, row)


class _AnnotationLoader(ABC):
    """What the loaders share.

    The source is a folder, searched with all folders in it, or one file. The folder's own
    sub-folders `train`, `dev` and `test` are splits, and all that is outside them is train.
    """

    name: str
    _suffix: str
    _program: str
    _is_empty_silence: bool

    def __init__(self) -> None:
        # By source, what has been told: each split is read by itself, and once is enough.
        self._told: dict[Path, set[str]] = {}

    def detect(self, source: Path) -> bool:
        """Whether it is such a file, or a folder with one, at most one folder down."""
        try:
            if source.is_file():
                return self._is_mine(source.name)
            if has_own_tables(source):
                return False
            if any((folder / _KALDI).exists() for folder in (source, *find_split_folders(source))):
                return False
            entries = _entries(source)
            if any(self._is_mine(entry.name) and entry.is_file() for entry in entries):
                return True
            folders = [e for e in entries if not e.name.startswith(".") and e.is_dir()]
            return any(
                self._is_mine(entry.name) and entry.is_file()
                for folder in folders[:_DETECT_FOLDERS]
                for entry in _entries(folder.path)
            )
        # ValueError: a name with a null character.
        except (OSError, ValueError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a file.

        Raises:
            DataError: there is no such source, or no such file in it.
        """
        root = _root(source)
        if source.is_file():
            return ("train",)
        found = {split for _, split, _ in self._folders(root, [])}
        if not found:
            raise DataError(f"{source}: holds no {self._suffix} files; give the folder with them")
        return tuple(split for split in get_args(Split) if split in found)

    def info(self, source: Path) -> CorpusInfo:
        """Nothing, unless the format has a place for it."""
        return CorpusInfo()

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's utterances, file by file; see `DatasetLoader.read`.

        A file that can't be read is set aside where there are others.

        Raises:
            DataError: the source is missing, or is one file, which can't be read.
        """
        root = _root(source)
        patterns = _read_patterns(root)
        recordings = Recordings(root)
        told = self._told.setdefault(root, set())
        for file in self._files(source):
            if file.split != split:
                continue
            if isinstance(file, SetAside):
                yield file
                continue
            try:
                found = self._read(file, recordings)
                choice = choose_tiers(found.tiers, patterns)
            except DataError as error:
                if source.is_file():
                    raise DataError(f"{root / file.name}: {_detail(error, file)}") from error
                is_about_tiers = isinstance(error, TierError)
                reason: SetAsideReason = "no-transcript" if is_about_tiers else "unreadable"
                yield file.set_aside(reason, _detail(error, file))
                continue
            for note in (choice.describe(), found.note):
                self._tell(note, file, told)
            if isinstance(found.audio, NotFound):
                yield file.set_aside(found.audio.reason, found.audio.detail)
                continue
            yield from self._read_tiers(file, found, found.audio, choice)

    @abstractmethod
    def _read(self, file: _File, recordings: Recordings) -> Annotations:
        """What a file says; raises DataError where it can't be read."""

    def _tell(self, note: str, file: _File, told: set[str]) -> None:
        """Log what a user should know, once, and no end of it."""
        if not note or note in told or len(told) >= _MAX_NOTES:
            return
        told.add(note)
        if len(told) == _MAX_NOTES:
            note = "further files differ; each row names its tier"
        _log.warning("%s: %s: %s", self.name, file.name, note)

    def _read_tiers(
        self, file: _File, found: Annotations, audio: Path, choice: Choice
    ) -> Iterator[Utterance | SetAside]:
        seen: set[bytes] = set()
        # Dependent tiers describe single segments, which joined words no longer are.
        more = {} if choice.are_words else dependents(found.tiers, choice)
        for tier in choice.tiers:
            segments = join_words(tier.segments) if choice.are_words else tier.segments
            speaker = speaker_of(tier, choice)
            for segment in segments:
                has_text = bool(segment.text.strip())
                if is_silence(segment.text) and (has_text or self._is_empty_silence):
                    continue
                start_s, end_s = segment.start_s + found.origin_s, segment.end_s + found.origin_s
                where = f" tier {tier.name} {segment.label}"
                label = f"#{tier.name}:{start_s:.3f}-{end_s:.3f}"
                fault = self._fault(segment, start_s, end_s)
                digest = hashlib.blake2b(label.encode(errors="replace"), digest_size=16).digest()
                if fault is None and digest in seen:
                    fault = "bad-row", "the tier has another segment with the same times"
                if fault is not None:
                    yield file.set_aside(*fault, label, where)
                    continue
                seen.add(digest)
                yield Utterance(
                    id=f"{file.name}{label}",
                    audio=audio,
                    transcript=segment.text.strip(),
                    split=file.split,
                    speaker_id=speaker,
                    start_s=start_s,
                    end_s=end_s,
                    row=f"{file.name}{where}",
                    attributes=_attributes(tier, more.get(segment.label, {})),
                )

    def _fault(
        self, segment: Segment, start_s: float, end_s: float
    ) -> tuple[SetAsideReason, str] | None:
        """Why a segment can't be an utterance, or None."""
        if segment.problem:
            return "bad-row", segment.problem
        if not segment.text.strip():
            return "no-transcript", "a segment without text"
        if start_s < 0 or not end_s > start_s:
            return "bad-row", f"from {start_s:g} s to {end_s:g} s"
        if end_s - start_s > MAX_SEGMENT_S:
            return "too-long", (
                f"{end_s - start_s:.1f} s, longer than {MAX_SEGMENT_S:g} s; split it at a pause "
                f"in {self._program}"
            )
        return None

    def _is_mine(self, name: str) -> bool:
        # What starts with a dot is hidden; macOS leaves such twins on foreign disks.
        return name.lower().endswith(self._suffix.lower()) and not name.startswith(".")

    def _files(self, source: Path) -> Iterator[_File | SetAside]:
        """The files of annotations in order of their names, and folders that can't be read."""
        root = _root(source)
        if source.is_file():
            yield _File(source, PurePosixPath(source.name), "train")
            return
        inside = os.path.realpath(root).rstrip(os.sep) + os.sep
        faults: list[OSError] = []
        for place, split, names in self._folders(root, faults):
            for name in names:
                file = _File(root / place / name, place / name, split)
                try:
                    # Links to folders aren't followed at all.
                    is_link, is_file = file.path.is_symlink(), file.path.is_file()
                except OSError as error:
                    yield file.set_aside("unreadable", f"can't be read: {error.strerror or error}")
                    continue
                if is_link and not os.path.realpath(file.path).startswith(inside):
                    yield file.set_aside("outside-folder", f"a link that leads out of {root}")
                elif is_file:
                    yield file
        for fault in faults:
            place = PurePosixPath(os.path.relpath(fault.filename or root, root))
            detail = f"the folder can't be read: {fault.strerror or fault}"
            yield SetAside(str(place), _split_of(place), "unreadable", detail, str(place))

    def _folders(
        self, root: Path, faults: list[OSError]
    ) -> Iterator[tuple[PurePosixPath, Split, list[str]]]:
        """Folders with annotations, relative to the root; faults get those that can't be read."""
        for folder, folders, names in os.walk(root, onerror=faults.append):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            if mine := sorted(filter(self._is_mine, names)):
                place = PurePosixPath(Path(folder).relative_to(root).as_posix())
                yield place, _split_of(place), mine


class ElanLoader(_AnnotationLoader):
    """Reads ELAN's .eaf files; the recording is the one that they link to."""

    name = "elan"
    _suffix = ".eaf"
    _program = "ELAN"
    _is_empty_silence = False

    def info(self, source: Path) -> CorpusInfo:
        """The licence, or licences, that the first files state."""
        found: dict[str, None] = {}
        try:
            files = list(islice(self._files(source), _INFO_FILES))
        except DataError:
            return CorpusInfo()
        for file in files:
            if isinstance(file, SetAside):
                continue
            try:
                found[read_license(file.path, str(file.name))] = None
            except DataError:
                continue
        return CorpusInfo(license="; ".join(filter(None, found)) or None)

    def _read(self, file: _File, recordings: Recordings) -> Annotations:
        eaf = read_eaf(file.path, str(file.name))
        # The sound recording is better than the film's, and the first listed is the main one.
        problem: NotFound | None = None
        for media in sorted(eaf.media, key=lambda media: media.is_video):
            audio = recordings.find_linked(file.name, media.links)
            if isinstance(audio, Path):
                return Annotations(eaf.tiers, audio, media.origin_s, _offset_note(media))
            problem = problem or audio
        audio = recordings.find_same_stem(file.name)
        if isinstance(audio, Path) or problem is None:
            return Annotations(eaf.tiers, audio)
        return Annotations(eaf.tiers, problem)


class TextGridLoader(_AnnotationLoader):
    """Reads Praat's TextGrids; the recording has the same name."""

    name = "textgrid"
    _suffix = ".TextGrid"
    _program = "Praat"
    _is_empty_silence = True

    def _read(self, file: _File, recordings: Recordings) -> Annotations:
        tiers, encoding = read_textgrid(file.path, str(file.name))
        note = "read as Latin-1; if letters come out wrong, save it as UTF-8 from Praat"
        audio = recordings.find_same_stem(file.name)
        return Annotations(tiers, audio, note=note if encoding == "latin-1" else "")


def _offset_note(media: Media) -> str:
    return "recordings with a time offset, which is applied" if media.origin_s else ""


def _attributes(tier: Tier, more: Mapping[str, str]) -> dict[str, str]:
    own = {"tier": tier.name, "annotator": tier.annotator}
    return {**more, **{name: value for name, value in own.items() if value}}


def _detail(error: DataError, file: _File) -> str:
    return str(error).removeprefix(str(file.name)).removeprefix(":").strip()


def _entries(folder: str | Path) -> list[os.DirEntry[str]]:
    """The folder's first entries; none where it can't be read."""
    try:
        with os.scandir(folder) as entries:
            return list(islice(entries, _DETECT_ENTRIES))
    except OSError:
        return []


def _split_of(place: PurePosixPath) -> Split:
    """The split of what is in a folder, by its first folder below the source's."""
    return SPLIT_OF_NAME.get(place.parts[0].lower(), "train") if place.parts else "train"


def _root(source: Path) -> Path:
    """The folder that all names are relative to.

    Raises:
        DataError: there is no such source, or it is neither a file nor a folder.
    """
    try:
        if source.is_file():
            return source.parent
        if source.is_dir():
            return source
    except (OSError, ValueError) as error:
        raise DataError(f"{source}: can't be read: {error}") from error
    raise DataError(f"{source}: no such file or folder")


def _read_patterns(root: Path) -> tuple[str, ...]:
    """The names of tiers that the user wrote beside the files, one a line; none without the file.

    Raises:
        DataError: the file can't be read.
    """
    path = root / TIERS_FILE
    try:
        if not path.is_file():
            return ()
        content = path.read_bytes()[: _MAX_TIERS_BYTES + 1]
        if len(content) > _MAX_TIERS_BYTES:
            raise DataError(f"{path}: over {_MAX_TIERS_BYTES} bytes; one tier's name a line")
        lines = content.decode("utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8; save it as UTF-8") from error
    return tuple(line.strip() for line in lines if line.strip())
