"""Turned and mirrored copies of photos, for parts that lie in any way: more to remember, from the same parts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Copy:
    """One way to copy: maybe mirrored, left for right, then turned.

    Attributes:
        turns: by 90 degrees each, counter-clockwise, 0 to 3.
        is_mirrored: first.
    """

    turns: int
    is_mirrored: bool

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """[N, C, H, W] -> the same, or [N, C, W, H] after 1 or 3 turns; contiguous."""
        mirrored = images[..., ::-1] if self.is_mirrored else images
        return np.ascontiguousarray(np.rot90(mirrored, self.turns, (2, 3)))

    def after(self, first: Copy) -> Copy:
        """What comes of another copy and then this one."""
        turns = -first.turns if self.is_mirrored else first.turns
        return Copy((self.turns + turns) % 4, self.is_mirrored != first.is_mirrored)


_ITSELF = Copy(0, False)

#: As ``Train.augment`` names them.
WORDS = {
    "flip_horizontal": Copy(0, True),
    "flip_vertical": Copy(2, True),
    "half_turn": Copy(2, False),
    "quarter_turn": Copy(1, False),
}


def copies_of(words: Iterable[str]) -> list[Copy]:
    """All that comes of some of ``WORDS``, one after the other and again, but the photo itself: at most 7."""
    steps = [WORDS[word] for word in dict.fromkeys(words)]
    found = [_ITSELF]
    for copy in found:  # grows meanwhile
        found += [more for step in steps if (more := step.after(copy)) not in found]
    return found[1:]
