"""One recording from its audio and its known text to segments; memory doesn't grow with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.alignment.known import KnownText, join_words, matching_key
from ruach_core.alignment.placing import place_words
from ruach_core.alignment.segments import AlignedSegment, build_segments
from ruach_core.alignment.settling import Piece, runs
from ruach_core.data.waveforms import write_wav
from ruach_core.errors import DataError
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import Window
from ruach_core.features import FloatArray
from ruach_core.text.excerpt import excerpt
from ruach_core.transcription.transcribe import (
    Transcription,
    TranscriptionSettings,
    transcribe_file,
)
from ruach_core.types import SAMPLING_RATE, TextNormalizer

MIN_MATCHED_SHARE = 0.05
_CHANCE = 15
"""Of two unrelated texts in one language a share of 0.02 and less of the letters is matched; where
little was heard, up to so many letters."""
MIN_PAUSE_S = 0.3
"""Between two segments; shorter than for subtitles, as a clip is better for having one sentence."""
JOIN_BELOW_S = 1.0
"""Speech of this length and more is a segment of its own, whatever the window costs."""
_MIN_SHIFT_S = 0.3
_SHOWN_GAPS = 3

OnProgress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class AlignedRecording:
    """What became of a recording.

    Attributes:
        path: its audio file.
        duration_s: its length in seconds.
        segments: in order; those to keep and those to review.
        n_words: how many words its known text has.
        n_unplaced: how many of them are in no segment.
        shift_s: how much later than the subtitles' times they are said; None where not known.
        notes: what a user should know, one line each.
    """

    path: Path
    duration_s: float
    segments: tuple[AlignedSegment, ...]
    n_words: int
    n_unplaced: int
    shift_s: float | None
    notes: tuple[str, ...]

    @property
    def kept(self) -> list[AlignedSegment]:
        """The segments whose alignment scores well."""
        return [segment for segment in self.segments if not segment.reason]

    @property
    def doubtful(self) -> list[AlignedSegment]:
        """The segments that a person should decide on."""
        return [segment for segment in self.segments if segment.reason]

    @property
    def unheld_s(self) -> float:
        """Seconds of the recording that are in no segment: pauses, mostly."""
        return self.duration_s - sum(segment.duration_s for segment in self.segments)


def decoding_settings(window: Window, *, max_segment_s: float) -> TranscriptionSettings:
    """How a recording is decoded to be aligned: cut at short pauses, silence reported too.

    Args:
        window: as the model was trained.
        max_segment_s: of the longest segment, in seconds, at most 28.
    """
    return TranscriptionSettings(
        max_chunk_s=max_segment_s,
        window=window,
        min_pause_s=MIN_PAUSE_S,
        join_below_s=JOIN_BELOW_S,
        keep_silent=True,
    )


def copy_recording(pieces: Iterable[FloatArray], path: Path) -> float:
    """Write a recording as a wav file, mono, 16 kHz, 16 bits; its length in seconds.

    Every later step reads this file: a place in it can be sought, whatever the recording is.

    Raises:
        AudioError: the recording can't be read.
        OSError: the file can't be written.
    """
    with path.open("wb") as file:
        return write_wav(file, pieces) / SAMPLING_RATE


def align_recording(
    path: Path,
    audio: Path,
    known: KnownText,
    recognizer: Ct2Recognizer,
    normalizer: TextNormalizer,
    *,
    settings: TranscriptionSettings,
    max_score: float | None,
    on_progress: OnProgress | None = None,
) -> AlignedRecording:
    """Hear what is said in a recording, and find the known text in it.

    Args:
        path: the recording that the user named.
        audio: what to read: the copy of it, see `copy_recording`.
        known: its text.
        recognizer: of the model and the language.
        normalizer: of the language; its `score` form is what is compared.
        settings: how to decode; `max_chunk_s` bounds a segment's length.
        max_score: the highest score of a segment that is kept; None to choose it.
        on_progress: called with the seconds of audio just done.

    Raises:
        AudioError: the audio can't be read.
        DataError: there is no speech, or the text isn't that of the recording.
    """
    heard = transcribe_file(audio, recognizer, settings=settings, on_progress=on_progress)
    pieces = list_pieces(heard, normalizer)
    if not any(piece.key for piece in pieces):
        raise DataError(
            f"{path}: no speech is heard in its {heard.duration_s:.0f} s; check the recording"
        )
    placing = place_words(pieces, known.words)
    n_heard = sum(len(piece.key) for piece in pieces)
    if placing.matched_share * n_heard < MIN_MATCHED_SHARE * n_heard + _CHANCE:
        raise _no_match(path, known, pieces, placing.matched_share)
    segments = build_segments(
        pieces, known.words, placing, normalizer,
        max_segment_s=settings.max_chunk_s, max_score=max_score,
    )  # fmt: skip
    gaps = list(runs(placing.piece_of < 0))
    return AlignedRecording(
        path=path,
        duration_s=heard.duration_s,
        segments=tuple(segments),
        n_words=len(known.words),
        n_unplaced=sum(end - first for first, end in gaps),
        shift_s=placing.shift_s,
        notes=(*known.notes, *_describe(known, placing.shift_s, gaps)),
    )


def list_pieces(heard: Transcription, normalizer: TextNormalizer) -> list[Piece]:
    """The segments of a transcription as pieces to align."""
    return [
        Piece(s.start_s, s.end_s, s.text, matching_key(s.text, normalizer)) for s in heard.segments
    ]


def _no_match(path: Path, known: KnownText, pieces: Sequence[Piece], share: float) -> DataError:
    longest = max((piece.hypothesis for piece in pieces), key=len)
    return DataError(
        f"{path}: nothing matches: {share:.0%} of the letters heard are in {known.path}, as of any "
        f"text by chance; is it the text of this recording? Heard: {excerpt(longest)}; text: "
        f"{excerpt(join_words(known.words[:20]))}. If both are right, the model doesn't know the "
        "language well enough: train one on a few hours first, and give it with --model"
    )


def _describe(
    known: KnownText, shift_s: float | None, gaps: Sequence[tuple[int, int]]
) -> list[str]:
    notes = []
    if shift_s is not None and abs(shift_s) >= _MIN_SHIFT_S:
        side = "later" if shift_s > 0 else "earlier"
        notes.append(
            f"{known.path.name}: its times are shifted: the words are said {abs(shift_s):.1f} s "
            f"{side}, which is allowed for"
        )
    longest = sorted(gaps, key=lambda gap: gap[0] - gap[1])[:_SHOWN_GAPS]
    for first, end in sorted(longest):
        quoted = excerpt(join_words(known.words[first:end]))
        notes.append(f"{known.path.name}: {end - first} words are in no segment: {quoted}")
    return notes
