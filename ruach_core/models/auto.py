"""`--model auto`: the largest Whisper that the training device has room for."""

from __future__ import annotations

from dataclasses import dataclass

from ruach_core.errors import require_extra

_GIB = 2**30
# Full fine-tuning with AdamW in float32 takes about 16 bytes a parameter, plus activations:
# medium (769 M parameters) starts to fit at 20 GiB, small (244 M) at 6 GiB.
_MEDIUM_GIB = 20.0
_SMALL_GIB = 6.0


@dataclass(frozen=True, slots=True)
class TrainingDevice:
    """What a run would train on. `memory_gib` is that of the smallest GPU; None without one."""

    name: str
    memory_gib: float | None


@dataclass(frozen=True, slots=True)
class AutoChoice:
    """Models to try, best first, and why the first is the best for this device."""

    models: tuple[str, ...]
    reason: str


def find_training_device() -> TrainingDevice:
    """The CUDA device with the least memory, or the processor.

    Raises:
        UserError: torch isn't installed.
    """
    try:
        import torch
    except ImportError as error:
        raise require_extra("torch", "train") from error
    if not torch.cuda.is_available():
        return TrainingDevice("CPU", None)
    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    smallest = min(devices, key=lambda device: device.total_memory)
    return TrainingDevice(str(smallest.name), smallest.total_memory / _GIB)


def choose_model(device: TrainingDevice) -> AutoChoice:
    """The models that a device can train, largest first."""
    if device.memory_gib is None:
        return AutoChoice(("openai/whisper-base",), "no GPU: whisper-base")
    models = ["openai/whisper-base"]
    if device.memory_gib >= _SMALL_GIB:
        models.insert(0, "openai/whisper-small")
    if device.memory_gib >= _MEDIUM_GIB:
        models.insert(0, "openai/whisper-medium")
    best = models[0].removeprefix("openai/")
    return AutoChoice(tuple(models), f"{device.name} with {device.memory_gib:.0f} GiB: {best}")
