"""Lists of anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def thinned(items: Sequence[Item], most: int) -> Sequence[Item]:
    """At most so many of a list, from all over it: every second, every third, and so on; all if there are no more."""
    return items[:: -(-len(items) // most) or 1]
