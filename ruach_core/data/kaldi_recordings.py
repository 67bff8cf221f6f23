"""Finds the audio of a Kaldi data directory's recordings, inside the corpus' root alone."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ruach_core.data.audio_folder import AudioFolder
from ruach_core.data.kaldi_pipes import parse_recording
from ruach_core.data.kaldi_tables import KaldiRow
from ruach_core.types import SetAsideReason

_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]*)?|\.[0-9]+")
_CHANNEL = re.compile(r"-?[0-9]{1,3}")
_TO_THE_END = re.compile(r"-1(\.0*)?")


class UnusableRowError(Exception):
    """A row can't be used; `reason` and `detail` as in `SetAside`."""

    def __init__(self, reason: SetAsideReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: SetAsideReason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class KaldiSegment:
    """A line of `segments`: a stretch of a recording, in seconds.

    Attributes:
        recording: its key in `wav.scp`.
        start_s: where it starts.
        end_s: where it ends; None for the recording's end.
        channel: the channel that it takes, from 1; None for all.
    """

    recording: str
    start_s: float
    end_s: float | None
    channel: int | None


def parse_segment(row: KaldiRow) -> KaldiSegment:
    """What a row of `segments` says.

    Raises:
        UnusableRowError: it isn't RECORDING START END [CHANNEL] with times in seconds.
    """
    fields = row.value.split()
    if row.problem:
        raise UnusableRowError("bad-row", f"segments row {row.number}: {row.problem}")
    if len(fields) not in (3, 4):
        raise UnusableRowError(
            "bad-row",
            f"segments row {row.number}: {len(fields) + 1} fields; expected "
            "UTTERANCE RECORDING START END",
        )
    start, end = fields[1:3]
    channel = fields[3] if len(fields) == 4 else "-1"
    is_to_the_end = _TO_THE_END.fullmatch(end) is not None
    if not (
        _SECONDS.fullmatch(start)
        and (is_to_the_end or _SECONDS.fullmatch(end))
        and _CHANNEL.fullmatch(channel)
        and (is_to_the_end or float(start) < float(end))
    ):
        raise UnusableRowError(
            "bad-row",
            f"segments row {row.number}: from {start[:40]} to {end[:40]} isn't a stretch of time "
            "in seconds",
        )
    return KaldiSegment(
        fields[0],
        float(start),
        None if is_to_the_end else float(end),
        # Kaldi's extract-segments counts from 0; below, all channels are meant.
        int(channel) + 1 if int(channel) >= 0 else None,
    )


class KaldiRecordings:
    """The recordings of one data directory.

    Paths are looked for in the data directory, then in each folder above it up to the corpus'
    root, and nowhere else.
    """

    def __init__(self, root: Path, folder: Path, rows: Mapping[str, KaldiRow]) -> None:
        """`folder`, inside `root`, is the data directory; `find` looks in `rows` of `wav.scp`."""
        self._root = root
        self._rows = rows
        self._found: dict[str, tuple[Path, int | None] | UnusableRowError] = {}
        self._n_channels: dict[Path, int] = {}
        # Not resolved: a data directory that is a link is where it says, not where it leads.
        top = os.path.abspath(root)  # noqa: PTH100
        below = os.path.relpath(os.path.abspath(folder), top)  # noqa: PTH100
        parts = () if below == os.curdir else Path(below).parts
        self._bases = [Path(*parts[:n]) for n in range(len(parts), -1, -1)]
        self._tops = tuple(dict.fromkeys((top, os.path.realpath(root))))
        self._files = AudioFolder(root)

    def find(self, recording: str, channel: int | None = None) -> Path:
        """The audio file of a recording, existing or not.

        Args:
            recording: its key in `wav.scp`.
            channel: the channel that a segment takes, from 1; None for all.

        Raises:
            UnusableRowError: there is none inside the root, or only by running a command, or one
                channel of several is wanted.
        """
        if recording not in self._found:
            row = self._rows.get(recording)
            try:
                if row is None:
                    raise UnusableRowError("missing", f"recording {recording} isn't in wav.scp")
                self._found[recording] = self._locate(row)
            except UnusableRowError as error:
                self._found[recording] = error
        found = self._found[recording]
        if isinstance(found, UnusableRowError):
            raise UnusableRowError(found.reason, found.detail)
        return self._check_channel(found[0], channel or found[1])

    def resolve(self, row: KaldiRow) -> Path:
        """The audio file of a row of `wav.scp`, existing or not.

        Raises:
            UnusableRowError: see `find`.
        """
        return self._check_channel(*self._locate(row))

    def _locate(self, row: KaldiRow) -> tuple[Path, int | None]:
        where = f"wav.scp row {row.number}"
        if row.problem:
            raise UnusableRowError("bad-row", f"{where}: {row.problem}")
        recording = parse_recording(row.value)
        if recording.problem:
            raise UnusableRowError("bad-row", f"{where}: {recording.problem}")
        try:
            path = self._match(recording.file)
        except OSError as error:
            raise UnusableRowError("unreadable", f"{where}: {error.strerror or error}") from error
        if path is None:
            raise UnusableRowError(
                "outside-folder",
                f"{where}: {recording.file[:200]} is not inside {self._root}; put the recordings "
                "below it and make their paths in wav.scp relative to it",
            )
        return path, recording.channel

    def _match(self, file: str) -> Path | None:
        if Path(file).is_absolute():
            file = os.path.normpath(file)
            for top in self._tops:
                if file.startswith(top.rstrip(os.sep) + os.sep):
                    return self._files.find(os.path.relpath(file, top))
            return None
        last = None
        for base in self._bases:
            path = self._files.find(str(base / file))
            if path is not None:
                if path.exists():
                    return path
                last = path
        return last

    def _check_channel(self, path: Path, channel: int | None) -> Path:
        """The path; the audio reader averages channels, and two speakers would be one."""
        if channel is None:
            return path
        if path not in self._n_channels:
            self._n_channels[path] = _count_channels(path)
        if self._n_channels[path] > 1:
            raise UnusableRowError(
                "bad-row",
                f"takes channel {channel} of {path.name}, which has {self._n_channels[path]}; "
                "write each channel to a file of its own",
            )
        return path


def _count_channels(path: Path) -> int:
    """Channels by the file's header; 1 where that can't be told."""
    import soundfile

    try:
        return int(soundfile.info(str(path)).channels)
    # libsndfile's own faults are RuntimeErrors; TypeError: headerless formats need more arguments.
    except (RuntimeError, OSError, ValueError, TypeError):
        return 1
