"""A few real training steps on real clips, to find out how fast this machine is.

The model, the loop, the batches, the collator and the decoding of validation are those of a run;
what is learned is thrown away, and nothing stays on disk.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.config import RunConfig
from ruach_core.training.adapters import check_extras, choose_trained, merge_adapters
from ruach_core.training.batching import Batch
from ruach_core.training.console import Console
from ruach_core.training.costs import ModelSize
from ruach_core.training.device import require_train_extra
from ruach_core.training.evaluating import Evaluator
from ruach_core.training.forecast import Pass, Speed, count_gflops
from ruach_core.training.loop import Loop, Plan
from ruach_core.training.measuring import Measurer
from ruach_core.training.memory import explained
from ruach_core.training.preparation import Prepared, load_model
from ruach_core.training.randomness import pick
from ruach_core.training.workload import passes_of, validation_passes
from ruach_core.types import Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins

_WARM_UP = 1
"""Updates before the clock counts: the first allocates memory and chooses kernels."""
_LEAST_UPDATES = 2
_DECODED_CLIPS = 8
_BUSY_SHARE = 0.7
"""Training alone keeps more of the processors busy than this."""
_LEARNING_RATE = 1e-6
_FORWARD_SHARE = 1 / 3
"""Of a training step's operations: a backward pass takes twice those of a forward pass."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured.

    Attributes:
        model: name of the model.
        size: its costs.
        n_updates: updates that were timed, the warm-up left out.
        n_clips: clips in them.
        step_s: median seconds of an update.
        clips_per_second: in training.
        s_per_gflop: median over the updates, on an idle machine; what other clips and models are
            scaled by.
        validation_s: for one epoch's validation, its loss and its decoding, likewise.
        peak_bytes: most memory of the process, or of the GPU; None where it can't be found.
        cpu_share: of the time of as many processors as PyTorch has threads, what the updates got;
            None on a GPU.
    """

    model: str
    size: ModelSize
    n_updates: int
    n_clips: int
    step_s: float
    clips_per_second: float
    s_per_gflop: float
    validation_s: float
    peak_bytes: float | None
    cpu_share: float | None

    @property
    def was_busy(self) -> bool:
        """Whether other work took the processors; the speeds are then by processor time."""
        return self.cpu_share is not None and self.cpu_share < _BUSY_SHARE

    @property
    def speed(self) -> Speed:
        """The machine's speed by these steps."""
        return Speed(self.s_per_gflop, validation_s=self.validation_s, measured=self.size)


def run_probe(
    config: RunConfig,
    prepared: Prepared,
    plugins: Plugins,
    model_dir: Path,
    model_name: str,
    size: ModelSize,
    *,
    batch_size: int,
    micro_batch_s: float,
    precision: str,
    seconds: float,
) -> Probe:
    """Train for about so many seconds, and decode a few validation clips.

    Args:
        config: the settings.
        prepared: the data, with the model's tokens.
        plugins: of the run; bring the exporter that validation decodes through.
        model_dir: the base model.
        model_name: for people.
        size: the model's costs.
        batch_size: clips per update.
        micro_batch_s: most seconds of window in one pass.
        precision: of the forward pass.
        seconds: of timed updates; at least two are made, however long they take.

    Raises:
        OutOfMemoryError: the model, or a pass, doesn't fit.
    """
    require_train_extra()
    check_extras(config.training)
    console = Console(is_quiet=True)
    with explained():
        model = load_model(model_dir, prepared.tokens, prepared.text_ids)
        choose_trained(model, config.training, seed=config.seed)
        plan = Plan(
            config=config,
            train=prepared.train,
            collator=prepared.collator(config, n_mels=model.config.num_mel_bins),
            learning_rate=_LEARNING_RATE,
            batch_size=batch_size,
            micro_batch_s=micro_batch_s,
            precision=precision,
            checkpoint_dir=Path(),  # nothing is saved
            identity={},
            evaluate=lambda _: {},
        )
        timed = _time_updates(Loop(model, plan, console), plan.batches(0), seconds)
        merge_adapters(model)
        evaluator = Evaluator(config, prepared, model, console)
        with tempfile.TemporaryDirectory(prefix="ruach-plan-") as work:
            measurer = Measurer(evaluator, plugins, model_dir, Path(work))
            return _summarize(timed, measurer, model_name, size)


