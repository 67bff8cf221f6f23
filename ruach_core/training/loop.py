"""The training loop: plain, resumable at any update, one writer.

The loss is summed over a batch's tokens and divided by their number, however the batch is cut
into micro-batches or spread over processes, so accumulation never changes what is learned.
"""

from __future__ import annotations

import math
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ruach_core.config import RunConfig
from ruach_core.errors import RuachError, UserError
from ruach_core.models.memory import is_out_of_memory, release_memory
from ruach_core.training.adapters import plain_whisper
from ruach_core.training.averaging import keep_epoch
from ruach_core.training.batching import Batch, MicroBatch, plan_epoch
from ruach_core.training.checkpoint import (
    Progress,
    find_checkpoint,
    is_complete,
    load_checkpoint,
    write_checkpoint,
    write_weights,
)
from ruach_core.training.collate import IGNORED, Collator, Tensors
from ruach_core.training.memory import PassDidNotFitError, smaller_limit
from ruach_core.training.optimizer import (
    build_optimizer,
    default_epochs,
    learning_rate_at,
    set_dropout,
    set_learning_rate,
)
from ruach_core.training.randomness import generator
from ruach_core.training.read_ahead import Waiting, read_ahead
from ruach_core.training.stochastic_depth import StochasticDepth
from ruach_core.types import Utterance

if TYPE_CHECKING:
    import torch

    from ruach_core.training.console import Bar, Console

BEST = "best"


class InterruptedRunError(RuachError):
    """The run was asked to stop; its checkpoint is on disk."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before the first update; the loop reads it and changes nothing in it.

    `identity` holds digests of settings and data, which a resumed run must share. `evaluate` gives
    the figures of the model as it is now: at least `eval_wer`, `eval_cer` and `eval_loss`.
    """

    config: RunConfig
    train: Sequence[Utterance]
    collator: Collator
    learning_rate: float
    batch_size: int
    micro_batch_s: float
    precision: str
    checkpoint_dir: Path
    identity: Mapping[str, str]
    evaluate: Callable[[Any], dict[str, float]]

    def batches(self, epoch: int, micro_batch_s: float = 0.0) -> list[Batch]:
        """The batches of an epoch, counted from 0; cut more finely than planned where asked."""
        return plan_epoch(
            self.train,
            self.config.window,
            batch_size=self.batch_size,
            micro_batch_s=micro_batch_s or self.micro_batch_s,
            seed=self.config.seed,
            epoch=epoch,
            n_tokens=self.collator.n_tokens,
            augment=self.config.augment,
        )


