"""What each training clip cost in the passes of its epochs; no pass is made for it.

A clip whose text isn't what is said keeps a higher loss than its like, most clearly in the early
epochs, before it is learnt by heart. `suspicion` makes a rank of these figures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruach_core.training.packing import TrainingWindow
from ruach_core.training.ranks import Ranks

FILE = "clips.safetensors"
"""In each checkpoint: the figures so far."""

Figures = npt.NDArray[np.float64]
"""Shape (3, n_clips): summed loss, tokens, and the update's number times the tokens."""


class ClipLosses:
    """Sums over each clip's tokens: of the epochs that are done, and of the one under way.

    In the first of several processes only:

    Attributes:
        epochs: the figures of each epoch that is done.
        validation: those of the validation clips, from each epoch's evaluation.
    """

    def __init__(self, n_clips: int) -> None:
        self.epochs: list[Figures] = []
        self.validation: list[Figures] = []
        self._now: Figures = np.zeros((3, n_clips))

    def add(
        self,
        update: int,
        windows: Sequence[TrainingWindow],
        n_tokens: Sequence[int],
        targets: npt.NDArray[np.int64],
        losses: npt.NDArray[np.float32],
        *,
        ignored: int,
    ) -> None:
        """Count one pass of this process.

        Args:
            update: its number, counted from 0.
            windows: of the pass, one for each row.
            n_tokens: of each clip's text.
            targets: target ids, (batch, length).
            losses: of the targets that count, in their order, (n_counted,).
            ignored: the target that doesn't count.
        """
        begin = 0
        for window, row in zip(windows, targets, strict=True):
            counted = row[row != ignored]
            found = losses[begin : begin + len(counted)]
            begin += len(counted)
            if not len(counted):  # another process computes it
                continue
            for clip, places in _split(window, n_tokens, counted):
                n = len(places)
                self._now[:, clip] += float(found[places].sum(dtype=np.float64)), n, update * n

    def end_epoch(self, ranks: Ranks) -> None:
        """Close the epoch; all processes call it together."""
        done = self._total(ranks)
        if ranks.is_first:
            self.epochs.append(done)
        self._now = np.zeros_like(self._now)

    def to_arrays(self, ranks: Ranks) -> dict[str, Figures]:
        """What a checkpoint keeps; all processes call it together."""
        arrays = {"now": self._total(ranks)}
        for name, epochs in (("epochs", self.epochs), ("validation", self.validation)):
            if epochs:
                arrays[name] = np.stack(epochs)
        return arrays

    def load(self, checkpoint: Path, ranks: Ranks) -> None:
        """Go on from what a checkpoint kept, in the first process; the others begin with none."""
        from safetensors.numpy import load_file

        if not ranks.is_first or not (checkpoint / FILE).is_file():
            return
        arrays = load_file(checkpoint / FILE)
        self._now = arrays["now"]
        self.epochs = list(arrays.get("epochs", ()))
        self.validation = list(arrays.get("validation", ()))

    def _total(self, ranks: Ranks) -> Figures:
        return np.array(ranks.sum(self._now.ravel().tolist())).reshape(self._now.shape)


def _split(
    window: TrainingWindow, n_tokens: Sequence[int], counted: npt.NDArray[np.int64]
) -> Iterator[tuple[int, npt.NDArray[np.intp]]]:
    """Each clip of a window, and which of the window's targets are its text's.

    The last target is the end, and text has smaller ids than all that marks something. A clip alone
    has the end, too: it tells whether the text is complete.
    """
    text = np.flatnonzero(counted < counted[-1])
    if len(window.indices) == 1:
        yield window.indices[0], np.append(text, len(counted) - 1)
        return
    lengths = [n_tokens[i] for i in window.indices]
    if sum(lengths) != len(text):
        return
    begin = 0
    for clip, length in zip(window.indices, lengths, strict=True):
        yield clip, text[begin : begin + length]
        begin += length
