"""What each switch of training is worth: the same data and seeds, one thing changed at a time.

Each variant is a whole `ruach train` for each seed; its export decodes the test split: trimmed and
in 30 s windows with a beam of 5, and trimmed with its own rescoring, as `ruach evaluate` does,
where it has any. The paired test takes a clip's errors of all seeds together against the first
variant's (two-sided, clips resampled). Prints the table, and draws `chart.svg`: WER over minutes
of training.

Each run's counts are kept in the folder `--results`, and a run whose counts are there isn't
repeated, so a long table can be made in several sittings and checked without training anything.

    python benchmarks/ablation.py windows --output ablation [--seeds 1,2,3] [--updates 270]
    python benchmarks/ablation.py regularisation --output ablation
    python benchmarks/ablation.py new-language --output ablation --seeds 1,2,3
    python benchmarks/ablation.py windows --quick --json     (two updates: shows that it runs)
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import astuple
from pathlib import Path
from typing import Any

from common.clips import Clips, find_source, read_clips
from common.scatter import Point, scatter_svg

from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.export_info import ExportInfo, Window
from ruach_core.evaluation.metrics import EditCounts, Unit, compare_systems, pool_counts
from ruach_core.evaluation.report import count_strict_edits
from ruach_core.evaluation.rescoring import choose_beam_size, read_rescorer

Settings = dict[str, str]
LETTERS_AND_CTC: Settings = {"training.text_units": "letters", "training.ctc_weight": "0.5"}
SETS: dict[str, dict[str, Settings]] = {
    "windows": {
        name: {"window.policy": name, "training.average": "0"}
        for name in ("full", "trim", "mix", "pack")
    },
    "regularisation": {
        "plain": {},
        "no label smoothing": {"training.label_smoothing": "0"},
        "no SpecAugment": {"augment.spec_augment": "false"},
        "no speed": {"augment.speed": "0"},
        "stochastic depth 0.1": {"training.stochastic_depth": "0.1"},
        "dropout 0.1": {"training.dropout": "0.1"},
        "noise and gain": {"augment.noise_share": "0.5", "augment.gain_db": "6"},
        "encoder rate 0.5": {"training.encoder_rate": "0.5"},
        "language by ear": {"training.language_init": "detect"},
        "no averaging": {"training.average": "0"},
        "twice the epochs": {"training.epochs": "16", "training.patience": "16"},
    },
    "new-language": {
        "pieces": {},
        "letters": {"training.text_units": "letters"},
        "pieces and CTC": {"training.ctc_weight": "0.5"},
        "letters and CTC": LETTERS_AND_CTC,
        "letters and CTC 14 epochs": {**LETTERS_AND_CTC, "training.epochs": "14"},
    },
}
BEAM_SIZE = 5
WINDOWS: tuple[Window, ...] = ("trim", "full")
RESCORED = "rescored"
DECODINGS = (*WINDOWS, RESCORED)
UNITS: tuple[Unit, ...] = ("word", "character")


def run(name: str, settings: Settings, seed: int, arguments: argparse.Namespace) -> dict[str, Any]:
    """The result of one variant and seed: from its file, or by training."""
    run_name = f"{name.replace(' ', '-')}-{seed}"
    result = arguments.results / f"{run_name}.json"
    asked = {"model": arguments.model, "updates": arguments.updates, "settings": settings}
    if result.is_file():
        kept = dict(json.loads(result.read_text(encoding="utf-8")))
        if kept["asked"] != asked:
            sys.exit(f"{result} is of {kept['asked']}, not {asked}: give another --results")
        return kept
    source = find_source(arguments.data, arguments.lang)
    flags = {
        "evaluation.zero_shot_clips": "0", "export.parity_clips": "1",
        "export.parity_threshold": "10", **settings,
    }  # fmt: skip
    if arguments.updates:
        flags |= {"training.max_steps": str(arguments.updates)}
    folder = arguments.output / run_name
    model = folder / "model"
    command = [
        sys.executable, "-m", "ruach_core", "train", "--lang", source.lang, "--data", source.path,
        "--model", arguments.model, "--output", model, "--seed", seed, "--overwrite",
        *(word for key, value in flags.items() for word in (f"--{key}", value)),
    ]  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{name}, seed {seed} ...", file=sys.stderr, flush=True)
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        subprocess.run([str(word) for word in command], check=True, stdout=log, stderr=log)
    record = json.loads((model / "run.json").read_text(encoding="utf-8"))
    content = {
        "asked": asked,
        "minutes": record["training_seconds"] / 60,
        "weights": record["weights"],
        **decode(Path(f"{model}-ct2"), clips_of(arguments)),
    }
    arguments.results.mkdir(parents=True, exist_ok=True)
    result.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return content


def clips_of(arguments: argparse.Namespace) -> Clips:
    return read_clips(find_source(arguments.data, arguments.lang), arguments.clips)


def decode(export: Path, clips: Clips) -> dict[str, Any]:
    """The test split's errors by each decoding, clip by clip, and the seconds that they took."""
    language = ExportInfo.read(export).whisper_language or clips.source.lang
    found: dict[str, Any] = {}

    def add(name: str, recognizer: Ct2Recognizer, window: Window) -> None:
        began = time.perf_counter()
        hypotheses = recognizer.decode_utterances(clips.utterances, window=window)
        found[name] = {"seconds": round(time.perf_counter() - began, 1)}
        for unit in UNITS:
            counts = count_strict_edits(
                clips.utterances, hypotheses, normalizer=clips.normalizer, unit=unit
            )
            found[name][unit] = [astuple(clip) for clip in counts]

    plain = Ct2Recognizer(export, language=language, beam_size=BEAM_SIZE)
    for window in WINDOWS:
        add(window, plain, window)
    found[RESCORED] = found["trim"]
    if rescorer := read_rescorer(export):
        beam_size = choose_beam_size(None, rescorer)
        own = Ct2Recognizer(export, language=language, beam_size=beam_size, rescorer=rescorer)
        add(RESCORED, own, "trim")
    return found