class Loop:
    """Trains one model by a plan."""

    def __init__(self, model: Any, plan: Plan, console: Console) -> None:
        """`model` allows short windows and is trained in place."""
        from accelerate import Accelerator

        self._plan = plan
        self._config = plan.config.training
        self._console = console
        mixed = {"float32": "no"}.get(plan.precision, plan.precision)
        self._accelerator = Accelerator(mixed_precision=mixed)
        if self._accelerator.num_processes > 1:
            raise UserError("training runs in one process as yet: start it without a launcher")
        self._raw_model = model.to(self._accelerator.device)
        set_dropout(self._raw_model, self._config.dropout)
        rate = self._config.stochastic_depth
        self._depth = StochasticDepth(self._raw_model, rate) if rate else None
        self._model = self._accelerator.prepare(self._raw_model)
        self._raw_optimizer = build_optimizer(self._raw_model, self._config)
        self._optimizer = self._accelerator.prepare(self._raw_optimizer)
        self._per_epoch = math.ceil(len(plan.train) / plan.batch_size)
        n_epochs = self._config.epochs or default_epochs(len(plan.train))
        self._n_updates = self._per_epoch * n_epochs
        if self._config.max_steps:
            self._n_updates = min(self._n_updates, self._config.max_steps)
        self._stop_signal: int | None = None
        self._waiting = Waiting()
        self.progress = Progress()

    def run(self, *, resume: bool = False) -> Progress:
        """Train to the end, to early stopping, or to a signal.

        Args:
            resume: go on from the newest complete checkpoint, if there is one.

        Raises:
            InterruptedRunError: a signal came; a checkpoint was written.
            UserError: the checkpoint is of another run, or the loss isn't finite.
        """
        if resume:
            self._resume()
        else:
            shutil.rmtree(self._plan.checkpoint_dir, ignore_errors=True)
        self._last_saved = self._began = time.monotonic()
        with (
            self._signals(),
            self._console.progress(self._n_updates, "train", done=self.progress.update) as bar,
        ):
            while not self._is_done():
                self._run_epoch(bar)
        return self.progress

    @property
    def best_dir(self) -> Path | None:
        """Folder with the best epoch's `model.safetensors`; None before the first evaluation."""
        if not self.progress.best_epoch:
            return None
        return self._plan.checkpoint_dir / f"{BEST}-{self.progress.best_epoch}"

    def _is_done(self) -> bool:
        if self.progress.batch:  # stopped behind the last update, its evaluation still to come
            return False
        is_out_of_patience = self.progress.epochs_without_gain >= self._config.patience
        return self.progress.update >= self._n_updates or is_out_of_patience

    def _resume(self) -> None:
        checkpoint = find_checkpoint(self._plan.checkpoint_dir)
        if checkpoint is None:
            self._console.line("no checkpoint to resume from: beginning anew")
            return
        self.progress = load_checkpoint(
            checkpoint,
            model=self._raw_model,
            optimizer=self._raw_optimizer,
            identity=self._plan.identity,
        )
        if self.best_dir and not is_complete(self.best_dir):
            raise UserError(
                f"{self.best_dir}: damaged; begin anew with --overwrite in place of --resume"
            )
        self._console.line(
            f"resumed from {checkpoint.name}: epoch {self.progress.epoch}, "
            f"update {self.progress.update} of {self._n_updates}"
        )

    def _run_epoch(self, bar: Bar) -> None:
        while not self._train_epoch(bar):
            release_memory()
        self._end_epoch()
        if self._stop_signal is not None:
            self._stop()

    def _train_epoch(self, bar: Bar) -> bool:
        """Make the epoch's updates; False where memory ran out, to go on in smaller passes."""
        progress, plan = self.progress, self._plan
        batches = plan.batches(progress.epoch, progress.micro_batch_s)
        last = progress.batch + self._n_updates - progress.update
        try:
            for _ in self.updates(batches[progress.batch : last]):
                self._note_update(bar, len(batches))
        except PassDidNotFitError as error:
            self._back_off(error.micro_batch)
            return False
        return True

    def _note_update(self, bar: Bar, n_batches: int) -> None:
        """Show an update, and save what has to be saved now."""
        bar.update()
        bar.set_postfix_str(f"waiting for data {self._waiting.share:.1%}")
        if self._stop_signal is not None:
            self._save()
            self._stop()
        minutes = (time.monotonic() - self._last_saved) / 60
        if minutes >= self._config.checkpoint_minutes and self.progress.batch < n_batches:
            self._save()

    def _back_off(self, micro_batch: MicroBatch) -> None:
        """Cut the same batches into smaller passes from now on; what is learned stays the same."""
        self._optimizer.zero_grad()
        if self._accelerator.num_processes > 1:  # the others wait for this one's gradients
            raise UserError(
                f"out of memory: passes of {micro_batch.window_s:.1f} s of window don't fit one of "
                "the devices; begin anew with --overwrite and a lower --training.micro_batch_s"
            )
        limit_s = self.progress.micro_batch_s or self._plan.micro_batch_s
        self.progress.micro_batch_s = smaller_limit(micro_batch, limit_s)
        self._console.line(
            f"out of memory: passes of {micro_batch.window_s:.1f} s of window don't fit; at most "
            f"{self.progress.micro_batch_s:.1f} s from now on, in more passes per update"
        )

    def updates(self, batches: Sequence[Batch]) -> Iterator[Batch]:
        """Update the weights by each batch; yields it afterwards."""
        self._model.train()
        for batch, passes in self._read(batches):
            self._update(batch, passes)
            yield batch

    def _stop(self) -> NoReturn:
        raise InterruptedRunError("stopped by a signal; go on with --resume")

    def _read(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Tensors]]]:
        """Each batch with its passes' tensors, read ahead by `training.workers` threads."""
        collator, epoch = self._plan.collator, self.progress.epoch

        def read(batch: Batch) -> list[Tensors]:
            return [collator(micro_batch, epoch) for micro_batch in batch.micro_batches]

        passes = read_ahead(read, batches, n_threads=self._config.workers)
        return zip(batches, self._waiting.timed(passes), strict=True)

    def _update(self, batch: Batch, passes: Sequence[Tensors]) -> None:
        import torch

        progress = self.progress
        n_tokens = self._plan.collator.n_target_tokens(batch.windows)
        peak = self._plan.learning_rate
        rate = learning_rate_at(progress.update, self._n_updates, peak, self._config)
        set_learning_rate(self._optimizer, rate)
        if self._config.dropout:
            # By key, like all else that is random: a resumed run drops the same.
            drawn = generator("dropout", self._plan.config.seed, progress.update)
            torch.manual_seed(int(drawn.integers(2**62)))
        loss_sum = self._passes(batch, passes, n_tokens)
        self._check_finite("loss", loss_sum)
        grad_norm = self._accelerator.clip_grad_norm_(
            self._raw_model.parameters(), self._config.max_grad_norm
        )
        if self._plan.precision != "fp16":  # whose scaler leaves such an update out by itself
            self._check_finite("gradient", float(grad_norm))
        self._optimizer.step()
        self._optimizer.zero_grad()
        progress.update += 1
        progress.batch += 1
        progress.loss_sum += loss_sum
        progress.n_tokens += n_tokens
        progress.window_loss = [
            progress.window_loss[0] + loss_sum,
            progress.window_loss[1] + n_tokens,
        ]
        if progress.update % self._config.log_steps == 0:
            self._log_step(float(grad_norm), rate)

    def _passes(self, batch: Batch, passes: Sequence[Tensors], n_tokens: int) -> float:
        """Forward and backward through the batch's passes; returns the summed loss.

        Raises:
            PassDidNotFitError: memory ran out; nothing but the gradients has changed.
        """
        loss_sum = 0.0
        for micro_batch, tensors in zip(batch.micro_batches, passes, strict=True):
            if self._depth:
                self._depth.choose(
                    micro_batch.windows,
                    self._plan.train,
                    seed=self._plan.config.seed,
                    epoch=self.progress.epoch,
                )
            try:
                minimised, shown = self._losses(tensors)
                self._accelerator.backward(minimised / n_tokens)
            except (RuntimeError, MemoryError) as error:
                if is_out_of_memory(error):
                    raise PassDidNotFitError(micro_batch) from None
                raise
            loss_sum += float(shown.detach())
        return loss_sum

    def _check_finite(self, what: str, value: float) -> None:
        if not math.isfinite(value):
            raise UserError(
                f"the {what} is {value} at update {self.progress.update + 1}: use a lower "
                f"--training.learning_rate (now {self._plan.learning_rate:g}) or "
                "--training.precision float32"
            )

    def loss(self, tensors: Tensors) -> torch.Tensor:
        """Summed cross-entropy of one forward pass, never smoothed."""
        return self._losses(tensors)[1]

    def _losses(self, tensors: Tensors) -> tuple[torch.Tensor, torch.Tensor]:
        """What is minimised, and the cross-entropy that is shown; each summed over the tokens.

        Label smoothing (arXiv 1512.00567, section 7) gives every token of the vocabulary an equal
        part of the target. It lifts the loss by an amount that means nothing to a reader.
        """
        device = self._accelerator.device
        heard = tensors.encoder_inputs(device)
        with self._accelerator.autocast():
            logits = self._model(
                **heard,
                decoder_input_ids=tensors.decoder_input_ids.to(device),
                use_cache=False,
            ).logits
        targets = tensors.target_ids.to(device)
        is_counted = targets != IGNORED
        log_probabilities = logits[is_counted].float().log_softmax(-1)
        shown = -log_probabilities.gather(-1, targets[is_counted][:, None]).sum()
        smoothing = self._config.label_smoothing
        if not smoothing:
            return shown, shown
        spread = -log_probabilities.mean(-1).sum()
        return (1 - smoothing) * shown + smoothing * spread, shown

    def _log_step(self, grad_norm: float, rate: float) -> None:
        progress = self.progress
        loss, n_tokens = progress.window_loss
        progress.window_loss = [0.0, 0.0]
        self._log(
            {
                "loss": round(loss / n_tokens, 4),
                "grad_norm": round(grad_norm, 4),
                "learning_rate": float(f"{rate:.4g}"),
                "epoch": round(progress.update / self._per_epoch, 2),
            }
        )

    def _end_epoch(self) -> None:
        progress = self.progress
        with plain_whisper(self._raw_model):
            figures = self._plan.evaluate(self)
        progress.epoch += 1
        mean_loss = progress.loss_sum / max(1, progress.n_tokens)
        self._log({**figures, "epoch": float(progress.epoch)}, train_loss=round(mean_loss, 4))
        deciding = self._plan.config.evaluation.metric
        metric = figures[f"eval_{deciding}"]
        # On a few validation clips epochs often tie in WER; the other rate or the loss tells.
        ties = [figures["eval_cer" if deciding == "wer" else "eval_wer"], figures["eval_loss"]]
        if (metric, ties) < (progress.best_metric, progress.best_ties):
            progress.best_metric, progress.best_ties = metric, ties
            progress.best_epoch = progress.epoch
            progress.epochs_without_gain = 0
            assert self.best_dir is not None  # just set
            write_weights(self.best_dir, self._raw_model)
        else:
            progress.epochs_without_gain += 1
        folder, n_kept = self._plan.checkpoint_dir, self._config.average
        with plain_whisper(self._raw_model):  # a mean of adapters isn't their products' mean
            keep_epoch(folder, progress.epoch, self._raw_model, n_kept=n_kept)
        progress.batch, progress.loss_sum, progress.n_tokens = 0, 0.0, 0
        self._save()
        for old in self._plan.checkpoint_dir.glob(f"{BEST}-*"):
            if old != self.best_dir:
                shutil.rmtree(old)

    def _log(self, figures: dict[str, float], **extra: float) -> None:
        self._console.line(str(figures))
        self.progress.history.append({**figures, **extra})

    def _save(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._began
        self.progress.waited_s += self._waiting.take_s()
        self._began = self._last_saved = now
        if self._accelerator.is_main_process:
            write_checkpoint(
                self._plan.checkpoint_dir,
                self.progress,
                model=self._raw_model,
                optimizer=self._raw_optimizer,
                identity=self._plan.identity,
            )

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a stop at the next update; a second one stops at once."""

        def note(number: int, _frame: object) -> None:
            self._stop_signal = number
            signal.signal(number, signal.SIG_DFL)

        names = (signal.SIGINT, signal.SIGTERM)
        before = {name: signal.signal(name, note) for name in names}
        try:
            yield
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
