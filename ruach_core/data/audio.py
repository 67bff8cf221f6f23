"""Audio files to waveforms: mono float32 at 16 kHz.

soundfile (libsndfile) reads wav, flac, ogg, opus and mp3; PyAV (FFmpeg) reads what it can't, such
as m4a and webm. Nothing is read beyond what is asked for: a segment is sought, a cap on the
duration holds against the header first and against the samples while they are decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from ruach_core.data.mp3_index import has_whole_index
from ruach_core.errors import DataError
from ruach_core.types import SAMPLING_RATE

AudioReason = Literal["missing", "unreadable", "empty", "too-long"]

# FFmpeg also opens play lists and scripts that name other files or addresses; a data set has no
# business with those, so only plain containers are let in.
_CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,asf_o,au,avi,caf,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,"
    "mpeg,mpegts,ogg,tta,w64,wav,wv"
)
FFMPEG_OPTIONS = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
"""For every `av.open`: only plain containers, only local files."""
_MIN_RATE, _MAX_RATE = 1_000, 768_000
_MAX_CHANNELS = 64
_MAX_CHUNKS = 1_000
_BLOCK_SAMPLES = 1 << 20
_ENDLESS = 1 << 60
_TOLERANCE_S = 0.1
"""How much of the promised audio may be missing before a file counts as truncated."""
_PLAUSIBLE_PEAK = 4.0
"""Full scale is 1; lossy codecs overshoot a little, integers stored as floats by far."""

Waveform = npt.NDArray[np.float32]


class AudioError(DataError):
    """A file, or a segment of one, that can't be used as audio.

    Attributes:
        reason: a short stable code, one of the reasons of `SetAside`.
        detail: what is wrong, in one line, without the path.
    """

    def __init__(self, path: Path, reason: AudioReason, detail: str) -> None:
        self.reason: AudioReason = reason
        self.detail = " ".join(detail.split())
        super().__init__(f"{path}: {self.detail}")


class _UnknownFormatError(Exception):
    """A decoder doesn't know the file's format; another one may."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What to read of a file; times in seconds."""

    path: Path
    start_s: float
    end_s: float | None
    max_s: float | None

    @property
    def is_whole(self) -> bool:
        return not self.start_s and self.end_s is None

    def error(self, reason: AudioReason, detail: str) -> AudioError:
        return AudioError(self.path, reason, detail)

    def check_header(self, duration_s: float | None, rate: int, n_channels: int) -> None:
        """Refuse from the header alone what can't be used, before anything is decoded."""
        if not _MIN_RATE <= rate <= _MAX_RATE or not 1 <= n_channels <= _MAX_CHANNELS:
            raise self.error("unreadable", f"its header says {rate} Hz and {n_channels} channels")
        if duration_s is None:
            if self.end_s is not None:
                self.check_length(self.end_s - self.start_s)
            return
        self.check_start(duration_s)
        self.check_end(duration_s)
        end_s = duration_s if self.end_s is None else min(self.end_s, duration_s)
        self.check_length(end_s - self.start_s)

    def check_start(self, duration_s: float) -> None:
        """Refuse a segment that starts where the file has ended."""
        if self.start_s > 0 and self.start_s >= duration_s:
            raise self.error(
                "empty", f"the segment starts at {self.start_s:g} s, the file ends at "
                f"{duration_s:.2f} s"
            )  # fmt: skip

    def check_end(self, duration_s: float) -> None:
        """Refuse a segment that goes on where the file has ended."""
        if self.end_s is not None and self.end_s > duration_s + 5 * _TOLERANCE_S:
            raise self.error(
                "unreadable",
                f"the segment ends at {self.end_s:g} s, the file at {duration_s:.2f} s",
            )

    def check_length(self, length_s: float) -> None:
        """Refuse what is longer than the cap."""
        if self.max_s is not None and length_s > self.max_s:
            raise self.error("too-long", f"{length_s:.2f} s, longer than {self.max_s:g} s")


def load_audio(
    path: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    max_duration_s: float | None = None,
) -> Waveform:
    """Read a file, or the segment of it between two times, as mono audio at 16 kHz.

    Channels are averaged. Samples far beyond full scale (integers stored as floats) are scaled to
    it. A wav or flac file that holds less than its header promises is refused as truncated.

    Args:
        path: the audio file.
        start_s: where the segment starts, in seconds; the file's start by default.
        end_s: where it ends, in seconds; the file's end by default.
        max_duration_s: refuse anything longer, as soon as that is known.

    Returns:
        float32, shape (n_samples,), n_samples >= 1.

    Raises:
        AudioError: the file is missing, isn't audio, is damaged, holds no samples, holds NaN or
            infinite samples, or is longer than `max_duration_s`.
    """
    request = _Request(path, start_s or 0.0, end_s, max_duration_s)
    with _blame_file(request):
        return _resample(request, *_decode_checked(request))


