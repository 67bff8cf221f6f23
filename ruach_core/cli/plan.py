"""`ruach plan`: what a run would take, and what to expect of it, before anything is spent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from ruach_core.cli.run_settings import (
    ACCEPTS_SETTINGS,
    common_options,
    data_option,
    lang_option,
    read_settings,
    settings_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ruach_core.training.forecast import ModelForecast
    from ruach_core.training.planning import PlannedRun
    from ruach_core.types import Utterance

_HELP = """Say what training would take, before anything is spent.

Reads and checks the data as ruach train does, then says: hours, clips, speakers and tokens; for
each size of Whisper the memory, how much goes through it at once, the time of an epoch and of the
whole run, and the WER that others reached with as many hours; and one line with what to do.

On this machine the time is measured: about 20 seconds of real training steps on these clips, with
a Whisper that is on disk (pip install ruach-model-whisper-base brings one). Nothing is downloaded,
and nothing is written but Ruach's cache of that Whisper. For a GPU that isn't here it is an
estimate, and says so.

\b
Examples:
    ruach plan --lang am --data recordings
    ruach plan --lang am --data recordings --gpu t4
    ruach plan --lang am --data recordings --gpu 24 --model whisper-small --epochs 10
    ruach plan --lang am --window.policy full --no-probe --json

\b
--gpu takes a name or gigabytes of memory (24, which gives no times):
    t4 v100 v100-32 rtx3060 rtx3090 rtx4090 a10g l4 l40s a100-40 a100-80 h100 h100pcie h200

