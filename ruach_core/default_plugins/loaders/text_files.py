"""A text file for each clip: `a.wav` and `a.txt`, in any folders below the source.

    DIR/[SPLIT/][SPEAKER/]NAME.wav with NAME.txt or NAME.lab beside it, or
    DIR/.../wavs/.../NAME.wav with DIR/.../transcriptions/.../NAME.txt

Sources: the Montreal Forced Aligner's corpora have the first form, a folder for each speaker; the
Lwazi corpora of South Africa and VCTK have the second, with names of their own for the folders.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import get_args

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import AUDIO_SUFFIXES, name_without_ending
from ruach_core.data.split_names import SPLIT_OF_NAME
from ruach_core.data.table_rows import find_fault, open_lines
from ruach_core.default_plugins.loaders.corpus_info import read_info
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, SetAsideReason, Split, Utterance

LAYOUT = "clips with a text file of the same name beside each (a.wav, a.txt or a.lab)"
TEXT_SUFFIXES = (".txt", ".lab")
MAX_TEXT = 3_000
"""Characters. Nobody says more in Whisper's 30 s, so it is the text of a long recording."""
_AUDIO_FOLDERS = ("wav", "wavs", "wav48", "audio", "clips", "recordings")
_TEXT_FOLDERS = ("txt", "text", "texts", "transcriptions", "transcripts", "transcription", "lab")
_ABOUT = ("readme", "license", "licence", "copying", "changelog", "about")
"""Texts that are of the corpus, not of a clip."""
_LABELS = ".lab"
_LABEL = re.compile(r"\s*\d+(\.\d+)?\s+\d+(\.\d+)?\s+\S+")
_MAX_LABELS, _MAX_LABELS_READ, _MAX_LABEL_LINES = 3, 4_000, 10
"""How many files of a folder, characters and lines are looked at to tell phones from texts."""
_MAX_LOOKED_AT = 20_000
"""Names among which a first pair is looked for in telling the layout."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """The clips and the texts of one folder, each by its name without ending, in NFC.

    Attributes:
        path: relative to the source.
        split: that of the first folder on the way that stands for one, else train.
        clips: the names of the files.
        texts: paths relative to the source; they lie beside the clips or in a folder of texts.
        speaker: the first folder on the way that is one of several, and neither a split's nor
            that of all audio.
    """

    path: PurePosixPath
    split: Split
    clips: dict[str, str]
    texts: dict[str, PurePosixPath]
    speaker: str | None

    @property
    def has_pair(self) -> bool:
        """Whether a clip has a text."""
        return not self.clips.keys().isdisjoint(self.texts)


class TextFilesLoader:
    """Reads clips that have their text in a file of the same name.

    A folder counts as a speaker, as for the Montreal Forced Aligner: where folders are books or
    sessions, the clips of each still stay in one split.
    """

    name = "text-files"

    def detect(self, source: Path) -> bool:
        """Whether one of the first clips that are found has a text."""
        try:
            return any(f.has_pair for f in _walk(source, at_most=_MAX_LOOKED_AT))
        except (OSError, ValueError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a folder with clips, though none there may have a text.

        Raises:
            DataError: no clip has a text.
        """
        found: set[Split] = set()
        has_pair = False
        for folder in _find_folders(source):
            found.add(folder.split)
            has_pair = has_pair or folder.has_pair
        if not has_pair:
            raise DataError(f"{source}: no clip has a text; expected {LAYOUT}")
        return tuple(split for split in get_args(Split) if split in found)

    def info(self, source: Path) -> CorpusInfo:
        """What a `dataset.json` in the folder says."""
        return read_info(source)

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's clips, folder by folder; see `DatasetLoader.read`."""
        inside = AudioFolder(source)
        is_there = False
        for folder in _find_folders(source):
            if folder.split == split:
                is_there = True
                yield from _read_folder(folder, inside)
        if not is_there:
            raise DataError(f"{source}: has no {split} split; expected {LAYOUT}")


def _is_general(part: str) -> bool:
    return part.lower() in SPLIT_OF_NAME or part.lower() in _AUDIO_FOLDERS


def _find_folders(source: Path) -> Iterator[_Folder]:
    """All folders that hold clips.

    Raises:
        DataError: the source isn't a folder that can be read.
    """
    if not source.is_dir():
        problem = "is not a folder" if source.exists() else "no such folder"
        raise DataError(f"{source}: {problem}; expected {LAYOUT}")
    try:
        yield from _walk(source)
    except OSError as error:
        where = error.filename or source
        raise DataError(f"{where}: can't be read: {error.strerror or error}") from error


def _walk(source: Path, *, at_most: int | None = None) -> Iterator[_Folder]:
    """The folders that hold clips, by their names; links to folders aren't followed."""

    def fail(error: OSError) -> None:
        raise error

    n_left = at_most
    n_above = _count_wrappers(source)
    with_splits: set[PurePosixPath] = set()
    for place, folders, names in os.walk(source, onerror=fail):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        path = PurePosixPath(Path(place).relative_to(source).as_posix())
        if len({SPLIT_OF_NAME.get(name.lower()) for name in folders} - {None}) > 1:
            with_splits.add(path)
        clips = _by_stem(names, AUDIO_SUFFIXES)
        if clips:
            found = _find_texts(source / path, names)
            texts = {stem: path / name for stem, name in found.items()}
            for other in _text_folders(source, path):
                found = _find_texts(source / other, [p.name for p in (source / other).iterdir()])
                texts |= {s: other / name for s, name in found.items() if s not in texts}
            texts = {s: t for s, t in texts.items() if s in clips or not _is_about(s)}
            speaker = next((p for p in path.parts[n_above:] if not _is_general(p)), None)
            yield _Folder(path, _find_split(path, n_above, with_splits), clips, texts, speaker)
        if n_left is not None and (n_left := n_left - len(names)) <= 0:
            return


