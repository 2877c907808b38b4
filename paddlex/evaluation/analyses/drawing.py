"""Defects that are drawn on photos of good parts.

Spots, scratches and stains change the grey values by a contrast. Patches are something else in a place of the part, which shows
to some opacity: nothing, itself a little off, or another place of it (CutPaste: Li, Sohn, Yoon, Pfister, CVPR 2021).
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

import cv2
import numpy as np

from paddlex.evaluation.analyses.foreground import background_colour, coarse_shape, find_foreground
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.tiling import TileGrid

#: Length of a scratch divided by its width.
SCRATCH_ASPECT = 10

#: Of so many places that a texture could come from the least alike is taken: most of a part are much like what they cover.
_SOURCES = 8

_SALT = 0x6465746563  # keeps these random numbers apart from others that are made from the same seed


@dataclass(frozen=True)
class Kind:
    """A kind of defect.

    Attributes:
        name: of one of them, for people.
        plural: of several.
        level: what makes it plainer to see: ``contrast``, a share of the range of grey values, or ``opacity``.
    """

    name: str
    plural: str
    level: str


KINDS = {
    "spot": Kind("spot", "spots", "contrast"),
    "scratch": Kind("scratch", "scratches", "contrast"),
    "stain": Kind("stain", "soft stains", "contrast"),
    "missing": Kind("missing patch", "missing patches", "opacity"),
    "shifted": Kind("shifted patch", "shifted patches", "opacity"),
    "texture": Kind("foreign texture", "foreign textures", "opacity"),
}


@dataclass(frozen=True)
class Canvas:
    """A photo to draw on.

    Attributes:
        image: uint8 [H, W, 3], BGR; it stays as it is.
        allowed: bool [h, w], at any resolution: where defects may be centred; None for where the part is.
    """

    image: np.ndarray
    allowed: np.ndarray | None = None
    part: np.ndarray | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", find_foreground(self.image))

    def restricted(self, allowed: np.ndarray) -> Canvas:
        """The same where ``allowed``, bool [H, W], is true as well."""
        other = copy(self)  # the part is where it was: nobody need look for it again
        object.__setattr__(other, "allowed", allowed if self.allowed is None else allowed & self.allowed)
        return other

    def places(self, size: float, count: int, rng: np.random.Generator) -> np.ndarray:
        """Places on the part, anywhere alike, float [count, 2], x and y; what is of a size there is not cut off by the rim.

        A part that has no room for a whole defect of the size is drawn on all the same.
        """
        height, width = self.image.shape[:2]
        free = self._free()
        scale_y, scale_x = free.shape[0] / height, free.shape[1] / width
        rim_y, rim_x = (
            min(int(np.ceil(size / 2 * scale)), (length - 1) // 2)
            for scale, length in zip((scale_y, scale_x), free.shape, strict=True)
        )
        inside = np.zeros_like(free)
        inside[rim_y : free.shape[0] - rim_y, rim_x : free.shape[1] - rim_x] = True
        distance = cv2.distanceTransform(free.astype(np.uint8), cv2.DIST_L2, 3)
        best = next(
            places
            for places in (inside & (distance > size / 2 * min(scale_x, scale_y)), inside & free, free)
            if places.any()
        )
        chosen = rng.choice(np.flatnonzero(best), count)
        rows, columns = np.divmod(chosen, free.shape[1])
        return (np.stack([columns, rows], axis=1) + rng.random((count, 2))) / (scale_x, scale_y)

    def _free(self) -> np.ndarray:
        """The part as far as it is allowed, bool [h, w]; what is allowed where that is none of the part."""
        shape = coarse_shape(self.image.shape) if self.part is None else self.part.shape
        part = np.ones(shape, bool) if self.part is None else self.part
        if self.allowed is None:
            return part
        size = shape[1], shape[0]
        allowed = cv2.resize(self.allowed.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        if not allowed.any():  # so little that a coarser grid misses it
            allowed = cv2.resize(self.allowed.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        return part & allowed if (part & allowed).any() else allowed


def canvas_of(predictor: AnomalyPredictor, photo: np.ndarray) -> Canvas:
    """A photo, uint8 [H, W, 3] BGR, to draw on where the model inspects it: a defect elsewhere is none.

    Raises:
        PhotoError: the model is not for such a photo.
    """
    return Canvas(photo, predictor.preparation(photo).inspected_in_photo(*photo.shape[:2]))


def tile_of(predictor: AnomalyPredictor, photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One tile of a photo, uint8 [H, W, 3] BGR, that the model scans in tiles as it is; else the photo.

    A photo that is prepared stays whole: a tile alone is not aligned, and has not the shape that regions are drawn for.
    """
    if predictor.tiling is None or predictor.preparation.steps:
        return photo
    grid = TileGrid.over(photo.shape[0], photo.shape[1], predictor.tiling)
    return grid.cut(photo, int(rng.integers(len(grid))))


