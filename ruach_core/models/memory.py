"""Telling that memory has run out, whatever the device calls it."""

from __future__ import annotations

import ctypes
import gc
from contextlib import suppress

_SIGNS = (
    "out of memory",  # CUDA, CTranslate2 on CUDA, MPS
    "can't allocate memory",  # the CPU's allocator, on Unix
    "not enough memory",  # and on Windows
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory has run out, so that less at once may still fit."""
    if isinstance(error, MemoryError):
        return True
    # torch.OutOfMemoryError is a RuntimeError, and says so in its text.
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def release_memory() -> None:
    """Give back what a failed pass, or an evaluation, has left behind.

    Call it outside the `except` block: inside, the error's traceback still holds the pass's
    tensors. Training has the C library keep what is freed (`training.device`), so it is asked for
    it here; elsewhere than on glibc there is nothing to ask.
    """
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)
