"""Annotations of the LabelMe tool (https://github.com/wkentaro/labelme): a JSON file with shapes for an image."""

from __future__ import annotations

import base64
import json
import os
import posixpath
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.inputs import decode_image, read_image
from paddlex.inference.walk import PassedOver, walk
from paddlex.modules.image_anomaly_detection.dataset_checker.layout import (
    MASK_FOLDER,
    Layout,
    encode_mask,
    first_folder,
    relative_images,
    without_suffix,
)
from paddlex.modules.image_anomaly_detection.dataset_checker.lists import Entry
from paddlex.modules.image_anomaly_detection.dataset_checker.problems import Problem, ProblemCollector
from paddlex.modules.image_anomaly_detection.dataset_checker.workers import map_in_threads
from paddlex.utils.logging import logger

# As wide as LabelMe itself draws what has no area, in pixels.
_LINE_WIDTH = 10
_POINT_RADIUS = 5

_FARTHEST_POINT = 1_000_000  # OpenCV draws with 32-bit integers
_SMALLEST_POINT_COUNT = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "point": 1, "mask": 2}


@dataclass(frozen=True)
class Annotation:
    """An image and what is drawn on it.

    Attributes:
        path: the JSON file, relative to the data set.
        image: the image it is about, relative to the data set.
        mask: a PNG file of its shapes; None where there are none.
    """

    path: str
    image: str
    mask: bytes | None


class ImageNames:
    """Finds the image of an annotation, also after the folder was moved or the images were saved in another format."""

    def __init__(self, images: list[str]) -> None:
        self._images = set(images)
        self._by_path: dict[str, str] = {without_suffix(image): image for image in images}
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for image in images:
            self._by_stem[PurePosixPath(image).stem].append(image)

    def find(self, annotation: str, image_path: str) -> str | None:
        """By ``imagePath``; else by the same name beside the annotation; else by the same name anywhere, if unique."""
        named = posixpath.normpath(posixpath.join(posixpath.dirname(annotation), image_path.replace("\\", "/")))
        if image_path and named in self._images:
            return named
        namesakes = self._by_stem[PurePosixPath(annotation).stem]
        return self.beside(annotation) or (namesakes[0] if len(namesakes) == 1 else None)

    def beside(self, annotation: str) -> str | None:
        """The image of the same name in the same folder."""
        return self._by_path.get(without_suffix(annotation))


def read_labelme(root: Path) -> Layout:
    """Read images with LabelMe's JSON files beside them, or in a folder of their own.

    An image with shapes is anomalous, whatever their labels; they are drawn into ``masks/<path of the JSON file>.png``.
    An image with no shapes, or no JSON file, is normal. Polygons, rectangles, circles and masks are filled; lines and
    points, which have no area, become 10 pixels wide, as LabelMe draws them. Images in ``masks/`` are left out.

    Raises:
        DatasetError: there are no images.
        DatasetCheckError: annotations that cannot be read, or do not fit their image.
    """
    layout = Layout()
    images = [path for path in relative_images(root, layout.passed) if first_folder(path) != MASK_FOLDER]
    names = ImageNames(images)
    problems = ProblemCollector()
    annotations: dict[str, Annotation] = {}
    read = partial(read_annotation, root, names)
    for annotation in map_in_threads(read, _list_annotations(root), "Reading annotations"):
        if isinstance(annotation, Problem):
            problems.add(annotation)
        elif annotation is not None:
            first = annotations.setdefault(annotation.image, annotation)
            if first is not annotation:
                problems.add(_second_annotation(root, first, annotation))
    problems.raise_if_errors()
    for image in images:
        annotated = annotations.get(image)
        if annotated is None or annotated.mask is None:
            layout.normal.append(image)
        else:
            mask = f"{MASK_FOLDER}/{without_suffix(annotated.path)}.png"
            layout.anomalous.append(Entry(image, mask))
            layout.new_masks[mask] = annotated.mask
    return layout


