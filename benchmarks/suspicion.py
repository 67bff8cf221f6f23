"""How many wrong texts `ruach train` finds among its training clips, when it is known which are.

A share of the clips gets a wrong text of one of three kinds in turn: another clip's text, the first
half of its own, or its own with another's behind it. A model is trained on all of them, as a user
would, and its `suspicious.csv` is read. Found is a wrong text among the first n of the ranking, for
n texts that are wrong; by chance it would be as large a share as is wrong of all.

    python benchmarks/suspicion.py [--data DIR] [--lang mdw] [--model whisper-base] [--epochs 3]
        [--share 0.1] [--clips N] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from common.clips import SEED, Clips, find_source, read_clips
from common.report import Comparison, build_parser, choose, machine, machine_line, percent, run

from ruach_core.data.review.suspicious import SUSPICIOUS, read_suspicious
from ruach_core.data.waveforms import load_utterance, to_wav
from ruach_core.errors import UserError

KINDS = ("another clip's text", "half of its text", "another's text behind its own")


def plant(texts: Sequence[str], share: float) -> tuple[list[str], dict[int, str]]:
    """The texts with some of them wrong, and which kind each of those is."""
    rng = np.random.default_rng(SEED)
    several_words = [i for i, text in enumerate(texts) if len(text.split()) > 1]
    n = min(round(share * len(texts)), len(several_words))
    chosen = [int(i) for i in rng.permutation(several_words)[:n]]
    wrong, kinds = list(texts), {}
    for number, i in enumerate(chosen):
        other = texts[_another(i, texts, rng)]
        words = texts[i].split()
        half = " ".join(words[: (len(words) + 1) // 2])
        wrong[i] = (other, half, f"{texts[i]} {other}")[number % len(KINDS)]
        kinds[i] = KINDS[number % len(KINDS)]
    return wrong, kinds


def _another(i: int, texts: Sequence[str], rng: np.random.Generator) -> int:
    """A clip that says something else."""
    others = [j for j, text in enumerate(texts) if text != texts[i]]
    return int(rng.choice(others))


def write_corpus(folder: Path, splits: dict[str, Clips], texts: Sequence[str]) -> None:
    """Both splits as a folder to train on, the training clips with the texts given."""
    for split, clips in splits.items():
        (folder / split / "audio").mkdir(parents=True)
        given = texts if split == "train" else [u.transcript for u in clips.utterances]
        with (folder / split / "metadata.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(["file_name", "transcription", "speaker"])
            for i, (utterance, text) in enumerate(zip(clips.utterances, given, strict=True)):
                name = f"audio/{i:06}.wav"
                (folder / split / name).write_bytes(to_wav(load_utterance(utterance)))
                table.writerow([name, text, utterance.speaker_id or ""])


def train(folder: Path, lang: str, arguments: argparse.Namespace) -> Path:
    """A whole run of `ruach train`; returns its ranking."""
    model = folder / "model"
    command = [
        sys.executable, "-m", "ruach_core", "train", "--lang", lang, "--data", folder / "corpus",
        "--model", arguments.model, "--output", model, "--epochs", arguments.epochs,
        "--evaluation.zero_shot_clips", 0, "--export.parity_clips", 1,
        "--export.parity_threshold", 10,
    ]  # fmt: skip
    done = subprocess.run(
        [str(word) for word in command], stdout=sys.stderr, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise UserError(f"ruach train ended with {done.returncode}: {done.stderr[-2000:]}")
    return model / SUSPICIOUS


def judge(ranked: Sequence[int], kinds: dict[int, str], n_clips: int) -> dict[str, Any]:
    """The share of wrong texts at the ranking's head and anywhere in it, and what chance gives."""
    head = set(ranked[: len(kinds)])
    rows = {}
    for kind in (*KINDS, "all"):
        wrong = {i for i, own in kinds.items() if kind in ("all", own)}
        rows[kind] = {
            "planted": len(wrong),
            "found_first": len(wrong & head) / max(1, len(wrong)),
            "found_listed": len(wrong & set(ranked)) / max(1, len(wrong)),
        }
    chance = len(kinds) / n_clips
    return {
        "ratio": rows["all"]["found_first"] / chance,
        "chance_first": chance,
        "chance_listed": len(ranked) / n_clips,
        "kinds": rows,
    }


def compare(arguments: argparse.Namespace) -> Comparison:
    source = find_source(arguments.data, arguments.lang)
    n = choose(arguments.clips, arguments, quick=60, usual=10_000)
    splits = {split: read_clips(source, n, split=split) for split in ("train", "test")}
    clips = splits["train"]
    texts, kinds = plant([u.transcript for u in clips.utterances], arguments.share)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_corpus(folder / "corpus", splits, texts)
        listed = read_suspicious(train(folder, source.lang, arguments))
    ranked = [int(Path(clip.id).stem) for clip in listed]
    figures = judge(ranked, kinds, len(texts)) | {"n_clips": len(texts), "epochs": arguments.epochs}
    figures["machine"] = machine("cpu")
    rows = [
        [kind, str(row["planted"]), percent(row["found_first"]), percent(row["found_listed"])]
        for kind, row in figures["kinds"].items()
    ]
    lines = [
        f"{clips.describe()}; {arguments.model}, {arguments.epochs} epochs. By chance "
        f"{percent(figures['chance_first'])} and {percent(figures['chance_listed'])}.",
        machine_line(figures["machine"]),
    ]
    first = f"among the first {len(kinds)}"
    heading = ["wrong is", "clips", first, f"among the {len(ranked)} listed"]
    return Comparison(figures, heading, rows, lines)


def main() -> None:
    parser = build_parser(__doc__ or "")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--share", type=float, default=0.1, help="of the clips gets a wrong text")
    run(parser, compare)


if __name__ == "__main__":
    main()
