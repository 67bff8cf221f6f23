"""The seconds of each update of an epoch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from common.timing import synchronize
from ruach_core.training.console import Bar, Console


@dataclass
class StepClock:
    """Is started when an epoch begins, and told of each update's end; keeps the last epoch.

    `total_s` are the seconds of all updates of all epochs.
    """

    device: str
    step_s: list[float] = field(default_factory=list)
    total_s: float = 0.0
    _last: float = 0.0

    def start(self) -> None:
        """An epoch begins."""
        synchronize(self.device)
        self.step_s.clear()
        self._last = time.perf_counter()

    def tick(self) -> None:
        """An update has ended."""
        synchronize(self.device)
        now = time.perf_counter()
        self.step_s.append(now - self._last)
        self.total_s += now - self._last
        self._last = now

    def figures(self) -> dict[str, Any]:
        """Of the last epoch: its seconds, its updates and their median."""
        return {
            "epoch_s": sum(self.step_s),
            "n_updates": len(self.step_s),
            "median_step_s": median(self.step_s),
        }


class ClockConsole(Console):
    """A silent console whose progress bar is a clock: the loop tells it of each update."""

    def __init__(self, clock: StepClock) -> None:
        super().__init__(is_quiet=True)
        self._clock = clock

    @contextmanager
    def progress(self, total: int, title: str, *, done: int = 0) -> Iterator[Bar]:
        """A bar that only counts."""
        yield _TickingBar(self._clock)


@dataclass
class _TickingBar:
    clock: StepClock

    def update(self, n: int = 1) -> None:
        for _ in range(n):
            self.clock.tick()

    def set_postfix_str(self, text: str) -> None:
        pass
