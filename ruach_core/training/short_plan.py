"""What `ruach train` says of memory and time before its first update; `ruach plan` says more."""

from __future__ import annotations

from typing import Any

from ruach_core.training.batching import MicroBatch
from ruach_core.training.device import footprint_of
from ruach_core.training.forecast import count_gflops, duration, peak_bytes
from ruach_core.training.hardware import this_machine
from ruach_core.training.loop import Plan
from ruach_core.training.preparation import Prepared
from ruach_core.training.workload import pass_of, passes_of

_STEP_OVER_FORWARD = 3.0
"""Operations of a training step over those of its forward pass."""


def short_plan(
    plan: Plan, prepared: Prepared, model: Any, first: MicroBatch, forward_s: float
) -> list[str]:
    """Two lines on the run.

    Args:
        plan: of the run.
        prepared: the data.
        model: that is trained.
        first: a pass of the first epoch, or some of its windows.
        forward_s: seconds that it took, forward only.
    """
    footprint = footprint_of(model, plan.config.training, plan.precision)
    batches = plan.batches(0)
    passes = [p for b in batches for p in passes_of(b, prepared.text_ids, prepared.tokens)]
    memory = peak_bytes(footprint, passes) / 2**30
    there = this_machine(plan.precision).memory_gib
    of = f" of {there:.0f}" if there else ""
    gflops = count_gflops(footprint.size, passes)
    timed = pass_of(first, prepared.text_ids, prepared.tokens)
    epoch_s = _STEP_OVER_FORWARD * forward_s * gflops / count_gflops(footprint.size, [timed])
    return [
        f"Memory: about {memory:.1f}{of} GB, in passes of at most {plan.micro_batch_s:.0f} s of "
        "window",
        f"Time: very roughly {duration(epoch_s)} an epoch of {len(batches)} updates, by the first "
        "pass; its validation comes on top",
    ]
