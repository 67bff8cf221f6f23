"""Which models are planned for, and the forecast of each on one machine and one data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ruach_core.config import RunConfig
from ruach_core.errors import PluginError, UserError
from ruach_core.models.auto import TrainingDevice, choose_model
from ruach_core.models.downloads import no_downloads
from ruach_core.models.resolve import AUTO, resolve_base_model
from ruach_core.models.special_tokens import MAX_TARGET_POSITIONS, SpecialTokens, WhisperTokenizer
from ruach_core.training.costs import (
    USUAL_TOKENS_PER_SECOND,
    Footprint,
    ModelSize,
    choose_micro_batch_s,
    count_parameters,
    labels_in,
    model_sizes,
    named_size,
    size_of,
    usable_bytes,
)
from ruach_core.training.drawing import expected_size
from ruach_core.training.forecast import (
    ModelForecast,
    Pass,
    Speed,
    Work,
    epoch_times,
    peak_bytes,
)
from ruach_core.training.guessed_tokens import GuessedTokenizer
from ruach_core.training.hardware import Hardware
from ruach_core.training.language import RunLanguage
from ruach_core.training.optimizer import default_batch_size, default_epochs
from ruach_core.training.preparation import (
    Examined,
)
from ruach_core.training.published import expect_wer
from ruach_core.training.workload import plan_work, validation_passes

if TYPE_CHECKING:
    from ruach_core.plugins import Plugins
    from ruach_core.training.console import Console
    from ruach_core.training.probe import Probe


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to plan for; `directory` is None where its weights aren't on this machine."""

    name: str
    size: ModelSize
    directory: Path | None


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


@dataclass(frozen=True, slots=True)
class Forecaster:
    """Forecasts models on one machine and one data set.

    Attributes:
        config: the settings.
        hardware: the machine.
        found: the data.
        text_ids: token ids of each training text.
        tokens: the special tokens.
        validation: an epoch's validation, clip by clip.
        batch_size: clips per update.
        n_epochs: at most.
        is_known: whether Whisper has a token of the language's own.
    """

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

    @classmethod
    def of(
        cls,
        config: RunConfig,
        hardware: Hardware,
        found: Examined,
        tokenizer: WhisperTokenizer | GuessedTokenizer,
        language: RunLanguage | None,
        *,
        is_known: bool,
    ) -> Forecaster:
        """Count the texts' tokens, and fill in what the settings left to Ruach."""
        if isinstance(tokenizer, WhisperTokenizer):
            tokens = SpecialTokens.of(tokenizer, language.whisper_language if language else "en")
        else:
            tokens = SpecialTokens("", *[0] * 7)  # only their number counts
        lengths = [len(tokenizer.encode_text(u.reference or "")) for u in found.validation]
        n_train = expected_size(found.train)
        return cls(
            config=config,
            hardware=hardware,
            found=found,
            text_ids=[tokenizer.encode_text(u.reference or "") for u in found.train],
            tokens=tokens,
            validation=validation_passes(config, found.validation, lengths),
            batch_size=config.training.batch_size or default_batch_size(n_train),
            n_epochs=config.training.epochs or default_epochs(n_train),
            is_known=is_known,
        )

    def footprint(self, size: ModelSize) -> Footprint:
        """What the settings keep in memory of a model."""
        return Footprint.of(size, self.config.training, self.hardware.precision)

    def micro_batch_s(self, size: ModelSize) -> float:
        """As `ruach train` chooses it."""
        tokens_per_second = self.found.budget.fast_tokens_per_second or USUAL_TOKENS_PER_SECOND
        return self.config.training.micro_batch_s or choose_micro_batch_s(
            self.footprint(size),
            self.hardware.memory_bytes,
            is_gpu=self.hardware.is_gpu,
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
            name: peak_bytes(self.footprint(size), self.work(size, policy=name).training)
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
            n_clips=expected_size(self.found.train),
            basis=speed.basis(size),
            expected=expect_wer(size.name, hours, is_known=self.is_known) if hours else None,
        )

    def _most_windows(self, size: ModelSize, limit: float) -> int:
        rate = self.found.budget.fast_tokens_per_second or USUAL_TOKENS_PER_SECOND
        n_labels = min(MAX_TARGET_POSITIONS, labels_in(30.0, rate))
        return self.footprint(size).largest_batch(limit, 30.0, n_labels)

    def probe(
        self,
        candidates: Sequence[Candidate],
        plugins: Plugins,
        tokenizer: WhisperTokenizer,
        language: RunLanguage | None,
        console: Console,
        seconds: float,
    ) -> Probe | None:
        """Time training steps with the model that `--model auto` would take, or the smallest.

        Raises:
            OutOfMemoryError: they don't fit this machine after all.
        """
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
                self.config, prepared, plugins, chosen.directory, chosen.name, chosen.size,
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
        return peak_bytes(self.footprint(size), self.work(size).training)
