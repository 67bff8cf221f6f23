"""Which clips are in which update, in which windows: a pure function of (seed, epoch).

An epoch is cut into *batches* (one update each) of clips of like lengths, and each batch into
*micro-batches* (one forward pass each) whose clips share one window length, at most
`micro_batch_s` seconds of window. The loss is normalised over the batch's tokens, so how a batch
is cut doesn't change what is learned, only how much memory it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ruach_core.config import AugmentConfig, WindowConfig
from ruach_core.features import MAX_SAMPLES, MAX_WINDOW_S, window_samples
from ruach_core.training.augment import choose_speed
from ruach_core.training.randomness import generator
from ruach_core.types import SAMPLING_RATE, Utterance

POOL_BATCHES = 16
"""Batches sorted by length at once: large enough for even lengths, small enough to stay random."""


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Clips of one forward pass: indices into the utterances, and their common window."""

    indices: tuple[int, ...]
    n_samples: int

    @property
    def window_s(self) -> float:
        """Seconds of window that the pass computes, all clips together."""
        return len(self.indices) * self.n_samples / SAMPLING_RATE


@dataclass(frozen=True, slots=True)
class Batch:
    """Clips of one update."""

    micro_batches: tuple[MicroBatch, ...]

    @property
    def indices(self) -> tuple[int, ...]:
        """Every clip of the update."""
        return tuple(i for micro in self.micro_batches for i in micro.indices)


def plan_epoch(
    utterances: Sequence[Utterance],
    window: WindowConfig,
    *,
    batch_size: int,
    micro_batch_s: float,
    seed: int,
    epoch: int,
    augment: AugmentConfig | None = None,
) -> list[Batch]:
    """The batches of one epoch; every utterance is in exactly one of them.

    Args:
        utterances: the training clips, each with its `duration_s`.
        window: margin, jitter and the share of clips in a full window.
        batch_size: clips per update.
        micro_batch_s: most seconds of window in one forward pass; a single clip may exceed it.
        seed: of the run.
        epoch: counted from 0.
        augment: what changes the clips' speed, and so their lengths; None for nothing.
    """
    rng = generator("epoch", seed, epoch)
    order = [int(i) for i in rng.permutation(len(utterances))]
    full = {i for i in order if _is_full(utterances[i], window, seed=seed, epoch=epoch)}
    durations_s = {i: _duration_s(utterances[i], augment, seed=seed, epoch=epoch) for i in order}
    groups: list[list[int]] = []
    for start in range(0, len(order), POOL_BATCHES * batch_size):
        pool = order[start : start + POOL_BATCHES * batch_size]
        pool.sort(key=lambda i: (durations_s[i], i))
        groups += [pool[k : k + batch_size] for k in range(0, len(pool), batch_size)]
    rng.shuffle(groups)
    batches: list[Batch] = []
    for group in groups:
        # One jitter for the batch: drawn per clip, the largest would rule each window.
        silence_s = window.margin_s + float(rng.uniform(0.0, window.jitter_s))
        windows = {
            i: MAX_SAMPLES if i in full else window_samples(durations_s[i], margin_s=silence_s)
            for i in group
        }
        batches.append(Batch(_cut(group, windows, micro_batch_s)))
    return batches


def _is_full(utterance: Utterance, window: WindowConfig, *, seed: int, epoch: int) -> bool:
    """Whether the clip is trained in a full window in this epoch."""
    drawn = generator("window", seed, epoch, utterance.id).random()
    return window.policy == "full" or drawn < window.full_share


def _duration_s(
    utterance: Utterance, augment: AugmentConfig | None, *, seed: int, epoch: int
) -> float:
    """Seconds of the clip as it is played in this epoch."""
    duration_s = utterance.duration_s or MAX_WINDOW_S
    if augment is None:
        return duration_s
    return duration_s / choose_speed(utterance, augment, seed=seed, epoch=epoch)


def _cut(
    group: Sequence[int], windows: dict[int, int], micro_batch_s: float
) -> tuple[MicroBatch, ...]:
    """Cut a batch into forward passes: like windows together, none above the limit."""
    micro_batches: list[MicroBatch] = []
    current: list[int] = []
    for i in sorted(group, key=lambda i: (windows[i], i)):
        would_be = (len(current) + 1) * windows[i] / SAMPLING_RATE
        # A full window among trimmed ones would stretch them all to 30 s.
        jumps = bool(current) and windows[i] == MAX_SAMPLES != windows[current[-1]]
        if current and (would_be > micro_batch_s or jumps):
            micro_batches.append(MicroBatch(tuple(current), windows[current[-1]]))
            current = []
        current.append(i)
    micro_batches.append(MicroBatch(tuple(current), windows[current[-1]]))
    return tuple(micro_batches)