def load_native_audio(
    path: Path,
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    max_duration_s: float | None = None,
) -> tuple[Waveform, int]:
    """As `load_audio`, but at the file's own rate: what was recorded, for those who judge it.

    Returns:
        float32, shape (n_samples,), n_samples >= 1; and the sampling rate in Hz.

    Raises:
        AudioError: as `load_audio`.
    """
    request = _Request(path, start_s or 0.0, end_s, max_duration_s)
    with _blame_file(request):
        return _decode_checked(request)


def stream_audio(path: Path) -> Iterator[Waveform]:
    """A whole file in pieces of mono audio at 16 kHz, decoded and resampled as they are taken.

    However long the file, memory holds one piece. Samples that are no numbers are silence.

    Returns:
        arrays of float32, each of shape (n_samples,), n_samples >= 0.

    Raises:
        AudioError: the file is missing or isn't audio, or decoding fails further on.
    """
    request = _Request(path, 0.0, None, None)
    with _blame_file(request), _open_av(request) as (container, stream, rate):
        to_16_khz = soxr.ResampleStream(rate, SAMPLING_RATE, 1, dtype="float32", quality="HQ")
        for block in _av_blocks(request, container, stream, rate):
            yield to_16_khz.resample_chunk(np.nan_to_num(block, posinf=0, neginf=0))
        yield to_16_khz.resample_chunk(np.zeros(0, dtype=np.float32), last=True)


@contextmanager
def _blame_file(request: _Request) -> Iterator[None]:
    _check_file(request)
    try:
        yield
    # The codecs' own faults come as RuntimeError (soundfile, soxr), OSError or ValueError (both).
    except (
        RuntimeError, OSError, ValueError, ArithmeticError, av.FFmpegError, _UnknownFormatError,
    ) as error:  # fmt: skip
        raise request.error("unreadable", f"can't be decoded: {error}") from error


def _check_file(request: _Request) -> None:
    start_s, end_s = request.start_s, request.end_s
    if not start_s >= 0 or (end_s is not None and not end_s > start_s):
        raise request.error("empty", f"no audio between {start_s:g} s and {end_s} s")
    try:
        if not request.path.is_file():
            raise request.error("missing", "no such file")
        with request.path.open("rb") as file:
            if not file.read(1):
                raise request.error("empty", "the file has 0 bytes")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise request.error("unreadable", f"can't be opened: {reason}") from error


def _decode(request: _Request) -> tuple[Waveform, int]:
    try:
        return _decode_soundfile(request)
    except _UnknownFormatError as first:
        try:
            return _decode_av(request)
        except _UnknownFormatError as second:
            raise request.error(
                "unreadable", f"not audio that soundfile ({first}) or FFmpeg ({second}) can read"
            ) from second


def _decode_soundfile(request: _Request) -> tuple[Waveform, int]:
    """Mono samples at the file's own rate, by libsndfile."""
    _check_riff_length(request)
    try:
        file = soundfile.SoundFile(request.path)
    # TypeError: a name such as x.raw makes soundfile ask for a sampling rate.
    except (soundfile.SoundFileError, TypeError) as error:
        raise _UnknownFormatError(str(error).rpartition(": ")[2].rstrip(".")) from error
    with file:
        rate, n_total = int(file.samplerate), int(file.frames)
        if n_total == 0 and request.path.stat().st_size > 4096:
            # A recorder that was cut off leaves a length of 0 in the header; FFmpeg sees past it.
            raise _UnknownFormatError("no samples by its header")
        # An mp3 file without an index only has an estimate, beyond which nothing can be sought.
        is_length_known = file.format != "MP3"
        if not is_length_known and request.is_whole and not has_whole_index(request.path):
            raise _UnknownFormatError("no index of the whole file")
        duration_s = n_total / rate if rate else 0.0
        request.check_header(duration_s if is_length_known else None, rate, int(file.channels))
        request.check_start(duration_s)
        n_total = n_total if is_length_known else _ENDLESS
        first = round(request.start_s * rate)
        end = n_total if request.end_s is None else min(n_total, round(request.end_s * rate))
        if first:
            file.seek(first)
        native = _join(request, _soundfile_blocks(file, end - first), rate)
    if not is_length_known:
        request.check_end(request.start_s + len(native) / rate)
        return native, rate
    missing_s = (end - first - len(native)) / rate
    if missing_s > _TOLERANCE_S:
        raise request.error(
            "unreadable", f"truncated: {missing_s:.2f} s of {duration_s:.2f} s are missing"
        )
    return native, rate


def _soundfile_blocks(file: soundfile.SoundFile, n_frames: int) -> Iterator[Waveform]:
    n_block = max(1, _BLOCK_SAMPLES // file.channels)
    while n_frames > 0:
        block = file.read(min(n_block, n_frames), dtype="float32", always_2d=True)
        if not len(block):
            return
        n_frames -= len(block)
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)


