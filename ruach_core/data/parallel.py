"""Work on many clips in a few threads, in order and in bounded memory."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_IN_FLIGHT = 8
"""For each thread, items being worked on or waiting to be taken; bounds memory."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def usable_threads(at_most: int) -> int:
    """One for each core that this process may use, where the system tells; at least one."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return min(at_most, len(os.sched_getaffinity(0)))
    return min(at_most, os.cpu_count() or 1)


def in_parallel(
    function: Callable[[Item], Result], items: Iterable[Item], *, n_threads: int
) -> Iterator[Result]:
    """The results in the items' order; only a few items are under way at a time.

    The items are taken in the caller's own thread, so what makes them need not be thread-safe.

    Args:
        function: usable in several threads.
        items: taken as they are needed.
        n_threads: how many threads work.
    """
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="ruach-read")
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= _IN_FLIGHT * n_threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