@dataclass(frozen=True)
class Defect:
    """A defect in its place, not yet drawn at any level.

    Attributes:
        kind: key of ``KINDS``.
        size: in pixels of the photo: the diameter of a disc of the same area, or the length of a scratch.
        place: x and y of its centre.
        box: the rows and columns of the photo around it.
        change: float32 [h, w, 3], what is added to the box at level 1, before it is cut to 0 to 255.
        mask: bool [h, w], the pixels of the box that it covers by half or more, and that one which it covers most.
    """

    kind: str
    size: int
    place: tuple[float, float]
    box: tuple[slice, slice]
    change: np.ndarray
    mask: np.ndarray

    def on(self, image: np.ndarray, level: float) -> np.ndarray:
        """A copy of the photo with the defect at a level, 0 to 1."""
        drawn = image.copy()
        drawn[self.box] = np.clip(np.rint(image[self.box] + level * self.change), 0, 255)
        return drawn

    def covered(self, image: np.ndarray) -> np.ndarray:
        """``mask`` in the whole photo, bool [H, W]."""
        whole = np.zeros(image.shape[:2], bool)
        whole[self.box] = self.mask
        return whole

    def is_found(self, anomaly_map: np.ndarray, threshold: float) -> bool:
        """Whether the map of the photo, float32 [H, W], exceeds the threshold where the defect lies."""
        return bool(anomaly_map[self.box][self.mask].max() > threshold)


def make_defect(canvas: Canvas, kind: str, size: int, rng: np.random.Generator) -> Defect:
    """A defect somewhere on the part.

    Args:
        canvas: the photo.
        kind: key of ``KINDS``. One of a contrast is dark where the place is bright, and bright where it is dark.
        size: see ``Defect``.
        rng: decides everything else.
    """
    image = canvas.image
    (place, *sources) = canvas.places(size, 1 + _SOURCES, rng)
    reach = round(0.75 * size) + 3
    left, top = (max(0, int(value) - reach) for value in place)
    box = np.s_[top : int(place[1]) + reach, left : int(place[0]) + reach]
    before = image[box].astype(np.float32)
    rows, columns = np.indices(before.shape[:2], dtype=np.float32)
    x, y = columns + 0.5 - (place[0] - left), rows + 0.5 - (place[1] - top)
    cover = _COVERS[kind](x, y, size, rng)[..., None]
    if KINDS[kind].level == "contrast":
        is_bright = float((before * cover).mean()) > 127.5 * float(cover.mean())
        change = np.broadcast_to(np.float32(-255 if is_bright else 255), before.shape) * cover
    else:
        change = (
            _REPLACEMENTS[kind](canvas, before, cover, np.array([place, *sources]), (left, top), rng) - before
        ) * cover
    mask = cover[..., 0] >= min(0.5, float(cover.max()))
    return Defect(kind, size, (float(place[0]), float(place[1])), box, change.astype(np.float32), mask)


def random_numbers(*key: int) -> np.random.Generator:
    """Random numbers that depend on the key alone."""
    return np.random.default_rng([_SALT, *key])


# How far each pixel is covered, 0 to 1. x, y: float32 [h, w], from the centre.


