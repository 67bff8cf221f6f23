"""The recipe that everyone fine-tunes Whisper by: transformers' Seq2SeqTrainer at 30 s.

Its parts and settings are those of the published examples (huggingface/transformers,
examples/pytorch/speech-recognition; "Fine-Tune Whisper", Hugging Face, 2022), with the argument
names of transformers 5: log-mel padded to 30 s and extracted beforehand, batches of 8, labels
padded to the longest, greedy generation up to 225 tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from common.clips import Clips
from common.timing import timed
from ruach_core.data.waveforms import load_utterance
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.types import SAMPLING_RATE, Utterance

BATCH = EVAL_BATCH = 8
GENERATION_MAX_LENGTH = 225
IGNORED = -100


class Features(Dataset[Mapping[str, Any]]):
    """Clips with their log-mel, extracted once and kept on disk, as `datasets` keeps them."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        model_dir: Path,
        language: str,
        folder: Path,
    ) -> None:
        from transformers import WhisperFeatureExtractor

        self.extractor = WhisperFeatureExtractor.from_pretrained(model_dir)
        tokenizer = WhisperTokenizer.read(model_dir)
        tokens = SpecialTokens.of(tokenizer, language)
        self._folder = folder
        self._labels = [
            [*tokens.prompt, *tokenizer.encode_text(u.reference or ""), tokens.end]
            for u in utterances
        ]
        for i, utterance in enumerate(utterances):
            found = self.extractor(load_utterance(utterance), sampling_rate=SAMPLING_RATE)
            np.save(folder / f"{i}.npy", np.asarray(found.input_features[0], dtype=np.float32))

    def __len__(self) -> int:
        return len(self._labels)

    def __getitem__(self, i: int) -> Mapping[str, Any]:
        log_mel = np.load(self._folder / f"{i}.npy", allow_pickle=False)
        return {"input_features": log_mel, "labels": self._labels[i]}


@dataclass(frozen=True)
class SpeechCollator:
    """Stacks log-mels, and pads labels with what the loss ignores; the start token goes, since
    the model puts it back."""

    start: int

    def __call__(self, items: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        rows = [torch.tensor(item["labels"]) for item in items]
        labels = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=IGNORED)
        if bool((labels[:, 0] == self.start).all()):
            labels = labels[:, 1:]
        log_mels = torch.from_numpy(np.stack([item["input_features"] for item in items]))
        return {"input_features": log_mels, "labels": labels}


def load_recipe_model(model_dir: Path, language: str) -> Any:
    """The stock model, with the language and the task as the recipe sets them."""
    from transformers import WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration.from_pretrained(
        model_dir, dtype=torch.float32, local_files_only=True, use_safetensors=True
    )
    model.generation_config.language = language
    model.generation_config.task = "transcribe"
    model.generation_config.forced_decoder_ids = None
    return model


def recipe_precision(device: str) -> dict[str, bool]:
    """float32 on a CPU, float16 on a GPU."""
    return {"fp16": device == "cuda", "use_cpu": device == "cpu"}


class RecipeEvaluation:
    """`Seq2SeqTrainer.evaluate` with predict_with_generate, ready to be called again and again."""

    def __init__(
        self, model_dir: Path, clips: Clips, language: str, device: str, folder: Path
    ) -> None:
        from transformers import PrinterCallback, Seq2SeqTrainer, Seq2SeqTrainingArguments

        self._clips, self._device = clips, device
        self._tokenizer = WhisperTokenizer.read(model_dir)
        self._features = Features(clips.utterances, model_dir, language, folder)
        model = load_recipe_model(model_dir, language)
        start = SpecialTokens.of(self._tokenizer, language).start
        self._texts: list[str] = []
        self._generate_s = 0.0
        self._time_generation(model)
        self._trainer = Seq2SeqTrainer(
            model=model,
            args=Seq2SeqTrainingArguments(
                output_dir=str(folder / "run"),
                per_device_eval_batch_size=EVAL_BATCH,
                predict_with_generate=True,
                generation_max_length=GENERATION_MAX_LENGTH,
                generation_num_beams=1,
                report_to=[],
                disable_tqdm=True,
                **recipe_precision(device),
            ),
            eval_dataset=self._features,
            data_collator=SpeechCollator(start),
            compute_metrics=self._compute_metrics,
            processing_class=self._features.extractor,
        )
        self._trainer.remove_callback(PrinterCallback)  # it prints among the results

    def warm_up(self) -> None:
        """One clip, untimed."""
        self._trainer.evaluate(torch.utils.data.Subset(self._features, [0]))

    def evaluate(self) -> tuple[list[str], float, dict[str, float]]:
        """The texts, the loss, and the seconds of the parts."""
        self._generate_s = 0.0
        metrics, seconds = timed(self._trainer.evaluate, self._device)
        parts = {"decode": self._generate_s, "loss and all else": seconds - self._generate_s}
        return self._texts, metrics["eval_loss"], parts

    def _time_generation(self, model: Any) -> None:
        generate = model.generate

        def timed_generate(*positional: Any, **named: Any) -> Any:
            found, seconds = timed(lambda: generate(*positional, **named), self._device)
            self._generate_s += seconds
            return found

        model.generate = timed_generate

    def _compute_metrics(self, prediction: Any) -> dict[str, float]:
        self._texts = [
            self._tokenizer.decode([int(t) for t in row if t >= 0]).strip()
            for row in prediction.predictions
        ]
        if len(self._texts) != len(self._clips.utterances):
            return {}
        return {"wer": self._clips.wer(self._texts)}
