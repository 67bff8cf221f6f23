"""Clips to log-mel: Ruach against transformers' WhisperFeatureExtractor, in one run.

The peer is timed twice: as every recipe calls it, one clip at a time and padded to 30 s, and at
its best, eight clips of like lengths padded to the longest. So is Ruach: in training it computes
eight clips of like lengths at once, on the device, and elsewhere one clip at a time with numpy
alone; its windows are a clip, or the longest of eight, and 0.3 s of silence. Reading the audio is
timed in none of them. That the values agree is checked on the same 30 s windows.

    python benchmarks/mel.py [--data DIR] [--lang mdw] [--device auto] [--quick] [--json]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from common.clips import find_source, read_clips
from common.models import choose_device, find_model, quiet_libraries
from common.report import Comparison, build_parser, choose, machine, machine_line, run
from common.timing import alternate

from ruach_core.data.waveforms import load_utterance
from ruach_core.features import FloatArray, log_mel, pad_waveform, window_samples
from ruach_core.training.mel import batch_log_mel
from ruach_core.types import SAMPLING_RATE

MARGIN_S, BATCH = 0.3, 8
OURS, NUMPY = "Ruach, training", "Ruach, numpy"
RECIPE, LONGEST = "transformers, 30 s", "transformers, longest"

Mels = Sequence[FloatArray]


def extract_numpy(waveforms: Sequence[FloatArray], n_mels: int) -> Mels:
    """Each clip in its own short window, as decoding computes it."""
    return [log_mel(pad_waveform(w, _window(w)), n_mels=n_mels) for w in waveforms]


def extract_batched(waveforms: Sequence[FloatArray], n_mels: int, device: str) -> Sequence[Any]:
    """Eight clips in a window, as training computes it; the values stay on the device."""
    import torch

    mels = []
    for batch in _batches(waveforms):
        n_samples = max(_window(w) for w in batch)
        stacked = torch.from_numpy(np.stack([pad_waveform(w, n_samples) for w in batch]))
        mels.append(batch_log_mel(stacked.to(device), n_mels=n_mels))
    return mels


def extract_recipe(extractor: Callable, waveforms: Sequence[FloatArray]) -> Mels:
    """As the recipes map a data set: clip by clip, with the default padding."""
    return [
        np.asarray(extractor(w, sampling_rate=SAMPLING_RATE).input_features[0]) for w in waveforms
    ]


def extract_longest(extractor: Callable, waveforms: Sequence[FloatArray]) -> Mels:
    """In batches, padded to the longest."""
    mels: list[FloatArray] = []
    for batch in _batches(waveforms):
        found = extractor(
            batch, sampling_rate=SAMPLING_RATE, padding="longest", return_tensors="np"
        )
        mels.extend(found.input_features)
    return mels


def _batches(waveforms: Sequence[FloatArray]) -> list[list[FloatArray]]:
    return [list(waveforms[i : i + BATCH]) for i in range(0, len(waveforms), BATCH)]


def _window(waveform: FloatArray) -> int:
    return window_samples(len(waveform) / SAMPLING_RATE, margin_s=MARGIN_S)


def largest_differences(
    extractor: Callable, waveforms: Sequence[FloatArray], n_mels: int, device: str
) -> dict[str, float]:
    """Of ours from the peer's, over whole 30 s windows, where every value is the peer's too."""
    import torch

    found = {OURS: 0.0, NUMPY: 0.0}
    for waveform, theirs in zip(waveforms, extract_recipe(extractor, waveforms), strict=True):
        padded = pad_waveform(waveform, int(extractor.n_samples))
        batch = torch.from_numpy(padded)[None].to(device)
        ours = {
            OURS: batch_log_mel(batch, n_mels=n_mels)[0].cpu().numpy(),
            NUMPY: log_mel(padded, n_mels=n_mels),
        }
        for name, mel in ours.items():
            found[name] = max(found[name], float(np.abs(mel - theirs).max()))
    return found


def compare(arguments: argparse.Namespace) -> Comparison:
    from transformers import WhisperFeatureExtractor

    quiet_libraries()
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=32, usual=120)
    rounds = choose(arguments.rounds, arguments, quick=3, usual=7)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips)
    waveforms = sorted((load_utterance(u) for u in clips.utterances), key=len)
    extractor = WhisperFeatureExtractor.from_pretrained(find_model(arguments.model, clips.plugins))
    n_mels = extractor.feature_size
    theirs = partial(extractor, device=device)
    calls = {
        OURS: partial(extract_batched, waveforms, n_mels, device),
        NUMPY: partial(extract_numpy, waveforms, n_mels),
        RECIPE: partial(extract_recipe, theirs, waveforms),
        LONGEST: partial(extract_longest, theirs, waveforms),
    }
    for call in calls.values():  # tables and threads are made at the first call
        call()
    found = alternate(calls, rounds=rounds, device=device)
    speeds = {name: len(waveforms) / timed.median_s for name, timed in found.items()}
    some = waveforms[:: max(1, len(waveforms) // 16)]
    differences = largest_differences(extractor, some, n_mels, device)
    about = machine(device)
    figures = {
        "ratio": speeds[OURS] / speeds[RECIPE],
        "longest_ratio": speeds[OURS] / speeds[LONGEST],
        "clips_per_second": speeds,
        "numpy_ratio": speeds[NUMPY] / speeds[RECIPE],
        "largest_difference": max(differences.values()),
        "largest_differences": differences,
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
            "Values differ from the peer's by at most "
            + ", ".join(f"{difference:.1e} ({name})" for name, difference in differences.items())
            + ", in 30 s windows.",
            f"{clips.describe()}; medians of {rounds} rounds.",
            machine_line(about),
        ],
    )


def main() -> None:
    run(build_parser(__doc__), compare)


if __name__ == "__main__":
    main()
