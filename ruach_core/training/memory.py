"""What a run does when memory runs out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ruach_core.errors import UserError
from ruach_core.models.memory import is_out_of_memory
from ruach_core.training.batching import MicroBatch

REMEDIES = (
    "use a smaller --model, --training.lora_rank 32, --training.gradient_checkpointing true, "
    "--training.optimizer adamw8bit, or a lower --dataset.max_duration_s"
)


class OutOfMemoryError(UserError):
    """Memory ran out, and what to do about it, in one line."""


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
        OutOfMemoryError: memory ran out.
    """
    try:
        yield
    except PassDidNotFitError as error:  # where nobody cuts it smaller, as in a probe
        raise OutOfMemoryError(f"out of memory: {error}; {REMEDIES}") from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split()) or "no memory is left"
        raise OutOfMemoryError(f"out of memory: {reason[:200]}; {REMEDIES}") from error
