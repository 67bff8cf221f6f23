"""What a run will take, before anything is spent: memory, passes, time, and which model to take.

Every time says what it rests on: steps measured on this machine, those scaled to another size of
model by the operations that it takes, or a GPU's peak and the share of it that training is assumed
to use. No torch is needed here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from ruach_core.models.auto import TrainingDevice, choose_model
from ruach_core.training.costs import Footprint, ModelSize, named_size
from ruach_core.training.hardware import Hardware, parse_gpu
from ruach_core.training.published import Expectation

ASSUMED_UTILISATION = 0.2
"""Share of a GPU's peak that training is taken to reach. Published Whisper runs reach 0.1 to 0.25
of an A100's (k2-fsa/icefall's AISHELL recipe, the Hugging Face fine-tuning event)."""

ASSUMED_UPDATE_S = 0.1
"""What an update of a GPU takes beside its operations: thousands of kernels to launch and the
optimizer's pass over the weights. Short clips in small batches are bound by it."""

LONG_RUN_S = 24 * 3600.0
"""A run that takes longer is warned of, and a smaller model is taken where one is quicker."""

_REMEDY_GPU = "t4"

Basis = Literal["measured", "scaled", "assumed", "unknown"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One forward and backward pass: `n_windows` of `window_s` with texts of `n_labels`."""

    n_windows: int
    window_s: float
    n_labels: int


@dataclass(frozen=True, slots=True)
class Work:
    """What an epoch computes.

    Attributes:
        training: its passes.
        n_updates: updates of the weights.
        validation: one window for each clip that is decoded behind it.
    """

    training: tuple[Pass, ...]
    n_updates: int
    validation: tuple[Pass, ...]

    @property
    def window_s(self) -> float:
        """Seconds of window that the training passes compute."""
        return sum(p.n_windows * p.window_s for p in self.training)


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a machine is. Times that aren't known are None.

    Attributes:
        s_per_gflop: of training passes.
        update_s: that an update takes besides.
        validation_s: for an epoch's validation with the model that was measured; None where
            nothing was measured, and a clip's validation is taken to cost what training on it does.
        measured: size of the model that was measured; None for a GPU's peak.
    """

    s_per_gflop: float | None = None
    update_s: float = 0.0
    validation_s: float | None = None
    measured: ModelSize | None = None

    @classmethod
    def assumed(cls, hardware: Hardware) -> Speed:
        """A speed by the GPU's peak; unknown where that is unknown."""
        if hardware.tflops is None:
            return cls()
        return cls(1.0 / (1000.0 * hardware.tflops * ASSUMED_UTILISATION), ASSUMED_UPDATE_S)

    def basis(self, size: ModelSize) -> Basis:
        """What a size's times rest on."""
        if self.s_per_gflop is None:
            return "unknown"
        if self.measured is None:
            return "assumed"
        return "measured" if self.measured.n_parameters == size.n_parameters else "scaled"


@dataclass(frozen=True, slots=True)
class ModelForecast:
    """What one model takes on the planned machine.

    Attributes:
        model: name that `--model` takes.
        size: its costs.
        is_on_disk: whether its weights are on this machine.
        fits: whether a pass with one window of each length fits.
        memory_bytes: at the height of a step, by window policy.
        micro_batch_s: most seconds of window in one pass.
        most_windows: 30 s windows with long texts that one pass can hold at the very most.
        training_s: one epoch's updates; None where it isn't known.
        validation_s: one epoch's validation.
        n_epochs: at most.
        n_clips: training clips.
        basis: what the times rest on.
        expected: WER that others reached; None for a data set without any hours.
    """

    model: str
    size: ModelSize
    is_on_disk: bool
    fits: bool
    memory_bytes: dict[str, float]
    micro_batch_s: float
    most_windows: int | None
    training_s: float | None
    validation_s: float | None
    n_epochs: int
    n_clips: int
    basis: Basis
    expected: Expectation | None

    @property
    def epoch_s(self) -> float | None:
        """Seconds of one epoch, its validation included."""
        if self.training_s is None:
            return None
        return self.training_s + (self.validation_s or 0.0)

    @property
    def total_s(self) -> float | None:
        """Seconds of all epochs; the measurements before and behind them come on top."""
        return None if self.epoch_s is None else self.n_epochs * self.epoch_s

    @property
    def clips_per_second(self) -> float | None:
        """Training clips a second."""
        return self.n_clips / self.training_s if self.training_s else None


def count_gflops(size: ModelSize, passes: Sequence[Pass]) -> float:
    """Floating-point operations of passes, in 10^9."""
    kinds: Counter[tuple[float, int]] = Counter()
    for each in passes:
        kinds[each.window_s, each.n_labels] += each.n_windows
    return sum(n * size.gflops(window_s, labels) for (window_s, labels), n in kinds.items())


def peak_bytes(footprint: Footprint, passes: Sequence[Pass]) -> float:
    """Memory at the height of the largest pass, the model's own included."""
    largest = max(p.n_windows * footprint.clip_bytes(p.window_s, p.n_labels) for p in set(passes))
    return footprint.model_bytes + largest


def epoch_times(size: ModelSize, work: Work, speed: Speed) -> tuple[float | None, float | None]:
    """Seconds of an epoch's updates and of its validation."""
    if speed.s_per_gflop is None:
        return None, None
    training_s = speed.s_per_gflop * count_gflops(size, work.training)
    training_s += speed.update_s * work.n_updates
    validation_gflops = count_gflops(size, work.validation)
    if speed.validation_s is None or speed.measured is None:
        return training_s, speed.s_per_gflop * validation_gflops
    measured_gflops = count_gflops(speed.measured, work.validation)
    return training_s, speed.validation_s * validation_gflops / measured_gflops


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The model to take, in one line, and what to beware of. `model` is None where none fits."""

    model: str | None
    line: str
    warnings: tuple[str, ...]


def recommend(
    forecasts: Sequence[ModelForecast], hardware: Hardware, work: Work, *, is_free: bool
) -> Recommendation:
    """Choose among the planned models as `--model auto` does, but never days where hours will do.

    Args:
        forecasts: of each planned model.
        hardware: that the plan is for.
        work: of an epoch, to say what a GPU would take.
        is_free: whether the choice is Ruach's; else the largest of the named models that fits.
    """
    fitting = [f for f in forecasts if f.fits]
    if not fitting:
        smallest = min(forecasts, key=lambda f: f.size.n_parameters)
        need = min(smallest.memory_bytes.values()) / 2**30
        return Recommendation(
            None,
            f"None of these fits {hardware.name}: {smallest.model} takes {need:.1f} GB; take a "
            "smaller model, or a GPU with more memory (--gpu shows what it would take)",
            (),
        )
    ordered = sorted(fitting, key=lambda f: -f.size.n_parameters)
    if is_free:
        device = TrainingDevice(hardware.name, hardware.memory_gib if hardware.is_gpu else None)
        wanted = [_size_name(name) for name in choose_model(device).models]
        smaller = min((f.size.n_parameters for f in fitting if f.size.name in wanted), default=0)
        ordered = [f for f in ordered if f.size.name in wanted or f.size.n_parameters < smaller]
        ordered = ordered or fitting[:1]
    quick = [f for f in ordered if f.total_s is None or f.total_s <= LONG_RUN_S]
    chosen = quick[0] if quick else ordered[0] if not is_free else ordered[-1]
    return Recommendation(
        chosen.model, _line(chosen, hardware), tuple(_time_warnings(chosen, hardware, work))
    )


def _size_name(model: str) -> str:
    size = named_size(model)
    return size.name if size else model


def _line(chosen: ModelForecast, hardware: Hardware) -> str:
    need = next(iter(chosen.memory_bytes.values())) / 2**30
    of = f" of {hardware.memory_gib:.0f}" if hardware.memory_gib else ""
    time = f" in about {duration(chosen.total_s)}" if chosen.total_s is not None else ""
    line = (
        f"Train {chosen.model} on {hardware.name}: {chosen.n_epochs} epochs{time}, "
        f"{need:.1f}{of} GB"
    )
    return f"{line}; {chosen.expected.advise()}" if chosen.expected else line


def _time_warnings(chosen: ModelForecast, hardware: Hardware, work: Work) -> list[str]:
    if chosen.total_s is None or chosen.total_s <= LONG_RUN_S:
        return []
    remedies = ["a smaller --model", "fewer --epochs"]
    if not hardware.is_gpu:
        gpu = parse_gpu(_REMEDY_GPU)
        training_s, validation_s = epoch_times(chosen.size, work, Speed.assumed(gpu))
        assert training_s is not None  # its peak is in the table
        assert validation_s is not None
        there = duration(chosen.n_epochs * (training_s + validation_s))
        remedies.insert(0, f"a GPU: {gpu.name} would take about {there} (--gpu {_REMEDY_GPU})")
    return [
        f"{chosen.model} would take {duration(chosen.total_s)} on {hardware.name}; "
        f"what helps: {', '.join(remedies)}"
    ]


def duration(seconds: float) -> str:
    """`45 s`, `12 min`, `1 h 40 min`, `3.5 days`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    if seconds < 36 * 3600:
        hours, minutes = divmod(round(seconds / 60), 60)
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    return f"{seconds / 86_400:.1f} days"
