"""The defects of the demonstration data set: wires out of place, and things that lie on the grid.

Lengths are in pitches, the distance between two wires, unless a name says pixels. Pictures are float32 [H, W, 3], BGR,
where 1 is white.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from paddlex.data.demo.weave import Spot, Weave, WireDefect, cast, half_vector

THREAD_COLOURS = [
    (0.62, 0.66, 0.68),
    (0.45, 0.60, 0.70),
    (0.50, 0.36, 0.28),
    (0.26, 0.30, 0.50),
    (0.36, 0.45, 0.30),
]
"""Off-white, straw, dull blue, dull red and dull green, as BGR."""


def bent_wire(rng: np.random.Generator, vertical: bool, index: int, centre: float) -> WireDefect:
    """A wire pushed aside."""
    shift = rng.choice([-1, 1]) * rng.uniform(0.35, 0.8)
    reach, sharpness = rng.uniform(1.0, 2.1), rng.uniform(1.4, 2.6)
    return WireDefect(vertical, index, centre, reach, sharpness, shift, shift, gap=0.0)


def broken_wire(rng: np.random.Generator, vertical: bool, index: int, centre: float) -> WireDefect:
    """A wire with a gap, whose two ends may point aside."""
    shift_before, shift_after = rng.uniform(-0.4, 0.4, size=2)
    reach, gap = rng.uniform(0.7, 1.3), rng.uniform(0.6, 1.7)
    return WireDefect(vertical, index, centre, reach, 1.6, shift_before, shift_after, gap)


def add_glue(rng: np.random.Generator, picture: np.ndarray, spot: Spot) -> np.ndarray:
    """A drop of half-clear glue: it bends and blurs what lies below, is milky, and shines."""
    height = _drop_height(rng, picture.shape[:2], spot)
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=spot.pitch / 8)
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=spot.pitch / 8)
    rows, columns = np.indices(height.shape, dtype=np.float32)
    bend = 0.16 * spot.pitch
    below = cv2.remap(picture, columns + bend * slope_x, rows + bend * slope_y, cv2.INTER_LINEAR)
    below = cv2.GaussianBlur(below, (0, 0), rng.uniform(0.02, 0.07) * spot.pitch)

    milk = np.array([0.40, 0.47, 0.51], np.float32) * rng.uniform(0.75, 1.15)
    cover = (rng.uniform(0.18, 0.48) * np.minimum(1, 1.6 * height))[..., None]
    glue = below * (1 - cover) + milk * cover
    glue += _shine(-slope_x, -slope_y, spot.light, exponent=60)[..., None] * rng.uniform(0.45, 0.8)
    inside = cv2.GaussianBlur((height > 0).astype(np.float32), (0, 0), 1.0)[..., None]
    shadow = 1 - 0.35 * _cast_shadow(inside[..., 0], spot, distance=0.12)[..., None]
    return picture * shadow * (1 - inside) + glue * inside


def add_metal_contamination(rng: np.random.Generator, picture: np.ndarray, spot: Spot) -> np.ndarray:
    """A few bright, angular metal flakes that lie close together."""
    for _ in range(rng.integers(2, 7)):
        offset = rng.normal(0, 0.8, size=2) * spot.pitch
        flake = Spot(spot.x + offset[0], spot.y + offset[1], spot.pitch, spot.light)
        picture = _add_flake(rng, picture, flake, radius=rng.uniform(0.11, 0.28))
    return picture


def add_thread(rng: np.random.Generator, picture: np.ndarray, spot: Spot) -> np.ndarray:
    """A thin, curved textile fibre that lies over the grid."""
    radius = rng.uniform(0.045, 0.085) * spot.pitch
    distance = _distance_to_curve(_thread_course(rng, spot), picture.shape[:2])
    cover = np.clip(radius - distance + 0.5, 0, 1)
    roundness = np.sqrt(np.clip(1 - (distance / (radius + 0.5)) ** 2, 0, 1))
    colour = np.array(THREAD_COLOURS[rng.integers(len(THREAD_COLOURS))], np.float32) * rng.uniform(0.85, 1.15)
    thread = colour * (0.55 + 0.45 * roundness)[..., None]
    shadow = 1 - 0.5 * _cast_shadow(cover, spot, distance=0.14)[..., None]
    cover = cover[..., None]
    return picture * shadow * (1 - cover) + thread * cover


WireDrawer = Callable[[np.random.Generator, bool, int, float], WireDefect]
OverlayDrawer = Callable[[np.random.Generator, np.ndarray, Spot], np.ndarray]

WIRE_DEFECTS: dict[str, WireDrawer] = {"bent": bent_wire, "broken": broken_wire}
OVERLAY_DEFECTS: dict[str, OverlayDrawer] = {
    "glue": add_glue,
    "metal_contamination": add_metal_contamination,
    "thread": add_thread,
}
DEFECTS = (*WIRE_DEFECTS, *OVERLAY_DEFECTS)


def draw_defect(rng: np.random.Generator, weave: Weave, defect: str) -> np.ndarray:
    """Draw a grid with one of ``DEFECTS`` somewhere on it, at the drawing's own size: float32 [H, W, 3], BGR."""
    spot = weave.spot(rng)
    if defect in OVERLAY_DEFECTS:
        return OVERLAY_DEFECTS[defect](rng, weave.render(), spot)
    vertical = bool(rng.integers(2))
    along, across = (weave.v, weave.u) if vertical else (weave.u, weave.v)
    at = int(spot.y), int(spot.x)
    return weave.render(WIRE_DEFECTS[defect](rng, vertical, round(float(across[at])), float(along[at])))


