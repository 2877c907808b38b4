"""The woven grid of the demonstration data set: round wires, over and under, lit from the upper left.

Lengths are in pitches, the distance between two wires, unless a name says pixels. Pictures are float32 [H, W, 3], BGR,
where 1 is white.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

OVERSAMPLING = 2
BORDER = 12
"""Pixels drawn around the picture and cut off, so that shadows and blur have neighbours up to the edge."""

WIRE_RADIUS = 0.205
CRIMP = 0.2
GROUND_HEIGHT = -1.1


@dataclass(frozen=True)
class WireDefect:
    """How one wire leaves its place; a grid has one wire at each whole number across its direction.

    Attributes:
        vertical: whether it is one of the vertical wires.
        index: which wire.
        centre: where along the wire the defect is.
        reach: how far the displacement reaches along the wire.
        sharpness: the shape of the displacement: 1 is a kink, 2 and more a round bow.
        shift_before: displacement across, on the side where the wire comes from.
        shift_after: displacement across, on the other side.
        gap: length of wire that is missing; 0 where the wire is whole.
    """

    vertical: bool
    index: int
    centre: float
    reach: float
    sharpness: float
    shift_before: float
    shift_after: float
    gap: float

    def shift(self, along: np.ndarray) -> np.ndarray:
        """The displacement across the wire, at each position along it."""
        distance = along - self.centre
        side = np.where(distance < 0, np.float32(self.shift_before), np.float32(self.shift_after))
        return side * np.exp(-((np.abs(distance) / self.reach) ** self.sharpness))

    def missing(self, along: np.ndarray) -> np.ndarray:
        """Whether the wire is missing, at each position along it."""
        return np.abs(along - self.centre) < self.gap / 2


@dataclass(frozen=True)
class Spot:
    """Where on a picture a defect is drawn.

    Attributes:
        x: column, in pixels.
        y: row, in pixels.
        pitch: pixels between two wires.
        light: x, y and z of the direction towards the light, of length 1.
    """

    x: float
    y: float
    pitch: float
    light: np.ndarray


@dataclass(frozen=True)
class Weave:
    """A plain weave of round wires, lit from the upper left.

    Attributes:
        u: position along the horizontal wires of each pixel, in pitches, float32 [H, W]; vertical wires lie at whole
            numbers.
        v: position along the vertical wires, likewise.
        pitch: pixels between two wires.
        light: direction towards the light, of length 1.
        misplacement: by how much the wires are off their places, in pitches, float32 [2, wires]; it repeats.
        streaks: marks that run along the wires of either direction, float32 [2, H, W], around 0.
        ground: brightness of the ground below the grid, float32 [H, W].
        tint: colour of the metal, BGR.
    """

    u: np.ndarray
    v: np.ndarray
    pitch: float
    light: np.ndarray
    misplacement: np.ndarray
    streaks: np.ndarray
    ground: np.ndarray
    tint: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, size: int) -> Weave:
        """Draw where the grid lies and how it is lit."""
        length = (size + 2 * BORDER) * OVERSAMPLING
        pitch = size * OVERSAMPLING / 10.5 * rng.uniform(0.95, 1.05)
        angle = np.deg2rad(rng.uniform(-4, 4))
        rows, columns = (np.indices((length, length), dtype=np.float32) - length / 2) / np.float32(pitch)
        cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        start_u, start_v = rng.uniform(0, 2, size=2).astype(np.float32)
        u = cosine * columns - sine * rows + start_u + 0.03 * _clouds(rng, length, 2.5 * pitch)
        v = sine * columns + cosine * rows + start_v + 0.03 * _clouds(rng, length, 2.5 * pitch)
        light = (np.array([-0.5, -0.62, 1.05]) + rng.normal(0, 0.05, size=3)).astype(np.float32)
        grain = rng.standard_normal((2, length, length), dtype=np.float32)
        along_x, along_y = cv2.blur(grain[0], (41, 1)), cv2.blur(grain[1], (1, 41))
        return cls(
            u=u,
            v=v,
            pitch=pitch,
            light=light / np.linalg.norm(light),
            misplacement=rng.normal(0, 0.012, size=(2, 64)).astype(np.float32),
            streaks=np.stack([along_x, along_y]) * 41**0.5,
            ground=0.075 * (1 + 0.2 * _clouds(rng, length, 0.8 * pitch) + 0.1 * cv2.blur(grain[0], (5, 5)) * 5),
            tint=np.array([0.94, 0.98, 1.0], np.float32) + rng.normal(0, 0.008, size=3).astype(np.float32),
        )

    def render(self, defect: WireDefect | None = None) -> np.ndarray:
        """Draw the grid, with one wire out of place if ``defect`` says so: float32 [H, W, 3], BGR."""
        horizontal, vertical = self._wires(False, defect), self._wires(True, defect)
        over = vertical[0] > horizontal[0]
        height, normal_x, normal_y, streak = (np.where(over, b, a) for a, b in zip(horizontal, vertical, strict=True))
        is_wire = height > GROUND_HEIGHT
        grey = np.where(is_wire, self._shade_metal(normal_x, normal_y) * (1 + 0.07 * streak), self.ground)
        grey *= self._shadows(height)
        return grey[..., None] * self.tint

    def spot(self, rng: np.random.Generator) -> Spot:
        """Pick a place for a defect, not too near the edge."""
        height, width = self.u.shape
        x, y = rng.uniform(0.22, 0.78) * width, rng.uniform(0.22, 0.78) * height
        return Spot(x, y, self.pitch, self.light)

    def _wires(self, vertical: bool, defect: WireDefect | None) -> np.ndarray:
        """The wires of one direction: height, normal x, normal y and streak of each pixel, float32 [4, H, W]."""
        along, across = (self.v, self.u) if vertical else (self.u, self.v)
        misplacement = self.misplacement[int(vertical)]
        index = np.rint(across).astype(np.int32)
        offset = across - index.astype(np.float32) - misplacement[index % len(misplacement)]
        if defect is not None and defect.vertical == vertical:
            place = float(defect.index + misplacement[defect.index % len(misplacement)])
            moved = across - place - defect.shift(along)
            moved[defect.missing(along)] = np.inf
            offset[index == defect.index] = np.inf
            nearer = np.abs(moved) < np.abs(offset)
            index, offset = np.where(nearer, defect.index, index), np.where(nearer, moved, offset)

        across_slope = np.clip(offset / WIRE_RADIUS, -1, 1)
        bulge = np.sqrt(1 - across_slope**2)
        phase = np.pi * (along - index.astype(np.float32))
        crimp = -CRIMP if vertical else CRIMP
        height = np.where(bulge > 0, crimp * np.cos(phase) + WIRE_RADIUS * bulge, GROUND_HEIGHT)
        along_slope = crimp * np.pi * np.sin(phase) * bulge
        normal_x, normal_y = (across_slope, along_slope) if vertical else (along_slope, across_slope)
        return np.stack([height, normal_x, normal_y, self.streaks[int(vertical)]])

    def _shade_metal(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Phong's diffuse light and Blinn's highlight, twice: the sheen of drawn wire and the glint on top of it."""
        z = np.sqrt(np.clip(1 - x * x - y * y, 0.02, 1))
        light, half = self.light, half_vector(self.light)
        diffuse = np.clip(x * light[0] + y * light[1] + z * light[2], 0, None)
        glint = np.clip(x * half[0] + y * half[1] + z * half[2], 0, 1)
        return 0.08 + 0.36 * diffuse + 0.28 * glint**8 + 0.50 * glint**64

    def _shadows(self, height: np.ndarray) -> np.ndarray:
        """How much light reaches each pixel, 0 to 1: wires shade what lies beside and below them."""
        around = cv2.GaussianBlur(height, (0, 0), 0.22 * self.pitch)
        open_sky = np.exp(-1.3 * np.clip(around - height, 0, None))
        caster = cast(height, self.light, 0.3 * self.pitch)
        blocked = cv2.GaussianBlur((caster - height > 0.3).astype(np.float32), (0, 0), 0.06 * self.pitch)
        return open_sky * (1 - 0.45 * blocked)


def cast(values: np.ndarray, light: np.ndarray, drop: float) -> np.ndarray:
    """Move [H, W] values to where the light throws their shadow, ``drop`` pixels below."""
    away_x, away_y = -light[:2] / light[2] * drop
    return cv2.warpAffine(values, np.array([[1, 0, away_x], [0, 1, away_y]]), values.shape[::-1])


def half_vector(light: np.ndarray) -> np.ndarray:
    """The direction half way between the light and the camera, which looks straight down."""
    half = light + np.array([0, 0, 1], np.float32)
    return half / np.linalg.norm(half)


def _clouds(rng: np.random.Generator, length: int, scale: float) -> np.ndarray:
    """Soft random spots of about ``scale`` pixels, float32 [length, length], from -1 to 1."""
    cells = max(2, round(length / scale))
    values = rng.uniform(-1, 1, size=(cells, cells)).astype(np.float32)
    return cv2.resize(values, (length, length), interpolation=cv2.INTER_CUBIC)
