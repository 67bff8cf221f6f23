"""`plan_run`: read and check the data, look at the machine, probe it, and forecast each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ruach_core.config import RunConfig
from ruach_core.manifest import WHISPER_LANGUAGES
from ruach_core.models.resolve import AUTO
from ruach_core.models.special_tokens import WhisperTokenizer
from ruach_core.training.encoder_cache import without_changes
from ruach_core.training.forecast import (
    ModelForecast,
    Recommendation,
    Speed,
    recommend,
)
from ruach_core.training.forecaster import Candidate, Forecaster, find_candidates
from ruach_core.training.guessed_tokens import GuessedTokenizer
from ruach_core.training.hardware import Hardware, parse_gpu, this_machine
from ruach_core.training.language import RunLanguage, known_language
from ruach_core.training.memory import OutOfMemoryError
from ruach_core.training.preparation import (
    ChosenData,
    Examined,
    choose_data,
    examine,
    finding_lines,
    refuse_errors,
)

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.training.console import Console
    from ruach_core.training.probe import Probe

_LITTLE_HOURS = 1.0


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """Everything that `ruach plan` says. See the parts for what each holds.

    Attributes:
        are_tokens_measured: whether a real tokenizer counted them; else they are a guess.
        language: the token, or None where training will choose it by Whisper's own ear.
        is_known: whether Whisper has a token of the language's own.
        notes: what reading and checking had to say.
        warnings: what a user should know before anything is spent.
    """

    config: RunConfig
    hardware: Hardware
    source: ChosenData
    found: Examined
    are_tokens_measured: bool
    language: RunLanguage | None
    is_known: bool
    batch_size: int
    n_epochs: int
    n_updates: int
    models: tuple[ModelForecast, ...]
    probe: Probe | None
    recommendation: Recommendation
    notes: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def train_hours(self) -> float:
        """Hours of training audio."""
        return sum(u.duration_s or 0.0 for u in self.found.train) / 3600


def plan_run(
    config: RunConfig,
    plugins: Plugins,
    console: Console,
    *,
    models: Sequence[str] = (),
    gpu: str | None = None,
    probe_s: float | None = 20.0,
) -> PlannedRun:
    """Plan a run without writing anything or fetching any model.

    Args:
        config: the settings of the run.
        plugins: of the run.
        console: shows progress.
        models: names to plan for; none for the settings' own, or for all sizes where that is auto.
        gpu: a GPU's name or gigabytes; None for this machine.
        probe_s: seconds of training steps on this machine; None for no probe.

    Raises:
        UserError: a model or a GPU that isn't known.
        DataError: what `ruach train` would refuse.
    """
    plugins.check_options(config.options)
    config, switched_off = without_changes(config)
    hardware = _choose_hardware(config, gpu)
    source = choose_data(config, plugins)
    for one in source.sources.sources:
        plugins.find_dataset_loader(one.path)
    language = known_language(config, plugins)
    candidates = find_candidates(list(models) or [config.model], plugins)
    tokenizer = _read_tokenizer(candidates, config)
    manifest = plugins.manifest
    counting = tokenizer or GuessedTokenizer(manifest.tokens_per_char if manifest else None)
    found = examine(
        config, plugins, source.sources, counting, console, runs_checks=tokenizer is not None
    )
    refuse_errors(found.findings)
    forecaster = Forecaster.of(
        config, hardware, found, counting, language, is_known=is_known(config, plugins)
    )
    probe, failure = None, ""
    if probe_s is not None and hardware.is_here and tokenizer is not None:
        try:
            probe = forecaster.probe(candidates, plugins, tokenizer, language, console, probe_s)
        except OutOfMemoryError as error:
            failure = str(error)
    speed = probe.speed if probe else Speed.assumed(hardware)
    forecasts = tuple(forecaster.forecast(c, speed) for c in candidates)
    work = forecaster.work(candidates[0].size)
    is_free = not models and config.model == AUTO
    recommendation = recommend(forecasts, hardware, work, is_free=is_free)
    return PlannedRun(
        config=config,
        hardware=hardware,
        source=source,
        found=found,
        are_tokens_measured=tokenizer is not None,
        language=language,
        is_known=forecaster.is_known,
        batch_size=forecaster.batch_size,
        n_epochs=forecaster.n_epochs,
        n_updates=work.n_updates,
        models=forecasts,
        probe=probe,
        recommendation=recommendation,
        notes=(
            *(f"note: {line}" for line in switched_off),
            *(f"note: {note}" for note in found.corpus.notes),
            *finding_lines(found.findings),
        ),
        warnings=(
            *_data_warnings(found, source),
            *_measurement_warnings(tokenizer is not None, probe, failure),
            *recommendation.warnings,
        ),
    )


def _choose_hardware(config: RunConfig, gpu: str | None) -> Hardware:
    if gpu is None:
        return this_machine(config.training.precision)
    hardware = parse_gpu(gpu)
    if config.training.precision == "auto":
        return hardware
    return replace(hardware, precision=config.training.precision)


def _measurement_warnings(has_tokenizer: bool, probe: Probe | None, failure: str) -> list[str]:
    if failure:
        return [f"nothing was measured, since the probe found no room: {failure}"]
    if not has_tokenizer:
        return [
            "no Whisper is on this machine, so nothing is probed and the tokens are a guess: pip "
            "install ruach-model-whisper-base brings one"
        ]
    if probe is None or not probe.was_busy:
        return []
    return [
        f"this machine was busy with other work: the probe had {probe.cpu_share:.0%} of its "
        "processors; the times are those of an idle machine, by the processors' time"
    ]


def is_known(config: RunConfig, plugins: Plugins) -> bool:
    """Whether Whisper has a token of the language's own."""
    manifest = plugins.manifest
    if manifest is None:
        return config.lang in WHISPER_LANGUAGES
    return not manifest.whisper_language_reason


def _read_tokenizer(candidates: Sequence[Candidate], config: RunConfig) -> WhisperTokenizer | None:
    """The tokenizer of a model that is here; the texts' tokens are the same in all of them."""
    here = [c.directory for c in candidates if c.directory is not None]
    by_letter = config.training.text_units == "letters"
    return WhisperTokenizer.read(here[0], by_letter=by_letter) if here else None


def _data_warnings(found: Examined, source: ChosenData) -> list[str]:
    warnings = [] if not source.is_sample else [source.note]
    hours = sum(u.duration_s or 0.0 for u in found.train) / 3600
    if hours < _LITTLE_HOURS:
        warnings.append(
            f"{60 * hours:.0f} minutes of training audio are little: the model will learn these "
            "speakers and sentences; more hours help more than a larger model"
        )
    n_long = sum(refused.reason == "label-too-long" for refused in found.set_aside)
    if n_long:
        warnings.append(
            f"{n_long} clips have texts that Whisper's decoder has no room for and are set aside: "
            "cut them in two"
        )
    if not found.test:
        warnings.append("no test split: nothing will say what the model is worth on unseen clips")
    return warnings