def _drop_height(rng: np.random.Generator, shape: tuple[int, int], spot: Spot) -> np.ndarray:
    """A drop of uneven outline, made of one to three that ran together: 0 outside, up to 1 inside."""
    rows, columns = np.indices(shape, dtype=np.float32)
    squared_height = np.zeros(shape, np.float32)
    for _ in range(rng.integers(1, 4)):
        offset = rng.normal(0, 0.6, size=2) * spot.pitch
        x, y = columns - np.float32(spot.x + offset[0]), rows - np.float32(spot.y + offset[1])
        angle = np.arctan2(y, x)
        radius = np.full(shape, rng.uniform(0.7, 1.5) * spot.pitch, np.float32)
        for waves in (2, 3, 5):
            radius *= 1 + np.float32(rng.uniform(0, 0.22 / waves**0.5)) * np.cos(waves * angle + rng.uniform(0, 6.3))
        squared_height = np.maximum(squared_height, 1 - (x * x + y * y) / (radius * radius))
    rounded = cv2.GaussianBlur(squared_height, (0, 0), 0.2 * spot.pitch)
    return np.sqrt(np.clip(rounded - 0.05, 0, None))


def _add_flake(rng: np.random.Generator, picture: np.ndarray, spot: Spot, radius: float) -> np.ndarray:
    corners = _polygon(rng, spot, radius * spot.pitch)
    cover = _fill(corners, picture.shape[:2])
    # A fold through the flake makes two facets, of which one faces the light.
    start, end = rng.choice(len(corners), size=2, replace=False)
    start, end = min(start, end), max(start, end)
    facet = _fill(corners[start : end + 1], picture.shape[:2])[..., None]
    bright, dark = rng.uniform(0.7, 1.1), rng.uniform(0.25, 0.5)
    rows, columns = np.indices(cover.shape, dtype=np.float32)
    sheen = ((columns - spot.x) * spot.light[0] + (rows - spot.y) * spot.light[1]) / (radius * spot.pitch)
    tint = np.array([0.97, 1.0, 1.02], np.float32)
    flake = tint * (dark + (bright - dark) * facet) * (1 + 0.25 * sheen)[..., None]
    shadow = 1 - 0.6 * _cast_shadow(cover, spot, distance=0.09)[..., None]
    cover = cover[..., None]
    return picture * shadow * (1 - cover) + flake * cover


def _polygon(rng: np.random.Generator, spot: Spot, radius: float) -> np.ndarray:
    """Corners around a spot, float [corners, 2]: longer than wide, as chips are."""
    count = rng.integers(4, 8)
    angles = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * (2 * np.pi / count)
    lengths = radius * rng.uniform(0.6, 1.25, count)
    corners = np.stack([np.cos(angles) * lengths * rng.uniform(1.0, 2.4), np.sin(angles) * lengths], axis=1)
    turn = rng.uniform(0, np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return corners @ rotation + (spot.x, spot.y)


def _fill(corners: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """How far each pixel lies in a convex polygon, 0 to 1."""
    cover = np.zeros(shape, np.uint8)
    cv2.fillPoly(cover, [np.rint(corners * 16).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=4)
    return cover.astype(np.float32) / 255


def _thread_course(rng: np.random.Generator, spot: Spot) -> np.ndarray:
    """Points a pixel apart, float [points, 2], whose direction turns smoothly; the spot is the middle."""
    count = int(rng.uniform(3.5, 8.0) * spot.pitch)
    position = np.linspace(0, 1, count)
    heading = rng.uniform(0, 2 * np.pi) + rng.uniform(-2.6, 2.6) * position
    for waves in (1, 2, 3):
        heading += rng.uniform(-0.9, 0.9) / waves * np.sin(2 * np.pi * waves * position + rng.uniform(0, 6.3))
    course = np.cumsum(np.stack([np.cos(heading), np.sin(heading)], axis=1), axis=0)
    return course - course[count // 2] + (spot.x, spot.y)


def _distance_to_curve(course: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    line = np.full(shape, 255, np.uint8)
    cv2.polylines(line, [np.rint(course).astype(np.int32)], isClosed=False, color=0)
    return cv2.distanceTransform(line, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _cast_shadow(cover: np.ndarray, spot: Spot, distance: float) -> np.ndarray:
    """The soft shadow, 0 to 1, of what lies ``distance`` above the grid."""
    return cv2.GaussianBlur(cast(cover, spot.light, distance * spot.pitch), (0, 0), 0.08 * spot.pitch)


def _shine(normal_x: np.ndarray, normal_y: np.ndarray, light: np.ndarray, exponent: float) -> np.ndarray:
    """Blinn's highlight on a surface with normal (x, y, 1), seen from above."""
    half = half_vector(light)
    cosine = (normal_x * half[0] + normal_y * half[1] + half[2]) / np.sqrt(normal_x**2 + normal_y**2 + 1)
    return np.clip(cosine, 0, 1) ** exponent
