"""How a part lies in a photo, and what is said of a photo in which it is not found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

#: What is said of a photo in which the part is not found.
NOT_FOUND = "not found: wrong part or position"

#: The raw score of such a photo, and its map's everywhere: finite, above every threshold, and a score of 1.
NOT_FOUND_SCORE = 2.0**80


@dataclass(frozen=True)
class Position:
    """How the part lies in a photo.

    Attributes:
        found: whether it is the part, where it may be.
        reason: why it is not found; "" where it is.
        quality: correlation with the reference, -1 to 1.
        seen: share of the reference's frame that the photo shows.
        shift: by how much the middle is moved, [right, down] in pixels of the photo.
        angle: by how much it is turned, in degrees, clockwise.
        scale: how much larger it is than in the reference.
    """

    found: bool
    reason: str
    quality: float
    seen: float
    shift: tuple[float, float]
    angle: float
    scale: float

    def too_little_seen(self, share: float) -> Position:
        """The same where only a share of what is to be inspected is in the photo: the part is not found."""
        return replace(self, found=False, reason=f"the photo shows {share:.0%} of what is to be inspected")

    def to_dict(self) -> dict[str, Any]:
        """Plain values, rounded to what means something."""
        values = {**asdict(self), "shift": [round(one, 2) for one in self.shift]}
        return {key: round(value, 4) if isinstance(value, float) else value for key, value in values.items()}


def in_words(position: Mapping[str, Any] | None) -> str:
    """A result's ``position`` in a few words; "" where nobody looks."""
    if position is None:
        return ""
    if not position["found"]:
        return f"{NOT_FOUND} ({position['reason']})"
    right, down = position["shift"]
    return f"found, moved {right:+.1f} {down:+.1f} px, turned {position['angle']:+.1f} degrees, scale {position['scale']:.3f}"