def _disc(x: np.ndarray, y: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    return np.clip(0.5 + (size / 2 - np.hypot(x, y)) / max(1.0, size / 6), 0, 1).astype(np.float32)


def _line(x: np.ndarray, y: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    angle, width = rng.uniform(0, np.pi), max(1.0, size / SCRATCH_ASPECT)
    along, across = x * np.cos(angle) + y * np.sin(angle), x * np.sin(angle) - y * np.cos(angle)
    beyond = np.maximum(np.abs(along) - max(0.0, size - width) / 2, 0)
    return np.clip(0.5 + width / 2 - np.hypot(beyond, across), 0, 1).astype(np.float32)


def _stain(x: np.ndarray, y: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    return _blob(x, y, size, rng, softness=0.9)


def _patch(x: np.ndarray, y: np.ndarray, size: float, rng: np.random.Generator) -> np.ndarray:
    return _blob(x, y, size, rng, softness=0.25)


def _blob(x: np.ndarray, y: np.ndarray, size: float, rng: np.random.Generator, softness: float) -> np.ndarray:
    """A disc with an uneven outline, which fades out over a share of its radius about it."""
    around = np.arctan2(y, x)
    outline = np.ones_like(around)
    for waves in (2, 3, 4, 5):
        outline += rng.uniform(0, 0.25) / waves * np.cos(waves * around + rng.uniform(0, 2 * np.pi))
    inside = (size / 2 * outline - np.hypot(x, y)) / max(1.0, softness * size / 2)
    cover = np.clip(0.5 + inside, 0, 1)
    return (cover * cover * (3 - 2 * cover)).astype(np.float32)


_COVERS: dict[str, Callable[..., np.ndarray]] = {
    "spot": _disc, "scratch": _line, "stain": _stain, "missing": _patch, "shifted": _patch, "texture": _patch,
}  # fmt: skip

# What a patch shows, float32 [h, w, 3], in the place of ``before``.


def _nothing(
    canvas: Canvas, before: np.ndarray, cover: np.ndarray, places: np.ndarray, corner: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """What lies behind the part, or an even surface of the colour around where the part fills the photo."""
    if canvas.part is not None:
        return np.broadcast_to(background_colour(canvas.image), before.shape)
    around = before[cover[..., 0] == 0]
    return np.broadcast_to((around if len(around) else before.reshape(-1, 3)).mean(axis=0), before.shape)


def _itself_moved(
    canvas: Canvas, before: np.ndarray, cover: np.ndarray, places: np.ndarray, corner: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """The same part, moved by half of the patch's size."""
    angle, distance = rng.uniform(0, 2 * np.pi), float(np.sqrt((cover > 0.5).sum())) / 2
    source = places[0] + distance * np.array([np.cos(angle), np.sin(angle)])
    return _seen_at(canvas.image, source, places[0] - corner, before.shape, 0.0)


def _another_place(
    canvas: Canvas, before: np.ndarray, cover: np.ndarray, places: np.ndarray, corner: tuple[int, int],
    rng: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Another place of the part, turned."""
    others = [
        _seen_at(canvas.image, source, places[0] - corner, before.shape, rng.uniform(0, 360)) for source in places[1:]
    ]
    return max(others, key=lambda other: float((np.abs(other - before) * cover).sum()))


_REPLACEMENTS: dict[str, Callable[..., np.ndarray]] = {
    "missing": _nothing, "shifted": _itself_moved, "texture": _another_place,
}  # fmt: skip


def _seen_at(
    image: np.ndarray, source: np.ndarray, target: np.ndarray, shape: tuple[int, ...], degrees: float
) -> np.ndarray:
    """What surrounds a place of the image, turned about it, float32 [*shape], the place at ``target``, x and y."""
    matrix = cv2.getRotationMatrix2D((float(source[0]), float(source[1])), degrees, 1.0)
    matrix[:, 2] += target - source
    return cv2.warpAffine(image, matrix, shape[1::-1], borderMode=cv2.BORDER_REFLECT_101).astype(np.float32)
