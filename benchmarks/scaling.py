"""What training and decoding cost as clips get longer and more: once, twice and so on.

Ruach alone, each size in a process of its own, in turn: decoding the clips through CTranslate2
(loading and conversion, which don't grow with the data, aside), then an epoch of training on them.
The longer clips are joined from one, two and more of the corpus. What grows linearly has 2.0 a
doubling, and memory that stays flat has 1.0; longer clips take more memory, for longer windows, up
to the bound on seconds of window in one pass.

    python benchmarks/scaling.py [--policy trim|mix|pack|full] [--model whisper-base] [--data DIR]
        [--lang mdw] [--device auto] [--clips N] [--doublings 2] [--rounds N] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from common.clips import find_source, read_clips
from common.models import (
    choose_device,
    default_quantization,
    export_model,
    find_model,
    whisper_language,
    window_notes,
)
from common.recording import join_clips
from common.report import (
    Comparison,
    build_parser,
    choose,
    machine,
    machine_line,
    positive,
    run,
)
from common.work import Work, run_variant

from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.text.token_budget import token_budget
from ruach_core.types import Utterance

SIZE, LENGTH = "data size", "clip length"
POLICIES = ("trim", "mix", "pack", "full")

Key = tuple[str, int]
"""What grows, and how many times."""


@dataclass(frozen=True)
class Point:
    """Clips of one size, and what training and decoding them took."""

    times: int
    n_clips: int
    seconds: float
    train_s: float
    train_gb: float
    decode_s: float
    decode_gb: float


def compare(arguments: argparse.Namespace) -> Comparison:
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=16, usual=64)
    rounds = choose(arguments.rounds, arguments, quick=1, usual=3)
    steps = tuple(2**n for n in range(arguments.doublings + 1))
    largest = max(steps) * n_clips
    clips = read_clips(find_source(arguments.data, arguments.lang), largest, split="train")
    model_dir = find_model(arguments.model, clips.plugins)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        export_model(model_dir, folder / "export", clips.plugins, default_quantization(device))
        work = Work(
            clips.utterances, model_dir, clips.source.lang,
            whisper_language(model_dir, clips.source.lang, clips.plugins), device,
            epochs=2 if device == "cuda" else 1, policy=arguments.policy,
            export_dir=folder / "export", margin_s=ExportInfo.read(model_dir).window_margin_s,
        )  # fmt: skip
        points = _measure(_sets(clips.utterances, n_clips, steps, folder), work, rounds)
    return _describe(points, clips.source.note, work, rounds, window_notes(model_dir))


def _sets(
    utterances: Sequence[Utterance], n: int, steps: Sequence[int], folder: Path
) -> dict[Key, list[Utterance]]:
    """N clips; 2 N, 4 N ... of the same lengths; and N of two, of four ... clips each."""
    once = _join(utterances, n, 1, folder)
    sets = {(SIZE, 1): once}
    for times in steps[1:]:
        sets[SIZE, times] = [replace(u, id=f"{i}-{u.id}") for i in range(times) for u in once]
    for times in steps[1:]:
        sets[LENGTH, times] = _join(utterances, n, times, folder)
    return sets


def _join(utterances: Sequence[Utterance], n: int, times: int, folder: Path) -> list[Utterance]:
    own = folder / f"of-{times}"
    own.mkdir()
    return join_clips(utterances, own, n=n, is_full=lambda joined, _: joined >= times)


def _measure(
    sets: Mapping[Key, list[Utterance]], work: Work, rounds: int
) -> dict[str, list[Point]]:
    """Each size in turn, as often as there are rounds."""
    results: dict[Key, list[dict[str, Any]]] = {key: [] for key in sets}
    for _ in range(rounds):
        for (kind, times), utterances in sets.items():
            own = replace(work, utterances=tuple(utterances))
            own = replace(own, max_new_tokens=_generation_length(own))
            result = run_variant("decode-and-train", own, title=f"{kind} x {times}")
            results[kind, times].append(result)
    points = {key: _point(key[1], sets[key], runs) for key, runs in results.items()}
    found: dict[str, list[Point]] = {SIZE: [], LENGTH: [points[SIZE, 1]]}
    for (kind, _), point in points.items():
        found[kind].append(point)
    return found


def _point(times: int, utterances: Sequence[Utterance], runs: Sequence[dict[str, Any]]) -> Point:
    trained = [run["train"] for run in runs]
    decoded = [run["decode"] for run in runs]
    return Point(
        times=times,
        n_clips=len(utterances),
        seconds=sum(u.duration_s or 0.0 for u in utterances),
        train_s=median(run["epoch_s"] for run in trained),
        train_gb=max(run["gpu_peak_gb"] or run["peak_gb"] for run in trained),
        decode_s=median(run["seconds"] for run in decoded),
        decode_gb=max(run["peak_gb"] for run in decoded),
    )


def _generation_length(work: Work) -> int:
    references = [u.reference or "" for u in work.utterances]
    durations_s = [u.duration_s or 0.0 for u in work.utterances]
    tokenizer = WhisperTokenizer.read(work.model_dir)
    return token_budget(references, durations_s, tokenizer).generation_length


def per_doubling(values: Sequence[float]) -> float:
    """The mean factor from one of the values to the next."""
    return float((values[-1] / values[0]) ** (1 / (len(values) - 1)))


def _describe(
    points: dict[str, list[Point]], note: str, work: Work, rounds: int, notes: list[str]
) -> Comparison:
    about = machine(work.device)
    measures = ("train_s", "train_gb", "decode_s", "decode_gb")
    growth = {
        kind: {
            measure: per_doubling([getattr(point, measure) for point in found])
            for measure in ("seconds", *measures)
        }
        for kind, found in points.items()
    }
    first, *_, last = points[SIZE]
    figures = {
        # Clips a second with the most data over those with the least.
        "ratio": (last.n_clips / last.train_s) / (first.n_clips / first.train_s),
        "growth_per_doubling": growth,
        "points": {kind: [vars(point) for point in found] for kind, found in points.items()},
        "policy": work.policy, "rounds": rounds, "source": note, "notes": notes,
        "machine": about,
    }  # fmt: skip
    rows: list[Sequence[str]] = []
    for kind, found in points.items():
        rows += [
            [
                f"{kind} x {point.times}",
                str(point.n_clips),
                f"{point.seconds:.0f}",
                f"{point.train_s:.1f}",
                f"{point.train_gb:.2f}",
                f"{point.decode_s:.1f}",
                f"{point.decode_gb:.2f}",
            ]
            for point in found
        ]
        factors = [f"x {growth[kind][measure]:.2f}" for measure in measures]
        rows.append(["  a doubling", "", f"x {growth[kind]['seconds']:.2f}", *factors])
    return Comparison(
        figures,
        ["", "clips", "s of audio", "s an epoch", "peak GB", "s to decode", "peak GB"],
        rows,
        [
            f"Train clips of {note} ({work.lang}); medians of {rounds} rounds, the highest memory.",
            *(f"Note: {line}." for line in notes),
            machine_line(about),
        ],
    )


def main() -> None:
    parser = build_parser(__doc__)
    parser.add_argument("--policy", choices=POLICIES, help="Ruach's windows; its default if unset")
    parser.add_argument("--doublings", type=positive, default=2, help="of size and of length")
    run(parser, compare)


if __name__ == "__main__":
    main()
