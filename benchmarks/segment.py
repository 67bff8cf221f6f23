"""How well `ruach data segment` finds a known text in a long recording that clips were joined to.

Clips with pauses of 0.2 to 1.5 s between them make one recording, so that it is known where each
word is said. Some clips' audio is left out (text that nobody reads) and some clips' text
(speech that isn't in the text). Counted is, at several thresholds: the share of the spoken words
that come back in a segment of their clip, the planted pauses that were cut at, how far the cuts are
from the clips' ends, and how many segments were kept with a word too many or too few.

    python benchmarks/segment.py --model models/whisper-mdw-ct2 [--data DIR] [--lang mdw]
        [--clips 80] [--subtitles SHIFT] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common.clips import SEED, Clips, find_source, read_clips
from common.models import default_quantization, export_model, find_model
from common.report import Comparison, build_parser, choose, machine, machine_line, percent, run

from ruach_core.alignment.known import KnownText, read_known_text
from ruach_core.alignment.placing import Placing, place_words
from ruach_core.alignment.recordings import (
    copy_recording,
    decoding_settings,
    list_pieces,
)
from ruach_core.alignment.segments import AlignedSegment, build_segments
from ruach_core.alignment.settling import Piece
from ruach_core.cli.language import find_token
from ruach_core.data.waveforms import load_utterance
from ruach_core.evaluation.ct2_decode import Ct2Recognizer, is_export
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.features import FloatArray
from ruach_core.transcription.segmentation import DEFAULT_MAX_CHUNK_S
from ruach_core.transcription.transcribe import transcribe_file
from ruach_core.types import SAMPLING_RATE, Utterance

GAP_S = (0.2, 1.5)
NOISE = 1e-4
FRAME_S, SMOOTHED, SPEECH_DB = 0.02, 5, -20.0
WITHOUT_TEXT, WITHOUT_AUDIO = 0.05, 0.05
"""Shares of the clips."""
THRESHOLDS = (None, 0.15, 0.25, 0.35, 0.5, 0.8)
WHOLE, NONE, SLACK = 0.9, 0.1, 0.3
"""Shares of a clip that count as all of it and as none; how far words may differ from seconds."""
NEAR_S = 1.0


@dataclass(frozen=True)
class Planted:
    """A clip and where it is: its seconds in the recording and its words in the text, if at all."""

    text: str
    start_s: float | None
    end_s: float
    first_word: int
    end_word: int

    def share(self, start_s: float, end_s: float) -> float:
        """How much of the clip lies between two times."""
        if self.start_s is None:
            return 0.0
        inside = min(self.end_s, end_s) - max(self.start_s, start_s)
        return max(0.0, inside) / (self.end_s - self.start_s)


def plant(utterances: Sequence[Utterance], folder: Path, shift_s: float | None) -> list[Planted]:
    """Write long.wav and long.txt (or long.srt, with times that are `shift_s` too early)."""
    rng = np.random.default_rng(SEED)
    order = rng.permutation(len(utterances))
    n_text, n_audio = (round(len(order) * share) for share in (WITHOUT_TEXT, WITHOUT_AUDIO))
    mute, untold = set(order[:n_audio].tolist()), set(order[n_audio : n_audio + n_text].tolist())
    pieces, lines, planted = [], [], []
    n_samples = n_words = 0
    for i, utterance in enumerate(utterances):
        text = "" if i in untold else utterance.transcript
        n_own = len(text.split())
        start_s = None
        if i not in mute:
            waveform = trim(load_utterance(utterance))
            pause = round(rng.uniform(*GAP_S) * SAMPLING_RATE)
            pieces += [(NOISE * rng.standard_normal(pause)).astype(np.float32), waveform]
            start_s = (n_samples + pause) / SAMPLING_RATE
            n_samples += pause + len(waveform)
        end_s = n_samples / SAMPLING_RATE
        planted.append(Planted(text, start_s, end_s, n_words, n_words + n_own))
        n_words += n_own
        lines.append((start_s, end_s, text))
    copy_recording(pieces, folder / "long.wav")
    (folder / "long.txt").write_text("\n".join(text for *_, text in lines), encoding="utf-8")
    if shift_s is not None:
        (folder / "long.srt").write_text(_subtitles(lines, shift_s), encoding="utf-8")
    return planted


def trim(waveform: FloatArray) -> FloatArray:
    """The clip without what is before and behind its speech, so that its ends are known.

    Speech is 100 ms whose mean power is within 20 dB of the clip's loud ones (95th percentile):
    a room's noise is below that, and a click is too short.
    """
    n = round(FRAME_S * SAMPLING_RATE)
    frames = waveform[: len(waveform) // n * n].reshape(-1, n).astype(np.float64)
    power = np.convolve((frames**2).mean(axis=1), np.full(SMOOTHED, 1 / SMOOTHED), mode="same")
    loud = np.flatnonzero(power > np.quantile(power, 0.95) * 10 ** (SPEECH_DB / 10))
    return waveform[loud[0] * n : (loud[-1] + 1) * n]


def _subtitles(lines: Sequence[tuple[float | None, float, str]], shift_s: float) -> str:
    """Cues that are coarse, as people make them; a text that isn't said has half a second."""
    blocks = []
    for number, (start_s, end_s, text) in enumerate(lines, start=1):
        first = (end_s if start_s is None else start_s - 0.1) - shift_s
        last = max(first + 0.5, end_s + 0.2 - shift_s)
        if last > 0:
            times = f"{_clock(first)} --> {_clock(last)}"
            blocks.append(f"{number}\n{times}\n{text or '(...)'}\n")
    return "\n".join(blocks)


