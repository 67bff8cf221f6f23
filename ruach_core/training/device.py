"""What the machine at hand can do: precision and how much fits in one forward pass."""

from __future__ import annotations

from typing import Any

from ruach_core.config import TrainingConfig
from ruach_core.training.memory import activation_share, fixed_bytes

# Gigabytes that one second of window takes in training (activations, mixed precision), by d_model:
# activations of a 30 s clip by counting tensors, and as much again for logits and slack.
_GB_PER_WINDOW_SECOND = {384: 0.010, 512: 0.018, 768: 0.050, 1024: 0.130, 1280: 0.210}
_CPU_MICRO_BATCH_S = 60.0


def choose_precision(config: TrainingConfig) -> tuple[str, str]:
    """The precision of the forward pass and why; weights and updates are always float32."""
    import torch

    if config.precision != "auto":
        return config.precision, "as set"
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


def default_micro_batch_s(model: Any, config: TrainingConfig) -> float:
    """Seconds of window in one forward pass that fit the device with room to spare.

    Args:
        model: as it will be trained: adapted, frozen or checkpointed already.
        config: has the optimizer.
    """
    import torch

    if not torch.cuda.is_available():
        return _CPU_MICRO_BATCH_S
    total_gb = torch.cuda.get_device_properties(0).total_memory / 1e9
    width = min(_GB_PER_WINDOW_SECOND, key=lambda known: abs(known - model.config.d_model))
    free_gb = 0.9 * total_gb - fixed_bytes(model, config.optimizer) / 1e9 - 1.0
    gb_per_second = _GB_PER_WINDOW_SECOND[width] * activation_share(model)
    return float(max(30.0, 0.6 * free_gb / gb_per_second))


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
