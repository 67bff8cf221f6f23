"""Recordings with subtitles beside them: `talk.mp3` and `talk.srt` or `talk.vtt`.

Each cue is a segment. Subtitles are made to be read, not to be aligned: cues without speech, cues
that overlap, and cues that fit no window are set aside.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import get_args

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.audio_names import (
    RECORDING_SUFFIXES,
    is_recording_name,
    name_without_ending,
)
from ruach_core.data.split_names import find_split_folders, sort_by_split
from ruach_core.data.subtitle_files import (
    SUBTITLE_SUFFIXES,
    BadCue,
    SubtitleCue,
    drop_carried_lines,
    read_subtitles,
)
from ruach_core.errors import DataError
from ruach_core.types import CorpusInfo, SetAside, SetAsideReason, Split, Utterance

LAYOUT = (
    "audio files with subtitles of the same name beside them (talk.mp3, talk.srt or talk.vtt), in "
    "a folder or in its train/, dev/ and test/"
)
MAX_CUE_S = 30.0
"""Whisper's window: a cue of this length or more doesn't fit it."""
MAX_OVERLAP_S = 0.2
"""How far one cue may reach into the next, about a syllable, before neither is trusted."""
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*")
_UNDETERMINED = "und"


class SubtitleLoader:
    """Reads a folder of recordings with subtitles, or one recording with its own.

    A subtitle file may have the language between name and ending (`talk.am.srt`); of several the
    one of the run's language is read, and one that is marked with another language is never.
    """

    name = "subtitles"

    def __init__(self, lang: str) -> None:
        """`lang` is the language that the run is for."""
        self._lang = lang

    def detect(self, source: Path) -> bool:
        """Whether there is a recording with a subtitle file of its name."""
        try:
            if source.is_file():
                pairs, _ = _list_pairs(source.parent)
                return bool(
                    is_recording_name(source.name)
                    and pairs.get(name_without_ending(source), ((), ()))[1]
                )
            return any(_has_pair(folder) for folder in [source, *find_split_folders(source)])
        except (OSError, ValueError):
            return False

    def splits(self, source: Path) -> Sequence[Split]:
        """The splits that have a folder; train alone where there is none.

        Raises:
            DataError: no recording has a subtitle file.
        """
        found = _find_folders(source)
        return tuple(split for split in get_args(Split) if split in found)

    def info(self, source: Path) -> CorpusInfo:
        """Nothing: the layout has no place for it."""
        return CorpusInfo()

    def read(self, source: Path, split: Split) -> Iterator[Utterance | SetAside]:
        """The split's cues, recording by recording; see `DatasetLoader.read`."""
        found = _find_folders(source)
        if split not in found:
            raise DataError(f"{source}: has no {split} split; expected {LAYOUT}")
        root = source.parent if source.is_file() else source
        reader = _FolderReader(root, found[split], split, self._lang)
        return reader.read(source if source.is_file() else None)


def _list_pairs(folder: Path) -> tuple[dict[str, tuple[list[Path], list[Path]]], list[Path]]:
    """For each recording's name its files and its subtitle files; subtitles without a recording."""
    with os.scandir(folder) as entries:
        names = sorted(e.name for e in entries if not e.name.startswith(".") and e.is_file())
    paths = [folder / name for name in names]
    pairs: dict[str, tuple[list[Path], list[Path]]] = {}
    for path in paths:
        if is_recording_name(path.name):
            pairs.setdefault(name_without_ending(path), ([], []))[0].append(path)
    alone = []
    for path in paths:
        if path.suffix.lower() in SUBTITLE_SUFFIXES:
            stem = name_without_ending(path)
            shorter, _, language = stem.rpartition(".")
            if stem not in pairs and shorter in pairs and _LANGUAGE.fullmatch(language):
                stem = shorter
            if stem in pairs:
                pairs[stem][1].append(path)
            else:
                alone.append(path)
    return pairs, alone


def _has_pair(folder: Path) -> bool:
    return folder.is_dir() and any(files[1] for files in _list_pairs(folder)[0].values())


def _find_folders(source: Path) -> dict[Split, Path]:
    """The folder of each split; the source's own where it has none for splits."""
    try:
        if not source.exists():
            raise DataError(f"{source}: no such file or folder; expected {LAYOUT}")
        if source.is_file():
            return {"train": source.parent}
        folders = find_split_folders(source)
        if not any(_has_pair(folder) for folder in folders):
            if _has_pair(source):
                return {"train": source}
            raise DataError(f"{source}: no recording with a subtitle file; expected {LAYOUT}")
    except OSError as error:
        raise DataError(f"{source}: can't be read: {error.strerror or error}") from error
    return sort_by_split(source, folders)


