"""Where photos are inspected: what people have drawn, stored with the model. The rest of a photo changes no verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Annotated, Any

import numpy as np

from paddlex.errors import PhotoError
from paddlex.inference import polygons
from paddlex.inference.checked import Checked, Invalid, block, list_of, optional, rate, text, whole, within
from paddlex.inference.polygons import Polygon
from paddlex.inference.rle import mask_to_rle, rle_to_mask
from paddlex.inference.transforms import IMAGENET_MEAN
from paddlex.inference.view import View, resized_region

#: The longer side of a mask as it is stored, and of what is looked at to check the regions.
_FINEST = 512

_LONGEST_NAME, _MOST_ZONES = 80, 100

#: BGR: about 0 once it is normalised.
PAINT = tuple(round(255 * value) for value in reversed(IMAGENET_MEAN))


def _sides(value: Any) -> tuple[int, int]:
    one, other = list_of(whole(1), length=2)(value)
    return one, other


def _counts(value: Any) -> tuple[int, ...]:
    return tuple(list_of(whole(0), least=1)(value))


@dataclass(frozen=True)
class Runs(Checked):
    """A mask as run lengths, see ``rle.mask_to_rle``.

    Raises:
        Invalid: the counts are not those of a mask of that size.
    """

    size: Annotated[tuple[int, int], _sides]
    counts: Annotated[tuple[int, ...], _counts]

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.size) > _FINEST:
            raise Invalid(f"must not be more than {_FINEST}", "size")
        if sum(self.counts) != self.size[0] * self.size[1]:
            raise Invalid("must add up to the number of pixels", "counts")

    @classmethod
    def of(cls, mask: np.ndarray) -> Runs:
        """Of a mask, bool [H, W], which is stored with ``_FINEST`` pixels at most on its longer side."""
        scale = min(1.0, _FINEST / max(mask.shape))
        height, width = (max(1, round(side * scale)) for side in mask.shape)
        return cls.parse(mask_to_rle(resized_region(mask, height, width)))

    def mask(self) -> np.ndarray:
        """Bool [H, W]."""
        return rle_to_mask({"size": self.size, "counts": self.counts}) > 0


def _polygons(value: Any) -> tuple[Polygon, ...]:
    return tuple(list_of(polygons.polygon)(value))


def _short(value: Any) -> str:
    if len(text(value)) > _LONGEST_NAME:
        raise Invalid(f"must not be longer than {_LONGEST_NAME} letters")
    return str(value)


@dataclass(frozen=True)
class Zone(Checked):
    """A part of the inspected area with a limit of its own.

    Attributes:
        name: what a result calls it.
        polygon: in pixels of the photos.
        factor: how much farther from what is typical there a deviation may be than the zone's own threshold; below 1 stricter.
        target_fpr: the share of normal images that may exceed the zone's own threshold; None as for the whole.

    Raises:
        Invalid: a value that cannot be.
    """

    name: Annotated[str, _short]
    polygon: Annotated[Polygon, polygons.polygon]
    factor: Annotated[float, within(0, 1000, "more than 0, and at most 1000", open_below=True)] = 1.0
    target_fpr: Annotated[float | None, optional(rate)] = None


def _zones(value: Any) -> tuple[Zone, ...]:
    zones = list_of(block(Zone))(value)
    if len(zones) > _MOST_ZONES:
        raise Invalid(f"must not be more than {_MOST_ZONES}")
    return tuple(zones)


@dataclass(frozen=True)
class Inspection(Checked):
    """Where photos of one shape are inspected: in the mask and in one of the polygons to inspect, where there are any, and in
    none of those to ignore.

    Attributes:
        size: width and height of the photos that it was drawn for; another one of the same shape is only scaled.
        mask: where it is not 0.
        inspect, ignore: polygons in pixels of such a photo.
        zones: with limits of their own; numbered from 1.

    Raises:
        Invalid: a polygon leaves the picture, nothing is left to inspect, two zones overlap or have one name, or in one nothing
            is inspected.
    """

    size: Annotated[tuple[int, int], _sides]
    mask: Annotated[Runs | None, optional(block(Runs))] = None
    inspect: Annotated[tuple[Polygon, ...], _polygons] = ()
    ignore: Annotated[tuple[Polygon, ...], _polygons] = ()
    zones: Annotated[tuple[Zone, ...], _zones] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("inspect", "ignore"):
            placed = [self._placed(shape, f"{name}[{place}]") for place, shape in enumerate(getattr(self, name))]
            object.__setattr__(self, name, tuple(placed))
        if not self._coarsely().any():
            raise Invalid("leave nothing to inspect")
        self._check_zones()

    @property
    def share(self) -> float:
        """Of the photo that is inspected, above 0 to 1."""
        return float(self._coarsely().mean())

    def scaled_to(self, pixels: int) -> tuple[int, int]:
        """(height, width) of a photo of this shape with about so many pixels."""
        width, height = self.size
        scale = (pixels / (width * height)) ** 0.5
        return max(1, round(height * scale)), max(1, round(width * scale))

    def pixels(self, height: int, width: int) -> np.ndarray:
        """Where a photo of a size is inspected, bool [height, width], read-only.

        Raises:
            PhotoError: such a photo has another shape.
        """
        rounding = max(self.size)  # a scaled photo's sides are whole pixels
        if abs(width * self.size[1] - height * self.size[0]) > rounding:
            raise PhotoError(
                f"a photo of {width} x {height} pixels has another shape than those of {self.size[0]} x {self.size[1]} in "
                "which the regions to inspect were drawn",
                remedy="Give photos of that shape, or train with regions for these",
            )
        return _pixels(self, height, width)

    def __call__(self, view: View) -> View:
        """The same view, judged nowhere else.

        Raises:
            PhotoError: it has another shape.
        """
        return view.restricted(self.pixels(*view.image.shape[:2]))

    def painted(self, view: View) -> View:
        """The same view, of one colour wherever these regions are not: nothing there changes what the network says."""
        image = view.image.copy()
        image[~self.pixels(*image.shape[:2])] = PAINT
        return replace(view, image=image)

    def zones_at(self, height: int, width: int) -> np.ndarray:
        """The zone that each pixel of a photo or of its map is in, at any size: uint8 [height, width], 0 for none."""
        return _zone_numbers(self, height, width)

    def zone_of(self, x: float, y: float) -> str | None:
        """The name of the zone at a place, each from 0 to 1 of the width and the height; None where there is none."""
        width, height = self.size
        row, column = (min(side - 1, max(0, int(at * side))) for at, side in ((y, height), (x, width)))
        number = int(self.zones_at(height, width)[row, column])
        return self.zones[number - 1].name if number else None

    def _check_zones(self) -> None:
        inspected = self._coarsely()
        taken = np.zeros(inspected.shape, bool)
        names: set[str] = set()
        for number, zone in enumerate(self.zones):
            key = f"zones[{number}]"
            shape = self._placed(zone.polygon, f"{key}.polygon")
            pixels = polygons.pixels_in(shape, self.size, *inspected.shape)
            if zone.name in names:
                raise Invalid(f"has the name of another, {zone.name}", key)
            if not (pixels & inspected).any():
                raise Invalid(f"({zone.name}) lies where nothing is inspected", key)
            if (pixels & taken).any():
                raise Invalid(f"({zone.name}) overlaps another", key)
            taken |= pixels
            names.add(zone.name)

    def _placed(self, shape: Polygon, key: str) -> Polygon:
        try:
            return polygons.placed(shape, self.size)
        except Invalid as error:
            raise Invalid(error.problem, key) from None

    def _coarsely(self) -> np.ndarray:
        width, height = self.size
        scale = min(1.0, _FINEST / max(self.size))
        return _pixels(self, max(1, round(height * scale)), max(1, round(width * scale)))


@lru_cache(maxsize=8)
def _zone_numbers(inspection: Inspection, height: int, width: int) -> np.ndarray:
    numbers = np.zeros((height, width), np.uint8)
    for number, zone in enumerate(inspection.zones, 1):
        shape = polygons.placed(zone.polygon, inspection.size)
        numbers[polygons.pixels_in(shape, inspection.size, height, width)] = number
    numbers.flags.writeable = False
    return numbers


@lru_cache(maxsize=8)
def _pixels(inspection: Inspection, height: int, width: int) -> np.ndarray:
    drawn = inspection.size, height, width
    inspected = np.ones((height, width), bool)
    if inspection.mask is not None:
        inspected &= resized_region(inspection.mask.mask(), height, width)
    if inspection.inspect:
        inspected &= polygons.union(inspection.inspect, *drawn)
    inspected &= ~polygons.union(inspection.ignore, *drawn)
    inspected.flags.writeable = False
    return inspected
