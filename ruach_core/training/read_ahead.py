"""Reading ahead of the training, and how long the training waited for it all the same."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def read_ahead(
    read: Callable[[Item], Result], items: Sequence[Item], *, n_threads: int
) -> Iterator[Result]:
    """`read(item)` of each item, in their order, at most two a thread ahead.

    Threads do: reading files, resampling and copying arrays all leave Python's lock alone. An
    error in `read` is raised where its result would have come.
    """
    with ThreadPoolExecutor(n_threads, thread_name_prefix="read-ahead") as pool:
        waiting: deque[Future[Result]] = deque()
        rest = iter(items)
        try:
            for item in rest:
                waiting.append(pool.submit(read, item))
                if len(waiting) > 2 * n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class Waiting:
    """The share of the time that passes while items are waited for."""

    def __init__(self) -> None:
        self._waited_s = self._total_s = self._taken_s = 0.0

    @property
    def share(self) -> float:
        """Waiting over all, a fraction; 0 before anything was timed."""
        return self._waited_s / self._total_s if self._total_s else 0.0

    def take_s(self) -> float:
        """Seconds of waiting since the last call."""
        new_s, self._taken_s = self._waited_s - self._taken_s, self._waited_s
        return new_s

    def timed(self, items: Iterable[Item]) -> Iterator[Item]:
        """The items, with the time until each one and the time of its use counted."""
        source = iter(items)
        while True:
            began = time.perf_counter()
            try:
                item = next(source)
            except StopIteration:
                return
            self._waited_s += time.perf_counter() - began
            yield item
            self._total_s += time.perf_counter() - began
