"""Annotations of the LabelMe tool (https://github.com/wkentaro/labelme): a JSON file with shapes for an image."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from paddlex.data.dataset_checker import shapes
from paddlex.data.dataset_checker.annotations import (
    MOST_BYTES,
    Drawing,
    ImageNames,
    lay_out,
    nothing_found,
    tell_left_out,
    unusable,
)
from paddlex.data.dataset_checker.layout import Layout, without_suffix
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import FolderRules, Role
from paddlex.data.dataset_checker.survey import Survey, folder_of, says_good, survey
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.data.folder_names import is_normal_folder
from paddlex.errors import ImageReadError
from paddlex.inference.image_files import decode_image
from paddlex.utils.strict import Malformed, read_json

# As wide as LabelMe itself draws what has no area, in pixels.
_LINE_WIDTH = 10
_POINT_RADIUS = 5

_LAYOUT = (
    "a JSON file for each image with a defect. If all parts are good, set CheckDataset.convert.normal to the name of their "
    "folder, or to . for the data set folder itself"
)

_SMALLEST_POINT_COUNT = {"polygon": 3, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2, "point": 1, "mask": 2}


def read_labelme(root: Path, rules: FolderRules) -> tuple[Survey, Layout]:
    """Read images with LabelMe's JSON files beside them, or in a folder of their own.

    An image with shapes is anomalous, whatever their labels; they are drawn into ``masks/<path of the JSON file>.png``.
    One with nothing but a flag is defective as a whole, unless the flag is a word for good parts. An image with no shapes
    and no flag, or no JSON file, is normal. Polygons, rectangles, circles and masks are filled; lines and
    points, which have no area, become 10 pixels wide, as LabelMe draws them. Folders of masks are left out.

    Raises:
        DatasetError: there are no images, or no such file and no name of a folder that says that the parts are good.
        DatasetCheckError: annotations that cannot be read, or do not fit their image.
    """
    found = survey(root, rules)
    names = ImageNames(found.images)
    problems = ProblemCollector()
    drawings: dict[str, Drawing] = {}
    paths = [path for path in found.annotations if path.lower().endswith(".json")]
    left_out = []
    read = map_in_threads(partial(read_annotation, root, names), paths, "Reading annotations")
    for path, drawing in zip(paths, read, strict=True):
        if isinstance(drawing, Problem):
            problems.add(drawing)
        elif drawing is None:
            left_out.append(path)
        else:
            first = drawings.setdefault(drawing.image, drawing)
            if first is not drawing:
                problems.add(_second_annotation(root, first, drawing))
    tell_left_out(root, left_out, "LabelMe")
    problems.raise_if_errors()
    if not drawings and not all(_is_said_to_be_good(found, folder) for folder in map(folder_of, found.images)):
        raise nothing_found(found, "LabelMe", _LAYOUT)
    remedy = "Open {image} in LabelMe and annotate it again, or remove both"
    return found, lay_out(found, drawings.values(), lambda drawing: without_suffix(drawing.source), problems, remedy)


def _is_said_to_be_good(found: Survey, folder: str) -> bool:
    role = found.rules.role(folder)
    return says_good(folder) if role is None else role is Role.NORMAL


def read_annotation(root: Path, names: ImageNames, path: str) -> Drawing | Problem | None:
    """Read one JSON file; None if it is not LabelMe's and not beside an image."""
    try:
        content = read_json(root / path, MOST_BYTES)
    except Malformed as error:
        line = "" if error.line is None else f" (line {error.line})"
        return unusable(root, path, f"it {error}{line}", "Save it as UTF-8 JSON, or remove it")
    except OSError as error:
        return unusable(root, path, f"it cannot be read: {error.strerror}", "Replace it or remove it")
    if not isinstance(content, dict) or not isinstance(content.get("shapes"), list):
        if names.beside(path) is None:
            return None
        return unusable(root, path, "it is not LabelMe's: it has no list of shapes", "Move it out of the data set")
    named = content.get("imagePath")
    image = names.find(path, named if isinstance(named, str) else "")
    if image is None:
        return unusable(root, path, "its image is not in the data set", "Put the image beside it, or remove it")
    beside = names.beside(path)
    if beside is not None and without_suffix(beside) != without_suffix(image):
        what = f"it stands beside {beside}, but its imagePath names {image}"
        return unusable(root, path, what, "Correct its imagePath, or remove it")
    width, height = content.get("imageWidth"), content.get("imageHeight")
    drawn: list[tuple[str, Callable[[np.ndarray], None]]] = [
        (f"shape {number}", partial(_draw, shape=shape)) for number, shape in enumerate(content["shapes"], 1)
    ]
    flags = content.get("flags")
    is_flagged = isinstance(flags, dict) and any(
        on is True and not is_normal_folder(name) for name, on in flags.items()
    )
    return Drawing(path, image, (width, height) if width and height else None, drawn, is_flagged)


def _draw(mask: np.ndarray, shape: Any) -> None:
    if not isinstance(shape, dict):
        raise ValueError("it is not a mapping")
    kind = shape.get("shape_type") or "polygon"
    if not isinstance(kind, str) or kind not in _SMALLEST_POINT_COUNT:
        raise ValueError(f"its type {str(kind)[:100]!r} is none of {', '.join(_SMALLEST_POINT_COUNT)}")
    points = shapes.read_points(shape.get("points"), _SMALLEST_POINT_COUNT[kind])
    if kind == "polygon":
        shapes.fill_polygon(mask, points)
    elif kind == "rectangle":
        shapes.fill_rectangle(mask, points)
    elif kind == "circle":
        shapes.fill_circle(mask, points[0], float(np.hypot(*(points[1] - points[0]))))
    elif kind == "point":
        shapes.fill_circle(mask, points[0], _POINT_RADIUS)
    elif kind == "mask":
        _paste(mask, shape.get("mask"), points)
    else:
        shapes.draw_line(mask, points, _LINE_WIDTH)


def _paste(mask: np.ndarray, encoded: Any, points: np.ndarray) -> None:
    """Put the picture that LabelMe's mask shapes hold between their two corners, both included."""
    if not isinstance(encoded, str):
        raise ValueError("it has no mask")
    try:
        data = base64.b64decode(encoded, validate=True)
        picture = decode_image(data, flags=cv2.IMREAD_GRAYSCALE, name="mask")
    except ImageReadError as error:
        raise ValueError(error.what) from error
    corners = np.rint(points).astype(int)
    (left, top), (right, bottom) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    if picture.shape != (bottom - top + 1, right - left + 1):
        raise ValueError("its mask does not fit between its points")
    shapes.paste(mask, picture, left, top)


def _second_annotation(root: Path, first: Drawing, second: Drawing) -> Problem:
    return Problem(
        f"the annotations {first.source} and {second.source} are about the same image {second.image}",
        os.fspath(root / second.source),
        "Join them in one file",
    )
