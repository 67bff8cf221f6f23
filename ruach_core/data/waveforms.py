"""Decoded audio of a run in one file: 16 kHz, mono, 16 bits.

A run reads every clip once an epoch. Decoding and resampling them each time costs more than the
log-mel does; here it is done once, and read by position afterwards. The file is on disk and read
with `pread`, so memory doesn't grow with the corpus: 115 MB an hour on disk, and the system keeps
in memory what it can spare. Never a mel is kept: it would be larger, and as long as its padding.
"""

from __future__ import annotations

import json
import os
import platform
import wave
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ruach_core.data.audio import load_audio
from ruach_core.errors import UserError
from ruach_core.features import FloatArray
from ruach_core.files import write_aside
from ruach_core.types import SAMPLING_RATE, Utterance

_SCALE = 32_768.0
_READERS = 4
"""Decoding waits for the disk and the codecs' own code, not for Python."""


def load_utterance(utterance: Utterance) -> FloatArray:
    """An utterance's waveform from its own file, mono float32 at 16 kHz.

    Raises:
        AudioError: the file can't be read.
    """
    return load_audio(utterance.audio, start_s=utterance.start_s, end_s=utterance.end_s)


class WaveformStore:
    """Waveforms by utterance, read by position from one file; safe to read from many threads."""

    def __init__(self, path: Path, places: dict[str, tuple[int, int]]) -> None:
        """`places` has each utterance's first sample and its number of samples.

        Raises:
            UserError: the file isn't there.
        """
        self._path = path
        self._places = places
        try:
            self._file = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise UserError(
                f"{path}: {error.strerror} on {platform.node()}; processes on several machines "
                "need the folder of --output on storage that all of them share"
            ) from error

    def __reduce__(self) -> tuple[type[WaveformStore], tuple[Path, dict[str, tuple[int, int]]]]:
        """Travel to another process as the file's name; that one opens it anew."""
        return WaveformStore, (self._path.absolute(), self._places)

    @classmethod
    def build(
        cls,
        path: Path,
        utterances: Sequence[Utterance],
        *,
        fingerprint: str,
        on_progress: Callable[[int], object] | None = None,
    ) -> WaveformStore:
        """Decode the utterances into a file, or reuse the one that an interrupted run left.

        Args:
            path: the file; its index is beside it, `.json`.
            utterances: what to keep; clips of at most 30 s.
            fingerprint: of the corpus; a file with another one is written anew.
            on_progress: called with the number of clips just done.

        Raises:
            AudioError: a clip can't be read.
            UserError: the disk is full.
        """
        index = path.with_suffix(".json")
        found = _read_index(path, index, fingerprint)
        if found is None or not found.keys() >= {u.id for u in utterances}:
            try:
                found = _write(path, utterances, on_progress)
                content = {"fingerprint": fingerprint, "places": found}
                text = json.dumps(content)
                write_aside(index, lambda beside: beside.write_text(text, encoding="utf-8"))
            except OSError as error:
                raise UserError(
                    f"{path}: can't be written: {error.strerror or error}; it takes 115 MB an hour "
                    "of audio"
                ) from error
        return cls(path, found)

    def read(self, utterance: Utterance) -> FloatArray:
        """The waveform of an utterance, mono float32 at 16 kHz, shape (n_samples,)."""
        first, n_samples = self._places[utterance.id]
        content = os.pread(self._file, 2 * n_samples, 2 * first)
        return np.frombuffer(content, dtype="<i2").astype(np.float32) / np.float32(_SCALE)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)


def _read_index(path: Path, index: Path, fingerprint: str) -> dict[str, tuple[int, int]] | None:
    """Where each utterance is, if the file is whole and of this corpus."""
    try:
        content: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        places = {str(name): (int(a), int(b)) for name, (a, b) in content["places"].items()}
        is_whole = path.stat().st_size == 2 * sum(n for _, n in places.values())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return places if is_whole and content.get("fingerprint") == fingerprint else None


def _write(
    path: Path, utterances: Sequence[Utterance], on_progress: Callable[[int], object] | None
) -> dict[str, tuple[int, int]]:
    places: dict[str, tuple[int, int]] = {}
    temporary = path.with_suffix(".tmp")
    first = 0
    with temporary.open("wb") as file, ThreadPoolExecutor(_READERS) as pool:
        # In slices: a map over all would hold the whole corpus decoded.
        for start in range(0, len(utterances), 64):
            some = utterances[start : start + 64]
            for utterance, samples in zip(some, pool.map(_decode, some), strict=True):
                file.write(samples.tobytes())
                places[utterance.id] = (first, len(samples))
                first += len(samples)
                if on_progress:
                    on_progress(1)
    temporary.replace(path)
    return places


def to_pcm16(waveform: FloatArray) -> np.ndarray:
    """Samples in 16 bits, little-endian; lossless for what was 16 kHz in 16 bits already."""
    return np.asarray(np.clip(np.rint(waveform * _SCALE), -_SCALE, _SCALE - 1), dtype="<i2")


def to_wav(waveform: FloatArray) -> bytes:
    """A waveform (shape (n_samples,), 16 kHz) as a wav file's content: mono, 16 bits."""
    buffer = BytesIO()
    write_wav(buffer, [waveform])
    return buffer.getvalue()


def write_wav(file: BinaryIO, pieces: Iterable[FloatArray]) -> int:
    """Consecutive waveforms as one wav file: mono, 16 kHz, 16 bits; returns its samples."""
    n_samples = 0
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLING_RATE)
        for piece in pieces:
            writer.writeframesraw(to_pcm16(piece).tobytes())
            n_samples += len(piece)
    return n_samples


def _decode(utterance: Utterance) -> np.ndarray:
    return to_pcm16(load_utterance(utterance))
