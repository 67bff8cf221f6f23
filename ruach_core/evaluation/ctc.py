"""How likely a text's letters are by the encoder alone: a CTC head beside Whisper's decoder.

The decoder writes what is likely after what it has written; the head judges each 20 ms of the
encoder's states by themselves. They err differently, so a hypothesis that both find likely is more
often right (S. Watanabe et al., "Hybrid CTC/Attention Architecture for End-to-End Speech
Recognition", IEEE JSTSP 11(8), 2017). The head is a convolution over five states, a rectifier and
a layer that gives each letter and the blank a logit; numpy alone, no torch.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ruach_core.errors import UserError
from ruach_core.evaluation.ngram import IntArray, RealArray
from ruach_core.features import FloatArray

CTC_HEAD = "ctc_head.npz"
"""Beside an export's model.bin, and in a model's folder."""

BLANK = 0
_FORMAT = "ruach-ctc 1"


@dataclass(frozen=True, slots=True)
class CtcHead:
    """The head's weights.

    Attributes:
        letters: what it can hear, each a code point; letter `i` has the label `i + 1`.
        kernel: of the convolution, (n_hidden, n_states, width), its width odd.
        kernel_bias: (n_hidden,).
        output: (1 + n_letters, n_hidden), the blank first.
        output_bias: (1 + n_letters,).
    """

    letters: str
    kernel: FloatArray
    kernel_bias: FloatArray
    output: FloatArray
    output_bias: FloatArray

    def log_probs(self, states: FloatArray) -> RealArray:
        """Log-probability of the blank and of each letter in each state.

        Args:
            states: of the encoder, (n_states, width of the encoder).

        Returns:
            Shape (n_states, 1 + n_letters).
        """
        width = self.kernel.shape[-1]
        padded = np.pad(states.astype(np.float32), ((width // 2, width // 2), (0, 0)))
        hidden = sum(padded[k : k + len(states)] @ self.kernel[:, :, k].T for k in range(width))
        hidden = np.maximum(hidden + self.kernel_bias, 0.0)
        logits = (hidden @ self.output.T + self.output_bias).astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        found: RealArray = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        return found

    def labels(self, text: str) -> list[int]:
        """The text's labels; letters that the head doesn't know are left out."""
        return label_texts(self.letters, [text])[0]

    def to_bytes(self) -> bytes:
        """The file that stands beside an export, in half precision; `read_ctc_head` reads it."""
        about = json.dumps({"format": _FORMAT, "letters": self.letters})
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            about=np.frombuffer(about.encode("utf-8"), dtype=np.uint8),
            kernel=self.kernel.astype(np.float16),
            kernel_bias=self.kernel_bias.astype(np.float16),
            output=self.output.astype(np.float16),
            output_bias=self.output_bias.astype(np.float16),
        )
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> CtcHead:
        """The head that `to_bytes` wrote.

        Raises:
            ValueError: it's something else, or damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                about = json.loads(arrays["about"].tobytes().decode("utf-8"))
                if about["format"] != _FORMAT:
                    raise ValueError(f"format {about['format']!r}, not {_FORMAT!r}")
                names = ("kernel", "kernel_bias", "output", "output_bias")
                head = cls(about["letters"], *(arrays[n].astype(np.float32) for n in names))
        except (KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"not a CTC head ({error})") from error
        head._check()
        return head

    def _check(self) -> None:
        n_hidden, n_labels = len(self.kernel_bias), 1 + len(self.letters)
        is_whole = (
            self.kernel.ndim == 3
            and len(self.kernel) == n_hidden
            and self.kernel.shape[-1] % 2 == 1
            and self.output.shape == (n_labels, n_hidden)
            and self.output_bias.shape == (n_labels,)
        )
        if not is_whole:
            raise ValueError("its arrays don't fit each other")


def label_texts(letters: str, texts: Iterable[str]) -> list[list[int]]:
    """The labels of each text; letters that aren't among `letters` are left out."""
    labels = {letter: label for label, letter in enumerate(letters, start=BLANK + 1)}
    return [[labels[letter] for letter in text if letter in labels] for text in texts]


def read_ctc_head(model_dir: Path) -> CtcHead | None:
    """The head of an export's folder, or None where it has none.

    Raises:
        UserError: the file is there but can't be used.
    """
    path = model_dir / CTC_HEAD
    if not path.is_file():
        return None
    try:
        return CtcHead.from_bytes(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a readable CTC head ({error}); delete it") from error


def score_labels(log_probs: RealArray, rows: Sequence[Sequence[int]]) -> RealArray:
    """Log-probability of each row of labels, summed over all its alignments with the states.

    The forward algorithm of A. Graves et al., "Connectionist Temporal Classification", ICML 2006,
    section 4.1, for all rows at once, each state's sums scaled to one.

    Args:
        log_probs: of one clip, from `CtcHead.log_probs`, at least one state.
        rows: labels without blanks.

    Returns:
        Shape (n_rows,); -inf where a row has more labels than the states can hold.
    """
    labels, can_skip = _with_blanks(rows)
    ends = np.array([2 * len(row) for row in rows])
    # Behind a row's last blank there is nothing: what went there would outgrow the row.
    is_there = np.arange(labels.shape[1]) <= ends[:, None]
    emitted = np.exp(log_probs)[:, labels] * is_there  # (n_states, n_rows, n_places)
    sums = np.zeros(labels.shape)
    sums[:, :2] = emitted[0, :, :2]
    total = np.zeros(len(rows))
    with np.errstate(divide="ignore"):
        for place, now in enumerate(emitted):
            if place:
                reached = sums.copy()
                reached[:, 1:] += sums[:, :-1]
                reached[:, 2:] += sums[:, :-2] * can_skip[:, 2:]
                sums = reached * now
            scale = sums.sum(axis=-1)
            total += np.log(scale)
            sums /= np.maximum(scale, np.finfo(np.float64).tiny)[:, None]
        last = np.take_along_axis(sums, ends[:, None], axis=1)[:, 0]
        letter = np.take_along_axis(sums, np.maximum(ends - 1, 0)[:, None], axis=1)[:, 0]
        found: RealArray = total + np.log(last + np.where(ends > 0, letter, 0.0))
    return found


def _with_blanks(rows: Sequence[Sequence[int]]) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """The rows with a blank around each label, and where a path may leave the blank before out."""
    labels = np.full((len(rows), 2 * max(map(len, rows)) + 1), BLANK, dtype=np.int64)
    for place, row in enumerate(rows):
        labels[place, 1 : 2 * len(row) : 2] = row
    can_skip = np.zeros(labels.shape, dtype=np.bool_)
    can_skip[:, 2:] = (labels[:, 2:] != BLANK) & (labels[:, 2:] != labels[:, :-2])
    return labels, can_skip