def _clock(seconds: float) -> str:
    ms = round(1000 * max(0.0, seconds))
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02},{ms % 1000:03}"


def words_of(segment: AlignedSegment, pieces: Sequence[Piece], placing: Placing) -> np.ndarray:
    """The words of a segment, by their place in the text."""
    own = [i for i, piece in enumerate(pieces)
           if segment.start_s <= piece.start_s < segment.end_s]  # fmt: skip
    return np.flatnonzero(np.isin(placing.piece_of, own))


def is_right(segment: AlignedSegment, words: np.ndarray, planted: Sequence[Planted]) -> bool:
    """Whether a segment has the words of the clips in it, no more and no fewer.

    Of a clip that is cut, which only an inner pause does, the words must be those of one end, and
    as many as fit the seconds.
    """
    for clip in planted:
        share = clip.share(segment.start_s, segment.end_s)
        own = words[(words >= clip.first_word) & (words < clip.end_word)]
        n_words = clip.end_word - clip.first_word
        if share <= NONE:
            if len(own):
                return False
        elif not n_words or (share >= WHOLE and len(own) < n_words):
            return False
        elif share < WHOLE:
            has_end = not len(own) or own[0] == clip.first_word or own[-1] == clip.end_word - 1
            if not has_end or abs(len(own) / n_words - share) > SLACK:
                return False
    return True


def judge(
    segments: Sequence[AlignedSegment],
    words: Sequence[np.ndarray],
    planted: Sequence[Planted],
) -> dict[str, Any]:
    """Counts at one threshold."""
    spoken = [clip for clip in planted if clip.start_s is not None and clip.text]
    n_spoken = sum(clip.end_word - clip.first_word for clip in spoken)
    found = {True: 0, False: 0}
    for segment, own in zip(segments, words, strict=True):
        for clip in spoken:
            if clip.share(segment.start_s, segment.end_s) > NONE:
                inside = (own >= clip.first_word) & (own < clip.end_word)
                found[not segment.reason] += int(inside.sum())
    kept = [(s, own) for s, own in zip(segments, words, strict=True) if not s.reason]
    wrong = [s for s, own in kept if not is_right(s, own, planted)]
    speech_s = sum(clip.end_s - (clip.start_s or 0.0) for clip in spoken)
    return {
        "kept": len(kept),
        "review": len(segments) - len(kept),
        "kept_wrong": len(wrong),
        "wrong": [[s.start_s, s.transcription, s.hypothesis, s.score] for s in wrong],
        "words_right": (found[True] + found[False]) / n_spoken,
        "words_kept": found[True] / n_spoken,
        "kept_seconds_share": sum(s.duration_s for s, _ in kept) / speech_s,
    }


def measure_cuts(
    segments: Sequence[AlignedSegment], planted: Sequence[Planted]
) -> dict[str, float]:
    """Pauses that were cut at, and how far the cuts are from the clips' ends, in seconds."""
    heard = [clip for clip in planted if clip.start_s is not None]
    gaps = [(a.end_s, b.start_s or 0.0) for a, b in itertools.pairwise(heard)]
    is_cut = [
        not any(s.start_s < (a + b) / 2 < s.end_s for s in segments) for a, b in gaps
    ]  # fmt: skip
    long = [cut for cut, (a, b) in zip(is_cut, gaps, strict=True) if b - a >= 0.5]
    starts = np.array([clip.start_s for clip in heard])
    ends = np.array([clip.end_s for clip in heard])
    errors = [float(np.abs(starts - s.start_s).min()) for s in segments]
    errors += [float(np.abs(ends - s.end_s).min()) for s in segments]
    near = [error for error in errors if error <= NEAR_S]
    return {
        "gaps": len(gaps),
        "gaps_cut": float(np.mean(is_cut)),
        "gaps_from_half_a_second_cut": float(np.mean(long)) if long else float("nan"),
        "boundary_error_median_s": float(np.median(near)) if near else float("nan"),
        "boundary_error_p90_s": float(np.quantile(near, 0.9)) if near else float("nan"),
        "boundaries_inside_clips": 1 - len(near) / len(errors),
    }


