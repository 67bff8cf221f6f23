"""What training one clip costs, by the model's size: operations and memory; no torch is needed.

The figures of OpenAI's sizes stand in `tables/step_costs.tsv`, counted by
`benchmarks/count_step_costs.py`. `ruach train` chooses how much goes through one forward pass by
this memory model, and `ruach plan` says with it what will fit.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ruach_core.errors import UserError
from ruach_core.features import MAX_WINDOW_S
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, PROMPT_LENGTH
from ruach_core.text.tables import read_table

_PACKAGE = "ruach_core.training"
_MIB, _GIB = 2**20, 2**30

BYTES_PER_PARAMETER = 16
"""Weights, gradients and AdamW's two moments, all float32."""
_CAST_BYTES = 2
"""The copy of each weight that autocast makes in bfloat16 or float16."""
_RUNTIME_BYTES = round(0.8 * _GIB)
"""What PyTorch and its kernels take by themselves."""
_USABLE = 0.92
"""Share of a device's memory that can be filled before fragments make it fail."""
_SAFE_SHARE = 0.6
"""Share of the room for clips that Ruach fills by itself: texts vary, and so do drivers."""
_CPU_MICRO_BATCH_S = 60.0
"""On a processor larger passes are no faster."""
_SHORT_WINDOW_S = 2.0
USUAL_TOKENS_PER_SECOND = 15.0
"""Text tokens in a second of fast speech, where the data isn't known."""


@dataclass(frozen=True, slots=True)
class ModelSize:
    """A size of Whisper and what one clip costs in a training step.

    Attributes:
        name: OpenAI's name of the size ("small"); of the nearest one for other models.
        n_parameters: of the model at hand.
        grid: (seconds of window, decoder positions) -> (GFLOPs, MiB), at the model's size.
    """

    name: str
    n_parameters: int
    grid: Mapping[tuple[float, int], tuple[float, float]]

    def gflops(self, window_s: float, n_labels: int) -> float:
        """Floating-point operations of forward and backward pass, in 10^9."""
        return self._interpolate(window_s, n_labels, 0)

    def clip_bytes(self, window_s: float, n_labels: int, *, precision: str) -> float:
        """Memory that one window holds at the step's height, beside the weights."""
        mib = self._interpolate(window_s, n_labels, 1)
        return mib * _MIB * (2.0 if precision == "float32" else 1.0)

    def fixed_bytes(self, *, precision: str) -> float:
        """Memory that the model takes whatever goes through it, optimizer and runtime included."""
        each = BYTES_PER_PARAMETER + (0 if precision == "float32" else _CAST_BYTES)
        return each * self.n_parameters + _RUNTIME_BYTES

    def clip_room_bytes(self, memory_bytes: float, *, precision: str) -> float:
        """What is left for clips on a device; negative where the model alone is too large."""
        return usable_bytes(memory_bytes) - self.fixed_bytes(precision=precision)

    def largest_batch(
        self, memory_bytes: float, window_s: float, n_labels: int, *, precision: str
    ) -> int:
        """Windows that one pass can hold at the very most; 0 where not even one fits."""
        room = self.clip_room_bytes(memory_bytes, precision=precision)
        return max(0, int(room / self.clip_bytes(window_s, n_labels, precision=precision)))

    def _interpolate(self, window_s: float, n_labels: int, figure: int) -> float:
        """Linear in both; both grow linearly but for attention's small part."""
        windows = sorted({window for window, _ in self.grid})
        labels = sorted({label for _, label in self.grid})

        def at(window: float) -> float:
            known = [self.grid[window, label][figure] for label in labels]
            return _linear(labels, known, n_labels)

        return max(0.0, _linear(windows, [at(window) for window in windows], window_s))


def usable_bytes(memory_bytes: float) -> float:
    """What can be filled of a device's memory; the rest is lost between the pieces."""
    return _USABLE * memory_bytes


def model_sizes() -> tuple[ModelSize, ...]:
    """OpenAI's sizes, the smallest first; large-v3-turbo, the least tried one, last."""
    return tuple(_sizes().values())


