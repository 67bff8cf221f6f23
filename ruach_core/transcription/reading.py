"""Audio files as a stream of waveforms, so that a day's recording needs no more than minutes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import av
import numpy as np
import soxr

from ruach_core.data.audio import FFMPEG_OPTIONS, AudioError, load_audio
from ruach_core.errors import UserError
from ruach_core.features import FloatArray
from ruach_core.types import SAMPLING_RATE

AUDIO_SUFFIXES = frozenset(
    {
        ".aac", ".aif", ".aiff", ".amr", ".avi", ".caf", ".flac", ".m4a", ".m4b", ".mka", ".mkv",
        ".mov", ".mp3", ".mp4", ".oga", ".ogg", ".opus", ".wav", ".webm", ".wma", ".wv",
    }
)  # fmt: skip
"""File name endings that a folder is searched for; a file named by itself may end in anything."""

_WHOLE_S = 600.0
"""Audio up to this length is read at once, by the reader that training and evaluation use."""


def find_audio_files(path: Path) -> list[Path]:
    """The path itself, or the audio files directly in it if it is a folder, sorted by name.

    Raises:
        UserError: the folder can't be listed, or holds no audio file.
    """
    if not path.is_dir():
        return [path]
    try:
        found = sorted(p for p in path.iterdir() if p.suffix.lower() in AUDIO_SUFFIXES)
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
        with closing(av.open(f"file:{path}", options=FFMPEG_OPTIONS)) as container:
            for piece in _decode(path, container):
                n_samples += len(piece)
                yield piece
    except (av.FFmpegError, ValueError, OSError) as error:
        if not n_samples:
            raise AudioError(path, "unreadable", f"can't be decoded: {error}") from error


def _decode(path: Path, container: Any) -> Iterator[FloatArray]:
    """Channels are averaged and resampled as `load_audio` does it, but frame by frame."""
    if not container.streams.audio:
        raise AudioError(path, "unreadable", "holds no audio stream")
    stream = container.streams.audio[0]
    rate = int(stream.codec_context.sample_rate or 0)
    if not rate:
        raise AudioError(path, "unreadable", "its header states no sampling rate")
    to_float = av.AudioResampler(format="fltp", layout=stream.codec_context.layout, rate=rate)
    to_16_khz = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
    for frame in container.decode(stream):
        for part in to_float.resample(frame):
            mono = np.nan_to_num(part.to_ndarray()).mean(axis=0, dtype=np.float32)
            yield to_16_khz.resample_chunk(mono)
    yield to_16_khz.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
