"""The CTC head is fitted to the encoder as it is, before the two are trained together.

A head of random values has nothing to tell the encoder, and in its first updates the encoder would
follow it nevertheless, away from what the decoder understands.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from ruach_core.training.batching import Batch, MicroBatch
from ruach_core.training.ctc import HEAD_RATE, head_parameters, losses
from ruach_core.training.encoder_cache import encode
from ruach_core.training.optimizer import ADAM

if TYPE_CHECKING:
    import torch

    from ruach_core.training.console import Console
    from ruach_core.training.loop import Plan

_UPDATES = 300
_MOST_HEARD_S = 1800.0
"""Seconds of window that are encoded, once, for all the updates: 90 to 230 MB by model size."""


def warm_up_head(model: Any, plan: Plan, console: Console) -> str:
    """Train the head alone on the first half hour of the first epoch.

    Args:
        model: with a head; moved to the device that trains, and nothing else of it changes.
        plan: of the training to come.
        console: shows the progress.

    Returns:
        A line that says how well the head fits.
    """
    import torch
    from accelerate import PartialState

    model.to(PartialState().device)
    parameters = head_parameters(model)
    optimizer = torch.optim.AdamW(parameters, lr=HEAD_RATE, **ADAM)
    per_letter: list[float] = []
    with console.progress(_UPDATES, "fit CTC head") as bar:
        heard = [
            (_encode(model, micro, plan), [window.text(plan.train) for window in micro.windows])
            for micro in _first_half_hour(plan.batches(0))
        ]
        for states, texts in itertools.islice(itertools.cycle(heard), _UPDATES):
            loss = losses(model, states, texts).sum() / max(1, sum(map(len, texts)))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            per_letter.append(float(loss.detach()))
            bar.update()
    optimizer.zero_grad()
    last = per_letter[-len(per_letter) // 10 :]
    return (
        "CTC head fitted to the base model's encoder: loss "
        f"{sum(last) / len(last):.2f} a letter (at first {per_letter[0]:.2f})"
    )


def _first_half_hour(batches: Iterable[Batch]) -> Iterator[MicroBatch]:
    heard_s = 0.0
    for micro in (micro for batch in batches for micro in batch.micro_batches):
        if heard_s >= _MOST_HEARD_S:
            return
        heard_s += micro.window_s
        yield micro


def _encode(model: Any, micro: MicroBatch, plan: Plan) -> torch.Tensor:
    """The encoder's states, in half precision."""
    heard = plan.collator(micro, epoch=0).encoder_inputs(model.device)
    if "encoder_outputs" in heard:
        half: torch.Tensor = heard["encoder_outputs"][0].half()
        return half
    return encode(model, heard["input_features"], plan.precision).half()
