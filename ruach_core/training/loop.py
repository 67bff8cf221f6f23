"""The training loop: plain, resumable at any update, one writer.

What one update computes is in `updating`; here is the order of things: updates, epochs, their
evaluation, checkpoints, early stopping, and what happens when a signal comes or memory runs out.
"""

from __future__ import annotations

import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from ruach_core.config import RunConfig
from ruach_core.errors import RuachError, UserError
from ruach_core.models.memory import release_memory
from ruach_core.training.adapters import plain_whisper
from ruach_core.training.averaging import keep_epoch
from ruach_core.training.batching import Batch, MicroBatch, plan_epoch
from ruach_core.training.checkpoint import (
    Progress,
    best_epochs,
    find_checkpoint,
    is_complete,
    load_checkpoint,
    write_checkpoint,
    write_weights,
)
from ruach_core.training.collate import Collator
from ruach_core.training.drawing import epoch_sizes, expected_size
from ruach_core.training.memory import PassDidNotFitError, smaller_limit
from ruach_core.training.optimizer import (
    default_epochs,
    learning_rate_at,
)
from ruach_core.training.ranks import Ranks
from ruach_core.training.read_ahead import Waiting, read_ahead
from ruach_core.training.updating import Pass, Updater
from ruach_core.types import Utterance

if TYPE_CHECKING:
    from ruach_core.training.console import Bar, Console

BEST = "best"


class InterruptedRunError(RuachError):
    """The run was asked to stop; its checkpoint is on disk."""

    exit_code = 130


