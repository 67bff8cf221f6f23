"""Transcribing: Ruach against faster-whisper, openai-whisper and transformers' pipeline.

Clips under 10 s, and one long recording made of them with pauses between; the same weights and
the same beam for all, and the strict WER of each beside its speed. Loading is timed in none of
them. Ruach trims and batches the windows; the others are called as their users call them, clip by
clip in 30 s windows (the pipeline in batches of 8). Both that use CTranslate2 compute in int8 on a
CPU and in float16 on a GPU, the others in float32 and float16. The slower peers are timed once in
a quick run.

openai-whisper runs in a process of its own, of the virtual environment that has it:

    python benchmarks/transcription.py --model models/whisper-mdw [--data DIR] [--lang mdw]
        [--openai-python PATH] [--beam-size 5] [--minutes 5] [--device auto] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from common.clips import Clips, find_source, read_clips, strict_wer
from common.models import (
    choose_device,
    default_quantization,
    export_model,
    find_model,
    quiet_libraries,
    whisper_language,
    window_notes,
)
from common.peers import FasterWhisper, OpenaiWhisper, TransformersPipeline, find_openai_python
from common.recording import Recording, write_recording
from common.report import (
    Comparison,
    build_parser,
    choose,
    machine,
    machine_line,
    percent,
    positive,
    run,
)
from common.timing import Timed, alternate

from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.transcription.transcribe import transcribe_file

BELOW_S, LONG_BATCH = 10.0, 8
OURS, PEER, OPENAI, PIPELINE = "Ruach", "faster-whisper", "openai-whisper", "transformers pipeline"
BATCHED, SEQUENTIAL = "faster-whisper, batched", "faster-whisper, sequential"


@dataclass(frozen=True)
class Setting:
    """What all are given alike."""

    model_dir: Path
    export_dir: Path
    language: str
    beam_size: int
    compute_type: str
    device: str


def compare(arguments: argparse.Namespace) -> Comparison:
    quiet_libraries()
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=12, usual=120)
    rounds = choose(arguments.rounds, arguments, quick=2, usual=3)
    minutes = arguments.minutes or (1.0 if arguments.quick else 5.0)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips, below_s=BELOW_S)
    model_dir = find_model(arguments.model, clips.plugins)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        compute_type = arguments.compute_type or default_quantization(device)
        export_model(model_dir, folder / "export", clips.plugins, compute_type)
        setting = Setting(
            model_dir, folder / "export",
            whisper_language(model_dir, clips.source.lang, clips.plugins),
            arguments.beam_size, compute_type, device,
        )  # fmt: skip
        recording = write_recording(clips.utterances, folder / "long.wav", seconds=60 * minutes)
        recognizer, faster = _load_ours(setting), _load_faster_whisper(setting)
        long = _compare_long(recording, recognizer, faster, rounds, device)
        calls, notes = _clip_calls(clips, setting, recognizer, faster, arguments, stack)
        slow = frozenset({OPENAI, PIPELINE}) if arguments.quick else frozenset()
        short = alternate(calls, rounds=rounds, device=device, once=slow)
    return _describe(clips, short, recording, long, setting, [*window_notes(model_dir), *notes])


def _load_ours(setting: Setting) -> Ct2Recognizer:
    return Ct2Recognizer(
        setting.export_dir, language=setting.language, compute_type=setting.compute_type,
        beam_size=setting.beam_size, device="auto" if setting.device == "cuda" else "cpu",
    )  # fmt: skip


def _load_faster_whisper(setting: Setting) -> FasterWhisper:
    return FasterWhisper(
        setting.export_dir, language=setting.language, beam_size=setting.beam_size,
        compute_type=setting.compute_type, device=setting.device,
    )  # fmt: skip


def _compare_long(
    recording: Recording,
    recognizer: Ct2Recognizer,
    faster: FasterWhisper,
    rounds: int,
    device: str,
) -> dict[str, Timed[str]]:
    def ours() -> str:
        found = transcribe_file(recording.path, recognizer)
        return " ".join(segment.text for segment in found.segments)

    calls: dict[str, Callable[[], str]] = {
        OURS: ours,
        BATCHED: partial(faster.batched, recording.path, LONG_BATCH),
        SEQUENTIAL: partial(faster.sequential, recording.path),
    }
    return alternate(calls, rounds=rounds, device=device)


def _clip_calls(
    clips: Clips,
    setting: Setting,
    recognizer: Ct2Recognizer,
    faster: FasterWhisper,
    arguments: argparse.Namespace,
    stack: contextlib.ExitStack,
) -> tuple[dict[str, Callable[[], list[str]]], list[str]]:
    """What is timed on the clips, each tried on one clip first; and notes on what isn't there."""
    utterances = clips.utterances

    def ours() -> list[str]:
        return [h.text for h in recognizer.decode_utterances(utterances, window="trim")]

    recognizer.decode_utterances(utterances[:1])
    faster.clips(utterances[:1])
    calls: dict[str, Callable[[], list[str]]] = {
        OURS: ours,
        PEER: partial(faster.clips, utterances),
    }
    notes: list[str] = []
    given = {"language": setting.language, "beam_size": setting.beam_size, "device": setting.device}
    python = find_openai_python(arguments.openai_python)
    if python is None:
        notes.append(
            f"{OPENAI} is left out: it isn't installed here, and --openai-python isn't set"
        )
    else:
        try:
            openai = OpenaiWhisper(python, setting.model_dir, utterances, **given)
        except (RuntimeError, OSError) as error:
            notes.append(f"{OPENAI} is left out: {error}")
        else:
            stack.callback(openai.close)
            calls[OPENAI] = openai.clips
    pipeline = TransformersPipeline(setting.model_dir, **given)
    pipeline.clips(utterances[:1])
    calls[PIPELINE] = partial(pipeline.clips, utterances)
    return calls, notes