def _summarize(
    timed: Sequence[_TimedUpdate], measurer: Measurer, model_name: str, size: ModelSize
) -> Probe:
    import torch

    prepared = measurer.evaluator.prepared
    seconds = sum(update.seconds for update in timed)
    n_clips = sum(len(update.batch.indices) for update in timed)
    cpu_share = sum(update.cpu_s for update in timed) / (seconds * torch.get_num_threads())
    is_busy = cpu_share < _BUSY_SHARE and not torch.cuda.is_available()
    idle = cpu_share if is_busy else 1.0
    s_per_gflop = statistics.median(
        update.seconds
        / count_gflops(size, passes_of(update.batch, prepared.text_ids, prepared.tokens))
        for update in timed
    )
    return Probe(
        model=model_name,
        size=size,
        n_updates=len(timed),
        n_clips=n_clips,
        step_s=statistics.median(update.seconds for update in timed),
        clips_per_second=n_clips / seconds,
        s_per_gflop=idle * s_per_gflop,
        validation_s=idle * _time_validation(measurer, size, s_per_gflop),
        peak_bytes=_peak_bytes(),
        cpu_share=None if torch.cuda.is_available() else cpu_share,
    )


@dataclass(frozen=True, slots=True)
class _TimedUpdate:
    """An update, its seconds by the clock, and those that the processors spent on it."""

    batch: Batch
    seconds: float
    cpu_s: float


def _time_updates(loop: Loop, batches: Sequence[Batch], seconds: float) -> list[_TimedUpdate]:
    """Train for so many seconds behind the warm-up."""
    timed: list[_TimedUpdate] = []
    before, cpu_before = time.perf_counter(), time.process_time()
    for n, batch in enumerate(_updates_without_end(loop, batches)):
        _wait_for_device()
        now, cpu_now = time.perf_counter(), time.process_time()
        if n >= _WARM_UP:
            timed.append(_TimedUpdate(batch, now - before, cpu_now - cpu_before))
        before, cpu_before = now, cpu_now
        is_enough = sum(update.seconds for update in timed) >= seconds
        if is_enough and len(timed) >= _LEAST_UPDATES:
            break
    return timed


def _updates_without_end(loop: Loop, batches: Sequence[Batch]) -> Iterator[Batch]:
    while True:
        yield from loop.updates(batches)


def _time_validation(measurer: Measurer, size: ModelSize, s_per_gflop: float) -> float:
    """Seconds of an epoch's validation: a few clips decoded, the others and the loss by scale.

    A model that doesn't know the language yet rambles; it is cut off where the texts end.
    """
    evaluator = measurer.evaluator
    config, prepared = evaluator.config, evaluator.prepared
    tokenizer = prepared.tokenizer

    def passes(utterances: Sequence[Utterance]) -> tuple[Pass, ...]:
        lengths = [len(tokenizer.encode_text(u.reference or "")) for u in utterances]
        return validation_passes(config, utterances, lengths)

    few = pick(prepared.validation, _DECODED_CLIPS, seed=config.seed)
    longest = max(p.n_labels for p in passes(few))
    short = replace(evaluator, prepared=replace(prepared, max_new_tokens=longest))
    began = time.perf_counter()
    if config.evaluation.epochs_in == "torch":
        short.decode(few, evaluator.window, title="validate")
        decoding_s = time.perf_counter() - began
    else:
        quick = replace(measurer, evaluator=short)
        decoding_s = quick.decode(few, evaluator.window, title="validate", is_quick=True).runtime_s
    converting_s = time.perf_counter() - began - decoding_s
    gflops = count_gflops(size, passes(prepared.validation))
    decoding_s *= gflops / count_gflops(size, passes(few))
    return converting_s + decoding_s + _FORWARD_SHARE * gflops * s_per_gflop


def _wait_for_device() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.synchronize()


def _peak_bytes() -> float | None:
    import torch

    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_reserved())
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