All settings of ruach train can be given as well (--SECTION.NAME VALUE, --config FILE).
"""

_GIB = 2**30
_BASES = {
    "measured": "measured",
    "scaled": "scaled by operations from the model that was measured",
    "assumed": "estimate: the GPU's peak, of which training is taken to reach {share:.0%}",
    "unknown": "not known without a probe on the machine, or a GPU's name",
}
_MARKS = {"measured": "", "scaled": "~", "assumed": "~", "unknown": ""}


@click.command(help=_HELP, context_settings=ACCEPTS_SETTINGS)
@lang_option()
@data_option()
@click.option("--model", "models", multiple=True, metavar="NAME|PATH",
              help="Plan for this model; may be repeated.  [default: all sizes]")  # fmt: skip
@click.option("--gpu", metavar="NAME|GB", help="Plan for such a GPU instead of this machine.")
@common_options
@click.option("--no-probe", is_flag=True, help="Measure nothing on this machine.")
@click.option("--probe-seconds", type=click.FloatRange(min=0, min_open=True), default=20.0,
              show_default=True, metavar="S", help="How long to measure.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@settings_option()
@click.pass_context
def plan(
    ctx: click.Context,
    /,
    *,
    config_file: str | None,
    pack_options: tuple[str, ...],
    models: tuple[str, ...],
    gpu: str | None,
    epochs: int | None,
    no_probe: bool,
    probe_seconds: float,
    as_json: bool,
    **named: Any,
) -> None:
    """Say what training would take, before anything is spent."""
    from ruach_core.plugins import Plugins
    from ruach_core.training.console import Console
    from ruach_core.training.planning import plan_run

    named |= {"training.epochs": epochs}
    config = read_settings(ctx, config_file=config_file, pack_options=pack_options, named=named)
    planned = plan_run(
        config,
        Plugins.load(config.lang, use_pack=not config.no_pack),
        Console(is_quiet=as_json),
        models=models,
        gpu=gpu,
        probe_s=None if no_probe else probe_seconds,
    )
    if as_json:
        click.echo(json.dumps(as_data(planned), ensure_ascii=False, indent=2))
        return
    for line in plan_lines(planned):
        click.echo(line)


def plan_lines(planned: PlannedRun) -> Iterator[str]:
    """The plan for people."""
    from ruach_core.training.preparation import corpus_lines, source_lines

    found = planned.found
    yield from _section(f"Data: {planned.source.sources}")
    yield from corpus_lines(found.train, found.validation, found.test, found.set_aside, ())
    yield from source_lines(found.corpus, found.train)
    yield from found.budget.lines()
    mean = found.budget.n_tokens / max(1, found.budget.n_references)
    how = "" if planned.are_tokens_measured else "; all of this is a guess, without a tokenizer"
    yield f"           {mean:.0f} tokens a clip{how}"
    yield from planned.notes
    yield from _section("Run")
    language = planned.language
    yield f"language   {language.describe() if language else 'the token that Whisper hears most'}"
    hardware = planned.hardware
    memory = f", {hardware.memory_gib:.1f} GB" if hardware.memory_gib else ""
    peak = f", peak {hardware.tflops:g} TFLOPS ({hardware.source})" if hardware.tflops else ""
    yield f"machine    {hardware.name}{memory}{peak}, computing in {hardware.precision}"
    yield (
        f"training   window policy {planned.config.window.policy}, {planned.batch_size} clips per "
        f"update, {planned.n_updates} updates an epoch, {planned.n_epochs} epochs at most"
    )
    if planned.probe is not None:
        yield from _probe_lines(planned)
    yield from _section("Models")
    yield _table(planned)
    yield from _notes(planned)
    if planned.warnings:
        yield from _section("Beware")
        for warning in planned.warnings:
            yield f"- {warning}"
    yield ""
    yield planned.recommendation.line


def as_data(planned: PlannedRun) -> dict[str, Any]:
    """The plan for programs. Times are seconds, memory is bytes, error rates are fractions."""
    found, hardware = planned.found, planned.hardware
    probe = planned.probe
    return {
        "lang": planned.config.lang,
        "data": str(planned.source.sources),
        "is_sample": planned.source.is_sample,
        "splits": {
            name: _split_data(split)
            for name, split in (
                ("train", found.train), ("validation", found.validation), ("test", found.test)
            )
        },
        "set_aside": [
            {"utterance_id": s.utterance_id, "split": s.split, "reason": s.reason,
             "detail": s.detail}
            for s in found.set_aside
        ],
        "tokens": {
            "is_measured": planned.are_tokens_measured,
            "n_tokens": found.budget.n_tokens,
            "per_clip": found.budget.n_tokens / max(1, found.budget.n_references),
            "per_char": found.budget.tokens_per_char,
            "per_second": found.budget.tokens_per_second,
            "longest": found.budget.longest,
            "n_over_224": found.budget.n_over_224,
            "n_over_448": found.budget.n_over_limit,
        },
        "whisper_language": planned.language.whisper_language if planned.language else None,
        "is_known_to_whisper": planned.is_known,
        "machine": {
            "name": hardware.name, "is_gpu": hardware.is_gpu, "is_here": hardware.is_here,
            "memory_bytes": hardware.memory_bytes, "tflops": hardware.tflops,
            "precision": hardware.precision, "source": hardware.source,
        },
        "window_policy": planned.config.window.policy,
        "batch_size": planned.batch_size,
        "n_epochs": planned.n_epochs,
        "n_updates_per_epoch": planned.n_updates,
        "probe": None if probe is None else {
            "model": probe.model, "n_updates": probe.n_updates, "n_clips": probe.n_clips,
            "step_s": probe.step_s, "clips_per_second": probe.clips_per_second,
            "validation_s": probe.validation_s, "peak_bytes": probe.peak_bytes,
        },
        "models": [_model_data(forecast) for forecast in planned.models],
        "recommended": planned.recommendation.model,
        "recommendation": planned.recommendation.line,
        "notes": list(planned.notes),
        "warnings": list(planned.warnings),
    }  # fmt: skip


def _section(title: str) -> Iterator[str]:
    yield f"== {title}"


def _probe_lines(planned: PlannedRun) -> Iterator[str]:
    probe = planned.probe
    assert probe is not None  # the caller looked
    peak = f"; {probe.peak_bytes / _GIB:.1f} GB at most" if probe.peak_bytes else ""
    yield (
        f"probe      {probe.model}: {probe.n_updates} updates of {probe.step_s:.1f} s, "
        f"{probe.clips_per_second:.2f} clips a second{peak}"
    )


def _table(planned: PlannedRun) -> str:
    from ruach_core.cli.table import format_table
    from ruach_core.training.forecast import duration

    policies = list(planned.models[0].memory_bytes)
    heading = [
        "", "model", "on disk", *(f"memory, {policy}" for policy in policies), "a pass takes",
        "30 s windows", "epoch", "whole run", "WER elsewhere",
    ]  # fmt: skip
    rows = []
    for forecast in planned.models:
        mark = _MARKS[forecast.basis]
        epoch = "-" if forecast.epoch_s is None else mark + duration(forecast.epoch_s)
        total = "-" if forecast.total_s is None else mark + duration(forecast.total_s)
        is_chosen = forecast.model == planned.recommendation.model
        rows.append([
            "->" if is_chosen else "",
            forecast.model,
            "yes" if forecast.is_on_disk else "no",
            *(f"{forecast.memory_bytes[policy] / _GIB:.1f} GB" for policy in policies),
            f"{forecast.micro_batch_s:.0f} s" if forecast.fits else "doesn't fit",
            "?" if forecast.most_windows is None else str(forecast.most_windows),
            epoch if forecast.fits else "-",
            total if forecast.fits else "-",
            forecast.expected.describe() if forecast.expected else "-",
        ])  # fmt: skip
    return format_table(heading, rows)


def _notes(planned: PlannedRun) -> Iterator[str]:
    from ruach_core.training.forecast import ASSUMED_UTILISATION

    yield (
        "memory: at a step's height, with the window policy's name; a pass takes: seconds of "
        "window at once; 30 s windows: how many could fit at the very most"
    )
    for basis in dict.fromkeys(forecast.basis for forecast in planned.models):
        times = _BASES[basis].format(share=ASSUMED_UTILISATION)
        yield f"times{' with ~' if _MARKS[basis] else ''}: {times}"
    yield from _sources(planned)


def _sources(planned: PlannedRun) -> Iterator[str]:
    expected = [f.expected for f in planned.models if f.expected]
    if not expected:
        return
    known = "has a" if planned.is_known else "has no"
    far = " None of these had a like amount of data." if all(e.is_far for e in expected) else ""
    yield (
        f"WER elsewhere: {planned.train_hours:.1f} h of a language that Whisper {known} token for; "
        f"a range of what others published for other languages and data, no prediction.{far}"
    )
    for result in dict.fromkeys(r for e in expected for r in e.results):
        before = "" if result.zero_shot_wer is None else f"{100 * result.zero_shot_wer:.0f} -> "
        yield (
            f"  {result.language}, whisper-{result.model}, {result.hours:g} h: "
            f"{before}{100 * result.wer:.1f} % ({result.source})"
        )


def _split_data(split: Sequence[Utterance]) -> dict[str, Any]:
    durations = [u.duration_s or 0.0 for u in split]
    return {
        "n_clips": len(split),
        "hours": sum(durations) / 3600,
        "n_speakers": len({u.speaker_id for u in split if u.speaker_id}) or None,
        "mean_s": sum(durations) / len(durations) if durations else None,
        "longest_s": max(durations, default=None),
    }


def _model_data(forecast: ModelForecast) -> dict[str, Any]:
    expected = forecast.expected
    return {
        "model": forecast.model,
        "n_parameters": forecast.size.n_parameters,
        "is_on_disk": forecast.is_on_disk,
        "fits": forecast.fits,
        "memory_bytes": forecast.memory_bytes,
        "micro_batch_s": forecast.micro_batch_s,
        "most_30_s_windows": forecast.most_windows,
        "training_s": forecast.training_s,
        "validation_s": forecast.validation_s,
        "epoch_s": forecast.epoch_s,
        "total_s": forecast.total_s,
        "clips_per_second": forecast.clips_per_second,
        "times_are": forecast.basis,
        "expected_wer": None if expected is None else {
            "low": expected.low, "high": expected.high, "is_far": expected.is_far,
            "results": [
                {"language": r.language, "model": r.model, "hours": r.hours,
                 "zero_shot_wer": r.zero_shot_wer, "wer": r.wer, "source": r.source}
                for r in expected.results
            ],
        },
    }  # fmt: skip