def _describe(
    clips: Clips,
    short: dict[str, Timed[list[str]]],
    recording: Recording,
    long: dict[str, Timed[str]],
    setting: Setting,
    notes: list[str],
) -> Comparison:
    n = len(clips.utterances)
    speeds = {name: n / timed.median_s for name, timed in short.items()}
    wers = {name: clips.wer(timed.result) for name, timed in short.items()}
    long_speeds = {name: recording.duration_s / timed.median_s for name, timed in long.items()}
    long_wers = {
        name: strict_wer([recording.text], [timed.result], clips.normalizer)
        for name, timed in long.items()
    }
    ratio, long_ratio = speeds[OURS] / speeds[PEER], long_speeds[OURS] / long_speeds[BATCHED]
    about = machine(setting.device)
    figures: dict[str, Any] = {
        "ratio": ratio,
        "ratios": {name: speeds[OURS] / speed for name, speed in speeds.items() if name != OURS},
        "long_ratio": long_ratio,
        "long_ratios": {
            name: long_speeds[OURS] / speed for name, speed in long_speeds.items() if name != OURS
        },
        "clips_per_second": speeds, "wer": wers,
        "wer_difference_points": 100 * (wers[OURS] - wers[PEER]),
        "long_seconds_per_second": long_speeds, "long_wer": long_wers,
        "long_duration_s": recording.duration_s,
        "n_clips": n, "clips": clips.describe(), "beam_size": setting.beam_size,
        "compute_type": setting.compute_type, "notes": notes, "machine": about,
    }  # fmt: skip
    rows = [
        [
            "clips",
            name,
            f"{speed:.2f} clips/s",
            f"{speeds[OURS] / speed:.2f} x",
            percent(wers[name]),
        ]
        for name, speed in speeds.items()
    ]
    rows += [
        ["long", name, f"{speed:.2f} s/s", f"{long_speeds[OURS] / speed:.2f} x",
         percent(long_wers[name])]
        for name, speed in long_speeds.items()
    ]  # fmt: skip
    return Comparison(
        figures,
        ["audio", "by", "speed", "ours is", "WER"],
        rows,
        [
            f"Clips {ratio:.2f} times {PEER}'s, the long recording {long_ratio:.2f} times "
            f"{BATCHED}.",
            f"{clips.describe()}; a recording of {recording.duration_s / 60:.1f} minutes; beam "
            f"{setting.beam_size}, {setting.compute_type} in CTranslate2.",
            *(f"Note: {note}." for note in notes),
            machine_line(about),
        ],
    )


if __name__ == "__main__":
    parser = build_parser(__doc__)
    parser.add_argument("--beam-size", type=positive, default=5)
    parser.add_argument("--compute-type", help="of CTranslate2: int8, float16, float32 ...")
    parser.add_argument("--minutes", type=float, help="of the long recording")
    parser.add_argument(
        "--openai-python", type=Path, metavar="PATH",
        help="the interpreter of a virtual environment that has openai-whisper",
    )  # fmt: skip
    run(parser, compare)
