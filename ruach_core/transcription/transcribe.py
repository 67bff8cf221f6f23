"""Audio files to timed text: find speech, decode its chunks in batches of like lengths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.evaluation.ct2_decode import DEFAULT_BATCH_S, Ct2Recognizer
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.metrics import has_loop
from ruach_core.features import FloatArray
from ruach_core.transcription.reading import iter_audio
from ruach_core.transcription.segmentation import (
    DEFAULT_MAX_CHUNK_S,
    JOIN_BELOW_S,
    MIN_PAUSE_S,
    Chunk,
    iter_chunks,
)
from ruach_core.transcription.words import Word, align_words
from ruach_core.types import SAMPLING_RATE


@dataclass(frozen=True, slots=True)
class Segment:
    """What was said between two times (in seconds from the start of the audio)."""

    start_s: float
    end_s: float
    text: str
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcription:
    """The text of one audio file; segments are in order and don't overlap."""

    path: Path
    duration_s: float
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class TranscriptionSettings:
    """How to transcribe.

    Attributes:
        use_vad: find speech first; otherwise decode everything.
        max_chunk_s: the most seconds that are decoded in one piece, at most 28.
        window: `trim`, or `full` for a model that wasn't trained on short windows.
        batch_s: most seconds of window decoded at once; bounds memory.
        word_timestamps: find each word's times too, by cross-attention.
        min_pause_s: silence of this length, in seconds, parts two segments.
        join_below_s: shorter stretches of speech share a segment with a close neighbour; None for
            what suits the window.
        keep_silent: give segments in which nothing was heard too, with an empty text.
    """

    use_vad: bool = True
    max_chunk_s: float = DEFAULT_MAX_CHUNK_S
    window: Window = "trim"
    batch_s: float = DEFAULT_BATCH_S
    word_timestamps: bool = False
    min_pause_s: float = MIN_PAUSE_S
    join_below_s: float | None = None
    keep_silent: bool = False

    @property
    def shares_below_s(self) -> float:
        """Below which length, in seconds, a stretch of speech shares a segment."""
        if self.join_below_s is not None:
            return self.join_below_s
        # A full window costs the same however much speech is in it: fill it.
        return math.inf if self.window == "full" else JOIN_BELOW_S


def transcribe_file(
    path: Path,
    recognizer: Ct2Recognizer,
    *,
    settings: TranscriptionSettings | None = None,
    on_progress: Callable[[float], None] | None = None,
) -> Transcription:
    """Transcribe one file, of any length, in bounded memory.

    Args:
        path: an audio file, or a video file with sound.
        recognizer: of the export and the language.
        settings: how; the defaults suit a model that Ruach trained.
        on_progress: called with the seconds of audio just done.

    Raises:
        AudioError: the file is missing, unreadable or empty.
    """
    chosen = settings or TranscriptionSettings()
    n_samples = 0

    def counted() -> Iterator[FloatArray]:
        nonlocal n_samples
        for piece in iter_audio(path):
            n_samples += len(piece)
            yield piece

    segments: list[Segment] = []
    groups = iter_chunks(
        counted(),
        max_chunk_s=chosen.max_chunk_s,
        join_below_s=chosen.shares_below_s,
        min_pause_s=chosen.min_pause_s,
        use_vad=chosen.use_vad,
    )
    done_s = 0.0
    for chunks in groups:
        read_s = n_samples / SAMPLING_RATE
        step_s = (read_s - done_s) / max(1, len(chunks))

        def advance(n_chunks: int, step_s: float = step_s) -> None:
            if on_progress:
                on_progress(n_chunks * step_s)

        segments.extend(_transcribe_chunks(chunks, recognizer, chosen, advance))
        if not chunks:
            advance(1)
        done_s = read_s
    return Transcription(path, n_samples / SAMPLING_RATE, tuple(segments))


def _transcribe_chunks(
    chunks: Sequence[Chunk],
    recognizer: Ct2Recognizer,
    settings: TranscriptionSettings,
    on_progress: Callable[[int], None],
) -> list[Segment]:
    waveforms = [chunk.waveform for chunk in chunks]
    ids = recognizer.decode_ids(
        waveforms, window=settings.window, batch_s=settings.batch_s, on_progress=on_progress
    )
    if settings.window == "trim":
        ids = _retry_loops(waveforms, ids, recognizer, batch_s=settings.batch_s)
    words: list[tuple[Word, ...]] = [()] * len(chunks)
    if settings.word_timestamps:
        starts_s = [chunk.start_s for chunk in chunks]
        words = align_words(
            recognizer, waveforms, ids, starts_s=starts_s,
            window=settings.window, batch_s=settings.batch_s,
        )  # fmt: skip
    segments = [
        Segment(
            start_s=round(chunk.speech_start_s, 3),
            end_s=round(chunk.speech_end_s, 3),
            text=" ".join(recognizer.tokenizer.decode(row).split()),
            words=timed,
        )
        for chunk, row, timed in zip(chunks, ids, words, strict=True)
    ]
    return [segment for segment in segments if segment.text or settings.keep_silent]


def _retry_loops(
    waveforms: Sequence[FloatArray],
    ids: list[list[int]],
    recognizer: Ct2Recognizer,
    *,
    batch_s: float,
) -> list[list[int]]:
    """Decode once more, in the full window, what came out as a repetition loop."""
    looping = [i for i, row in enumerate(ids) if has_loop(recognizer.tokenizer.decode(row))]
    again = recognizer.decode_ids([waveforms[i] for i in looping], window="full", batch_s=batch_s)
    retried = dict(zip(looping, again, strict=True))
    return [retried.get(i, row) for i, row in enumerate(ids)]
