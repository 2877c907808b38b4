"""Side by side, but handed over in order, and never far ahead of whoever takes the results."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from paddlex.inference.parallel import in_order


def test_results_come_in_the_order_of_the_items_whichever_is_done_first() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_order(work, iter(range(50)), 4)) == [number * number for number in range(50)]


def test_items_are_worked_on_at_the_same_time() -> None:
    both_are_here = threading.Barrier(2, timeout=120)
    assert list(in_order(lambda _: both_are_here.wait() >= 0, iter(range(2)), 2)) == [True, True]


def test_no_more_than_two_items_a_thread_are_taken_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(1000):
            taken += 1
            yield number

    for number, _ in enumerate(in_order(lambda item: item, items(), 3), 1):
        assert taken <= number + 2 * 3
    assert taken == 1000


def test_an_error_comes_in_its_turn_and_ends_the_work() -> None:
    begun = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    results = in_order(work, iter(range(1000)), 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert len(begun) <= 5 + 2 * 2 + 1


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    results = in_order(lambda item: item, iter(range(1000)), 3)
    next(results)
    results.close()
    for _ in range(10_000):
        if threading.active_count() == before:
            break
        time.sleep(0.01)
    assert threading.active_count() == before