def _check_riff_length(request: _Request) -> None:
    """Refuse a wav file whose data chunk is shorter than it says; libsndfile reads it silently."""
    with request.path.open("rb") as file:
        n_file = file.seek(0, 2)
        file.seek(0)
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            return
        bytes_per_s = 0
        for _ in range(_MAX_CHUNKS):
            if len(header := file.read(8)) < 8:
                return
            name, size = struct.unpack("<4sI", header)
            if name == b"fmt ":
                fmt = file.read(min(size, 16))
                bytes_per_s = struct.unpack_from("<I", fmt, 8)[0] if len(fmt) == 16 else 0
                file.seek(size - len(fmt), 1)
            elif name == b"data":
                # Programs that write to a pipe can't go back: they leave 0 or the largest size.
                n_missing = size - (n_file - file.tell())
                if size < 0x7FFF_0000 and bytes_per_s and n_missing / bytes_per_s > _TOLERANCE_S:
                    raise request.error(
                        "unreadable", f"truncated: its header promises {size / bytes_per_s:.2f} s, "
                        f"the last {n_missing / bytes_per_s:.2f} s are missing"
                    )  # fmt: skip
                return
            else:
                file.seek(size, 1)
            if size % 2:
                file.seek(1, 1)


def _decode_av(request: _Request) -> tuple[Waveform, int]:
    """Mono samples at the file's own rate, by FFmpeg."""
    with _open_av(request) as (container, stream, rate):
        native = _join(request, _av_blocks(request, container, stream, rate), rate)
    # Some headers tell no length, or a guess.
    request.check_end(request.start_s + len(native) / rate)
    return native, rate


@contextmanager
def _open_av(request: _Request) -> Iterator[tuple[Any, Any, int]]:
    """FFmpeg's container, its audio stream, and the sampling rate of that."""
    try:
        container = av.open(f"file:{request.path}", options=FFMPEG_OPTIONS)
    except (av.FFmpegError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _UnknownFormatError(reason.partition(": 'file:")[0]) from error
    with closing(container):
        if not container.streams.audio:
            raise _UnknownFormatError("no audio stream")
        stream = container.streams.audio[0]
        if stream.codec_context is None:
            raise _UnknownFormatError("a codec it lacks")
        rate = int(stream.codec_context.sample_rate or 0)
        # The duration of a stream without an index is only a guess from its bit rate.
        is_length_known = stream.duration is not None and container.format.name != "aac"
        duration_s = float(stream.duration * stream.time_base) if is_length_known else None
        request.check_header(duration_s, rate, int(stream.codec_context.channels))
        yield container, stream, rate


def _av_blocks(request: _Request, container: Any, stream: Any, rate: int) -> Iterator[Waveform]:
    origin_s = float((stream.start_time or 0) * stream.time_base)
    if request.start_s:
        container.seek(
            int((request.start_s + origin_s) * av.time_base), backward=True, any_frame=False
        )
    # Same rate and layout: this only makes every frame float. Not planar: of more than 8 channels
    # PyAV would take the planes from beside the memory that holds them.
    to_float = av.AudioResampler(format="flt", layout=stream.codec_context.layout, rate=rate)
    end = _ENDLESS if request.end_s is None else round(request.end_s * rate)
    first = round(request.start_s * rate)
    position = None if request.start_s else 0
    for frame in container.decode(stream):
        if position is None:
            position = round((float(frame.time or 0.0) - origin_s) * rate)
        for part in to_float.resample(frame):
            channels = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            mono = channels.mean(axis=1, dtype=np.float32)
            keep = mono[max(0, first - position) : max(0, end - position)]
            position += len(mono)
            if len(keep):
                yield keep
        if position >= end:
            return


def _join(request: _Request, blocks: Iterator[Waveform], rate: int) -> Waveform:
    """All blocks in one array; stops decoding as soon as they are too long."""
    parts: list[Waveform] = []
    n_samples = 0
    for block in blocks:
        parts.append(block)
        n_samples += len(block)
        if request.max_s is not None and n_samples > request.max_s * rate + 0.5:
            raise request.error("too-long", f"longer than {request.max_s:g} s")
    if not n_samples and request.start_s:
        raise request.error(
            "empty", f"the segment starts at {request.start_s:g} s, the file ends before that"
        )
    if not n_samples:
        raise request.error("empty", "holds no samples")
    return np.concatenate(parts)


def _decode_checked(request: _Request) -> tuple[Waveform, int]:
    """Mono samples at the file's own rate, all of them plausible."""
    native, rate = _decode(request)
    peak = float(np.abs(native).max())
    if not np.isfinite(peak):
        raise request.error("unreadable", "holds samples that are NaN or infinite")
    if peak > _PLAUSIBLE_PEAK:
        native = native / np.float32(peak)
    return native, rate


def _resample(request: _Request, native: Waveform, rate: int) -> Waveform:
    if rate != SAMPLING_RATE:
        native = soxr.resample(native, rate, SAMPLING_RATE, quality="HQ")
    if not len(native):
        raise request.error("empty", "holds no samples at 16 kHz")
    return np.ascontiguousarray(native, dtype=np.float32)
