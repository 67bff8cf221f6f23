"""Measuring a model on validation, as each epoch does: Ruach against Seq2SeqTrainer.evaluate.

Both do the same work on the same weights and clips: the teacher-forced loss, greedy decoding and
the error rates. Ruach saves and converts the model for CTranslate2 (int8 on a CPU, float16 on a
GPU), decodes it length-sorted in trimmed windows, and computes the loss in such windows too; every
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
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from common.clips import Clips, find_source, read_clips
from common.models import (
    choose_device,
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

from ruach_core.config import build_config
from ruach_core.evaluation.export_info import ExportInfo
from ruach_core.models.special_tokens import SpecialTokens, WhisperTokenizer
from ruach_core.text.token_budget import token_budget
from ruach_core.training.collate import Collator
from ruach_core.training.console import Console
from ruach_core.training.device import choose_precision
from ruach_core.training.evaluating import Evaluator
from ruach_core.training.loop import Loop, Plan
from ruach_core.training.measuring import Decoded, Measurer
from ruach_core.training.preparation import load_model
from ruach_core.types import Utterance

OURS, PEER = "Ruach", "Seq2SeqTrainer"


@dataclass
class Measured:
    """What one evaluation found, and the seconds of its parts."""

    texts: list[str]
    loss: float
    parts: dict[str, float] = field(default_factory=dict)


class OurEvaluation:
    """What `ruach train` does behind an epoch, with the model that it holds in memory."""

    def __init__(
        self, model_dir: Path, clips: Clips, language: str, device: str, folder: Path
    ) -> None:
        self._clips, self._device = clips, device
        tokenizer = WhisperTokenizer.read(model_dir)
        tokens = SpecialTokens.of(tokenizer, language)
        references = [u.reference or "" for u in clips.utterances]
        ids = [tokenizer.encode_text(text) for text in references]
        info = ExportInfo.read(model_dir)
        budget = token_budget(
            references, [u.duration_s or 0.0 for u in clips.utterances], tokenizer
        )
        is_own = (model_dir / "run.json").is_file()
        self.max_new_tokens = info.max_new_tokens if is_own else budget.generation_length
        self.margin_s = info.window_margin_s
        flags = {"lang": clips.source.lang, "window.margin_s": self.margin_s}
        config = build_config({}, flags)
        model = load_model(model_dir, tokens, ids)
        # The part of a run's preparation that its evaluation reads.
        prepared: Any = SimpleNamespace(
            validation=clips.utterances, tokenizer=tokenizer, tokens=tokens,
            max_new_tokens=self.max_new_tokens, normalizer=clips.normalizer,
        )  # fmt: skip
        console = Console(is_quiet=True)
        self._evaluator = Evaluator(config, prepared, model, console)
        self._measurer = Measurer(self._evaluator, clips.plugins, model_dir, folder)
        plan = Plan(
            config=config, train=clips.utterances,
            collator=Collator(clips.utterances, ids, tokens, n_mels=model.config.num_mel_bins),
            learning_rate=1e-5, batch_size=1, micro_batch_s=30.0,
            precision=choose_precision(config.training.precision)[0],
            checkpoint_dir=folder, identity={},
            evaluate=self._measurer.epoch_figures,
        )  # fmt: skip
        self._loop = Loop(model, plan, console)

    def warm_up(self) -> None:
        """One clip, untimed."""
        self._decode(self._clips.utterances[:1])

    def __call__(self) -> Measured:
        """The steps of `Measurer.epoch_figures`, each timed."""
        loss, loss_s = timed(lambda: self._evaluator.loss(self._loop), self._device)
        decoded, seconds = timed(lambda: self._decode(self._clips.utterances), self._device)
        for unit in ("word", "character"):
            self._evaluator.strict_rate(self._clips.utterances, decoded.hypotheses, unit)
        parts = {
            "loss": loss_s,
            "convert": seconds - decoded.runtime_s,
            "decode": decoded.runtime_s,
        }
        return Measured([h.text for h in decoded.hypotheses], loss, parts)

    def _decode(self, utterances: Sequence[Utterance]) -> Decoded:
        return self._measurer.decode(utterances, "trim", title="", is_quick=True)


def compare(arguments: argparse.Namespace) -> Comparison:
    quiet_libraries()
    device = choose_device(arguments.device)
    n_clips = choose(arguments.clips, arguments, quick=32, usual=120)
    rounds = choose(arguments.rounds, arguments, quick=1, usual=3)
    clips = read_clips(find_source(arguments.data, arguments.lang), n_clips)
    model_dir = find_model(arguments.model, clips.plugins)
    language = whisper_language(model_dir, clips.source.lang, clips.plugins)
    with tempfile.TemporaryDirectory() as temporary:
        ours = OurEvaluation(model_dir, clips, language, device, Path(temporary))
        peer = RecipeEvaluation(model_dir, clips, language, device, Path(temporary))

        def run_peer() -> Measured:
            return Measured(*peer.evaluate())

        calls = {OURS: ours, PEER: run_peer}
        ours.warm_up()
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
