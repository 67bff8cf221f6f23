"""How much a run keeps in memory, and what it does when that doesn't fit."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from ruach_core.errors import UserError
from ruach_core.models.memory import is_out_of_memory
from ruach_core.training.batching import MicroBatch

REMEDIES = (
    "use a smaller --model, --training.lora_rank 32, --training.gradient_checkpointing true, "
    "--training.optimizer adamw8bit, or a lower --dataset.max_duration_s"
)


class PassDidNotFitError(Exception):
    """A forward or backward pass found no memory; the update's gradients have been dropped."""

    def __init__(self, micro_batch: MicroBatch) -> None:
        super().__init__(f"{micro_batch.window_s:.1f} s of window don't fit the memory")
        self.micro_batch = micro_batch


def smaller_limit(micro_batch: MicroBatch, limit_s: float) -> float:
    """Half of the seconds that didn't fit, as the new limit of a pass.

    Args:
        micro_batch: the pass that didn't fit.
        limit_s: the limit that it was cut by, which it may lie far below.

    Raises:
        UserError: it was a single window, which can't be cut.
    """
    if len(micro_batch.windows) == 1:
        raise UserError(
            f"out of memory: not even one window of {micro_batch.window_s:.1f} s fits; {REMEDIES}"
        )
    return min(limit_s, micro_batch.window_s) / 2


@contextmanager
def explained() -> Iterator[None]:
    """Turn what no smaller pass would mend into one line: weights or optimizer don't fit.

    Raises:
        UserError: memory ran out.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split()) or "no memory is left"
        raise UserError(f"out of memory: {reason[:200]}; {REMEDIES}") from error


def fixed_bytes(model: Any, optimizer: Literal["adamw", "adamw8bit"]) -> int:
    """Bytes that training keeps whatever the batch: weights, gradients, moments, casts.

    A float32 weight is 4 bytes and its copy in half precision 2; where it is trained, its gradient
    is 4 and AdamW's two moments 8, in 8 bits 2.
    """
    trained = 12 if optimizer == "adamw8bit" else 18
    return sum(p.numel() * (trained if p.requires_grad else 6) for p in model.parameters())


def activation_share(model: Any) -> float:
    """What a pass keeps for its backward pass, as a share of full fine-tuning's.

    Shares of a 30 s window by counting the saved bytes, from tiny to large-v3: a frozen encoder
    keeps 0.22 to 0.32, checkpointing 0.1 to 0.27; the upper ends serve. LoRA keeps what full
    fine-tuning does.
    """
    is_frozen = not any(p.requires_grad for p in model.get_encoder().parameters())
    is_checkpointed = any(getattr(m, "gradient_checkpointing", False) for m in model.modules())
    return (0.32 if is_frozen else 1.0) * (0.27 if is_checkpointed else 1.0)