@dataclass(frozen=True, slots=True)
class Plan:
    """What was decided before the first update; the loop reads it and changes nothing in it.

    `identity` holds digests of settings and data, which a resumed run must share. `evaluate` gives
    the figures of the model as it is now: at least `eval_wer`, `eval_cer` and `eval_loss`; only
    the first of several processes calls it.
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

    def batches(self, epoch: int, micro_batch_s: float = 0.0, *, n_ranks: int = 1) -> list[Batch]:
        """The batches of an epoch, counted from 0, for so many processes.

        They are cut more finely than planned where `micro_batch_s` asks for it.
        """
        return plan_epoch(
            self.train,
            self.config.window,
            batch_size=self.batch_size,
            micro_batch_s=micro_batch_s or self.micro_batch_s,
            seed=self.config.seed,
            epoch=epoch,
            n_tokens=self.collator.n_tokens,
            augment=self.config.augment,
            n_ranks=n_ranks,
        )


class Loop:
    """Trains one model by a plan, in one process or in several that share each batch."""

    def __init__(
        self, model: Any, plan: Plan, console: Console, ranks: Ranks | None = None
    ) -> None:
        """`model` allows short windows and is trained in place; `ranks` None is one process."""
        self._plan = plan
        self._config = plan.config.training
        self._console = console
        self._ranks = ranks or Ranks()
        self.updater = Updater(
            model,
            plan.train,
            plan.collator,
            self._config,
            precision=plan.precision,
            learning_rate=plan.learning_rate,
            seed=plan.config.seed,
            ranks=self._ranks,
        )
        n_epochs = self._config.epochs or default_epochs(expected_size(plan.train))
        sizes = epoch_sizes(plan.train, seed=plan.config.seed, n_epochs=n_epochs)
        self._n_updates = sum(math.ceil(size / plan.batch_size) for size in sizes)
        self._per_epoch = self._n_updates / n_epochs  # where clips have weights, on the average
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
        elif self._ranks.is_first:
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

    @property
    def _limit_s(self) -> float:
        """Most seconds of window in one pass: what was planned, or what fitted, if that is less."""
        return min(self.progress.micro_batch_s or math.inf, self._plan.micro_batch_s)

    def _is_done(self) -> bool:
        if self.progress.batch:  # stopped behind the last update, its evaluation still to come
            return False
        is_out_of_patience = self.progress.epochs_without_gain >= self._config.patience
        return self.progress.update >= self._n_updates or is_out_of_patience

    def _resume(self) -> None:
        checkpoint = self._ranks.from_first(lambda: find_checkpoint(self._plan.checkpoint_dir))
        if checkpoint is None:
            self._console.line("no checkpoint to resume from: beginning anew")
            return
        self.progress = load_checkpoint(
            checkpoint,
            model=self.updater.trained,
            optimizer=self.updater.optimizer,
            scaler=self.updater.scaler,
            identity=self._plan.identity,
        )
        self.updater.clip_losses.load(checkpoint, self._ranks)
        if self._ranks.is_first and self.best_dir and not is_complete(self.best_dir):
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
        release_memory()
        if self._agree()[0]:
            self._stop()

    def _train_epoch(self, bar: Bar) -> bool:
        """Make the epoch's updates; False where memory ran out, to go on in smaller passes."""
        progress, plan = self.progress, self._plan
        batches = plan.batches(progress.epoch, self._limit_s, n_ranks=self._ranks.count)
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
        is_stopping, is_due = self._agree()
        if is_stopping:
            self._save()
            self._stop()
        if is_due and self.progress.batch < n_batches:
            self._save()

    def _back_off(self, micro_batch: MicroBatch) -> None:
        """Cut the same batches into smaller passes from now on; what is learned stays the same."""
        self.updater.forget_gradients()
        limit_s = smaller_limit(micro_batch, self._limit_s)
        if self._ranks.count > 1:  # the others wait for this one's gradients
            raise UserError(
                f"out of memory: passes of {micro_batch.window_s:.1f} s of window don't fit one of "
                "the devices; go on with --resume and a lower --training.micro_batch_s, such as "
                f"{limit_s:.1f}"
            )
        self.progress.micro_batch_s = limit_s
        self._console.line(
            f"out of memory: passes of {micro_batch.window_s:.1f} s of window don't fit; at most "
            f"{limit_s:.1f} s from now on, in more passes per update"
        )

    def updates(self, batches: Sequence[Batch]) -> Iterator[Batch]:
        """Update the weights by each batch; yields it afterwards."""
        self.updater.train_mode()
        progress, peak = self.progress, self._plan.learning_rate
        for batch, passes in self._read(batches):
            rate = learning_rate_at(progress.update, self._n_updates, peak, self._config)
            figures = self.updater.update(
                batch, passes, epoch=progress.epoch, number=progress.update, rate=rate
            )
            self._note_loss(*figures, rate)
            yield batch

    def _agree(self) -> tuple[bool, bool]:
        """Whether any process was told to stop, and whether the first finds a checkpoint due."""
        minutes = (time.monotonic() - self._last_saved) / 60
        is_due = self._ranks.is_first and minutes >= self._config.checkpoint_minutes
        n_stops, n_due = self._ranks.sum([self._stop_signal is not None, is_due])
        return n_stops > 0, n_due > 0

    def _stop(self) -> NoReturn:
        self._ranks.fail(InterruptedRunError("stopped by a signal; go on with --resume"))

    def _read(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, list[Pass]]]:
        """Each batch with this process's passes, read ahead by some threads."""
        epoch = self.progress.epoch

        def read(batch: Batch) -> list[Pass]:
            return [self.updater.read(micro_batch, epoch) for micro_batch in batch.micro_batches]

        passes = read_ahead(read, batches, n_threads=self._config.workers)
        return zip(batches, self._waiting.timed(passes), strict=True)

    def _note_loss(self, loss_sum: float, grad_norm: float, n_tokens: int, rate: float) -> None:
        progress = self.progress
        progress.update += 1
        progress.batch += 1
        progress.loss_sum += loss_sum
        progress.n_tokens += n_tokens
        progress.window_loss = [
            progress.window_loss[0] + loss_sum,
            progress.window_loss[1] + n_tokens,
        ]
        if progress.update % self._config.log_steps == 0:
            self._log_step(grad_norm, rate)

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
        self.updater.gather()
        self.updater.clip_losses.end_epoch(self._ranks)
        self.progress = self._ranks.from_first(self._judge_epoch)
        self._save()
        if self._ranks.is_first:
            folder = self._plan.checkpoint_dir
            kept = {f"{BEST}-{epoch}" for epoch in best_epochs(folder)}
            for old in folder.glob(f"{BEST}-*"):
                if old.name not in kept:  # an older checkpoint may go back to an earlier best
                    shutil.rmtree(old)

    def _judge_epoch(self) -> Progress:
        """Evaluate, and keep the weights if they are the best so far."""
        progress = self.progress
        with plain_whisper(self.updater.model):
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
            write_weights(self.best_dir, self.updater.model)
        else:
            progress.epochs_without_gain += 1
        folder, n_kept = self._plan.checkpoint_dir, self._config.average
        with plain_whisper(self.updater.model):  # a mean of adapters isn't their products' mean
            keep_epoch(folder, progress.epoch, self.updater.model, n_kept=n_kept)
        progress.batch, progress.loss_sum, progress.n_tokens = 0, 0.0, 0
        return progress

    def _log(self, figures: Mapping[str, float], **extra: float) -> None:
        """Show figures and keep them; JSON has no word for one that isn't finite, but null."""
        kept = {name: value if math.isfinite(value) else None for name, value in figures.items()}
        self._console.line(str(kept))
        self.progress.history.append({**kept, **extra})

    def _save(self) -> None:
        now = time.monotonic()
        self.progress.seconds += now - self._began
        self.progress.waited_s += self._waiting.take_s()
        self._began = self._last_saved = now
        write_checkpoint(
            self._plan.checkpoint_dir,
            self.progress,
            model=self.updater.trained,
            optimizer=self.updater.optimizer,
            scaler=self.updater.scaler,
            identity=self._plan.identity,
            clips=self.updater.clip_losses.to_arrays(self._ranks),
            is_writer=self._ranks.is_first,
        )
        self._ranks.meet()  # none may end, and be seen to, before it is written

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Turn SIGINT and SIGTERM into a stop at the next update; a second one stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield  # a cluster's worker; its signals are its own
            return

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
