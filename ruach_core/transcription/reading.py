"""Audio files as a stream of waveforms, so that a day's recording needs no more than minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import av

from ruach_core.data.audio import FFMPEG_OPTIONS, AudioError, load_audio, stream_audio
from ruach_core.data.audio_names import is_recording_name
from ruach_core.errors import UserError
from ruach_core.features import FloatArray

_WHOLE_S = 600.0
"""Audio up to this length is read at once, by the reader that training and evaluation use."""


def find_audio_files(path: Path) -> list[Path]:
    """The path itself, whatever its name, or the recordings directly in the folder, by name.

    Raises:
        UserError: the folder can't be listed, or holds no audio file.
    """
    if not path.is_dir():
        return [path]
    try:
        found = sorted(p for p in path.iterdir() if is_recording_name(p.name))
    except OSError as error:
        raise UserError(f"{path}: can't be listed: {error.strerror or error}") from error
    found = [p for p in found if p.is_file() and not p.name.startswith(".")]
    if not found:
        raise UserError(f"{path}: no audio files in this folder; sub-folders aren't searched")
    return found


def read_duration_s(path: Path) -> float | None:
    """The length that the file's header states, in seconds, or None where it states none."""
    try:
        container = av.open(f"file:{path}", options=FFMPEG_OPTIONS)
    except (av.FFmpegError, ValueError, OSError):
        return None
    with closing(container):
        return container.duration / av.time_base if container.duration else None


def iter_audio(path: Path) -> Iterator[FloatArray]:
    """The file's audio in order, mono float32 at 16 kHz, in pieces.

    A long file that breaks off in the middle gives what can be decoded before that.

    Raises:
        AudioError: the file is missing, unreadable or empty.
    """
    duration_s = read_duration_s(path) if path.is_file() else None
    if duration_s is None or duration_s <= _WHOLE_S:
        yield load_audio(path)
        return
    n_samples = 0
    try:
        for piece in stream_audio(path):
            n_samples += len(piece)
            yield piece
    except AudioError:
        if not n_samples:
            raise
