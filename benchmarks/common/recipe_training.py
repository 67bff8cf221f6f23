"""Training by the recipe that everyone uses, timed update by update."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import (
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    TrainerCallback,
)

from common.clock import StepClock
from common.flops import count_training_flops
from common.memory import gpu_peak_gb, peak_memory_gb
from common.recipe import Features, SpeechCollator, load_recipe_model
from common.timing import timed
from common.work import Work
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer

_FRAMES = 3_000


class ClockCallback(TrainerCallback):
    """Starts the clock with each epoch and tells it of each update."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock
        self.peaks: list[float] = []

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self._clock.start()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self._clock.tick()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.peaks.append(peak_memory_gb())


def train_recipe(work: Work, folder: Path) -> dict[str, Any]:
    """Train, and say what the last epoch took."""
    features, prepare_s = timed(
        lambda: Features(work.utterances, work.model_dir, work.language, folder), "cpu"
    )
    model = load_recipe_model(work.model_dir, work.language)
    start = SpecialTokens.of(WhisperTokenizer.read(work.model_dir), work.language).start
    collator = SpeechCollator(start)
    clock = StepClock(work.device)
    callback = ClockCallback(clock)
    trainer = Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            output_dir=str(folder / "run"),
            per_device_train_batch_size=work.batch_size,
            num_train_epochs=work.epochs,
            learning_rate=1e-5,
            warmup_steps=0.1,
            activation_checkpointing=work.has_checkpointing,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=work.device == "cpu",
            fp16=work.precision == "fp16",
            bf16=work.precision == "bf16",
        ),
        train_dataset=features,
        data_collator=collator,
        processing_class=features.extractor,
        callbacks=[callback],
    )
    trainer.remove_callback(PrinterCallback)
    _warm_up(trainer, collator([features[0]]))
    trainer.train()
    return {
        **clock.figures(),
        "peak_gb": callback.peaks[-1],
        "epoch_peaks_gb": callback.peaks,
        "gpu_peak_gb": gpu_peak_gb(work.device),
        "prepare_s": prepare_s,
        "precision": work.precision,
        "flops": count_training_flops(work.model_dir, _shapes(features, collator, work)),
    }


def _warm_up(trainer: Seq2SeqTrainer, batch: dict[str, torch.Tensor]) -> None:
    """One clip there and back: kernels are chosen and threads started."""
    model = trainer.model
    device = trainer.args.device
    model.to(device)(**{name: value.to(device) for name, value in batch.items()}).loss.backward()
    model.zero_grad(set_to_none=True)


def _shapes(features: Features, collator: SpeechCollator, work: Work) -> list[tuple[int, int, int]]:
    """Of the updates; which clips meet in one is drawn, and matters to the text's padding only."""
    shapes = []
    for first in range(0, len(features), work.batch_size):
        some = range(first, min(first + work.batch_size, len(features)))
        labels = collator([features[i] for i in some])["labels"]
        shapes.append((len(some), _FRAMES, labels.shape[1]))
    return shapes
