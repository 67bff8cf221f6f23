"""What the machine at hand can do: precision and how much fits in one forward pass."""

from __future__ import annotations

from typing import Any

from ruach_core.config import TrainingConfig
from ruach_core.errors import require_extra
from ruach_core.training.adapters import count_parameters
from ruach_core.training.costs import (
    USUAL_TOKENS_PER_SECOND,
    Footprint,
    choose_micro_batch_s,
    size_of,
)
from ruach_core.training.hardware import this_machine


def choose_precision(setting: str) -> tuple[str, str]:
    """The precision of the forward pass and why; weights and updates are always float32.

    Args:
        setting: `training.precision`; `auto` is what the device does best.
    """
    import torch

    if setting != "auto":
        return setting, "as set"
    if torch.cuda.is_available():
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return "bf16", "the GPU computes in bfloat16"
        return "fp16", "the GPU has no bfloat16"
    if _cpu_multiplies_bf16():
        return "bf16", "the processor multiplies in bfloat16"
    return "float32", "the processor has no fast bfloat16"


def _cpu_multiplies_bf16() -> bool:
    """Whether the processor has AVX512-BF16 or AMX instructions; emulation would be slower."""
    import torch

    checks = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, name, lambda: False)()) for name in checks)


def footprint_of(model: Any, config: TrainingConfig, precision: str) -> Footprint:
    """What training a model keeps in memory.

    Args:
        model: as it will be trained: adapted, frozen or checkpointed already.
        config: the settings that it was made so by.
        precision: that the forward pass computes in.
    """
    n_trained, n_all = count_parameters(model)
    return Footprint.of(size_of(n_all), config, precision, n_trained=n_trained)


def default_micro_batch_s(
    model: Any, config: TrainingConfig, precision: str, tokens_per_second: float
) -> float:
    """Seconds of window in one forward pass that fit this machine with room to spare.

    Args:
        model: as it will be trained: adapted, frozen or checkpointed already.
        config: the settings that it was made so by.
        precision: that the forward pass computes in.
        tokens_per_second: text tokens in a second of fast speech; 0 where it isn't known.
    """
    machine = this_machine(precision)
    return choose_micro_batch_s(
        footprint_of(model, config, precision),
        machine.memory_bytes,
        is_gpu=machine.is_gpu,
        tokens_per_second=tokens_per_second or USUAL_TOKENS_PER_SECOND,
    )


def require_train_extra() -> None:
    """Make ready to train: PyTorch and transformers are there, quiet, and keep their memory.

    Raises:
        UserError: the extra isn't installed.
    """
    try:
        import accelerate  # noqa: F401
        import torch  # noqa: F401
        import transformers
    except ImportError as error:
        raise require_extra(error.name or "torch", "train") from error
    keep_freed_memory()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()


def keep_freed_memory() -> None:
    """Let the C library keep what training frees, instead of handing it back at every step.

    Each CPU step allocates and frees hundreds of megabytes in large blocks. By default glibc maps
    each one anew, and the kernel clears every page of it again: 140,000 page faults a step of
    whisper-base, an eighth of its time on two cores (`benchmarks/cpu_step.py`). Elsewhere than on
    glibc nothing is done.
    """
    import ctypes

    top_pad, trim_threshold, mmap_max = -2, -1, -4  # names in malloc.h: M_TOP_PAD and so on
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(mmap_max, 0)
    mallopt(trim_threshold, 2**31 - 1)
    mallopt(top_pad, 256 * 2**20)
