"""COCO's annotations of instances (https://cocodataset.org/#format-data): a JSON file for many images."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from paddlex.data.dataset_checker import shapes
from paddlex.data.dataset_checker.annotations import (
    MOST_BYTES,
    MOST_VALUES,
    Drawing,
    ImageNames,
    lay_out,
    nothing_found,
    tell_left_out,
    unusable,
)
from paddlex.data.dataset_checker.layout import Layout, without_suffix
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import FolderRules
from paddlex.data.dataset_checker.survey import Survey, survey
from paddlex.utils.strict import Malformed, read_json

_LAYOUT = "a JSON file with lists of images and annotations, as annotations/instances_train.json"
_REMEDY = "Correct the annotation file {source}, or export it anew"


@dataclass(frozen=True)
class _File:
    """An annotation file that is being read."""

    root: Path
    path: str
    names: ImageNames
    problems: ProblemCollector
    drawings: dict[str, Drawing]

    def report(self, reason: str, remedy: str = "Correct it, or export it anew") -> None:
        self.problems.add(unusable(self.root, self.path, reason, remedy))


def read_coco(root: Path, rules: FolderRules) -> tuple[Survey, Layout]:
    """Read images with COCO's JSON files, one or several, anywhere in the data set.

    An image with annotations is anomalous, whatever their categories: polygons and run lengths, plain or compressed, are
    filled, or the box where there is no segmentation. An image without, or in no file, is normal.

    Raises:
        DatasetError: there are no images, or no such file.
        DatasetCheckError: annotations that cannot be read, or do not fit their image.
    """
    found = survey(root, rules)
    names, problems = ImageNames(found.images), ProblemCollector()
    drawings: dict[str, Drawing] = {}
    paths = [path for path in found.annotations if path.lower().endswith(".json")]
    has_read = [_read_file(_File(root, path, names, problems, drawings)) for path in paths]
    tell_left_out(root, [path for path, is_coco in zip(paths, has_read, strict=True) if not is_coco], "COCO")
    problems.raise_if_errors()
    if not any(has_read):
        raise nothing_found(found, "COCO", _LAYOUT)
    return found, lay_out(found, drawings.values(), lambda drawing: without_suffix(drawing.image), problems, _REMEDY)


def _read_file(file: _File) -> bool:
    """Read one file; returns whether it is COCO's."""
    try:
        content = read_json(file.root / file.path, MOST_BYTES, MOST_VALUES)
    except Malformed as error:
        line = "" if error.line is None else f" (line {error.line})"
        file.report(f"it {error}{line}", "Save it as UTF-8 JSON, or remove it")
        return True
    except OSError as error:
        file.report(f"it cannot be read: {error.strerror}", "Replace it or remove it")
        return True
    images, annotations = map(content.get, ("images", "annotations")) if isinstance(content, dict) else (None, None)
    if not isinstance(images, list) or not isinstance(annotations, list):
        return False
    by_id = _read_images(file, images)
    for number, annotation in enumerate(annotations, 1):
        try:
            _add(annotation, by_id)
        except ValueError as error:
            file.report(f"annotation {number}: {error}")
    return True


def _read_images(file: _File, images: list[Any]) -> dict[Any, Drawing]:
    by_id: dict[Any, Drawing] = {}
    for number, entry in enumerate(images, 1):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_name"), str) or not _is_id(entry.get("id")):
            file.report(f"image {number} has no file_name that is text, or no id that is a number or text")
            continue
        name, identity = entry["file_name"], entry["id"]
        image = file.names.find_named(file.path, name)
        if image is None:
            file.report(
                f"its image {name[:200]!r} is not in the data set, or not the only one of this name",
                "Put the image where the file says, or remove it from the file",
            )
            continue
        width, height = entry.get("width"), entry.get("height")
        drawing = Drawing(file.path, image, (width, height) if width and height else None)
        if identity in by_id:
            file.report(f"two images have the id {identity!s:.100}")
        elif image in file.drawings:
            file.problems.add(_twice(file, image))
        else:
            by_id[identity] = file.drawings[image] = drawing
    return by_id


def _twice(file: _File, image: str) -> Problem:
    first = file.drawings[image].source
    return Problem(
        f"the image {image} stands twice in annotation files: in {first} and in {file.path}",
        os.fspath(file.root / file.path),
        "Remove one of the two, or the file that is not needed",
    )


def _add(annotation: Any, by_id: dict[Any, Drawing]) -> None:
    if not isinstance(annotation, dict):
        raise ValueError("it is not a mapping")
    identity = annotation.get("image_id")
    if not _is_id(identity) or identity not in by_id:
        raise ValueError(f"its image_id {identity!s:.100} is that of no image of the file")
    name = f"the annotation with the id {annotation.get('id')!s:.100}"
    by_id[identity].shapes.append((name, partial(_draw, annotation=annotation)))


def _draw(mask: np.ndarray, annotation: dict[str, Any]) -> None:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, dict):
        _draw_runs(mask, segmentation)
    elif isinstance(segmentation, list) and segmentation:
        for numbers in segmentation:
            if not isinstance(numbers, list) or len(numbers) % 2:
                raise ValueError("a polygon is no list of x and y in turn")
            shapes.fill_polygon(mask, shapes.read_points([numbers[i : i + 2] for i in range(0, len(numbers), 2)], 3))
    elif segmentation in (None, []):
        box = annotation.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            raise ValueError("it has neither a segmentation nor a bbox of x, y, width and height")
        (left, top), (width, height) = shapes.read_points([box[:2], box[2:]], 2).tolist()
        if width <= 0 or height <= 0:
            raise ValueError("its bbox has no area")
        shapes.fill_rectangle(mask, np.array([[left, top], [max(left + width - 1, left), max(top + height - 1, top)]]))
    else:
        raise ValueError("its segmentation is neither a list of polygons nor run lengths")


def _draw_runs(mask: np.ndarray, segmentation: dict[str, Any]) -> None:
    counts = segmentation.get("counts")
    height, width = mask.shape
    if segmentation.get("size") != [height, width]:
        raise ValueError(f"its size {segmentation.get('size')!s:.100} is not that of the image, [{height}, {width}]")
    if isinstance(counts, str):
        counts = shapes.parse_compressed_runs(counts)
    if not isinstance(counts, list):
        raise ValueError("its counts are neither a list nor text")
    shapes.paste(mask, shapes.from_runs(counts, height, width, by_column=True), 0, 0)


def _is_id(value: Any) -> bool:
    return isinstance(value, (int, str)) and not isinstance(value, bool)
