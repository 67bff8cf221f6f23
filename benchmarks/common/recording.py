"""Longer audio with a known text, made of clips: a recording of minutes, or longer clips."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from ruach_core.data.waveforms import load_utterance
from ruach_core.features import FloatArray
from ruach_core.types import SAMPLING_RATE, Utterance

PAUSES_S = (0.4, 0.8, 1.5, 2.5)
_JOIN_PAUSE_S = 0.2
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
        pieces += [load_utterance(utterance), quiet]
        n_samples += len(pieces[-2]) + pause
        texts.append(utterance.reference or "")
    soundfile.write(path, np.concatenate(pieces), SAMPLING_RATE, subtype="PCM_16")
    return Recording(path, n_samples / SAMPLING_RATE, " ".join(texts))


def join_clips(
    utterances: Sequence[Utterance], folder: Path, *, n: int, is_full: Callable[[int, float], bool]
) -> list[Utterance]:
    """`n` longer clips, each of consecutive ones with short pauses and their texts joined.

    Args:
        utterances: what is joined, again from the first where they run out.
        folder: where the wav files go.
        n: how many to make.
        is_full: told the number of clips joined so far and their seconds; whether that will do.
    """
    source = itertools.cycle(utterances)
    return [_join_next(source, folder / f"joined-{i}.wav", is_full) for i in range(n)]


def _join_next(
    source: Iterator[Utterance], path: Path, is_full: Callable[[int, float], bool]
) -> Utterance:
    pieces: list[FloatArray] = []
    texts: list[str] = []
    n_samples = 0
    while not is_full(len(texts), n_samples / SAMPLING_RATE):
        utterance = next(source)
        if pieces:
            pieces.append(np.zeros(round(_JOIN_PAUSE_S * SAMPLING_RATE), dtype=np.float32))
        pieces.append(load_utterance(utterance))
        texts.append(utterance.reference or "")
        n_samples = sum(map(len, pieces))
    soundfile.write(path, np.concatenate(pieces), SAMPLING_RATE, subtype="PCM_16")
    text = " ".join(texts)
    return Utterance(
        path.name, path, text, "train", duration_s=n_samples / SAMPLING_RATE, reference=text
    )
