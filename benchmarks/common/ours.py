"""Ruach's own training and decoding of given clips, put together as `ruach train` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from common.clock import ClockConsole, StepClock
from common.flops import count_training_flops
from common.memory import gpu_peak_gb, peak_memory_gb, reset_peak_memory
from common.timing import timed
from common.work import Work
from ruach_core.config import RunConfig, build_config
from ruach_core.data.waveforms import WaveformStore
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.text.token_budget import token_budget
from ruach_core.training.batching import Batch, MicroBatch
from ruach_core.training.collate import Collator
from ruach_core.training.device import choose_precision, default_micro_batch_s, keep_freed_memory
from ruach_core.training.loop import Loop, Plan
from ruach_core.training.preparation import load_model

_LEARNING_RATE = 1e-5
_FIGURES = {"eval_wer": 1.0, "eval_cer": 1.0, "eval_loss": 1.0}


class TimedPlan(Plan):
    """A plan that starts the clock when the loop asks for an epoch's batches."""

    clock: StepClock

    def batches(self, epoch: int, micro_batch_s: float = 0.0, *, n_ranks: int = 1) -> list[Batch]:
        """The batches of an epoch, which begins now."""
        self.clock.start()
        return Plan.batches(self, epoch, micro_batch_s, n_ranks=n_ranks)


def train(work: Work, folder: Path) -> dict[str, Any]:
    """Train, and say what the last epoch took."""
    reset_peak_memory()
    keep_freed_memory()
    config = _config(work)
    tokenizer = WhisperTokenizer.read(work.model_dir)
    tokens = SpecialTokens.of(tokenizer, work.language)
    ids = [tokenizer.encode_text(u.reference or "") for u in work.utterances]
    model = load_model(work.model_dir, tokens, ids)
    store, prepare_s = timed(
        lambda: WaveformStore.build(folder / "audio.int16", work.utterances, fingerprint=""),
        work.device,
    )
    collator = Collator(
        work.utterances, ids, tokens, n_mels=model.config.num_mel_bins, augment=config.augment,
        seed=config.seed, read=store.read,
    )  # fmt: skip
    precision, _ = choose_precision(config.training.precision)
    durations_s = [u.duration_s or 0.0 for u in work.utterances]
    budget = token_budget([u.reference or "" for u in work.utterances], durations_s, tokenizer)
    rate = budget.fast_tokens_per_second
    clock = StepClock(work.device)
    peaks: list[float] = []

    def evaluate(_: Loop) -> dict[str, float]:
        peaks.append(peak_memory_gb())  # before the checkpoint is written
        return _FIGURES

    plan = TimedPlan(
        config=config, train=work.utterances, collator=collator, learning_rate=_LEARNING_RATE,
        batch_size=work.batch_size,
        micro_batch_s=default_micro_batch_s(model, config.training, precision, rate),
        precision=precision, checkpoint_dir=folder / "checkpoints", identity={}, evaluate=evaluate,
    )  # fmt: skip
    object.__setattr__(plan, "clock", clock)  # a plan is frozen
    loop = Loop(model, plan, ClockConsole(clock))
    _warm_up(model, loop, collator)
    loop.run()
    last = Plan.batches(plan, work.epochs - 1)
    passes = [micro_batch for batch in last for micro_batch in batch.micro_batches]
    shapes = [_shape(collator(micro_batch, work.epochs - 1)) for micro_batch in passes]
    return {
        **_figures(loop, clock, peaks, work),
        "prepare_s": prepare_s,
        "precision": precision,
        "policy": config.window.policy,
        "flops": count_training_flops(work.model_dir, shapes),
    }


def _figures(loop: Loop, clock: StepClock, peaks: list[float], work: Work) -> dict[str, Any]:
    """Seconds and memory of the run, and the share of waiting for data."""
    return {
        **clock.figures(),
        "peak_gb": peaks[-1],
        "epoch_peaks_gb": peaks,
        "gpu_peak_gb": gpu_peak_gb(work.device),
        "data_wait_share": loop.progress.waited_s / clock.total_s,
    }


def decode(work: Work) -> dict[str, Any]:
    """Decode the clips through CTranslate2, and say what that took; loading isn't timed."""
    assert work.export_dir is not None
    recognizer = Ct2Recognizer(
        work.export_dir, language=work.language, max_new_tokens=work.max_new_tokens,
        window_margin_s=work.margin_s, device="auto" if work.device == "cuda" else "cpu",
    )  # fmt: skip
    recognizer.decode_utterances(work.utterances[:1])
    reset_peak_memory()
    _, seconds = timed(lambda: recognizer.decode_utterances(work.utterances), work.device)
    return {"seconds": seconds, "peak_gb": peak_memory_gb()}


def _config(work: Work) -> RunConfig:
    flags = {
        "lang": work.lang,
        "training.epochs": work.epochs,
        "training.batch_size": work.batch_size,
        "training.precision": work.precision,
        "training.patience": work.epochs,
        "training.checkpoint_minutes": 1e6,
        "window.policy": work.policy,
    }
    return build_config({}, flags)


def _warm_up(model: Any, loop: Loop, collator: Collator) -> None:
    """One clip there and back: kernels are chosen and threads started."""
    loop.updater.loss(collator(MicroBatch.of_clips((0,), 16_000), 0)).backward()
    model.zero_grad(set_to_none=True)


def _shape(tensors: Any) -> tuple[int, int, int]:
    n_windows, n_samples = tensors.waveforms.shape
    return n_windows, n_samples // 160, tensors.decoder_input_ids.shape[1]
