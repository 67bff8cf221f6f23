"""What chooses among the best model's hypotheses: tuned, and kept if validation gains by it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ruach_core.config import LanguageModelConfig
from ruach_core.errors import UserError
from ruach_core.evaluation.metrics import compare_systems
from ruach_core.evaluation.ngram import NgramModel
from ruach_core.evaluation.report import build_report, count_strict_edits, percent
from ruach_core.evaluation.rescoring import MIN_UTTERANCES, Candidate, Rescorer, Tuning, tune
from ruach_core.text.lines import read_lines
from ruach_core.training.ctc import has_head
from ruach_core.training.measuring import EXPORTER, Measurer
from ruach_core.types import EvalReport, Hypothesis, TextNormalizer, Utterance


@dataclass(frozen=True, slots=True)
class Rescoring:
    """What choosing among a beam's hypotheses gives.

    Attributes:
        tuning: what was found on validation.
        n_sentences: that a language model was fitted on; 0 without one.
        rescorer: what stands beside the export; None where the beam's own choice stays.
        report: of the same clips as the run's report, rescored; None where nothing is kept.
        verdict: of the paired test against the run's report; empty where the clips are the
            validation split, on which the weights were chosen.
    """

    tuning: Tuning
    n_sentences: int
    rescorer: Rescorer | None = None
    report: EvalReport | None = None
    verdict: str = ""

    def lines(self) -> list[str]:
        """What was found, for people."""
        tuning = self.tuning
        found = (
            f"Validation WER {percent(tuning.plain_wer)} as the beam ranks, "
            f"{percent(tuning.validated_wer)} rescored (cross-validated, p = "
            f"{tuning.p_value:.2g}; the best of each beam would give {percent(tuning.oracle_wer)})"
        )
        if self.rescorer is None or self.report is None:
            return [f"{found}: no sure gain, so the beam's own choice stays"]
        report = self.report
        return [
            f"{found}: kept",
            f"{report.split}, beam {report.beam_size}, {report.rescoring}: "
            f"WER {percent(report.wer.rate)}, CER {percent(report.cer.rate)}"
            + (f"; {self.verdict}" if self.verdict else ""),
        ]


def check_language_model(settings: LanguageModelConfig) -> None:
    """Refuse a text that can't be read before hours of training, not after them.

    Raises:
        UserError: names the file.
    """
    if settings.is_wanted and settings.text is not None:
        for _ in _read(settings.text):
            pass


def fit_rescoring(
    measurer: Measurer,
    clips: Sequence[Utterance],
    report: EvalReport,
    hypotheses: Sequence[Hypothesis],
) -> Rescoring | None:
    """Fit, tune and measure; None where the settings or the machine leave it out.

    Args:
        measurer: has the best model.
        clips: what the run reports on.
        report: without rescoring.
        hypotheses: its hypotheses.
    """
    evaluator = measurer.evaluator
    if not (evaluator.config.lm.is_wanted or has_head(evaluator.model)):
        return None
    if reason := _reason_against(measurer):
        evaluator.console.line(f"No rescoring: {reason}")
        return None
    prepared, beam_size = evaluator.prepared, evaluator.config.evaluation.rescoring_beam_size
    sentences = _sentences(measurer) if evaluator.config.lm.is_wanted else []
    with measurer.recognizer(beam_size) as recognizer:

        def search(utterances: Sequence[Utterance], title: str) -> list[list[Candidate]]:
            with evaluator.console.progress(len(utterances), title) as bar:
                return recognizer.decode_nbest(
                    utterances,
                    window=evaluator.window,
                    batch_s=evaluator.config.evaluation.batch_s,
                    on_progress=bar.update,
                )

        validation = search(prepared.validation, "n-best validation")
        tuning, model = _tune(measurer, validation, sentences)
        if not tuning.is_kept:
            return Rescoring(tuning, len(sentences))
        rescorer = Rescorer(
            tuning.ctc_weight,
            tuning.weight,
            tuning.word_bonus,
            beam_size,
            model if tuning.weight else None,
        )
        began = time.perf_counter()
        lists = search(clips, f"n-best {clips[0].split}")
        chosen = rescorer.choose(lists)
        runtime_s = time.perf_counter() - began
    texts = [candidates[index].text for candidates, index in zip(lists, chosen, strict=True)]
    rescored = build_report(
        clips,
        texts,
        normalizer=prepared.normalizer,
        lang=evaluator.config.lang,
        model=report.model,
        window=report.window,
        beam_size=beam_size,
        rescoring=rescorer.describe(),
        runtime_s=runtime_s,
        resamples=evaluator.config.evaluation.bootstrap,
    )
    verdict = ""
    if clips[0].split == "test":
        comparison = compare_systems(
            count_strict_edits(clips, texts, normalizer=prepared.normalizer),
            count_strict_edits(clips, hypotheses, normalizer=prepared.normalizer),
        )
        verdict = comparison.verdict("rescoring", "the beam's own choice")
    return Rescoring(tuning, len(sentences), rescorer, rescored, verdict)


def _tune(
    measurer: Measurer, lists: Sequence[Sequence[Candidate]], sentences: Sequence[str]
) -> tuple[Tuning, NgramModel | None]:
    """With a language model of the sentences if it pays, else with the CTC head alone."""
    prepared = measurer.evaluator.prepared
    references = [u.reference or "" for u in prepared.validation]
    hypotheses = _normalized(lists, prepared.normalizer)
    model = NgramModel.fit(sentences) if sentences else None
    tuning = tune(lists, references, model, hypotheses=hypotheses)
    if model is None or tuning.is_kept or not has_head(measurer.evaluator.model):
        return tuning, model
    return tune(lists, references, None, hypotheses=hypotheses), None


def _reason_against(measurer: Measurer) -> str:
    evaluator = measurer.evaluator
    if (name := evaluator.config.export.format) != EXPORTER:
        return f"only {EXPORTER} exports use one, not {name}"
    if not measurer.can_search:
        return "CTranslate2 can't use this GPU for a beam search"
    if len(evaluator.prepared.validation) < MIN_UTTERANCES:
        return f"its weights need at least {MIN_UTTERANCES} validation clips"
    return ""


def _sentences(measurer: Measurer) -> list[str]:
    """Training references, and what the user adds but for sentences that validation or test say."""
    prepared, settings = measurer.evaluator.prepared, measurer.evaluator.config.lm
    sentences = [u.reference or "" for u in prepared.train]
    if settings.text is None:
        return sentences
    held_out = {u.reference for u in (*prepared.validation, *prepared.test)}
    added = [prepared.normalizer.normalize(line, purpose="target") for line in _read(settings.text)]
    added = [text for text in added if text]
    fresh = [text for text in added if text not in held_out]
    measurer.evaluator.console.line(
        f"Language model text: {len(sentences)} training references and {len(fresh)} sentences of "
        f"{settings.text.name} ({len(added) - len(fresh)} left out, said in validation or test)"
    )
    return sentences + fresh


def _read(path: Path) -> list[str]:
    try:
        with path.open("rb") as stream:
            return list(read_lines(stream, str(path)))
    except OSError as error:
        raise UserError(
            f"lm.text: {path}: can't be read: {error.strerror or error}; give a UTF-8 text file "
            "with one sentence a line"
        ) from error


def _normalized(lists: Sequence[Sequence[Candidate]], normalizer: TextNormalizer) -> dict[str, str]:
    texts = {candidate.text for candidates in lists for candidate in candidates}
    return {text: normalizer.normalize(text, purpose="target") for text in texts}
