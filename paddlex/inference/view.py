"""A photo as the network sees it: its picture, where it is inspected, and how a map goes back into the photo."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from paddlex.inference.position import Position
from paddlex.inference.postprocess import resize_map


@dataclass(frozen=True)
class View:
    """A photo as the network is to see it.

    Attributes:
        image: uint8 [h, w, 3] BGR.
        inspected: bool [h, w], the pixels that are judged; None where all are. Whatever lies outside changes no verdict.
        matrix: float64 [2, 3], from a pixel (x, y) of the photo to the same place of the view; None where they are one.
        position: how the part lies in the photo; None where nobody looks. Where it is not found, nothing is judged.
    """

    image: np.ndarray
    inspected: np.ndarray | None = None
    matrix: np.ndarray | None = None
    position: Position | None = None

    @property
    def is_found(self) -> bool:
        """Whether the view shows what is to be judged."""
        return self.position is None or self.position.found

    def restricted(self, inspected: np.ndarray) -> View:
        """The same view, judged only where ``inspected``, bool [h, w], is true as well."""
        return replace(self, inspected=inspected if self.inspected is None else self.inspected & inspected)

    def in_photo(self, anomaly_map: np.ndarray, height: int, width: int) -> np.ndarray:
        """Bring a map of the view, float32 [h', w'], into the photo: float32 [height, width], bilinearly.

        Places of the photo that the view does not show get the map's lowest value.
        """
        if self.matrix is None or not self.is_found:
            return resize_map(anomaly_map, height, width)
        whole = resize_map(anomaly_map, *self.image.shape[:2])
        return _back(whole, self.matrix, (height, width), cv2.INTER_LINEAR, float(anomaly_map.min()))

    def numbers_in_photo(self, numbers: np.ndarray, height: int, width: int) -> np.ndarray:
        """Whole numbers at the view's pixels, uint8 [h, w], in the photo: uint8 [height, width], 0 where it shows none."""
        if self.matrix is None:
            return cv2.resize(numbers, (width, height), interpolation=cv2.INTER_NEAREST)
        return _back(numbers, self.matrix, (height, width), cv2.INTER_NEAREST, 0)

    def place_of(self, x: float, y: float, height: int, width: int) -> tuple[float, float]:
        """Where (x, y) of a photo of a size lies, each from 0 to 1 of the view's width and height."""
        if self.matrix is None:
            return (x + 0.5) / width, (y + 0.5) / height
        at = self.matrix @ (x, y, 1.0) + 0.5
        return float(at[0]) / self.image.shape[1], float(at[1]) / self.image.shape[0]

    def inspected_in_photo(self, height: int, width: int) -> np.ndarray | None:
        """The pixels of the photo that are judged, bool [height, width]; None for all, and where the part is not found."""
        if not self.is_found:
            return None
        if self.matrix is None:
            return None if self.inspected is None else resized_region(self.inspected, height, width)
        inspected = np.ones(self.image.shape[:2], bool) if self.inspected is None else self.inspected
        return _back(inspected.astype(np.uint8), self.matrix, (height, width), cv2.INTER_NEAREST, 0) > 0


def judged(anomaly_map: np.ndarray, inspected: np.ndarray | None) -> np.ndarray:
    """The map where it is judged; elsewhere it becomes as low as its lowest value there, so that nothing is found.

    Args:
        anomaly_map: float32 [h', w'].
        inspected: bool [h, w] of the view; None for everywhere.
    """
    inside = inspected_positions(inspected, anomaly_map.shape)
    if inside is None:
        return anomaly_map
    return np.where(inside, anomaly_map, anomaly_map[inside].min())


def inspected_positions(inspected: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    """The positions of a map of a shape (h', w') that are judged, bool: those of which half is inspected, or the nearest to it.

    Args:
        inspected: bool [h, w] of the view; None for everywhere.
        shape: of the map.
    """
    return None if inspected is None else resized_region(inspected, *shape)


def resized_region(inspected: np.ndarray, height: int, width: int) -> np.ndarray:
    """At another size; something is left of what holds something: a small region must not be lost where the map is coarse."""
    if inspected.shape == (height, width):
        return inspected
    shrinks = height < inspected.shape[0] or width < inspected.shape[1]
    method = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    cover = cv2.resize(inspected.astype(np.float32), (width, height), interpolation=method)
    return cover >= min(0.5, max(float(cover.max()), 1e-6))


def _back(values: np.ndarray, matrix: np.ndarray, size: tuple[int, int], method: int, outside: float) -> np.ndarray:
    """Values [h, w] of a view in the photo of a size (height, width)."""
    flags = method | cv2.WARP_INVERSE_MAP  # the matrix leads from where a value goes to where it is taken from
    return cv2.warpAffine(values, matrix, size[::-1], flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=outside)
