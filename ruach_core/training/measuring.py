"""Measuring the model as people will use it: through CTranslate2.

Epochs are compared by what is quickest: greedy, in int8 on a CPU. What a report says of a model is
what `ruach transcribe` and faster-whisper do with it: a beam search. On small data the difference
is large, since a model that has learnt its clips by heart is too sure of its first guess.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.data.review.suspicious import SUSPICIOUS, SuspiciousClip, write_suspicious
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.device import usable_device
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.report import build_report
from ruach_core.evaluation.silence import build_silence_report, write_silent_clips
from ruach_core.training.clip_losses import ClipLosses
from ruach_core.training.ctc import save_with_head
from ruach_core.training.evaluating import Evaluator
from ruach_core.training.ranks import Ranks
from ruach_core.training.suspicion import add_hypotheses, rank_clips
from ruach_core.types import EvalReport, Hypothesis, Utterance

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.training.loop import Loop

EXPORTER = "ctranslate2"
QUICK_COMPUTE_TYPE = "int8"
"""What epochs are decoded in on a CPU."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """Hypotheses, the beam that found them, and the seconds that it took."""

    hypotheses: list[Hypothesis]
    beam_size: int
    runtime_s: float


@dataclass(frozen=True, slots=True)
class Measurer:
    """Decodes with the evaluator's model as it is now, and reports.

    Attributes:
        evaluator: has the model, the settings and the data.
        plugins: bring the exporter.
        base_dir: the folder that the model began from, for its tokenizer.
        work: where temporary files go.
    """

    evaluator: Evaluator
    plugins: Plugins
    base_dir: Path
    work: Path

    def epoch_figures(self, loop: Loop) -> dict[str, float]:
        """Loss, WER and CER on the validation split, strict, and the seconds that they took."""
        began = time.perf_counter()
        evaluator = self.evaluator
        validation = evaluator.prepared.validation
        clips = ClipLosses(len(validation))
        loss = evaluator.loss(loop, clips)
        if evaluator.config.evaluation.epochs_in == "torch":
            hypotheses = evaluator.decode(validation, evaluator.window, title="validate")
        else:
            decoded = self.decode(validation, evaluator.window, title="validate", is_quick=True)
            hypotheses = decoded.hypotheses
        clips.end_epoch(Ranks())
        loop.updater.clip_losses.validation += clips.epochs
        self.write_ranking(loop.updater.clip_losses, hypotheses)
        return {
            "eval_loss": round(loss, 4),
            "eval_wer": round(evaluator.strict_rate(validation, hypotheses, "word"), 4),
            "eval_cer": round(evaluator.strict_rate(validation, hypotheses, "character"), 4),
            "eval_runtime": round(time.perf_counter() - began, 1),
        }

    def write_ranking(self, losses: ClipLosses, hypotheses: Sequence[Hypothesis]) -> None:
        """Write the clips that look wrong so far beside the checkpoints."""
        prepared = self.evaluator.prepared
        n_most = self.evaluator.config.evaluation.review_clips
        if n_most:
            ranked = rank_clips(prepared, losses, n_most=n_most)
            clips = add_hypotheses(ranked, hypotheses, normalizer=prepared.normalizer)
            write_suspicious(clips, self.work / SUSPICIOUS)

    def suspicious_clips(self, losses: ClipLosses) -> list[SuspiciousClip]:
        """The clips that look wrong, with what the model as it is now writes for them."""
        evaluator = self.evaluator
        n_most = evaluator.config.evaluation.review_clips
        ranked = rank_clips(evaluator.prepared, losses, n_most=n_most)
        if not ranked:
            return []
        clips = [utterance for utterance, _ in ranked]
        with evaluator.console.stage(f"Decoding the {len(clips)} most suspicious clips"):
            decoded = self.decode(clips, evaluator.window, title="suspicious", is_quick=True)
        normalizer = evaluator.prepared.normalizer
        return add_hypotheses(ranked, decoded.hypotheses, normalizer=normalizer)

    def validation_rates(self, title: str) -> tuple[float, float]:
        """Strict WER and CER on validation, decoded as the report on test will be."""
        evaluator = self.evaluator
        validation = evaluator.prepared.validation
        hypotheses = self.decode(validation, evaluator.window, title=title).hypotheses
        return (
            evaluator.strict_rate(validation, hypotheses, "word"),
            evaluator.strict_rate(validation, hypotheses, "character"),
        )

    def decode(
        self,
        utterances: Sequence[Utterance],
        window: Window,
        *,
        title: str,
        is_quick: bool = False,
    ) -> Decoded:
        """Decode with the beam that `evaluation.beam_size` asks for, or quickly.

        The model is converted to float16 in a temporary folder; on a CPU CTranslate2 computes in
        float32. A model on a GPU that CTranslate2 can't use is decoded greedily in torch: on the
        CPU a large one would take hours.

        Args:
            utterances: clips of at most 30 s.
            window: `trim` or `full`.
            title: of the progress bar.
            is_quick: greedy, and on a CPU in int8.
        """
        evaluator = self.evaluator
        beam_size = 1 if is_quick else evaluator.config.evaluation.beam_size
        if not self.can_search:
            began = time.perf_counter()
            hypotheses = evaluator.decode(utterances, window, title=title)
            return Decoded(hypotheses, 1, time.perf_counter() - began)
        is_quick_here = is_quick and usable_device("auto") != "cuda"
        compute_type = QUICK_COMPUTE_TYPE if is_quick_here else "default"
        with self.recognizer(beam_size, compute_type) as recognizer:
            began = time.perf_counter()
            with evaluator.console.progress(len(utterances), title) as bar:
                hypotheses = recognizer.decode_utterances(
                    utterances,
                    window=window,
                    batch_s=evaluator.config.evaluation.batch_s,
                    on_progress=bar.update,
                )
        return Decoded(hypotheses, beam_size, time.perf_counter() - began)

    def report(
        self, utterances: Sequence[Utterance], *, model: str
    ) -> tuple[EvalReport, list[Hypothesis]]:
        """Decode in the window that the policy trains for, and report, silence too."""
        evaluator = self.evaluator
        decoded = self.decode(utterances, evaluator.window, title=f"decode {utterances[0].split}")
        with tempfile.TemporaryDirectory(dir=self.work, suffix=".tmp") as temporary:
            silent = write_silent_clips(utterances, Path(temporary))
            written = self.decode(silent, evaluator.window, title="decode silence").hypotheses
        report = build_report(
            utterances,
            decoded.hypotheses,
            normalizer=evaluator.prepared.normalizer,
            lang=evaluator.config.lang,
            model=model,
            window=evaluator.window,
            beam_size=decoded.beam_size,
            runtime_s=decoded.runtime_s,
            resamples=evaluator.config.evaluation.bootstrap,
            silence=build_silence_report(silent, written, normalizer=evaluator.prepared.normalizer),
        )
        return report, decoded.hypotheses

    @property
    def can_search(self) -> bool:
        """Whether a beam search is affordable: CTranslate2 runs where the model does."""
        return self.evaluator.model.device.type != "cuda" or usable_device("auto") != "cpu"

    @contextmanager
    def recognizer(self, beam_size: int, compute_type: str = "default") -> Iterator[Ct2Recognizer]:
        """The model as it is now, in CTranslate2, for as long as the context lasts."""
        with tempfile.TemporaryDirectory(dir=self.work, suffix=".tmp") as temporary:
            yield self._convert(Path(temporary), compute_type, beam_size)

    def _convert(self, folder: Path, compute_type: str, beam_size: int) -> Ct2Recognizer:
        evaluator = self.evaluator
        saved, converted = folder / "model", folder / EXPORTER
        saved.mkdir()
        converted.mkdir()
        save_with_head(evaluator.model, self.base_dir, saved)
        self.plugins.exporter(EXPORTER).export(saved, converted, quantization="float16")
        return Ct2Recognizer(
            converted,
            language=evaluator.prepared.tokens.whisper_language,
            max_new_tokens=evaluator.prepared.max_new_tokens,
            window_margin_s=evaluator.config.window.margin_s,
            compute_type=compute_type,
            beam_size=beam_size,
            device=usable_device("auto"),
        )
