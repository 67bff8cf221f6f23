"""Timing what is compared: in turn, so that the machine's other work troubles all of them alike."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass
class Timed(Generic[T]):
    """The seconds of each round, and what the last one gave."""

    seconds: list[float] = field(default_factory=list)
    results: list[T] = field(default_factory=list)

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def result(self) -> T:
        return self.results[-1]


def synchronize(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    if device == "cuda":
        import torch

        torch.cuda.synchronize()


def timed(call: Callable[[], T], device: str) -> tuple[T, float]:
    """What the call gives, and its seconds."""
    synchronize(device)
    began = time.perf_counter()
    result = call()
    synchronize(device)
    return result, time.perf_counter() - began


def alternate(
    calls: Mapping[str, Callable[[], T]],
    *,
    rounds: int,
    device: str = "cpu",
    once: frozenset[str] = frozenset(),
) -> dict[str, Timed[T]]:
    """Time each call once a round, in turn; those in `once` in the first round alone."""
    found: dict[str, Timed[T]] = {name: Timed() for name in calls}
    for number in range(rounds):
        for name, call in calls.items():
            if number and name in once:
                continue
            result, seconds = timed(call, device)
            print(f"round {number + 1} of {rounds}: {name}, {seconds:.2f} s", file=sys.stderr)
            found[name].seconds.append(seconds)
            found[name].results.append(result)
    return found
