"""What one update computes: forward and backward through its passes, then a step.

The loss is summed over a batch's tokens and divided by their number, however the batch is cut
into passes or spread over processes, so accumulation never changes what is learned.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruach_core.config import TrainingConfig
from ruach_core.errors import UserError
from ruach_core.models.memory import is_out_of_memory
from ruach_core.training.batching import Batch, MicroBatch
from ruach_core.training.clip_losses import ClipLosses
from ruach_core.training.collate import IGNORED, Collator, Tensors
from ruach_core.training.ctc import has_head
from ruach_core.training.ctc import losses as ctc_losses
from ruach_core.training.memory import PassDidNotFitError
from ruach_core.training.optimizer import build_optimizer, set_dropout, set_learning_rate
from ruach_core.training.randomness import generator
from ruach_core.training.ranks import Ranks
from ruach_core.training.sharding import gather_weights, sharded, whole
from ruach_core.training.stochastic_depth import StochasticDepth
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class Pass:
    """This process's part of a forward pass; `part` is its windows, `tensors` what they hold."""

    part: MicroBatch
    tensors: Tensors


class Updater:
    """A model, its optimizer, and how a batch changes them; the same in every process.

    Attributes:
        model: the whole Whisper; between epochs its weights are up to date.
        trained: what is trained: the model itself, or its shards beside it.
        optimizer: of `trained`, without accelerate's wrapping.
        clip_losses: what each clip cost, as far as this process has seen it.
    """

    def __init__(
        self,
        model: Any,
        train: Sequence[Utterance],
        collator: Collator,
        config: TrainingConfig,
        *,
        precision: str,
        learning_rate: float,
        seed: int,
        ranks: Ranks,
    ) -> None:
        """`model` is trained in place; `train` are the clips; `learning_rate` is the peak."""
        from accelerate import Accelerator
        from accelerate.state import AcceleratorState

        self._train, self._collator, self._config = train, collator, config
        self._precision, self._seed, self._ranks = precision, seed, ranks
        self._learning_rate = learning_rate
        self.clip_losses = ClipLosses(len(train))
        mixed = {"float32": "no"}.get(precision, precision)
        # Accelerate remembers the precision of a process's first run and refuses another.
        AcceleratorState._reset_state()
        self._accelerator = Accelerator(mixed_precision=mixed)
        self.model = model.to(self._accelerator.device)
        set_dropout(self.model, config.dropout)
        self.trained = self.model
        if self._is_sharded:
            self.trained = sharded(model, precision, keep_whole=ranks.is_first)
        rate = config.stochastic_depth
        self._depth = StochasticDepth(self.trained, rate) if rate else None
        self._prepared = self.trained if self._is_sharded else self._accelerator.prepare(model)
        self.optimizer = build_optimizer(self.trained, config, peak=learning_rate)
        self._stepping = self._accelerator.prepare(self.optimizer)

    def read(self, micro_batch: MicroBatch, epoch: int) -> Pass:
        """This process's part of a pass; every process takes part in all.

        Where there is no window for it, it computes one that counts for nothing: gradients are
        exchanged pass by pass, and a process that left one out would be waited for.
        """
        part = micro_batch.share(self._ranks.number, self._ranks.count)
        if part.windows:
            return Pass(part, self._collator(part, epoch))
        part = MicroBatch(micro_batch.windows[:1], micro_batch.n_samples)
        return Pass(part, self._collator(part, epoch).uncounted())

    def update(
        self, batch: Batch, passes: Sequence[Pass], *, epoch: int, number: int, rate: float
    ) -> tuple[float, float, int]:
        """Change the weights by a batch.

        Args:
            batch: of all processes.
            passes: this process's part of each of its passes.
            epoch: counted from 0.
            number: of the update, counted from 0.
            rate: learning rate.

        Returns:
            Cross-entropy summed over the batch's tokens, the gradient's norm before it was
            clipped, and the number of tokens.

        Raises:
            PassDidNotFitError: memory ran out; nothing but the gradients has changed.
            UserError: the loss or the gradient isn't finite.
        """
        import torch

        n_tokens = self._collator.n_target_tokens(batch.windows)
        set_learning_rate(self._stepping, rate)
        if self._config.dropout:
            # By key, like all else that is random: a resumed run drops the same.
            key = (self._seed, number, self._ranks.number)
            torch.manual_seed(int(generator("dropout", *key).integers(2**62)))
        losses = [self._pass(one, epoch, n_tokens, is_last=one is passes[-1]) for one in passes]
        (loss_sum,) = self._ranks.sum([sum(float(found.sum()) for found in losses)])
        self._check_finite("loss", loss_sum, number)
        grad_norm = self._clip_gradient()
        if self._precision != "fp16":  # whose scaler leaves such an update out by itself
            self._check_finite("gradient", grad_norm, number)
        self._stepping.step()
        self.forget_gradients()
        for one, found in zip(passes, losses, strict=True):
            self.clip_losses.add(
                number, one.part.windows, self._collator.n_tokens,
                one.tensors.target_ids.numpy(), found.numpy(), ignored=IGNORED,
            )  # fmt: skip
        return loss_sum, grad_norm, n_tokens

    @property
    def scaler(self) -> Any:
        """What scales float16's gradients; None in other precisions."""
        return self._accelerator.scaler

    def forget_gradients(self) -> None:
        """Drop what backward passes have added up."""
        self._stepping.zero_grad()

    def train_mode(self) -> None:
        """Make the model ready for updates, after an evaluation."""
        self._prepared.train()

    def gather(self) -> None:
        """Put the shards' weights into the whole model; all processes call it together."""
        if self._is_sharded:
            gather_weights(self.trained, self.model)

    def loss(self, tensors: Tensors) -> torch.Tensor:
        """Summed cross-entropy of one forward pass, never smoothed; in this process alone."""
        return self.losses(self.model, tensors)[1].sum()

    def losses(
        self, model: Any, tensors: Tensors, texts: Sequence[str] = ()
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What is minimised, summed over the tokens; and the cross-entropy of each, (n_tokens,).

        Label smoothing (arXiv 1512.00567, section 7) gives every token of the vocabulary an equal
        part of the target. It lifts the loss by an amount that means nothing to a reader, so the
        cross-entropy is without it; and without the CTC loss of the windows' `texts`.
        """
        device = self._accelerator.device
        heard = tensors.encoder_inputs(device)
        with self._accelerator.autocast():
            output = model(
                **heard,
                decoder_input_ids=tensors.decoder_input_ids.to(device),
                use_cache=False,
            )
        targets = tensors.target_ids.to(device)
        is_counted = targets != IGNORED
        log_probabilities = output.logits[is_counted].float().log_softmax(-1)
        shown = -log_probabilities.gather(-1, targets[is_counted][:, None])[:, 0]
        minimised = shown.sum()
        if smoothing := self._config.label_smoothing:
            spread = -log_probabilities.mean(-1).sum()
            minimised = (1 - smoothing) * minimised + smoothing * spread
        if texts and has_head(self.model):
            found = ctc_losses(self.model, output.encoder_last_hidden_state, texts)
            # A window that is there for the exchange of gradients alone counts for nothing.
            found = found * is_counted.any(-1)
            minimised = minimised + self._config.ctc_weight * found.sum()
        return minimised, shown

    def _pass(self, one: Pass, epoch: int, n_tokens: int, *, is_last: bool) -> torch.Tensor:
        """Forward and backward; returns the loss of each token, on the CPU."""
        if self._depth:
            self._depth.choose(one.part.windows, self._train, seed=self._seed, epoch=epoch)
        try:
            with self._exchanging(is_last=is_last):
                texts = [window.text(self._train) for window in one.part.windows]
                minimised, shown = self.losses(self._prepared, one.tensors, texts)
                # The exchange takes the mean over processes, where their sum is meant.
                self._accelerator.backward(minimised * (self._ranks.count / n_tokens))
        except (RuntimeError, MemoryError) as error:
            if is_out_of_memory(error):
                raise PassDidNotFitError(one.part) from None
            raise
        return shown.detach().cpu()

    def _exchanging(self, *, is_last: bool) -> AbstractContextManager[Any]:
        """Have the processes add up their gradients in the last pass of an update only."""
        if is_last or self._is_sharded or self._ranks.count == 1:
            return nullcontext()  # shards hold no more than their part, so each pass adds it up
        context: AbstractContextManager[Any] = self._accelerator.no_sync(self._prepared)
        return context

    def _clip_gradient(self) -> float:
        """Clip the gradient's norm; returns what it was."""
        norm = self._accelerator.clip_grad_norm_(
            self.trained.parameters(), self._config.max_grad_norm
        )
        return float(whole(norm))

    def _check_finite(self, what: str, value: float, number: int) -> None:
        if not math.isfinite(value):
            error = UserError(
                f"the {what} is {value} at update {number + 1}: use a lower "
                f"--training.learning_rate (now {self._learning_rate:g}) or "
                "--training.precision float32"
            )
            self._ranks.fail(error)  # each has the same figures

    @property
    def _is_sharded(self) -> bool:
        return self._config.sharding == "fsdp" and self._ranks.count > 1
