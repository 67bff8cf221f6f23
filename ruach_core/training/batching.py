"""Which clips are in which update, in which windows: a pure function of (seed, epoch).

An epoch is cut into *batches* (one update each), and each batch into *micro-batches* (one forward
pass each) whose windows are of one length, at most `micro_batch_s` seconds together. The loss is
normalised over the batch's tokens, so how a batch is cut doesn't change what is learned, only how
much memory it takes.

A window holds one clip, or several one behind the other with their times (`packing`). Either way a
clip is in exactly one batch of an epoch, as often as its weight draws it (`drawing`), and an epoch
has the same number of batches under every policy, so that policies can be compared update by
update.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ruach_core.config import AugmentConfig, WindowConfig
from ruach_core.features import MAX_SAMPLES, MAX_WINDOW_S, window_samples
from ruach_core.training.augment import choose_speed
from ruach_core.training.drawing import draw_clips
from ruach_core.training.packing import (
    TrainingWindow,
    has_room,
    n_timed_positions,
    pack_clips,
)
from ruach_core.training.randomness import generator
from ruach_core.types import SAMPLING_RATE, Utterance

POOL_BATCHES = 16
"""Batches sorted by length at once: large enough for even lengths, small enough to stay random."""
_SILENCE_S = (1.0, 10.0)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Windows of one forward pass, each of `n_samples`."""

    windows: tuple[TrainingWindow, ...]
    n_samples: int

    @classmethod
    def of_clips(cls, indices: Sequence[int], n_samples: int) -> MicroBatch:
        """One clip a window, without timestamps."""
        return cls(tuple(TrainingWindow.of_clip(i) for i in indices), n_samples)

    @property
    def indices(self) -> tuple[int, ...]:
        """Every clip of the pass."""
        return tuple(i for window in self.windows for i in window.indices)

    def share(self, rank: int, n_ranks: int) -> MicroBatch:
        """The windows that one of several processes takes; none where there are too few.

        Windows are of like lengths and in their order, so every n-th makes shares of like weight.
        """
        return MicroBatch(self.windows[rank::n_ranks], self.n_samples)

    @property
    def window_s(self) -> float:
        """Seconds of window that the pass computes, all windows together."""
        return len(self.windows) * self.n_samples / SAMPLING_RATE


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows of one update."""

    micro_batches: tuple[MicroBatch, ...]

    @property
    def windows(self) -> tuple[TrainingWindow, ...]:
        """Every window of the update."""
        return tuple(window for micro in self.micro_batches for window in micro.windows)

    @property
    def indices(self) -> tuple[int, ...]:
        """Every clip of the update."""
        return tuple(i for window in self.windows for i in window.indices)


def plan_epoch(
    utterances: Sequence[Utterance],
    window: WindowConfig,
    *,
    batch_size: int,
    micro_batch_s: float,
    seed: int,
    epoch: int,
    n_tokens: Sequence[int],
    augment: AugmentConfig | None = None,
    n_ranks: int = 1,
) -> list[Batch]:
    """The batches of one epoch; every clip that it draws is in exactly one of them.

    Args:
        utterances: the training clips, each with its `duration_s` and weight.
        window: margin, jitter, and the shares of clips in packed and in full windows.
        batch_size: clips per update; where windows are packed, on the average.
        micro_batch_s: most seconds of window in one forward pass; a single window may exceed it.
        seed: of the run.
        epoch: counted from 0.
        n_tokens: of each utterance's text; bounds what is packed together.
        augment: what changes the clips' speed, and so their lengths; None for nothing.
        n_ranks: processes that share each forward pass; the limit is for the share of one.

    Returns:
        ceil(clips / batch_size) batches, by the clips that the epoch draws.
    """
    rng = generator("epoch", seed, epoch)
    clips_drawn = draw_clips(utterances, seed=seed, epoch=epoch)
    order = [clips_drawn[i] for i in rng.permutation(len(clips_drawn))]
    durations_s = {i: _duration_s(utterances[i], augment, seed=seed, epoch=epoch) for i in order}
    drawn = {i: generator("window", seed, epoch, utterances[i].id).random() for i in order}
    packed = [i for i in order if drawn[i] < window.packed_share]
    singles = [i for i in order if drawn[i] >= window.packed_share]
    full = {i for i in singles if drawn[i] >= 1.0 - window.full_share}
    windows = pack_clips(
        packed, utterances, durations_s, n_tokens, rng=rng, max_clips=batch_size,
        timed_share=window.timed_share, prompt_share=window.prompt_share,
    )  # fmt: skip
    n_batches = -(-len(order) // batch_size)
    dealt, rooms = _deal(windows, len(singles), n_batches, rng)
    silent = _silent_windows(augment, len(order), n_batches, rng)
    batches = []
    for place, (windows_of_batch, clips) in enumerate(
        zip(dealt, _like_lengths(singles, rooms, lambda i: (durations_s[i], i)), strict=True)
    ):
        # One jitter for the batch: drawn per clip, the largest would rule each window.
        silence_s = window.margin_s + float(rng.uniform(0.0, window.jitter_s))
        sized = [*((MAX_SAMPLES, w) for w in windows_of_batch), *silent.get(place, ())]
        for i in clips:
            if i in full:
                is_timed = (
                    has_room(n_timed_positions(n_tokens[i])) and rng.random() < window.timed_share
                )
                sized.append((MAX_SAMPLES, TrainingWindow.of_clip(i, durations_s[i], is_timed)))
            else:
                n_samples = window_samples(durations_s[i], margin_s=silence_s)
                sized.append((n_samples, TrainingWindow.of_clip(i)))
        batches.append(Batch(_cut(sized, micro_batch_s, n_ranks)))
    rng.shuffle(batches)  # out of the order of lengths
    return batches


def _silent_windows(
    augment: AugmentConfig | None, n_clips: int, n_batches: int, rng: np.random.Generator
) -> dict[int, list[tuple[int, TrainingWindow]]]:
    """Windows without speech, by the batch that they come into beside its clips."""
    silent: dict[int, list[tuple[int, TrainingWindow]]] = {}
    for key in range(round(n_clips * augment.silence_share) if augment else 0):
        n_samples = window_samples(float(rng.uniform(*_SILENCE_S)), margin_s=0.0)
        window = TrainingWindow((), (), silence=key)
        silent.setdefault(int(rng.integers(n_batches)), []).append((n_samples, window))
    return silent


def _duration_s(
    utterance: Utterance, augment: AugmentConfig | None, *, seed: int, epoch: int
) -> float:
    """Seconds of the clip as it is played in this epoch."""
    duration_s = utterance.duration_s or MAX_WINDOW_S
    if augment is None:
        return duration_s
    return duration_s / choose_speed(utterance, augment, seed=seed, epoch=epoch)


def _deal(
    windows: Sequence[TrainingWindow], n_singles: int, n_batches: int, rng: np.random.Generator
) -> tuple[list[list[TrainingWindow]], list[int]]:
    """Packed windows over the batches, and how many single clips each batch takes beside them.

    The emptiest batch is filled first, so that all end up with about as many clips, and none empty:
    a packed window has at most a batch's clips, so there are no fewer windows and singles together
    than batches.
    """
    dealt: list[list[TrainingWindow]] = [[] for _ in range(n_batches)]
    rooms = [0] * n_batches
    # Drawn numbers break the ties, so that packed windows come anywhere in the epoch.
    heap = [(0, float(tie), b) for b, tie in enumerate(rng.random(n_batches))]
    heapq.heapify(heap)
    for window in sorted(windows, key=lambda w: -len(w.indices)):
        n_clips, tie, b = heap[0]
        dealt[b].append(window)
        heapq.heapreplace(heap, (n_clips + len(window.indices), tie, b))
    for _ in range(n_singles):
        n_clips, tie, b = heap[0]
        rooms[b] += 1
        heapq.heapreplace(heap, (n_clips + 1, tie, b))
    return dealt, rooms


def _like_lengths(
    order: Sequence[int], rooms: Sequence[int], key: Callable[[int], tuple[float, int]]
) -> list[list[int]]:
    """Cut the clips into groups of the given sizes, clips of like lengths together."""
    groups: list[list[int]] = []
    start = 0
    for first in range(0, len(rooms), POOL_BATCHES):
        sizes = rooms[first : first + POOL_BATCHES]
        pool = sorted(order[start : start + sum(sizes)], key=key)
        start += sum(sizes)
        for size in sizes:
            groups.append(pool[:size])
            pool = pool[size:]
    return groups


def _cut(
    sized: Sequence[tuple[int, TrainingWindow]], micro_batch_s: float, n_ranks: int
) -> tuple[MicroBatch, ...]:
    """Cut a batch into forward passes: like windows together, none above the limit."""
    micro_batches: list[MicroBatch] = []
    current: list[TrainingWindow] = []
    longest = 0
    for n_samples, window in sorted(
        sized, key=lambda pair: (pair[0], pair[1].indices, pair[1].silence or 0)
    ):
        largest_share = len(current) // n_ranks + 1
        would_be_s = largest_share * n_samples / SAMPLING_RATE
        # A full window among trimmed ones would stretch them all to 30 s.
        jumps = bool(current) and n_samples == MAX_SAMPLES != longest
        if current and (would_be_s > micro_batch_s or jumps):
            micro_batches.append(MicroBatch(tuple(current), longest))
            current = []
        current.append(window)
        longest = n_samples
    micro_batches.append(MicroBatch(tuple(current), longest))
    return tuple(micro_batches)
