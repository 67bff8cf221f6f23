"""Measuring a model on validation, as each epoch does: Ruach against Seq2SeqTrainer.evaluate.

Both do the same work on the same weights and clips: the teacher-forced loss, greedy decoding and
the WER. Ruach saves and converts the model for CTranslate2 (int8 on a CPU, float16 on a GPU),
decodes it length-sorted in trimmed windows, and computes the loss in such windows too; every
second of that counts. The peer is transformers' trainer with predict_with_generate in 30 s
windows, batches of 8 and generation_max_length 225, as the published recipes have it; its
features are extracted beforehand and not timed, while Ruach reads and transforms the audio.

The WERs mean something for a fine-tuned model only: give --model the folder that ruach train
wrote, models/whisper-mdw.

    python benchmarks/evaluation.py --model models/whisper-mdw [--data DIR] [--lang mdw]
        [--device auto] [--clips N] [--rounds N] [--quick] [--json]
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common.clips import Clips, find_source, read_clips
from common.models import (
    choose_device,
    default_quantization,
    export_model,
    find_model,
    quiet_libraries,
    whisper_language,
    window_notes,
)
from common.recipe import EVAL_BATCH, RecipeEvaluation
from common.report import (
    Comparison,
    build_parser,
    choose,
    machine,
    machine_line,
    percent,
    run,
)
from common.timing import Timed, alternate, timed

from ruach_core.config import RunConfig
from ruach_core.evaluation.ct2_decode import Ct2Recognizer, ExportInfo, plan_batches
from ruach_core.export.folder import save_model
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.text.token_budget import token_budget
from ruach_core.training.batching import MicroBatch
from ruach_core.training.collate import IGNORED, Collator
from ruach_core.training.device import choose_precision
from ruach_core.training.preparation import load_model
from ruach_core.types import SAMPLING_RATE

OURS, PEER = "Ruach", "Seq2SeqTrainer"
LOSS_BATCH_S = 60.0


@dataclass
class Measured:
    """What one evaluation found, and the seconds of its parts."""

    texts: list[str]
    loss: float
    parts: dict[str, float] = field(default_factory=dict)


class OurEvaluation:
    """What `ruach train` does behind an epoch, with the model that it holds in memory."""

    def __init__(self, model_dir: Path, clips: Clips, language: str, device: str) -> None:
        self._model_dir, self._clips, self._device = model_dir, clips, device
        tokenizer = WhisperTokenizer.read(model_dir)
        tokens = SpecialTokens.of(tokenizer, language)
        references = [u.reference or "" for u in clips.utterances]
        ids = [tokenizer.encode_text(text) for text in references]
        self._model = load_model(model_dir, tokens, ids).to(device).eval()
        self._collator = Collator(
            clips.utterances, ids, tokens, n_mels=self._model.config.num_mel_bins
        )
        self._precision, _ = choose_precision(RunConfig(lang=clips.source.lang).training)
        durations_s = [u.duration_s or 0.0 for u in clips.utterances]
        info = ExportInfo.read(model_dir)
        budget = token_budget(references, durations_s, tokenizer)
        is_own = (model_dir / "run.json").is_file()
        self.max_new_tokens = info.max_new_tokens if is_own else budget.generation_length
        self.margin_s = info.window_margin_s
        self._language = language

    def __call__(self) -> Measured:
        parts: dict[str, float] = {}
        loss, parts["loss"] = timed(self._loss, self._device)
        with tempfile.TemporaryDirectory() as temporary:
            recognizer, parts["convert"] = timed(
                partial(self._convert, Path(temporary)), self._device
            )
            hypotheses, parts["decode"] = timed(
                partial(recognizer.decode_utterances, self._clips.utterances), self._device
            )
        texts = [h.text for h in hypotheses]
        self._clips.wer(texts)
        return Measured(texts, loss, parts)

    def _convert(self, folder: Path) -> Ct2Recognizer:
        saved, converted = folder / "model", folder / "export"
        saved.mkdir()
        save_model(self._model, self._model_dir, saved)
        quantization = default_quantization(self._device)
        export_model(saved, converted, self._clips.plugins, quantization)
        return Ct2Recognizer(
            converted,
            language=self._language,
            max_new_tokens=self.max_new_tokens,
            window_margin_s=self.margin_s,
            device="auto" if self._device == "cuda" else "cpu",
        )

    def _loss(self) -> float:
        """Cross-entropy a token, in trimmed windows."""
        lengths = [round((u.duration_s or 0.0) * SAMPLING_RATE) for u in self._clips.utterances]
        batches = plan_batches(lengths, window="trim", margin_s=self.margin_s, batch_s=LOSS_BATCH_S)
        total, n_tokens = 0.0, 0
        for batch in batches:
            tensors = self._collator(MicroBatch.of_clips(batch.indices, batch.n_samples), 0)
            with torch.inference_mode(), self._autocast():
                logits = self._model(
                    input_features=tensors.log_mel(self._device),
                    decoder_input_ids=tensors.decoder_input_ids.to(self._device),
                    use_cache=False,
                ).logits
            targets = tensors.target_ids.to(self._device)
            losses = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), targets.flatten(), ignore_index=IGNORED,
                reduction="sum",
            )  # fmt: skip
            total += float(losses)
            n_tokens += int((targets != IGNORED).sum())
        return total / n_tokens

    def _autocast(self) -> Any:
        dtype = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self._precision)
        return torch.autocast(self._device, dtype or torch.bfloat16, enabled=dtype is not None)


def compare(arguments: argparse.Namespace) -> Comparison:
    quiet_libraries()
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=32, usual=120)
    rounds = choose(arguments.rounds, arguments, quick=1, usual=3)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips)
    model_dir = find_model(arguments.model, clips.plugins)
    language = whisper_language(model_dir, clips.source.lang, clips.plugins)
    ours = OurEvaluation(model_dir, clips, language, device)
    with tempfile.TemporaryDirectory() as temporary:
        peer = RecipeEvaluation(model_dir, clips, language, device, Path(temporary))

        def run_peer() -> Measured:
            return Measured(*peer.evaluate())

        calls = {OURS: ours, PEER: run_peer}
        peer.warm_up()
        found = alternate(calls, rounds=rounds, device=device)
    return _describe(found, clips, ours, device, rounds, window_notes(model_dir))


def _describe(
    found: dict[str, Timed[Measured]],
    clips: Clips,
    ours: OurEvaluation,
    device: str,
    rounds: int,
    notes: list[str],
) -> Comparison:
    n = len(clips.utterances)
    speeds = {name: n / timed.median_s for name, timed in found.items()}
    wers = {name: clips.wer(timed.result.texts) for name, timed in found.items()}
    decode_s = {name: _median_decode_s(timed) for name, timed in found.items()}
    ratio, decode_ratio = speeds[OURS] / speeds[PEER], decode_s[PEER] / decode_s[OURS]
    points = 100 * (wers[OURS] - wers[PEER])
    about = machine(device)
    figures = {
        "ratio": ratio,
        "decode_ratio": decode_ratio,
        "clips_per_second": speeds,
        "seconds": {name: timed.median_s for name, timed in found.items()},
        "parts_s": {name: timed.result.parts for name, timed in found.items()},
        "wer": wers,
        "wer_difference_points": points,
        "loss": {name: timed.result.loss for name, timed in found.items()},
        "n_clips": n, "clips": clips.describe(), "rounds": rounds, "notes": notes,
        "machine": about,
    }  # fmt: skip
    rows = [
        [
            name,
            f"{timed.median_s:.1f}",
            f"{speeds[name]:.2f}",
            percent(wers[name]),
            ", ".join(f"{part} {s:.1f} s" for part, s in timed.result.parts.items()),
        ]
        for name, timed in found.items()
    ]
    return Comparison(
        figures,
        ["evaluation", "seconds", "clips/s", "WER", "of which, in the last round"],
        rows,
        [
            f"Ratio {ratio:.1f}, of decoding alone (with the conversion) {decode_ratio:.1f}; "
            f"WER differs by {points:+.2f} points.",
            f"Windows: ours a clip and {ours.margin_s:g} s, at most {ours.max_new_tokens} tokens; "
            f"the peer's 30 s, batches of {EVAL_BATCH}.",
            f"{clips.describe()}; medians of {rounds} rounds.",
            *(f"Note: {note}." for note in notes),
            machine_line(about),
        ],
    )


def _median_decode_s(timed: Timed[Measured]) -> float:
    parts = [result.parts for result in timed.results]
    seconds = [part["decode"] + part.get("convert", 0.0) for part in parts]
    return sorted(seconds)[len(seconds) // 2]


if __name__ == "__main__":
    run(build_parser(__doc__), compare)