def _find_split(path: PurePosixPath, n_above: int, with_splits: Collection[PurePosixPath]) -> Split:
    """The split of the first folder on the way that stands for one; else train.

    Below the first folder that is neither a split's nor one of audio, that takes two splits side by
    side: a speaker may be called Val.
    """
    are_general = True
    for i, part in list(enumerate(path.parts))[n_above:]:
        split = SPLIT_OF_NAME.get(part.lower())
        if split and (are_general or PurePosixPath(*path.parts[:i]) in with_splits):
            return split
        are_general = are_general and _is_general(part)
    return "train"


def _count_wrappers(source: Path) -> int:
    """How many folders lie one in the other, each with nothing else beside it, above all clips."""
    n = 0
    while True:
        with os.scandir(source) as entries:
            own = (e for e in entries if e.name[0] != "." and not _is_about(e.name))
            seen = list(itertools.islice(own, 2))
        if len(seen) != 1 or not seen[0].is_dir(follow_symlinks=False) or _is_general(seen[0].name):
            return n
        source, n = Path(seen[0].path), n + 1


def _is_about(name: str) -> bool:
    return name.lower().startswith(_ABOUT)


def _by_stem(names: Sequence[str], suffixes: Sequence[str]) -> dict[str, str]:
    """The files with one of these endings by their stem in NFC, in order; of several the first."""
    found: dict[str, str] = {}
    wanted = [n for n in names if n[0] != "." and PurePosixPath(n).suffix.lower() in suffixes]
    for name in sorted(wanted, key=lambda n: (suffixes.index(PurePosixPath(n).suffix.lower()), n)):
        found.setdefault(name_without_ending(PurePosixPath(name)), name)
    return dict(sorted(found.items()))


def _find_texts(folder: Path, names: Sequence[str]) -> dict[str, str]:
    """The texts among a folder's files by their stem in NFC; .lab files that are none left out."""
    labels = sorted(n for n in names if n[0] != "." and n.lower().endswith(_LABELS))
    has_labels = any(_holds_labels(folder / name) for name in labels[:_MAX_LABELS])
    return _by_stem(names, [s for s in TEXT_SUFFIXES if not (has_labels and s == _LABELS)])


def _holds_labels(path: Path) -> bool:
    """Whether a file has a phone and its time in each line, and so no text.

    Festvox, as in CMU ARCTIC, writes "0.1100 125 pau" below a head that ends with "#"; HTK
    "0 1100000 pau".
    """
    try:
        # A pipe would be waited for.
        if not path.is_file():
            return False
        with path.open(encoding="utf-8", errors="replace") as file:
            lines = file.read(_MAX_LABELS_READ).splitlines()
    except OSError:
        return False
    lines = lines[lines.index("#") + 1 :] if "#" in lines else lines
    lines = [line for line in lines[:_MAX_LABEL_LINES] if line.strip()]
    return len(lines) > 1 and all(map(_LABEL.match, lines))


def _text_folders(source: Path, path: PurePosixPath) -> Iterator[PurePosixPath]:
    """The folders of texts that go with one of clips: `txt/p225` with `wav48/p225`."""
    for i, part in enumerate(path.parts):
        if part.lower() in _AUDIO_FOLDERS:
            above = PurePosixPath(*path.parts[:i])
            for name in sorted(entry.name for entry in (source / above).iterdir()):
                other = above.joinpath(name, *path.parts[i + 1 :])
                if name.lower() in _TEXT_FOLDERS and (source / other).is_dir():
                    yield other


def _read_folder(folder: _Folder, inside: AudioFolder) -> Iterator[Utterance | SetAside]:
    split = folder.split
    for stem, name in folder.clips.items():
        identity = (folder.path / name).as_posix()
        if stem not in folder.texts:
            detail = "no text file of this name (.txt, .lab) beside it"
            yield SetAside(identity, split, "no-transcript", detail, identity)
            continue
        text = folder.texts[stem].as_posix()
        found = _read_pair(identity, text, inside)
        if isinstance(found, str):
            yield Utterance(
                id=identity,
                audio=inside.path / identity,
                transcript=found,
                split=split,
                speaker_id=folder.speaker,
                row=text,
            )
        else:
            yield SetAside(identity, split, *found, text)
    for stem, path in folder.texts.items():
        if stem not in folder.clips:
            yield SetAside(str(path), split, "missing", "no clip of this name", str(path))


def _read_pair(clip: str, text: str, inside: AudioFolder) -> str | tuple[SetAsideReason, str]:
    """The clip's text on one line, or why it has none."""
    for name in (clip, text):
        try:
            if inside.find(name) is None:
                return "outside-folder", f"{name} is a link that leads out of {inside.path.name}"
        except OSError as error:
            return "unreadable", f"{name}: {error.strerror or error}"
    try:
        with open_lines(inside.path / text, text) as lines:
            parts: list[str] = []
            while line := lines.next_filled():
                parts.append(line.strip())
                if fault := find_fault(line, lines.number):
                    return "bad-row", f"row {lines.number}: {fault.detail}"
                if sum(map(len, parts)) > MAX_TEXT:
                    return "bad-row", _too_long(clip, text)
    except DataError as error:
        return "bad-row", str(error)
    return " ".join(parts) if parts else ("no-transcript", f"{text} is empty")


def _too_long(clip: str, text: str) -> str:
    return (
        f"a text of over {MAX_TEXT} characters, for more than one clip: cut the recording with "
        f"`ruach data segment {clip} --text {text}`"
    )
