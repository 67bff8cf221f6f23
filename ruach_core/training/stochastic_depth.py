"""Stochastic depth: each window leaves out some of the model's layers, others each time.

G. Huang et al., "Deep networks with stochastic depth" (arXiv 1603.09382): a layer is left out with
a probability that rises linearly with its depth, and what remains is scaled up so that its
expectation stays. Here the choice is made for each window, not for a whole batch, and is a pure
function of (seed, epoch, clip), so a resumed run and another number of processes choose alike.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ruach_core.training.packing import TrainingWindow
from ruach_core.training.randomness import generator
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch


class StochasticDepth:
    """Leaves out layers of one model while it trains; encoder and decoder alike."""

    def __init__(self, model: Any, rate: float) -> None:
        """`rate` is the deepest layers' probability of being left out."""
        self._scales: torch.Tensor | None = None
        self._rates: list[float] = []
        for stack in (model.get_encoder(), model.get_decoder()):
            for n, layer in enumerate(stack.layers, start=1):
                self._patch(layer, len(self._rates))
                self._rates.append(rate * n / len(stack.layers))

    def choose(
        self,
        windows: Sequence[TrainingWindow],
        utterances: Sequence[Utterance],
        *,
        seed: int,
        epoch: int,
    ) -> None:
        """Decide what the windows of the next forward pass leave out."""
        import torch

        rates = np.array(self._rates)
        drawn = [
            generator("depth", seed, epoch, _key(w, utterances)).random(len(rates)) for w in windows
        ]
        kept = (np.stack(drawn) >= rates) / (1.0 - rates)
        self._scales = torch.from_numpy(kept.T.astype(np.float32))

    def _patch(self, layer: Any, place: int) -> None:
        forward = layer.forward

        def patched(_: Any, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
            output: torch.Tensor = forward(hidden_states, *args, **kwargs)
            if self._scales is None or not layer.training:
                return output
            scale = self._scales[place].to(output.device, output.dtype)[:, None, None]
            return hidden_states + scale * (output - hidden_states)

        layer.forward = types.MethodType(patched, layer)


def _key(window: TrainingWindow, utterances: Sequence[Utterance]) -> str | int | None:
    return utterances[window.indices[0]].id if window.indices else window.silence
