"""Drawing what annotation tools draw, into a mask: uint8 [H, W], to which the pixels of a shape are added as 1.

Points are float [n, 2], x and y in pixels. What cannot be drawn is a ValueError that says why.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

_FARTHEST_POINT = 1_000_000  # OpenCV draws with 32-bit integers


def read_points(values: Any, smallest_count: int) -> np.ndarray:
    """Check points, float [n, 2]."""
    try:
        points = np.asarray(values, float)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < smallest_count:
        raise ValueError(f"it needs {smallest_count} points of x and y or more")
    if not (np.abs(points) < _FARTHEST_POINT).all():
        raise ValueError("a point is not finite, or too far away")
    return points


def fill_polygon(mask: np.ndarray, points: np.ndarray) -> None:
    """The polygon, its border included."""
    cv2.fillPoly(mask, [_pixels(points)], 1)


def fill_rectangle(mask: np.ndarray, points: np.ndarray) -> None:
    """The rectangle around the points, its border included."""
    corners = _pixels(points)
    cv2.rectangle(mask, corners.min(axis=0).tolist(), corners.max(axis=0).tolist(), 1, cv2.FILLED)


def fill_circle(mask: np.ndarray, centre: np.ndarray, radius: float) -> None:
    """All pixels whose centre is not farther away than the radius."""
    fill_ellipse(mask, centre, radius, radius, 0)


def fill_ellipse(mask: np.ndarray, centre: np.ndarray, radius_x: float, radius_y: float, degrees: float) -> None:
    """An ellipse, turned clockwise; only its part inside the mask costs time."""
    if not all(0 <= value < _FARTHEST_POINT for value in (radius_x, radius_y)) or not math.isfinite(degrees):
        raise ValueError("its radius is negative, not finite, or too large")
    turn, reach = math.radians(degrees), max(radius_x, radius_y) + 1
    left, top = np.clip(np.floor(centre - reach), 0, mask.shape[::-1]).astype(int)
    right, bottom = np.clip(np.ceil(centre + reach) + 1, 0, mask.shape[::-1]).astype(int)
    y, x = np.ogrid[top:bottom, left:right]
    x, y = x - centre[0], y - centre[1]
    along = (x * math.cos(turn) + y * math.sin(turn)) / max(radius_x, 0.5)
    across = (y * math.cos(turn) - x * math.sin(turn)) / max(radius_y, 0.5)
    mask[top:bottom, left:right][along**2 + across**2 <= 1 + 1e-9] = 1


def draw_line(mask: np.ndarray, points: np.ndarray, width: int) -> None:
    """A line from point to point, as wide as said."""
    cv2.polylines(mask, [_pixels(points)], False, 1, width)


def paste(mask: np.ndarray, picture: np.ndarray, left: int, top: int) -> None:
    """Add the non-zero pixels of a picture [h, w], which has to lie inside the mask."""
    height, width = picture.shape
    if left < 0 or top < 0 or left + width > mask.shape[1] or top + height > mask.shape[0]:
        raise ValueError("it does not lie inside the image")
    mask[top : top + height, left : left + width] |= (picture != 0).astype(np.uint8)


def from_runs(runs: Sequence[Any], height: int, width: int, by_column: bool) -> np.ndarray:
    """Decode run lengths, of zeros and of ones in turn, beginning with zeros; uint8 [height, width].

    Args:
        runs: whole numbers from 0, which add up to the number of pixels.
        height: of the picture.
        width: of the picture.
        by_column: whether they go down the columns, as COCO's do, or along the rows, as CVAT's.
    """
    if not all(isinstance(run, int) and not isinstance(run, bool) and 0 <= run <= height * width for run in runs):
        raise ValueError("its run lengths are not whole numbers from 0")
    if sum(runs) != height * width:
        raise ValueError(f"its run lengths make {sum(runs)} pixels, not {width} x {height}")
    values = np.repeat(np.arange(len(runs)) % 2, runs).astype(np.uint8)
    return values.reshape(width, height).T if by_column else values.reshape(height, width)


def parse_compressed_runs(text: str) -> list[int]:
    """The run lengths in COCO's compressed text, which has 5 bits a character, and from the fourth run on differences."""
    runs: list[int] = []
    position = 0
    while position < len(text):
        value, shift, goes_on = 0, 0, True
        while goes_on:
            if position >= len(text) or shift > 60:
                raise ValueError("its compressed run lengths are cut off or damaged")
            bits = ord(text[position]) - 48
            if not 0 <= bits < 64:
                raise ValueError("its compressed run lengths are damaged")
            value |= (bits & 0x1F) << shift
            goes_on, shift, position = bool(bits & 0x20), shift + 5, position + 1
            if not goes_on and bits & 0x10:
                value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
    return runs


def _pixels(points: np.ndarray) -> np.ndarray:
    return np.rint(points).astype(np.int32)