class _FolderReader:
    """Reads the recordings of one folder."""

    def __init__(self, root: Path, folder: Path, split: Split, lang: str) -> None:
        self._root = root
        self._folder = folder
        self._split: Split = split
        self._lang = lang.lower()
        self._inside = AudioFolder(root, folder.relative_to(root).as_posix())

    def read(self, only: Path | None) -> Iterator[Utterance | SetAside]:
        """The cues of all recordings, or of `only` one.

        Raises:
            DataError: the folder can't be read.
        """
        try:
            pairs, alone = _list_pairs(self._folder)
        except OSError as error:
            reason = error.strerror or error
            raise DataError(f"{self._folder}: can't be read: {reason}") from error
        if only is not None:
            files = pairs.get(name_without_ending(only), ([], []))
            yield from self._read_pair([only], files[1])
            return
        for recordings, subtitles in pairs.values():
            recordings = sorted(
                recordings, key=lambda path: RECORDING_SUFFIXES.index(path.suffix.lower())
            )
            yield from self._read_pair(recordings, subtitles)
        for path in alone:
            yield self._aside(path, "missing", "no recording of this name beside it", path)

    def _read_pair(
        self, recordings: Sequence[Path], subtitles: Sequence[Path]
    ) -> Iterator[Utterance | SetAside]:
        recording = recordings[0]
        subtitle, problem = self._choose(recording, subtitles)
        if subtitle is None:
            yield self._aside(recording, "no-transcript", problem, recording)
            return
        for path in (recording, subtitle):
            if self._inside.find(path.name) is None:
                detail = f"{path.name} is a link that leads out of {self._root.name}"
                yield self._aside(recording, "outside-folder", detail, path)
                return
        try:
            cues = drop_carried_lines(read_subtitles(subtitle))
        except DataError as error:
            yield self._aside(recording, "bad-row", str(error), subtitle)
            return
        if not cues:
            yield self._aside(recording, "no-transcript", f"{subtitle.name} has no cue", subtitle)
        yield from self._read_cues(recording, subtitle, cues)

    def _choose(self, recording: Path, subtitles: Sequence[Path]) -> tuple[Path | None, str]:
        """The recording's subtitle file, or None and why there is none."""
        languages: dict[str, Path] = {}
        for path in sorted(
            subtitles, key=lambda path: SUBTITLE_SUFFIXES.index(path.suffix.lower())
        ):
            marked = (
                name_without_ending(path)[len(name_without_ending(recording)) + 1 :]
                .lower()
                .replace("_", "-")
            )
            languages.setdefault(marked, path)
        for wanted in ("", self._lang, self._lang.partition("-")[0]):
            if wanted in languages:
                return languages[wanted], ""
        mine = [mark for mark in languages if mark.startswith(f"{self._lang}-")]
        if self._lang == _UNDETERMINED:
            mine = list(languages)
        if len(mine) == 1:
            return languages[mine[0]], ""
        if not languages:
            return None, "no subtitle file of this name (.srt, .vtt) beside it"
        names = ", ".join(path.name for path in languages.values())
        why = "several subtitle files" if mine else f"none is marked {self._lang}"
        return None, f"{why}: {names}; call the transcript {recording.stem}.srt"

    def _read_cues(
        self, recording: Path, subtitle: Path, cues: Sequence[SubtitleCue | BadCue]
    ) -> Iterator[Utterance | SetAside]:
        overlapping = _find_overlaps(cues)
        seen: dict[tuple[int, int], int] = {}
        identity = recording.relative_to(self._root).as_posix()
        for cue in cues:
            where = f"{subtitle.relative_to(self._root).as_posix()} row {cue.row}"
            if isinstance(cue, BadCue):
                yield SetAside(where, self._split, "bad-row", cue.detail, where)
                continue
            name = f"{identity}#{cue.start_s:.3f}-{cue.end_s:.3f}"
            reason, detail = _judge(cue, overlapping.get(cue.row))
            first = seen.setdefault((cue.start_ms, cue.end_ms), cue.row)
            if first != cue.row:
                reason, detail = "bad-row", f"the same times as in row {first}"
            if reason is not None:
                yield SetAside(name, self._split, reason, detail, where)
                continue
            yield Utterance(
                id=name,
                audio=recording,
                transcript=cue.spoken,
                split=self._split,
                speaker_id=cue.speaker,
                start_s=cue.start_s,
                end_s=cue.end_s,
                row=where,
            )

    def _aside(self, path: Path, reason: SetAsideReason, detail: str, where: Path) -> SetAside:
        identity = path.relative_to(self._root).as_posix()
        row = where.relative_to(self._root).as_posix()
        return SetAside(identity, self._split, reason, detail, row)


def _judge(cue: SubtitleCue, overlap: int | None) -> tuple[SetAsideReason | None, str]:
    """Why a cue can't be used, or None."""
    if not cue.spoken:
        detail = f"no speech in it: {cue.text[:60]}" if cue.lines else "no text of its own"
        return "no-transcript", detail
    duration_s = cue.end_s - cue.start_s
    if duration_s >= MAX_CUE_S:
        return "too-long", f"{duration_s:.2f} s, Whisper's window is {MAX_CUE_S:g} s"
    if overlap is not None:
        return "bad-row", f"overlaps the cue of row {overlap}; whose speech it is can't be told"
    return None, ""


def _find_overlaps(cues: Sequence[SubtitleCue | BadCue]) -> dict[int, int]:
    """For the row of each spoken cue that overlaps another's time, the row of that other."""
    spoken = [cue for cue in cues if isinstance(cue, SubtitleCue) and cue.spoken]
    spoken.sort(key=lambda cue: (cue.start_ms, cue.end_ms))
    found: dict[int, int] = {}
    latest: SubtitleCue | None = None
    for cue in spoken:
        if latest is not None:
            is_same = (cue.start_ms, cue.end_ms, cue.spoken) == (
                latest.start_ms, latest.end_ms, latest.spoken,
            )  # fmt: skip
            overlap_ms = min(latest.end_ms, cue.end_ms) - cue.start_ms
            if overlap_ms > 1000 * MAX_OVERLAP_S and not is_same:
                found[cue.row] = latest.row
                found.setdefault(latest.row, cue.row)
        if latest is None or cue.end_ms > latest.end_ms:
            latest = cue
    return found