def size_of(n_parameters: int) -> ModelSize:
    """The costs of a model by its number of parameters.

    Those of the nearest known size; a model of another size costs in proportion.
    """
    nearest = min(model_sizes(), key=lambda size: abs(math.log(n_parameters / size.n_parameters)))
    ratio = n_parameters / nearest.n_parameters
    grid = {key: (ratio * gflops, ratio * mib) for key, (gflops, mib) in nearest.grid.items()}
    return ModelSize(nearest.name, n_parameters, grid)


def named_size(model: str) -> ModelSize | None:
    """The size that a model's name stands for ("whisper-small", "openai/whisper-small", "turbo").

    The earlier large models cost what large-v3 does. None for any other name.
    """
    name = model.removeprefix("openai/").removeprefix("whisper-")
    others = {"turbo": "large-v3-turbo", "large": "large-v3", "large-v2": "large-v3"}
    return _sizes().get(others.get(name, name))


def count_parameters(model_dir: Path) -> int:
    """Parameters of a model folder, from the headers of its safetensors files.

    The output layer, where a file holds it, is the embedding once more and isn't counted.

    Raises:
        UserError: a header can't be read.
    """
    shapes: dict[str, Sequence[int]] = {}
    for path in sorted(model_dir.glob("model*.safetensors")):
        try:
            with path.open("rb") as file:
                header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        except (OSError, ValueError, MemoryError, OverflowError) as error:
            raise UserError(
                f"{path}: no safetensors file ({error}); copy the model again"
            ) from error
        shapes |= {n: entry["shape"] for n, entry in header.items() if n != "__metadata__"}
    return sum(math.prod(s) for n, s in shapes.items() if n != "proj_out.weight")


def labels_in(window_s: float, tokens_per_second: float) -> int:
    """Decoder positions of fast speech that fills a window."""
    return min(MAX_TARGET_POSITIONS, PROMPT_LENGTH + math.ceil(tokens_per_second * window_s))


def choose_micro_batch_s(
    size: ModelSize,
    memory_bytes: float | None,
    *,
    is_gpu: bool,
    precision: str,
    tokens_per_second: float = USUAL_TOKENS_PER_SECOND,
    model_bytes: float | None = None,
    activation_share: float = 1.0,
) -> float:
    """Seconds of window in one forward pass that fit a device with room to spare.

    At least one full window: what fits no device must fail where it can say so.

    Args:
        size: of the model.
        memory_bytes: of the device; None where it isn't known.
        is_gpu: whether the device gains from large passes.
        precision: "float32", "bf16" or "fp16".
        tokens_per_second: text tokens in a second of fast speech.
        model_bytes: weights, gradients, moments and casts; by default those of full fine-tuning.
        activation_share: of what full fine-tuning keeps of a pass.
    """
    if memory_bytes is None:
        return _CPU_MICRO_BATCH_S
    room_bytes = size.clip_room_bytes(memory_bytes, precision=precision)
    if model_bytes is not None:
        room_bytes = usable_bytes(memory_bytes) - model_bytes - _RUNTIME_BYTES
    room = _SAFE_SHARE * room_bytes / activation_share
    per_second = max(
        size.clip_bytes(window_s, labels_in(window_s, tokens_per_second), precision=precision)
        / window_s
        for window_s in (_SHORT_WINDOW_S, MAX_WINDOW_S)
    )
    fitting = max(MAX_WINDOW_S, room / per_second)
    return fitting if is_gpu else min(_CPU_MICRO_BATCH_S, fitting)


@cache
def _sizes() -> dict[str, ModelSize]:
    columns = (
        "model", "n_parameters", "window_s", "n_labels", "gflops", "memory_mib", "source",
    )  # fmt: skip
    counts: dict[str, int] = {}
    grids: dict[str, dict[tuple[float, int], tuple[float, float]]] = defaultdict(dict)
    for row in read_table(_PACKAGE, "step_costs.tsv", columns=columns):
        key = (float(row["window_s"]), int(row["n_labels"]))
        grids[row["model"]][key] = (float(row["gflops"]), float(row["memory_mib"]))
        counts[row["model"]] = int(row["n_parameters"])
    return {name: ModelSize(name, counts[name], grid) for name, grid in grids.items()}


def _linear(known: Sequence[float], values: Sequence[float], at: float) -> float:
    """Linear between known points, and on along the outer pieces."""
    right = min(max(1, bisect_right(known, at)), len(known) - 1)
    left = right - 1
    share = (at - known[left]) / (known[right] - known[left])
    return values[left] + share * (values[right] - values[left])
