"""Photos of a part whose place in the picture is known: what alignment is tried out on."""

from __future__ import annotations

import cv2
import numpy as np


def draw_part(seed: int, height: int = 240, width: int = 320) -> np.ndarray:
    """A plate with holes, slots and edges that no turn brings onto themselves, on a dark ground: uint8 [height, width, 3]."""
    rng = np.random.default_rng(seed)
    photo = np.full((height, width, 3), 40, np.uint8)
    for _ in range(60):
        x, y = rng.uniform(0.1, 0.9, 2) * (width, height)
        size = tuple(rng.uniform(8, 40, 2))
        colour = tuple(int(value) for value in rng.integers(60, 250, 3))
        corners = cv2.boxPoints(((x, y), size, rng.uniform(0, 180)))
        cv2.fillPoly(photo, [np.rint(corners * 16).astype(np.int32)], colour, cv2.LINE_AA, shift=4)
    return cv2.GaussianBlur(photo, (0, 0), 1.0)


def moved(
    photo: np.ndarray, right: float = 0, down: float = 0, angle: float = 0, scale: float = 1, light: float = 1
) -> tuple[np.ndarray, np.ndarray]:
    """The photo with the part moved: turned by an angle (degrees, clockwise) and scaled about the middle, then shifted.

    Returns:
        The photo, with noise of its own, and float64 [2, 3] from a pixel of the old photo to that of the new one.
    """
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -angle, scale)
    matrix[:, 2] += np.array([right, down])
    seen = cv2.warpAffine(photo, matrix, (width, height), flags=cv2.INTER_CUBIC, borderValue=(40, 40, 40))
    noise = np.random.default_rng(round(100 * abs(right) + abs(angle))).normal(0, 3, seen.shape)
    return np.clip(seen * light + noise, 0, 255).astype(np.uint8), matrix
