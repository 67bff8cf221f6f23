"""The machine that a run is planned for: this one, or a GPU known by its name or its gigabytes."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ruach_core.errors import UserError
from ruach_core.text.tables import read_table

_GIB = 2**30
_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


@dataclass(frozen=True, slots=True)
class Hardware:
    """What a run trains on.

    Attributes:
        name: for people ("NVIDIA T4").
        is_gpu: whether it is one.
        is_here: whether it is this machine's, so that a probe can measure it.
        memory_bytes: of the GPU, or of the machine; None where it can't be found.
        tflops: peak of matrix products in bfloat16 or float16; None where it isn't known.
        precision: that a run computes in by default.
        source: where memory and peak come from.
    """

    name: str
    is_gpu: bool
    is_here: bool
    memory_bytes: float | None
    tflops: float | None
    precision: str
    source: str = ""

    @property
    def memory_gib(self) -> float | None:
        """Memory in GiB."""
        return None if self.memory_bytes is None else self.memory_bytes / _GIB


def known_gpus() -> dict[str, Hardware]:
    """The GPUs of `tables/gpus.tsv`, by the names that `--gpu` takes."""
    return dict(_gpus())


def parse_gpu(text: str) -> Hardware:
    """A GPU by its name ("t4", "RTX 4090") or its gigabytes ("24", "24gb").

    Raises:
        UserError: neither; names what is known.
    """
    amount = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(?:gi?b)?\s*", text, re.IGNORECASE)
    if amount and float(amount[1]) > 0:
        gigabytes = float(amount[1])
        return Hardware(
            f"a GPU with {gigabytes:g} GB", True, False, gigabytes * _GIB, None, "bf16", "as given"
        )
    wanted = re.sub("nvidia|geforce|tesla", "", _plain(text))
    found = next((gpu for name, gpu in _gpus().items() if _plain(name) == wanted), None)
    if found is None:
        raise UserError(
            f"--gpu {text}: not known; it is one of {', '.join(_gpus())}, or gigabytes (--gpu 24)"
        )
    return found


def this_machine(precision: str = "auto") -> Hardware:
    """The GPU with the least memory, or the processor; without torch always the processor.

    Args:
        precision: the setting; `auto` is what the device does best.
    """
    if find_spec("torch") is None:
        chosen = "float32" if precision == "auto" else precision
        return Hardware("this CPU", False, True, _machine_memory(), None, chosen)
    import torch

    from ruach_core.training.device import choose_precision

    chosen, _ = choose_precision(precision)
    if not torch.cuda.is_available():
        n_threads = torch.get_num_threads()
        name = f"this CPU ({n_threads} thread{'s' * (n_threads != 1)})"
        return Hardware(name, False, True, _machine_memory(), None, chosen)
    devices: list[Any] = [
        torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())
    ]
    smallest = min(devices, key=lambda device: device.total_memory)
    return Hardware(
        f"this {smallest.name}", True, True, float(smallest.total_memory),
        peak_tflops(smallest.name), chosen,
    )  # fmt: skip


def peak_tflops(device_name: str) -> float | None:
    """TFLOP/s of the table's GPU that a driver's name is about; None for an unknown one."""
    plain = _plain(device_name)
    matching = [(n, g) for n, g in _gpus().items() if _plain(n.partition("-")[0]) in plain]
    return max(matching, key=lambda pair: len(pair[0]))[1].tflops if matching else None


def _machine_memory() -> float | None:
    """Bytes of memory that this process may use, as far as the system says."""
    found: list[float] = []
    with suppress(ValueError, OSError, AttributeError):  # not on every system
        found.append(float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")))
    for path in _CGROUP_LIMITS:
        with suppress(OSError, ValueError):  # no limit is set, or it is "max"
            found.append(float(path.read_text(encoding="ascii")))
    return min(found) if found else None


@cache
def _gpus() -> dict[str, Hardware]:
    rows = read_table(
        "ruach_core.training",
        "gpus.tsv",
        columns=("name", "title", "memory_gb", "tflops", "precision", "source"),
    )
    return {
        row["name"]: Hardware(
            row["title"], True, False, float(row["memory_gb"]) * _GIB, float(row["tflops"]),
            row["precision"], row["source"],
        )
        for row in rows
    }  # fmt: skip


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
