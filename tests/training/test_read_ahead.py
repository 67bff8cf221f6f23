from __future__ import annotations

import threading
import time

import pytest

from ruach_core.training.read_ahead import Waiting, read_ahead


def test_order_is_kept_whatever_takes_long():
    def read(n: int) -> int:
        time.sleep(0.02 if n % 3 == 0 else 0.0)
        return n * n

    assert list(read_ahead(read, range(20), n_threads=4)) == [n * n for n in range(20)]


def test_no_more_is_read_ahead_than_is_said():
    begun: list[int] = []
    items = read_ahead(begun.append, range(100), n_threads=2)
    next(items)
    time.sleep(0.1)
    assert len(begun) <= 1 + 2 * 2 + 1
    items.close()
    assert len(begun) < 10


def test_an_error_comes_where_its_item_would_have():
    def read(n: int) -> int:
        if n == 3:
            raise OSError("gone")
        return n

    items = read_ahead(read, range(9), n_threads=2)
    assert [next(items) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(OSError, match="gone"):
        next(items)


def test_it_reads_in_other_threads():
    names = set(read_ahead(lambda _: threading.current_thread().name, range(8), n_threads=2))
    assert threading.current_thread().name not in names


def test_the_share_of_waiting():
    def slowly():
        for _ in range(5):
            time.sleep(0.03)
            yield None

    slow, quick = Waiting(), Waiting()
    for _ in slow.timed(slowly()):
        pass
    for _ in quick.timed(range(5)):
        time.sleep(0.03)
    assert slow.share > 0.9
    assert quick.share < 0.1
    assert Waiting().share == 0.0
