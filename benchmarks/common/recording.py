"""A long recording with a known text: clips one after another, with pauses between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from common.clips import load
from ruach_core.types import SAMPLING_RATE, Utterance

PAUSES_S = (0.4, 0.8, 1.5, 2.5)
_NOISE = 1e-4
"""Of the pauses: digital silence is what no room has."""


@dataclass(frozen=True)
class Recording:
    """A wav file, its seconds, and what is said in it."""

    path: Path
    duration_s: float
    text: str


def write_recording(utterances: Sequence[Utterance], path: Path, *, seconds: float) -> Recording:
    """Write at least so many seconds of the utterances, again from the first where they run out."""
    rng = np.random.default_rng(0)
    pieces, texts, n_samples = [], [], 0
    while n_samples < seconds * SAMPLING_RATE:
        utterance = utterances[len(texts) % len(utterances)]
        pause = round(PAUSES_S[len(texts) % len(PAUSES_S)] * SAMPLING_RATE)
        quiet = (_NOISE * rng.standard_normal(pause)).astype(np.float32)
        pieces += [load(utterance), quiet]
        n_samples += len(pieces[-2]) + pause
        texts.append(utterance.reference or "")
    soundfile.write(path, np.concatenate(pieces), SAMPLING_RATE, subtype="PCM_16")
    return Recording(path, n_samples / SAMPLING_RATE, " ".join(texts))
