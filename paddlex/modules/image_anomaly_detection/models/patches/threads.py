"""NumPy on several cores, a piece of work on each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from threadpoolctl import threadpool_limits

from paddlex.utils.paddle_environment import default_threads

Work = TypeVar("Work")
Result = TypeVar("Result")


def in_parallel(function: Callable[[Work], Result], pieces: Iterable[Work]) -> list[Result]:
    """The results of a function for each piece of work, in their order.

    Every piece has one thread. NumPy's BLAS would divide each product among all cores instead, and wait for the last one each
    time: thousands of times, and for long where something else runs on a core. With one thread for each piece a result does
    not depend on the number of cores either.
    """
    with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(default_threads()) as threads:
        return list(threads.map(function, pieces))
