"""After the last epoch: measure the best model on test, save, export, write the card."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.config import DEFAULT_DATA, RunConfig
from ruach_core.data.review.suspicious import SUSPICIOUS, SuspiciousClip, write_suspicious
from ruach_core.errors import UserError
from ruach_core.evaluation.metrics import compare_systems
from ruach_core.evaluation.report import (
    build_report,
    build_rows,
    count_strict_edits,
    percent,
    rates_by_source,
    report_lines,
    source_line,
    write_rows,
)
from ruach_core.evaluation.rescoring import RESCORING
from ruach_core.export.card import RunRecord, model_card, run_json
from ruach_core.export.parity import ParityRow, check_parity, measure_parity, parity_lines
from ruach_core.files import write_text
from ruach_core.sources import DataSources
from ruach_core.training.checkpoint import Progress, write_folder
from ruach_core.training.clip_losses import ClipLosses
from ruach_core.training.ctc import save_with_head
from ruach_core.training.evaluating import Evaluator
from ruach_core.training.loop import Plan
from ruach_core.training.measuring import Measurer
from ruach_core.training.outputs import Outputs
from ruach_core.training.preparation import ChosenData
from ruach_core.training.randomness import pick
from ruach_core.training.rescoring import fit_rescoring
from ruach_core.types import EvalReport, Hypothesis, Utterance

if TYPE_CHECKING:
    from ruach_core.models.resolve import ResolvedModel
    from ruach_core.plugins import Plugins

HYPOTHESES = "hypotheses.csv"


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run leaves: the two folders, and the best model's report."""

    model: Path
    export: Path
    report: EvalReport


@dataclass(frozen=True, slots=True)
class ZeroShot:
    """The base model before training.

    `deciding_wer` is its strict WER on a few validation clips (it decides the learning rate);
    `texts` its hypotheses on test clips, by utterance id, found with `beam_size`.
    """

    deciding_wer: float
    texts: dict[str, str]
    beam_size: int


def finish(
    measurer: Measurer,
    outputs: Outputs,
    source: ChosenData,
    base: ResolvedModel,
    plan: Plan,
    progress: Progress,
    zero_shot: ZeroShot,
    losses: ClipLosses,
) -> RunResult:
    """Report on test, then write the model's folder and its export; `measurer` has the best model.

    `losses` are those of the run's clips, by which some of them look wrong.

    Raises:
        UserError: the parity gate refuses the export; the model's folder is written all the same.
    """
    evaluator, plugins = measurer.evaluator, measurer.plugins
    console, prepared, config = evaluator.console, evaluator.prepared, evaluator.config
    # Without a test split the validation split reports, and says so by its name.
    clips = prepared.test or prepared.validation
    with console.stage(f"Measuring the best model on the {clips[0].split} split"):
        measurer = replace(measurer, hears_silence=measurer.tells_silence())
        report, hypotheses = measurer.report(clips, model=outputs.model.name)
        plugins.after_evaluate(report)
    # What is published names no folder of this machine.
    base_name = base.directory.name if base.source == "path" else base.name
    base_report, verdict = _compare_with_base(evaluator, zero_shot, clips, hypotheses, base_name)
    for line in _result_lines(report, base_report, verdict):
        console.line(line)
    by_source = rates_by_source(
        clips, hypotheses, normalizer=prepared.normalizer, resamples=config.evaluation.bootstrap
    )
    for rates in by_source:
        console.line(source_line(rates))
    rescoring = fit_rescoring(measurer, clips, report, hypotheses)
    for line in rescoring.lines() if rescoring else ():
        console.line(line)
    sample = plugins.sample
    record = RunRecord(
        config=config,
        pack=plugins.pack,
        base_model=base_name,
        is_sample=source.is_sample,
        sample_note=sample.facts.description if sample else "",
        data_license=sample.facts.license
        if sample and source.is_sample
        else config.dataset.license or prepared.corpus.license,
        prepared=prepared,
        plan=plan,
        progress=progress,
        report=report,
        hears_silence=measurer.hears_silence,
        base_report=base_report,
        verdict=verdict,
        rescoring=rescoring,
        by_source=tuple(by_source),
    )
    rows = build_rows(clips, hypotheses, normalizer=prepared.normalizer)
    suspicious = measurer.suspicious_clips(losses)

    def write_model(folder: Path) -> None:
        save_with_head(evaluator.model, base.directory, folder)
        shutil.copyfile(outputs.work / "set_aside.csv", folder / "set_aside.csv")
        write_rows(rows, folder / HYPOTHESES)
        if config.evaluation.review_clips:
            write_suspicious(suspicious, folder / SUSPICIOUS)
        _write_texts(folder, record, ())

    write_folder(outputs.model, write_model)
    console.line(f"Model: {outputs.model}")
    if suspicious:
        console.line(_review_line(config, outputs, suspicious, is_sample=source.is_sample))
    _export(evaluator, plugins, outputs, record, clips)
    outputs.release()
    return RunResult(outputs.model, outputs.export, report)


