"""Annotations of CVAT, "CVAT for images 1.1" (https://docs.cvat.ai): an XML file for many images."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from functools import partial
from pathlib import Path

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
from paddlex.data.dataset_checker.problems import ProblemCollector
from paddlex.data.dataset_checker.rules import FolderRules
from paddlex.data.dataset_checker.survey import Survey, survey
from paddlex.data.folder_names import is_normal_folder
from paddlex.utils.strict import Malformed, read_text

_LAYOUT = 'an XML file, exported as "CVAT for images 1.1"'
_REMEDY = "Correct the annotation file {source}, or export it anew"
_AGAIN = 'Export it anew as "CVAT for images 1.1", or remove it'

_MOST_TAGS = 5_000_000
_LINE_WIDTH = 10  # of what has no area, in pixels, as for LabelMe
_POINT_RADIUS = 5


def read_cvat(root: Path, rules: FolderRules) -> tuple[Survey, Layout]:
    """Read images with CVAT's XML files, one or several, anywhere in the data set.

    An image with shapes is anomalous, whatever their labels. Polygons, boxes, ellipses and masks are filled; polylines and
    points become 10 pixels wide. An image with nothing but a tag is defective as a whole, unless the tag is a word for good
    parts. All others are normal.

    Raises:
        DatasetError: there are no images, or no such file.
        DatasetCheckError: annotations that cannot be read, or do not fit their image.
    """
    found = survey(root, rules)
    names, problems = ImageNames(found.images), ProblemCollector()
    drawings: dict[str, Drawing] = {}
    has_read, left_out = False, []
    for path in found.annotations:
        if not path.lower().endswith(".xml"):
            continue
        try:
            annotations = _parse(root / path)
            if annotations.tag != "annotations":
                left_out.append(path)
                continue
            has_read = True
            _read_file(annotations, path, names, drawings)
        except ValueError as error:
            has_read = True
            problems.add(unusable(root, path, str(error), _AGAIN))
    tell_left_out(root, left_out, "CVAT")
    problems.raise_if_errors()
    if not has_read:
        raise nothing_found(found, "CVAT", _LAYOUT)
    return found, lay_out(found, drawings.values(), lambda drawing: without_suffix(drawing.image), problems, _REMEDY)


def _parse(path: Path) -> ET.Element:
    """Read an XML file; one that declares a document type is refused, because it may define entities without end."""
    try:
        text = read_text(path, MOST_BYTES)
    except Malformed as error:
        raise ValueError(f"it {error}") from None
    except OSError as error:
        raise ValueError(f"it cannot be read: {error.strerror}") from None
    if text.count("<") > _MOST_TAGS:
        raise ValueError(f"it has more than {_MOST_TAGS} tags")
    if "<!DOCTYPE" in text:
        raise ValueError("it declares a document type (<!DOCTYPE), which CVAT's files do not")
    try:
        return ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f"it is not valid XML: {error}") from None


def _read_file(annotations: ET.Element, path: str, names: ImageNames, drawings: dict[str, Drawing]) -> None:
    if annotations.find("track") is not None:
        raise ValueError("it is about a video (it has tracks)")
    for number, element in enumerate(annotations.iterfind("image"), 1):
        name = element.get("name", "")
        image = names.find_named(path, name)
        if image is None:
            where = f"its image {name[:200]!r}" if name else f"the name of its image {number}"
            raise ValueError(f"{where} is not in the data set, or not the only one of this name")
        if image in drawings:
            raise ValueError(f"the image {image} stands twice in annotation files, first in {drawings[image].source}")
        drawing = drawings[image] = Drawing(path, image, (_number(element, "width"), _number(element, "height")))
        for position, shape in enumerate(element, 1):
            if shape.tag == "tag":
                drawing.is_defective |= not is_normal_folder(shape.get("label", ""))
            elif shape.tag not in _DRAW:
                raise ValueError(f"the image {image} has a {shape.tag[:50]}, which is none of tag, {', '.join(_DRAW)}")
            else:
                drawing.shapes.append((f"{shape.tag} {position} of {image}", partial(_DRAW[shape.tag], shape=shape)))


def _fill_polygon(mask: np.ndarray, shape: ET.Element) -> None:
    shapes.fill_polygon(mask, _points(shape, 3))


def _draw_polyline(mask: np.ndarray, shape: ET.Element) -> None:
    shapes.draw_line(mask, _points(shape, 2), _LINE_WIDTH)


def _draw_points(mask: np.ndarray, shape: ET.Element) -> None:
    for point in _points(shape, 1):
        shapes.fill_circle(mask, point, _POINT_RADIUS)


def _fill_box(mask: np.ndarray, shape: ET.Element) -> None:
    left, top, right, bottom = (_number(shape, name) for name in ("xtl", "ytl", "xbr", "ybr"))
    turn = _number(shape, "rotation", 0)
    if not turn:
        shapes.fill_rectangle(mask, shapes.read_points([[left, top], [right, bottom]], 2))
        return
    centre, size = ((left + right) / 2, (top + bottom) / 2), (abs(right - left), abs(bottom - top))
    shapes.fill_polygon(mask, shapes.read_points(cv2.boxPoints((centre, size, turn)), 4))


def _fill_ellipse(mask: np.ndarray, shape: ET.Element) -> None:
    centre = shapes.read_points([[_number(shape, "cx"), _number(shape, "cy")]], 1)[0]
    shapes.fill_ellipse(mask, centre, _number(shape, "rx"), _number(shape, "ry"), _number(shape, "rotation", 0))


def _fill_mask(mask: np.ndarray, shape: ET.Element) -> None:
    left, top, width, height = (int(_number(shape, name)) for name in ("left", "top", "width", "height"))
    if width < 1 or height < 1 or width > mask.shape[1] or height > mask.shape[0]:
        raise ValueError("its width or height is not between 1 and that of the image")
    try:
        runs = [int(run) for run in shape.get("rle", "").split(",")]
    except ValueError:
        raise ValueError("its rle is no list of whole numbers") from None
    shapes.paste(mask, shapes.from_runs(runs, height, width, by_column=False), left, top)


_DRAW = {
    "polygon": _fill_polygon,
    "box": _fill_box,
    "ellipse": _fill_ellipse,
    "mask": _fill_mask,
    "polyline": _draw_polyline,
    "points": _draw_points,
}


def _points(shape: ET.Element, smallest_count: int) -> np.ndarray:
    pairs = [pair.split(",") for pair in shape.get("points", "").split(";") if pair]
    return shapes.read_points(pairs, smallest_count)


def _number(element: ET.Element, name: str, default: float | None = None) -> float:
    text = element.get(name)
    if text is None and default is not None:
        return default
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not abs(value) < 1e9:
        raise ValueError(f"a {element.tag[:50]} has no number as its {name}")
    return value