def read_annotation(root: Path, names: ImageNames, path: str) -> Annotation | Problem | None:
    """Read one JSON file and draw its shapes; None if it is not LabelMe's and not beside an image."""
    try:
        content = json.loads((root / path).read_bytes())
    except (OSError, ValueError) as error:
        return _unusable(root, path, f"it cannot be read: {error}", "Save it as UTF-8 JSON, or remove it")
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        if names.beside(path) is None:
            logger.warning("%s is not an annotation of LabelMe and is left out", root / path)
            return None
        return _unusable(root, path, "it is not LabelMe's: it has no list of shapes", "Move it out of the data set")
    image = names.find(path, str(content.get("imagePath") or ""))
    if image is None:
        return _unusable(root, path, "its image is not in the data set", "Put the image beside it, or remove it")
    if not content["shapes"]:
        return Annotation(path, image, None)
    try:
        height, width = read_image(root / image).shape[:2]
        _check_size(content, height, width)
        mask = draw_shapes(content["shapes"], height, width)
    except (ImageReadError, ValueError) as error:
        reason = error.what if isinstance(error, ImageReadError) else str(error)
        return _unusable(root, path, reason, f"Open {image} in LabelMe and annotate it again, or remove both")
    return Annotation(path, image, encode_mask(mask))


def draw_shapes(shapes: list[dict[str, Any]], height: int, width: int) -> np.ndarray:
    """Draw LabelMe's shapes, bool [height, width].

    Raises:
        ValueError: a shape of an unknown type, with points that make no shape, or nothing inside the image.
    """
    mask = np.zeros((height, width), np.uint8)
    for number, shape in enumerate(shapes, 1):
        try:
            _draw_shape(mask, shape)
        except (AttributeError, KeyError, TypeError, ValueError, ImageReadError) as error:
            raise ValueError(f"shape {number} cannot be drawn: {error}") from error
    if not mask.any():
        raise ValueError("all its shapes are outside the image")
    return mask.astype(bool)


def _draw_shape(mask: np.ndarray, shape: dict[str, Any]) -> None:
    kind = shape.get("shape_type") or "polygon"
    if kind not in _SMALLEST_POINT_COUNT:
        raise ValueError(f"its type {kind!r} is none of {', '.join(_SMALLEST_POINT_COUNT)}")
    points = _read_points(shape["points"], _SMALLEST_POINT_COUNT[kind])
    corners = np.rint(points).astype(np.int32)
    if kind == "polygon":
        cv2.fillPoly(mask, [corners], 1)
    elif kind == "rectangle":
        cv2.rectangle(mask, corners.min(axis=0).tolist(), corners.max(axis=0).tolist(), 1, cv2.FILLED)
    elif kind == "circle":
        radius = round(float(np.hypot(*(points[1] - points[0]))))
        cv2.circle(mask, corners[0].tolist(), radius, 1, cv2.FILLED)
    elif kind == "point":
        cv2.circle(mask, corners[0].tolist(), _POINT_RADIUS, 1, cv2.FILLED)
    elif kind == "mask":
        _paste(mask, shape["mask"], corners)
    else:
        cv2.polylines(mask, [corners], False, 1, _LINE_WIDTH)


def _read_points(values: Any, smallest_count: int) -> np.ndarray:
    points = np.asarray(values, float)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < smallest_count:
        raise ValueError(f"it needs {smallest_count} points of x and y or more")
    if not (np.abs(points) < _FARTHEST_POINT).all():
        raise ValueError("a point is not finite, or too far away")
    return points


def _paste(mask: np.ndarray, encoded: str, corners: np.ndarray) -> None:
    """Put the picture that LabelMe's mask shapes hold between their two corners, both included."""
    data = base64.b64decode(encoded, validate=True)
    picture = decode_image(data, flags=cv2.IMREAD_GRAYSCALE, name="mask") > 0
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    inside = left >= 0 and top >= 0 and right < mask.shape[1] and bottom < mask.shape[0]
    if not inside or picture.shape != (bottom - top + 1, right - left + 1):
        raise ValueError("its mask does not fit between its points, or not into the image")
    mask[top : bottom + 1, left : right + 1] |= picture


def _check_size(content: dict[str, Any], height: int, width: int) -> None:
    annotated = (content.get("imageWidth") or width, content.get("imageHeight") or height)
    if annotated != (width, height):
        raise ValueError(
            f"it was drawn on an image of {annotated[0]} x {annotated[1]} pixels, "
            f"but the image has {width} x {height} (width x height)"
        )


def _list_annotations(root: Path) -> list[str]:
    found = walk(root, PassedOver())  # what is passed over was said when the images were looked for
    return sorted(Path(path).relative_to(root).as_posix() for path in found if path.lower().endswith(".json"))


def _unusable(root: Path, path: str, reason: str, remedy: str) -> Problem:
    return Problem(f"the annotation {path} cannot be used: {reason}", os.fspath(root / path), remedy)


def _second_annotation(root: Path, first: Annotation, second: Annotation) -> Problem:
    return Problem(
        f"the annotations {first.path} and {second.path} are about the same image {second.image}",
        os.fspath(root / second.path),
        "Join them in one file",
    )