def prepare_export(arguments: argparse.Namespace, clips: Clips, folder: Path) -> Path:
    given = Path(arguments.model)
    if is_export(given):
        return given
    export_model(find_model(arguments.model, clips.plugins), folder, clips.plugins, "float32")
    return folder


def compare(arguments: argparse.Namespace) -> Comparison:
    n_clips = choose(arguments.clips, arguments, quick=16, usual=80)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        planted = plant(clips.utterances, folder, arguments.subtitles)
        export = prepare_export(arguments, clips, folder / "export")
        info = ExportInfo.read(export)
        recognizer = Ct2Recognizer(
            export, language=find_token(clips.source.lang, info),
            compute_type=default_quantization("cpu"), device="cpu",
        )  # fmt: skip
        settings = decoding_settings(info.window, max_segment_s=DEFAULT_MAX_CHUNK_S)
        began = time.perf_counter()
        heard = transcribe_file(folder / "long.wav", recognizer, settings=settings)
        decode_s = time.perf_counter() - began
        pieces = list_pieces(heard, clips.normalizer)
        has_times = arguments.subtitles is not None
        path = folder / ("long.srt" if has_times else "long.txt")
        known = read_known_text(path, clips.normalizer, has_times=has_times)
        began = time.perf_counter()
        placing = place_words(pieces, known.words)
        align_s = time.perf_counter() - began
    figures: dict[str, Any] = {
        "clips": clips.describe(), "n_clips": len(clips.utterances), "model": arguments.model,
        "duration_s": heard.duration_s, "decode_s": decode_s, "align_s": align_s,
        "n_pieces": len(pieces), "matched_share": placing.matched_share,
        "shift_s": placing.shift_s, "machine": machine("cpu"), "thresholds": {},
    }  # fmt: skip
    rows = []
    for max_score in THRESHOLDS:
        segments, counts = _at(max_score, pieces, known, placing, clips, planted)
        label = "default" if max_score is None else f"{max_score:g}"
        if max_score is None:
            figures.update(measure_cuts(segments, planted))
        figures["thresholds"][label] = counts
        rows.append([
            label, str(counts["kept"]), str(counts["kept_wrong"]),
            str(counts["review"]), percent(counts["words_kept"]), percent(counts["words_right"]),
        ])  # fmt: skip
    return Comparison(
        figures,
        ["max score", "kept", "of them wrong", "review", "words kept", "words in their clip"],
        rows,
        [
            f"{clips.describe()}: {heard.duration_s / 60:.1f} min, {len(pieces)} pieces; decoded "
            f"in {decode_s:.0f} s, aligned in {align_s:.2f} s; {percent(placing.matched_share)} "
            "of what was heard is in the text.",
            f"Of {figures['gaps']} pauses {percent(figures['gaps_cut'])} were cut at, of those "
            f"from half a second {percent(figures['gaps_from_half_a_second_cut'])}; the cuts are "
            f"{figures['boundary_error_median_s']:.2f} s from the clips' ends (median), "
            f"{figures['boundary_error_p90_s']:.2f} s (90th percentile).",
            *([f"Shift of the subtitles: found {placing.shift_s:.2f} s of {arguments.subtitles}."]
              if placing.shift_s is not None else []),
            machine_line(figures["machine"]),
        ],
    )  # fmt: skip


def _at(
    max_score: float | None,
    pieces: Sequence[Piece],
    known: KnownText,
    placing: Placing,
    clips: Clips,
    planted: Sequence[Planted],
) -> tuple[list[AlignedSegment], dict[str, Any]]:
    segments = build_segments(
        pieces, known.words, placing, clips.normalizer,
        max_segment_s=DEFAULT_MAX_CHUNK_S, max_score=max_score,
    )  # fmt: skip
    words = [words_of(segment, pieces, placing) for segment in segments]
    return segments, judge(segments, words, planted)


if __name__ == "__main__":
    parser = build_parser(__doc__)
    parser.add_argument(
        "--subtitles", type=float, metavar="SHIFT",
        help="give the text as subtitles whose times are so many seconds too early",
    )  # fmt: skip
    run(parser, compare)
