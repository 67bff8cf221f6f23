"""Where CTranslate2 can compute."""

from __future__ import annotations

import ctypes
import logging
from importlib.util import find_spec
from pathlib import Path

_CUBLAS = "libcublas.so.12"
_LOGGER = logging.getLogger(__name__)


def usable_device(device: str) -> str:
    """`auto` as a device that really computes: without its cuBLAS, CTranslate2 fails at first use.

    CTranslate2 4 needs cuBLAS 12, while newer builds of torch bring 13; the one of the package
    nvidia-cublas-cu12 is loaded here, since it lies where the system's loader doesn't look.
    """
    import ctranslate2

    if device != "auto" or ctranslate2.get_cuda_device_count() == 0:
        return device
    for folder in ("", *_cublas_folders()):
        try:
            ctypes.CDLL(str(Path(folder) / _CUBLAS), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return "cuda"
    _LOGGER.warning(
        "CTranslate2 computes on the CPU, since %s isn't there: pip install nvidia-cublas-cu12 "
        "for the GPU", _CUBLAS,
    )  # fmt: skip
    return "cpu"


def _cublas_folders() -> list[str]:
    try:
        spec = find_spec("nvidia.cublas")
    except ModuleNotFoundError:
        return []
    return [f"{p}/lib" for p in spec.submodule_search_locations or ()] if spec else []
