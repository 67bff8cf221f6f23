"""What training one clip costs, by the model's size: operations and memory; no torch is needed.

The figures of OpenAI's sizes stand in `tables/step_costs.tsv`, counted by
`benchmarks/count_step_costs.py`. They are those of full fine-tuning; a `Footprint` is what is kept
under a run's settings. `ruach train` chooses by it how much goes through one forward pass, and
`ruach plan` says with it what will fit.
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

from ruach_core.config import TrainingConfig
from ruach_core.errors import UserError
from ruach_core.features import MAX_WINDOW_S
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, PROMPT_LENGTH
from ruach_core.text.tables import read_table

_PACKAGE = "ruach_core.training"
_MIB, _GIB = 2**20, 2**30

_WEIGHT_BYTES = _GRADIENT_BYTES = 4
_CAST_BYTES = 2
"""The copy of each weight that autocast makes in bfloat16 or float16."""
_MOMENT_BYTES = {"adamw": 8, "adamw8bit": 2}
"""AdamW's two moments of a parameter."""
_FROZEN_SHARE, _CHECKPOINTED_SHARE = 0.32, 0.27
"""Of what full fine-tuning keeps of a pass for its backward pass. Shares of a 30 s window by
counting the saved bytes, from tiny to large-v3: a frozen encoder keeps 0.22 to 0.32, checkpointing
0.1 to 0.27; the upper ends serve. LoRA keeps what full fine-tuning does."""
_SHAPES = {
    "tiny": (384, 4, 4), "base": (512, 6, 6), "small": (768, 12, 12), "medium": (1024, 24, 24),
    "large-v3": (1280, 32, 32), "large-v3-turbo": (1280, 32, 4),
}  # fmt: skip
"""Width, encoder layers and decoder layers of OpenAI's sizes."""
_MAX_SOURCE_POSITIONS = 1500
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

    def count_trained(self, training: TrainingConfig) -> int:
        """Parameters that the settings train, to within a few in a hundred."""
        width, n_encoder, n_decoder = _SHAPES[self.name]
        if training.lora_rank:
            # Four projections of attention and the two wider layers; a decoder attends twice.
            n_encoder = 0 if training.freeze_encoder else n_encoder
            return training.lora_rank * width * (18 * n_encoder + 26 * n_decoder)
        if not training.freeze_encoder:
            return self.n_parameters
        encoder = n_encoder * 12 * width**2 + 3 * width**2 + _MAX_SOURCE_POSITIONS * width
        return round(self.n_parameters * (1 - encoder / _sizes()[self.name].n_parameters))

    def _interpolate(self, window_s: float, n_labels: int, figure: int) -> float:
        """Linear in both; both grow linearly but for attention's small part."""
        windows = sorted({window for window, _ in self.grid})
        labels = sorted({label for _, label in self.grid})

        def at(window: float) -> float:
            known = [self.grid[window, label][figure] for label in labels]
            return _linear(labels, known, n_labels)

        return max(0.0, _linear(windows, [at(window) for window in windows], window_s))


@dataclass(frozen=True, slots=True)
class Footprint:
    """What training keeps in memory under a run's settings: of the model, and of each window.

    Attributes:
        size: of the model.
        precision: "float32", "bf16" or "fp16".
        model_bytes: whatever goes through: weights, gradients, moments, casts, and PyTorch itself.
        activation_share: of what full fine-tuning keeps of a pass.
    """

    size: ModelSize
    precision: str
    model_bytes: float
    activation_share: float

    @classmethod
    def of(
        cls,
        size: ModelSize,
        training: TrainingConfig,
        precision: str,
        *,
        n_trained: int | None = None,
    ) -> Footprint:
        """By the settings; `n_trained` parameters, or as many as the settings train of the size."""
        if n_trained is None:
            n_trained = size.count_trained(training)
        weight_bytes = _WEIGHT_BYTES + (0 if precision == "float32" else _CAST_BYTES)
        trained_bytes = _GRADIENT_BYTES + _MOMENT_BYTES[training.optimizer]
        return cls(
            size=size,
            precision=precision,
            model_bytes=weight_bytes * size.n_parameters
            + trained_bytes * n_trained
            + _RUNTIME_BYTES,
            activation_share=(_FROZEN_SHARE if training.freeze_encoder else 1.0)
            * (_CHECKPOINTED_SHARE if training.gradient_checkpointing else 1.0),
        )

    def clip_bytes(self, window_s: float, n_labels: int) -> float:
        """Memory that one window holds at the step's height, beside the model."""
        full = self.size.clip_bytes(window_s, n_labels, precision=self.precision)
        return self.activation_share * full

    def room_bytes(self, memory_bytes: float) -> float:
        """What is left for clips on a device; negative where the model alone is too large."""
        return usable_bytes(memory_bytes) - self.model_bytes

    def largest_batch(self, memory_bytes: float, window_s: float, n_labels: int) -> int:
        """Windows that one pass can hold at the very most; 0 where not even one fits."""
        return max(0, int(self.room_bytes(memory_bytes) / self.clip_bytes(window_s, n_labels)))


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
    footprint: Footprint,
    memory_bytes: float | None,
    *,
    is_gpu: bool,
    tokens_per_second: float = USUAL_TOKENS_PER_SECOND,
) -> float:
    """Seconds of window in one forward pass that fit a device with room to spare.

    At least one full window: what fits no device must fail where it can say so.

    Args:
        footprint: what training keeps.
        memory_bytes: of the device; None where it isn't known.
        is_gpu: whether the device gains from large passes.
        tokens_per_second: text tokens in a second of fast speech.
    """
    if memory_bytes is None:
        return _CPU_MICRO_BATCH_S
    room = _SAFE_SHARE * footprint.room_bytes(memory_bytes)
    per_second = max(
        footprint.clip_bytes(window_s, labels_in(window_s, tokens_per_second)) / window_s
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
