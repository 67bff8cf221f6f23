"""Clips to log-mel: Ruach against transformers' WhisperFeatureExtractor, in one run.

The peer is timed twice: as every recipe calls it, one clip at a time and padded to 30 s, and at
its best, eight clips of like lengths padded to the longest. Ruach's window is a clip and 0.3 s of
silence. Reading the audio is timed in none of them. That the values agree is checked on the same
30 s windows.

    python benchmarks/mel.py [--data DIR] [--lang mdw] [--device auto] [--quick] [--json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from common.clips import find_source, load, read_clips
from common.models import choose_device, find_model, quiet_libraries
from common.report import Comparison, build_parser, choose, machine, machine_line, run
from common.timing import alternate

from ruach_core.features import FloatArray, log_mel, pad_waveform, window_samples
from ruach_core.types import SAMPLING_RATE

MARGIN_S, BATCH = 0.3, 8
OURS, RECIPE, LONGEST = "Ruach", "transformers, 30 s", "transformers, longest"

Mels = Sequence[FloatArray]


def extract_ours(waveforms: Sequence[FloatArray], n_mels: int) -> Mels:
    """Each clip in its own short window, as `Collator` computes it."""
    return [log_mel(pad_waveform(w, _window(w)), n_mels=n_mels) for w in waveforms]


def extract_recipe(extractor: Callable, waveforms: Sequence[FloatArray]) -> Mels:
    """As the recipes map a data set: clip by clip, with the default padding."""
    return [
        np.asarray(extractor(w, sampling_rate=SAMPLING_RATE).input_features[0]) for w in waveforms
    ]


def extract_longest(extractor: Callable, waveforms: Sequence[FloatArray]) -> Mels:
    """In batches, padded to the longest."""
    mels: list[FloatArray] = []
    for start in range(0, len(waveforms), BATCH):
        batch = list(waveforms[start : start + BATCH])
        found = extractor(
            batch, sampling_rate=SAMPLING_RATE, padding="longest", return_tensors="np"
        )
        mels.extend(found.input_features)
    return mels


def _window(waveform: FloatArray) -> int:
    return window_samples(len(waveform) / SAMPLING_RATE, margin_s=MARGIN_S)


def largest_difference(extractor: Callable, waveforms: Sequence[FloatArray], n_mels: int) -> float:
    """Between both, over whole 30 s windows, where every value is the peer's too."""
    n_samples = int(extractor.n_samples)
    return max(
        float(np.abs(log_mel(pad_waveform(w, n_samples), n_mels=n_mels) - theirs).max())
        for w, theirs in zip(waveforms, extract_recipe(extractor, waveforms), strict=True)
    )


def compare(arguments: argparse.Namespace) -> Comparison:
    from transformers import WhisperFeatureExtractor

    quiet_libraries()
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=32, usual=120)
    rounds = choose(arguments.rounds, arguments, quick=3, usual=7)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips)
    waveforms = sorted((load(u) for u in clips.utterances), key=len)
    extractor = WhisperFeatureExtractor.from_pretrained(find_model(arguments.model, clips.plugins))
    n_mels = extractor.feature_size
    theirs = partial(extractor, device=device)
    calls = {
        OURS: partial(extract_ours, waveforms, n_mels),
        RECIPE: partial(extract_recipe, theirs, waveforms),
        LONGEST: partial(extract_longest, theirs, waveforms),
    }
    for call in calls.values():  # tables and threads are made at the first call
        call()
    found = alternate(calls, rounds=rounds, device=device)
    speeds = {name: len(waveforms) / timed.median_s for name, timed in found.items()}
    some = waveforms[:: max(1, len(waveforms) // 16)]
    difference = largest_difference(extractor, some, n_mels)
    about = machine(device)
    figures = {
        "ratio": speeds[OURS] / speeds[RECIPE],
        "longest_ratio": speeds[OURS] / speeds[LONGEST],
        "clips_per_second": speeds,
        "largest_difference": difference,
        "n_clips": len(waveforms), "clips": clips.describe(), "rounds": rounds, "machine": about,
    }  # fmt: skip
    return Comparison(
        figures,
        ["extractor", "clips/s", "ms a clip", "ours is"],
        [
            [name, f"{speed:.1f}", f"{1000 / speed:.2f}", f"{speeds[OURS] / speed:.2f} x"]
            for name, speed in speeds.items()
        ],
        [
            f"Values differ by at most {difference:.1e}, in 30 s windows.",
            f"{clips.describe()}; medians of {rounds} rounds.",
            machine_line(about),
        ],
    )


def main() -> None:
    run(build_parser(__doc__), compare)


if __name__ == "__main__":
    main()
