"""What is measured in a run: each epoch on validation, the base and the best model on test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruach_core.config import RunConfig
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.metrics import Unit, pool_counts
from ruach_core.evaluation.report import count_strict_edits
from ruach_core.evaluation.torch_decode import TorchRecognizer
from ruach_core.features import MAX_SAMPLES, window_samples
from ruach_core.training.batching import MicroBatch
from ruach_core.training.clip_losses import ClipLosses
from ruach_core.training.collate import IGNORED, Collator
from ruach_core.training.preparation import Prepared
from ruach_core.training.randomness import pick
from ruach_core.types import Hypothesis, Utterance

if TYPE_CHECKING:
    from ruach_core.training.console import Console
    from ruach_core.training.loop import Loop

_LOSS_BATCH = 8
_DECIDING_CLIPS = 16
"""Validation clips on which it is judged whether the base model knows the language."""


@dataclass(frozen=True, slots=True)
class Evaluator:
    """Decodes with one model in memory and scores what it wrote."""

    config: RunConfig
    prepared: Prepared
    model: Any
    console: Console

    def decode(
        self, utterances: Sequence[Utterance], window: Window, *, title: str
    ) -> list[Hypothesis]:
        """Hypotheses of the model as it is now."""
        with self.console.progress(len(utterances), title) as bar:
            return self.recognizer().decode(utterances, window=window, on_progress=bar.update)

    def recognizer(self) -> TorchRecognizer:
        """Greedy decoding with the model in memory."""
        return TorchRecognizer(
            self.model,
            self.prepared.tokenizer,
            self.prepared.tokens,
            max_new_tokens=self.prepared.max_new_tokens,
            window_margin_s=self.config.window.margin_s,
            batch_s=self.config.evaluation.batch_s,
        )

    def zero_shot_wer(self) -> float:
        """Strict WER of the model as it is, at 30 s, on a few validation clips."""
        few = pick(self.prepared.validation, _DECIDING_CLIPS, seed=self.config.seed)
        hypotheses = self.decode(few, "full", title="zero-shot")
        return self.strict_rate(few, hypotheses, "word")

    @property
    def window(self) -> Window:
        """The window that the policy trains for."""
        return "full" if self.config.window.policy == "full" else "trim"

    def strict_rate(
        self, utterances: Sequence[Utterance], hypotheses: Sequence[Hypothesis], unit: Unit
    ) -> float:
        """Strict WER or CER of hypotheses, a fraction."""
        normalizer = self.prepared.normalizer
        edits = count_strict_edits(utterances, hypotheses, normalizer=normalizer, unit=unit)
        return pool_counts(edits).rate

    def loss(self, loop: Loop, clips: ClipLosses | None = None) -> float:
        """Teacher-forced cross-entropy per token over the validation split, in its own windows.

        Args:
            loop: has the model.
            clips: takes down what each clip of the split costs.
        """
        import torch

        validation = self.prepared.validation
        ids = [self.prepared.tokenizer.encode_text(u.reference or "") for u in validation]
        n_mels = self.model.config.num_mel_bins
        collator = Collator(validation, ids, self.prepared.tokens, n_mels=n_mels)
        order = sorted(range(len(validation)), key=lambda i: validation[i].duration_s or 0.0)
        self.model.eval()
        total, n_tokens = 0.0, 0
        with torch.inference_mode():
            for start in range(0, len(order), _LOSS_BATCH):
                indices = tuple(order[start : start + _LOSS_BATCH])
                longest_s = max(validation[i].duration_s or 0.0 for i in indices)
                n_samples = (
                    MAX_SAMPLES
                    if self.window == "full"
                    else window_samples(longest_s, margin_s=self.config.window.margin_s)
                )
                micro_batch = MicroBatch.of_clips(indices, n_samples)
                tensors = collator(micro_batch, 0)
                losses = loop.updater.losses(loop.updater.model, tensors)[1].cpu()
                total += float(losses.sum())
                n_tokens += collator.n_target_tokens(micro_batch.windows)
                if clips is not None:
                    clips.add(
                        0, micro_batch.windows, collator.n_tokens, tensors.target_ids.numpy(),
                        losses.numpy(), ignored=IGNORED,
                    )  # fmt: skip
        self.model.train()
        return total / n_tokens
