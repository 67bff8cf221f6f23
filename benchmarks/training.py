"""Training: Ruach's loop against the Seq2SeqTrainer recipe, on the same clips.

Each variant trains in a process of its own, in turn, with the same number of clips per update, and
what counts are the clips per second of the last epoch: reading, log-mel and planning included for
Ruach, while the recipe's features are extracted beforehand and not timed. Neither's checkpoints or
evaluation are timed. The recipe pads every clip to 30 s and computes in float32 on a CPU and in
float16 on a GPU; with --peer-precision it runs in others too, so that what is due to the windows
and what to the precision can be told apart. Memory is the highest of the process, or of the GPU.

    python benchmarks/training.py [--policy trim|mix|pack|full] [--clip-seconds 10]
        [--peer-precision float32 bf16] [--peer-checkpointing] [--random-weights small|medium]
        [--model whisper-base] [--data DIR] [--lang mdw] [--device auto] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from common.clips import Clips, find_source, read_clips
from common.models import choose_device, find_model, whisper_language
from common.random_model import SIZES, write_random_model
from common.recording import join_clips
from common.report import Comparison, build_parser, choose, machine, machine_line, positive, run
from common.work import Work, run_variant

from ruach_core.training.hardware import peak_tflops
from ruach_core.types import Utterance

OURS, PEER = "Ruach", "recipe"
EVERY = 10**6
POLICIES = ("trim", "mix", "pack", "full")
PRECISIONS = ("float32", "bf16", "fp16")

Found = dict[str, list[dict[str, Any]]]


def compare(arguments: argparse.Namespace) -> Comparison:
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=24, usual=96)
    rounds = choose(arguments.rounds, arguments, quick=1, usual=3)
    # A GPU's first steps choose kernels, so its first epoch is left out.
    epochs = arguments.epochs or (2 if device == "cuda" else 1)
    source = find_source(arguments.data, arguments.lang)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clips, utterances = _choose_clips(arguments, source, n_clips, folder)
        model_dir = find_model(arguments.model, clips.plugins)
        language = whisper_language(model_dir, source.lang, clips.plugins)
        if arguments.random_weights:
            (folder / "model").mkdir()
            model_dir = write_random_model(model_dir, arguments.random_weights, folder / "model")
        work = Work(
            tuple(utterances), model_dir, source.lang, language, device,
            batch_size=arguments.batch_size, epochs=epochs,
        )  # fmt: skip
        found = _alternate(_variants(arguments, work), rounds)
    return _describe(found, clips, utterances, work, arguments)


def _choose_clips(
    arguments: argparse.Namespace, source: Any, n: int, folder: Path
) -> tuple[Clips, Sequence[Utterance]]:
    if arguments.clip_seconds is None:
        clips = read_clips(source, n, split="train")
        return clips, clips.utterances
    clips = read_clips(source, EVERY, split="train")
    mean_s = clips.seconds / len(clips.utterances)

    def is_full(_: int, seconds: float) -> bool:
        return seconds >= arguments.clip_seconds - mean_s / 2

    return clips, join_clips(clips.utterances, folder, n=n, is_full=is_full)


def _variants(arguments: argparse.Namespace, work: Work) -> dict[str, Callable[[], dict[str, Any]]]:
    """What is run, by name: ours, and the recipe in each precision."""
    usual = "fp16" if work.device == "cuda" else "float32"
    precisions = arguments.peer_precision or [usual]
    ours = replace(work, policy=arguments.policy, precision=arguments.precision)
    variants: dict[str, Callable[[], dict[str, Any]]] = {
        OURS: lambda: run_variant("ours", ours, title=OURS)
    }
    for precision in dict.fromkeys(precisions):
        name = f"{PEER}, {precision}"
        peer = replace(work, precision=precision, has_checkpointing=arguments.peer_checkpointing)
        variants[name] = lambda peer=peer, name=name: run_variant("recipe", peer, title=name)
    return variants


def _alternate(variants: dict[str, Callable[[], dict[str, Any]]], rounds: int) -> Found:
    found: Found = {name: [] for name in variants}
    for _ in range(rounds):
        for name, call in variants.items():
            found[name].append(call())
    return found


def _describe(
    found: Found,
    clips: Clips,
    utterances: Sequence[Utterance],
    work: Work,
    arguments: argparse.Namespace,
) -> Comparison:
    about = machine(work.device)
    peak = arguments.peak_tflops or (
        peak_tflops(about["device"]) if work.device == "cuda" else None
    )
    n = len(utterances)
    results = {name: _summarize(runs, n, peak) for name, runs in found.items()}
    ours, *peers = results
    speeds = {name: result["clips_per_second"] for name, result in results.items()}
    ratios = {name: speeds[ours] / speeds[name] for name in peers}
    memory = "gpu_peak_gb" if work.device == "cuda" else "peak_gb"
    mean_s = sum(u.duration_s or 0.0 for u in utterances) / n
    rounds = len(found[ours])
    figures = {
        "ratio": ratios[peers[0]],
        "ratios": ratios,
        "memory_ratio": results[ours][memory] / results[peers[0]][memory],
        "variants": results,
        "policy": found[ours][0]["policy"], "batch_size": work.batch_size, "epochs": work.epochs,
        "n_clips": n, "clip_s": mean_s, "source": clips.source.note, "rounds": rounds,
        "model": arguments.random_weights or arguments.model, "peak_tflops": peak,
        "machine": about,
    }  # fmt: skip
    rows = [
        [
            f"{name} ({figures['policy']}, {result['precision']})" if name == ours else name,
            f"{result['clips_per_second']:.2f}",
            f"{speeds[ours] / speeds[name]:.2f} x",
            f"{result['median_step_s']:.2f}",
            f"{result['epoch_s']:.1f}",
            f"{result[memory]:.2f}",
            f"{result['gflop_per_clip']:.0f}",
            *([f"{100 * result['mfu']:.1f} %"] if peak else []),
        ]
        for name, result in results.items()
    ]
    heading = ["training", "clips/s", "ours is", "s a step", "s an epoch", "peak GB"]
    return Comparison(
        figures,
        [*heading, "GFLOP a clip", *(["MFU"] if peak else [])],
        rows,
        [
            f"{n} train clips of {clips.source.note} ({work.lang}), {mean_s:.1f} s each, "
            f"{work.batch_size} an update; medians of {rounds} rounds, the highest memory.",
            f"Ruach waited {100 * results[ours]['data_wait_share']:.1f} % of the time for data.",
            machine_line(about),
        ],
    )


def _summarize(runs: Sequence[dict[str, Any]], n_clips: int, peak: float | None) -> dict[str, Any]:
    """Medians over the rounds; of memory the highest."""
    epoch_s = median(run["epoch_s"] for run in runs)
    flops = runs[0]["flops"]
    gpu = [run["gpu_peak_gb"] for run in runs if run["gpu_peak_gb"] is not None]
    return {
        "clips_per_second": n_clips / epoch_s,
        "epoch_s": epoch_s,
        "median_step_s": median(run["median_step_s"] for run in runs),
        "n_updates": runs[0]["n_updates"],
        "prepare_s": median(run["prepare_s"] for run in runs),
        "peak_gb": max(run["peak_gb"] for run in runs),
        "epoch_peaks_gb": runs[-1]["epoch_peaks_gb"],
        "gpu_peak_gb": max(gpu, default=None),
        "precision": runs[0]["precision"],
        "data_wait_share": runs[-1].get("data_wait_share"),
        "gflop_per_clip": flops / n_clips / 1e9,
        "mfu": flops / epoch_s / (1e12 * peak) if peak else None,
    }


def main() -> None:
    parser = build_parser(__doc__)
    parser.add_argument("--policy", choices=POLICIES, help="Ruach's windows; its default if unset")
    parser.add_argument(
        "--clip-seconds", type=float, metavar="S", help="join clips to about so many seconds"
    )
    parser.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="clips per update"
    )
    parser.add_argument(
        "--epochs", type=positive, metavar="N",
        help="passes over the clips, of which the last is timed; 1, or 2 on a GPU",
    )  # fmt: skip
    parser.add_argument("--precision", choices=["auto", *PRECISIONS], default="auto", help="ours")
    parser.add_argument(
        "--peer-precision", choices=PRECISIONS, nargs="+",
        help="of the recipe, one or several; float32 on a CPU, fp16 on a GPU",
    )  # fmt: skip
    parser.add_argument(
        "--peer-checkpointing", action="store_true",
        help="the recipe computes activations again, as some have it: less memory, more time",
    )  # fmt: skip
    parser.add_argument(
        "--random-weights", choices=list(SIZES),
        help="a random model of that size with --model's tokenizer, where no hub can be reached",
    )  # fmt: skip
    parser.add_argument(
        "--peak-tflops", type=float, help="what the device can do, for MFU; GPUs are known by name"
    )
    run(parser, compare)


if __name__ == "__main__":
    main()
