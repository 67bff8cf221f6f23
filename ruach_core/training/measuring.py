"""Measuring the model as people will use it: through CTranslate2.

Epochs are compared by what is quickest: greedy, in int8 on a CPU. What a report says of a model is
what `ruach transcribe` and faster-whisper do with it: a beam search. On small data the difference
is large, since a model that has learnt its clips by heart is too sure of its first guess.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.data.review.suspicious import SUSPICIOUS, SuspiciousClip, write_suspicious
from ruach_core.evaluation.ct2_decode import Ct2Recognizer
from ruach_core.evaluation.device import usable_device
from ruach_core.evaluation.export_info import Window
from ruach_core.evaluation.report import build_report
from ruach_core.evaluation.silence import (
    build_silence_report,
    tells_silence,
    write_silent_clips,
)
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


_Decode = Callable[[Sequence[Utterance], Window, str], Decoded]


@dataclass(frozen=True, slots=True)
class Measurer:
    """Decodes with the evaluator's model as it is now, and reports.

    Attributes:
        evaluator: has the model, the settings and the data.
        plugins: bring the exporter.
        base_dir: the folder that the model began from, for its tokenizer.
        work: where temporary files go.
        hears_silence: whether the model was found to tell silence from speech.
    """

    evaluator: Evaluator
    plugins: Plugins
    base_dir: Path
    work: Path
    hears_silence: bool = False

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

    def tells_silence(self) -> bool:
        """Whether the model, as it is now, holds no validation clip for silence."""
        evaluator = self.evaluator
        if not self.can_search:
            return False
        validation = evaluator.prepared.validation
        with (
            self.recognizer(1, is_quick=True) as recognizer,
            evaluator.console.progress(len(validation), "silence") as bar,
        ):
            lists = recognizer.decode_nbest(
                validation,
                window=evaluator.window,
                batch_s=evaluator.config.evaluation.batch_s,
                on_progress=bar.update,
            )
        return tells_silence([candidates[0].no_speech_prob for candidates in lists])

    def decode(
        self,
        utterances: Sequence[Utterance],
        window: Window,
        *,
        title: str,
        is_quick: bool = False,
    ) -> Decoded:
        """Decode with the beam that `evaluation.beam_size` asks for, or quickly.

        Args:
            utterances: clips of at most 30 s.
            window: `trim` or `full`.
            title: of the progress bar.
            is_quick: greedy, and on a CPU in int8.
        """
        with self._decoder(is_quick=is_quick) as decode:
            return decode(utterances, window, title)

    def report(
        self, utterances: Sequence[Utterance], *, model: str
    ) -> tuple[EvalReport, list[Hypothesis]]:
        """Decode in the window that the policy trains for, and report, silence too."""
        evaluator = self.evaluator
        with (
            tempfile.TemporaryDirectory(dir=self.work, suffix=".tmp") as temporary,
            self._decoder() as decode,
        ):
            silent = write_silent_clips(utterances, Path(temporary))
            decoded = decode(utterances, evaluator.window, f"decode {utterances[0].split}")
            written = decode(silent, evaluator.window, "decode silence").hypotheses
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

    @contextmanager
    def _decoder(self, *, is_quick: bool = False) -> Iterator[_Decode]:
        """What decodes with the model as it is now: converted once, for any number of lists.

        A model on a GPU that CTranslate2 can't use is decoded greedily in torch: on the CPU a large
        one would take hours.
        """
        evaluator = self.evaluator
        beam_size = evaluator.config.evaluation.beam_size
        if is_quick or not self.can_search:
            beam_size = 1

        def timed(
            search: Callable[..., list[Hypothesis]],
            utterances: Sequence[Utterance],
            window: Window,
            title: str,
        ) -> Decoded:
            began = time.perf_counter()
            with evaluator.console.progress(len(utterances), title) as bar:
                hypotheses = search(utterances, window=window, on_progress=bar.update)
            return Decoded(hypotheses, beam_size, time.perf_counter() - began)

        if not self.can_search:
            yield partial(timed, evaluator.recognizer().decode)
            return
        with self.recognizer(beam_size, is_quick=is_quick) as recognizer:
            batch_s = evaluator.config.evaluation.batch_s
            yield partial(timed, partial(recognizer.decode_utterances, batch_s=batch_s))

    @property
    def can_search(self) -> bool:
        """Whether a beam search is affordable: CTranslate2 runs where the model does."""
        return self.evaluator.model.device.type != "cuda" or usable_device("auto") != "cpu"

    @contextmanager
    def recognizer(self, beam_size: int, *, is_quick: bool = False) -> Iterator[Ct2Recognizer]:
        """The model as it is now, in CTranslate2, for as long as the context lasts.

        It is converted to float16 in a temporary folder; a CPU computes in float32, or in int8
        where it `is_quick`.
        """
        is_int8 = is_quick and usable_device("auto") != "cuda"
        compute_type = QUICK_COMPUTE_TYPE if is_int8 else "default"
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
            hears_silence=self.hears_silence,
            compute_type=compute_type,
            beam_size=beam_size,
            device=usable_device("auto"),
        )