def _review_line(
    config: RunConfig, outputs: Outputs, clips: Sequence[SuspiciousClip], *, is_sample: bool
) -> str:
    """How to hear the clips that look wrong."""
    is_found = is_sample or config.data == DataSources.of(DEFAULT_DATA)
    data = (
        [] if is_found else [word for one in config.data.sources for word in ("--data", str(one))]
    )
    command = shlex.join(["ruach", "data", "review", str(outputs.model), *data])
    return f"Suspicious clips: {len(clips)}, the first {clips[0].id}; hear them: {command}"


def _compare_with_base(
    evaluator: Evaluator,
    zero_shot: ZeroShot,
    clips: tuple[Utterance, ...],
    hypotheses: list[Hypothesis],
    base_name: str,
) -> tuple[EvalReport | None, str]:
    """The base model's report on the clips it was measured on, and the paired test against it."""
    pairs = [(u, h) for u, h in zip(clips, hypotheses, strict=True) if u.id in zero_shot.texts]
    if not pairs or clips[0].split != "test":
        return None, ""
    utterances = [u for u, _ in pairs]
    normalizer = evaluator.prepared.normalizer
    before = [zero_shot.texts[u.id] for u in utterances]
    report = build_report(
        utterances,
        before,
        normalizer=normalizer,
        lang=evaluator.config.lang,
        model=f"{base_name}, zero-shot",
        window="full",
        beam_size=zero_shot.beam_size,
        runtime_s=0.0,
        resamples=evaluator.config.evaluation.bootstrap,
    )

    comparison = compare_systems(
        count_strict_edits(utterances, [h for _, h in pairs], normalizer=normalizer),
        count_strict_edits(utterances, before, normalizer=normalizer),
    )
    return report, comparison.verdict("the trained model", "the base model")


def _result_lines(report: EvalReport, base_report: EvalReport | None, verdict: str) -> list[str]:
    lines = ["", *report_lines(report)]
    if base_report is not None:
        lines.append(
            f"before training (zero-shot, 30 s window, {base_report.n_utterances} of these clips): "
            f"WER {percent(base_report.wer.rate)} strict, "
            f"{percent(base_report.wer_folded.rate)} folded; {verdict}"
        )
    return lines


def _export(
    evaluator: Evaluator,
    plugins: Plugins,
    outputs: Outputs,
    record: RunRecord,
    clips: tuple[Utterance, ...],
) -> None:
    config, console, prepared = evaluator.config, evaluator.console, evaluator.prepared
    exporter = plugins.exporter(config.export.format)
    few = pick(clips, config.export.parity_clips, seed=config.seed)
    rows: list[ParityRow] = []
    # One that is there (--overwrite) is of an earlier model, and must not stand beside this one.
    shutil.rmtree(outputs.export, ignore_errors=True)

    def write_export(folder: Path) -> None:
        exporter.export(outputs.model, folder, quantization=config.export.quantization)
        rows.extend(
            measure_parity(
                few,
                model_decode=lambda window: evaluator.decode(few, window, title="parity"),
                export_dir=folder,
                language=prepared.tokens.whisper_language,
                quantization=config.export.quantization,
                max_new_tokens=prepared.max_new_tokens,
                window_margin_s=config.window.margin_s,
                normalizer=prepared.normalizer,
            )
        )
        for line in parity_lines(rows):
            console.line(line)
        if doubt := check_parity(rows, config.export.parity_threshold):
            console.line(doubt)
        if record.rescoring and record.rescoring.rescorer:
            (folder / RESCORING).write_bytes(record.rescoring.rescorer.to_bytes())
        _write_texts(folder, record, rows)

    with console.stage(
        f"Exporting ({config.export.quantization}) and comparing on {len(few)} clips"
    ):
        try:
            write_folder(outputs.export, write_export)
        except UserError as error:
            raise UserError(f"{error}; the trained model itself is in {outputs.model}") from error
    _write_texts(outputs.model, record, rows)
    console.line(f"Export: {outputs.export}")
    console.line(f"Try it: ruach transcribe FILE --model {outputs.export}")


def _write_texts(folder: Path, record: RunRecord, rows: Sequence[ParityRow]) -> None:
    """The card and `run.json`, as far as the run has come."""
    write_text(folder / "run.json", run_json(record, rows))
    write_text(folder / "README.md", model_card(record, rows))