def table(results: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """A row for each variant: rates over all seeds, and the test against the first variant."""
    first = next(iter(results))
    rows = []
    for name, runs in results.items():
        row: dict[str, Any] = {"variant": name, "seeds": len(runs)}
        row["minutes"] = sum(r["minutes"] for r in runs) / len(runs)
        for decoding in DECODINGS:
            words = edits_of(runs, decoding, "word")
            row[f"{decoding}_wer"] = pool_counts(words).rate
            row[f"{decoding}_cer"] = pool_counts(edits_of(runs, decoding, "character")).rate
            if name != first:
                comparison = compare_systems(words, edits_of(results[first], decoding, "word"))
                row[f"{decoding}_verdict"] = comparison.verdict(name, first)
        rows.append(row)
    return rows


def edits_of(runs: list[dict[str, Any]], decoding: str, unit: Unit) -> list[EditCounts]:
    """Each clip's errors, those of all runs together: they are of one clip, so not independent."""
    by_run = [[EditCounts(*counts) for counts in r[decoding][unit]] for r in runs]
    return [pool_counts(clip) for clip in zip(*by_run, strict=True)]


def show(rows: list[dict[str, Any]], n_clips: int) -> None:
    print(f"{n_clips} test clips; beam {BEAM_SIZE}; strict, %")
    print(
        f"{'variant':<22}{'seeds':>6}{'minutes':>9}{'WER':>7}{'CER':>7}{'30 s WER':>10}{'CER':>7}"
        f"{'rescored':>10}{'CER':>7}"
    )
    for row in rows:
        rates = [100 * row[f"{d}_{unit}"] for d in DECODINGS for unit in ("wer", "cer")]
        print(
            f"{row['variant']:<22}{row['seeds']:>6}{row['minutes']:>9.1f}"
            f"{rates[0]:>7.1f}{rates[1]:>7.1f}{rates[2]:>10.1f}{rates[3]:>7.1f}"
            f"{rates[4]:>10.1f}{rates[5]:>7.1f}"
        )
    for row in rows[1:]:
        verdicts = "; ".join(f"{decoding}: {row[f'{decoding}_verdict']}" for decoding in DECODINGS)
        print(f"{row['variant']} against {rows[0]['variant']}: {verdicts}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=list(SETS))
    parser.add_argument("--output", type=Path, default=Path("ablation"), help="of the models")
    parser.add_argument("--results", type=Path, help="of the counts; OUTPUT/results by default")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--lang")
    parser.add_argument("--model", default="whisper-base")
    parser.add_argument("--seeds", default="1")
    parser.add_argument("--updates", type=int, default=0, help="stop after so many")
    parser.add_argument("--clips", type=int, default=10_000, help="of the test split")
    parser.add_argument("--only", help="variants, comma-separated; the first is compared with")
    parser.add_argument("--quick", action="store_true", help="two updates, eight clips, one seed")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.updates, arguments.clips, arguments.seeds = 2, 8, "1"
        arguments.output = arguments.output / "quick"
    arguments.results = arguments.results or arguments.output / "results"
    variants = SETS[arguments.set]
    if arguments.only:
        variants = {name: variants[name] for name in arguments.only.split(",")}
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in variants}
    for seed in seeds:  # seed by seed, so that every variant has one before any has two
        for name, settings in variants.items():
            results[name].append(run(name, settings, seed, arguments))
    rows = table(results)
    arguments.output.mkdir(parents=True, exist_ok=True)
    n_clips = len(next(iter(results.values()))[0]["trim"]["word"])
    points = [Point(row["variant"], row["minutes"], 100 * row["full_wer"]) for row in rows]
    chart = scatter_svg(points, x_title="minutes of training", y_title="WER at 30 s, %")
    (arguments.output / "chart.svg").write_text(chart, encoding="utf-8")
    if arguments.json:
        print(json.dumps({"n_clips": n_clips, "rows": rows}))
    else:
        show(rows, n_clips)


if __name__ == "__main__":
    main()
