"""The same work on many files, on all cores. OpenCV lets go of Python's lock while it decodes, so threads do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from paddlex.utils.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_threads(function: Callable[[Item], Result], items: Sequence[Item], description: str) -> Iterator[Result]:
    """Yield ``function(item)`` in the order of ``items``, with a progress bar.

    Results may wait for their turn, so ``function`` should return something small, not an image.
    """
    pool = ThreadPoolExecutor(max_workers=available_cores())
    try:
        yield from progress(pool.map(function, items), description, total=len(items))
    finally:
        pool.shutdown(cancel_futures=True)


def available_cores() -> int:
    """The cores this process may use, which in a container or batch job are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
