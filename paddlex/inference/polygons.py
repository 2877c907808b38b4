"""Polygons in a picture, exactly: which pixels lie in one, at whatever size the picture is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from paddlex.inference.checked import Invalid, list_of, number

#: (x, y), in pixels from the picture's upper left corner: the first pixel is from 0 to 1.
Point = tuple[float, float]
Polygon = tuple[Point, ...]

_MOST_POINTS = 10_000


def polygon(value: Any) -> Polygon:
    """Three or more points [x, y].

    Raises:
        Invalid: it is none.
    """
    corners = list_of(list_of(number, length=2), least=3)(value)
    if len(corners) > _MOST_POINTS:
        raise Invalid(f"must not have more than {_MOST_POINTS} points")
    return tuple((one[0], one[1]) for one in corners)


def placed(shape: Polygon, size: tuple[int, int]) -> Polygon:
    """The polygon in a picture of a size (width, height); who points at the last pixel means the picture's edge.

    Raises:
        Invalid: it leaves the picture, or encloses nothing.
    """
    x, y = np.array(shape).T
    if abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) < 1e-9:
        raise Invalid("encloses no area")
    for corner in shape:
        if not all(0 <= value <= side for value, side in zip(corner, size, strict=True)):
            at, picture = (" x ".join(f"{value:g}" for value in values) for values in (corner, size))
            raise Invalid(f"leaves the picture: a point is at {at}, and the picture is {picture} pixels")
    return tuple(
        (size[0] if x >= size[0] - 1 else x, size[1] if y >= size[1] - 1 else y)  # no strip is left beside it
        for x, y in shape
    )


def pixels_in(shape: Polygon, size: tuple[int, int], height: int, width: int) -> np.ndarray:
    """The pixels whose centre lies in a polygon, bool [height, width]; of lines that cross, every second side is in.

    Args:
        shape: drawn in a picture of ``size`` (width, height).
        size: of that picture.
        height: of the picture that is asked for.
        width: of it.
    """
    corners = np.array(shape, np.float64) * (width / size[0], height / size[1])
    toggles = np.zeros((height, width + 1), bool)
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        first, end = _centres_from(min(y0, y1), height), _centres_from(max(y0, y1), height)
        rows = np.arange(first, end)
        if rows.size:
            crossings = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            toggles[rows, [_centres_from(x, width) for x in crossings]] ^= True
    return np.logical_xor.accumulate(toggles, axis=1)[:, :width]


def union(shapes: Sequence[Polygon], size: tuple[int, int], height: int, width: int) -> np.ndarray:
    """The pixels that lie in any of some polygons, bool [height, width]; see ``pixels_in``."""
    found = np.zeros((height, width), bool)
    for shape in shapes:
        found |= pixels_in(shape, size, height, width)
    return found


def _centres_from(place: float, count: int) -> int:
    """The first of ``count`` pixels whose centre is not before a place; ``count`` for none."""
    return int(np.clip(np.ceil(place - 0.5), 0, count))
