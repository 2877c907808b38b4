"""Work on many items side by side, and hand the results over in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Done = TypeVar("Done")


def in_order(work: Callable[[Item], Done], items: Iterator[Item], workers: int) -> Iterator[Done]:
    """Yield ``work(item)`` for each item, in order, computed on ``workers`` threads.

    At most two items a thread are under way or waiting to be taken, so memory is bounded however slow the taker is. An error
    of ``work`` is raised when its turn comes; after it, or when the taker stops early, nothing new is begun.
    """
    with ThreadPoolExecutor(workers) as pool:
        pending = deque(pool.submit(work, item) for item in islice(items, 2 * workers))
        try:
            while pending:
                yield pending.popleft().result()
                pending.extend(pool.submit(work, item) for item in islice(items, 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
