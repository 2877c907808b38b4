"""What the converters of annotations (LabelMe, COCO, CVAT) have in common: finding images, drawing masks, sorting."""

from __future__ import annotations

import os
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from paddlex.data.dataset_checker.layout import (
    MASK_FOLDER,
    Layout,
    encode_mask,
    without_suffix,
)
from paddlex.data.dataset_checker.lists import Entry
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import Role
from paddlex.data.dataset_checker.survey import (
    Survey,
    folder_of,
    says_bad,
    says_good,
    telling_names,
)
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.errors import DatasetError, ImageReadError
from paddlex.inference.image_files import picture_size
from paddlex.utils.files import read_regular_file
from paddlex.utils.logging import logger

#: The largest annotation file; LabelMe's may hold its image, COCO's all polygons of a data set.
MOST_BYTES = 256 * 2**20
MOST_VALUES = 20_000_000

_SNIFFED_FILES = 3


@dataclass
class Drawing:
    """What is annotated on one image.

    Attributes:
        source: the annotation file, relative to the data set.
        image: the image, likewise.
        size: (width, height) of the image that was drawn on, if the annotation says it.
        shapes: each a name for messages, and what draws it into a mask, see `shapes`; it raises a ValueError if it cannot.
        is_defective: whether the image is said to be defective as a whole, wherever the defect is.
    """

    source: str
    image: str
    size: tuple[Any, Any] | None = None
    shapes: list[tuple[str, Callable[[np.ndarray], None]]] = field(default_factory=list)
    is_defective: bool = False


class ImageNames:
    """Finds the image that an annotation names, also after the folder was moved or the images were saved in another format.

    Letters such as ü are the same in one code point and, as macOS stores names, in two.
    """

    def __init__(self, images: Sequence[str]) -> None:
        self._images = {_composed(image): image for image in images}
        self._by_path = {_composed(without_suffix(image)): image for image in images}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for image in images:
            self._by_name[_composed(posixpath.basename(image))].append(image)
            self._by_stem[_composed(PurePosixPath(image).stem)].append(image)

    def find(self, annotation: str, named: str) -> str | None:
        """By the path from the annotation's folder; else by the annotation's name, beside it or anywhere, if it is unique."""
        path = self._from(posixpath.dirname(annotation), named)
        namesakes = self._by_stem[_composed(PurePosixPath(annotation).stem)]
        return path or self.beside(annotation) or (namesakes[0] if len(namesakes) == 1 else None)

    def find_named(self, annotation: str, named: str) -> str | None:
        """By the path from the data set's folder or the annotation's; else by the end of the path, if only one image has it."""
        path = self._from("", named) or self._from(posixpath.dirname(annotation), named)
        if path is not None:
            return path
        end = "/" + _composed(named).replace("\\", "/").lstrip("./")
        namesakes = [image for image in self._by_name[posixpath.basename(end)] if f"/{_composed(image)}".endswith(end)]
        return namesakes[0] if len(namesakes) == 1 else None

    def beside(self, annotation: str) -> str | None:
        """The image of the same name in the same folder."""
        return self._by_path.get(_composed(without_suffix(annotation)))

    def _from(self, folder: str, named: str) -> str | None:
        path = posixpath.normpath(posixpath.join(folder, named.replace("\\", "/")))
        return self._images.get(_composed(path)) if named else None


def _composed(path: str) -> str:
    return unicodedata.normalize("NFC", path)


def lay_out(
    found: Survey,
    drawings: Iterable[Drawing],
    mask_name: Callable[[Drawing], str],
    problems: ProblemCollector,
    remedy: str,
) -> Layout:
    """Draw all masks; images with nothing drawn on them are good parts.

    Args:
        found: the pictures.
        drawings: at most one for an image.
        mask_name: what a new mask is called below ``masks/``, without its suffix.
        problems: takes drawings that cannot be used, and images without annotation in a folder of defects.
        remedy: what to do about the former; ``{image}`` and ``{source}`` stand for their names.

    Raises:
        DatasetCheckError: there were problems.
    """
    by_image = {drawing.image: drawing for drawing in drawings}
    chosen = list(by_image.values())
    layout = Layout()
    unlocated, unannotated = [], defaultdict(list)
    annotated = {without_suffix(drawing.image): drawing.image for drawing in chosen}
    suspicious = _folders_not_of_good_parts(found)
    masks: dict[str, bytes] = {}
    for drawing, mask in zip(chosen, map_in_threads(partial(_draw, found.root), chosen, "Drawing masks"), strict=True):
        if isinstance(mask, str):
            advice = remedy.format(image=drawing.image, source=drawing.source)
            problems.add(unusable(found.root, drawing.source, mask, advice))
        elif mask is not None:
            masks[drawing.image] = mask
        elif drawing.is_defective:
            unlocated.append(drawing.image)
    for image in found.images:
        if image in masks:
            name = f"{MASK_FOLDER}/{mask_name(by_image[image])}.png"
            if name in layout.new_masks:  # of an image that differs in its suffix alone
                name = f"{MASK_FOLDER}/{image}.png"
            layout.anomalous.append(Entry(image, name))
            layout.new_masks[name] = masks[image]
        elif image in by_image and (by_image[image].is_defective or by_image[image].shapes):
            continue  # unlocated, or a problem already
        elif image not in by_image and without_suffix(image) in annotated:
            problems.add(_same_name(found.root, image, annotated[without_suffix(image)]))
        elif folder_of(image) in suspicious:
            unannotated[folder_of(image)].append(image)
        else:
            layout.normal.append(image)
    problems.extend(_unannotated(found.root, folder, images) for folder, images in unannotated.items())
    layout.add_unlocated(found.root, unlocated, problems)
    problems.raise_if_errors()
    if not layout.anomalous:
        layout.notes.append(_nothing_annotated(found.root, len(layout.normal)))
    return layout


def unusable(root: Path, source: str, reason: str, remedy: str) -> Problem:
    """An annotation that cannot be used."""
    return Problem(f"the annotation {source} cannot be used: {reason}", os.fspath(root / source), remedy)


def recognise(found: Survey) -> str | None:
    """Whose annotations a data set has: LabelMe's, COCO's or CVAT's; None if it has none of them."""
    for path in found.annotations[:_SNIFFED_FILES]:
        try:
            text = read_regular_file(found.root / path, MOST_BYTES)
        except OSError:
            continue
        if path.lower().endswith(".xml") and b"<annotations" in text and b"<image" in text:
            return "CVAT"
        if b'"shapes"' in text:
            return "LabelMe"
        if b'"images"' in text and b'"annotations"' in text:
            return "COCO"
    return None


def tell_left_out(root: Path, paths: Sequence[str], tool: str) -> None:
    """Say in one line which files are no annotations of a tool."""
    if paths:
        others = f", nor are {len(paths) - 1} others; they are" if len(paths) > 1 else " and is"
        logger.warning("%s is not an annotation of %s%s left out", root / paths[0], tool, others)


def nothing_found(found: Survey, tool: str, layout: str) -> DatasetError:
    """The error of a data set without annotations of a tool; it names the tool whose annotations there are."""
    other = recognise(found)
    other = None if other == tool else other  # a file that looks like it, and is not
    remedy = f"Set CheckDataset.convert.src_dataset_type={other}" if other else f"{tool} has {layout}"
    there = f", but annotations of {other}" if other else ""
    return DatasetError(f"there is no annotation file of {tool}{there}", where=found.root, remedy=remedy)


def _draw(root: Path, drawing: Drawing) -> bytes | str | None:
    """The mask as a PNG file; None if nothing is drawn; or why it cannot be drawn."""
    if not drawing.shapes:
        return None
    try:
        height, width = picture_size(root / drawing.image)
    except ImageReadError as error:
        return f"its image {drawing.image} cannot be read: {error.what}"
    if drawing.size is not None and drawing.size != (width, height):
        return (
            f"it was drawn on an image of {drawing.size[0]!s:.20} x {drawing.size[1]!s:.20} pixels, "
            f"but the image {drawing.image} has {width} x {height} (width x height)"
        )
    mask = np.zeros((height, width), np.uint8)
    outside = []
    for name, draw in drawing.shapes:
        shape = np.zeros_like(mask)
        try:
            draw(shape)
        except (ValueError, ImageReadError) as error:
            return f"{name} cannot be drawn: {error}"
        mask |= shape
        if not shape.any():
            outside.append(name)
    if not mask.any():
        return "all its shapes are outside the image"
    if outside:
        return f"{outside[0]} is outside the image {drawing.image}"
    return encode_mask(mask.astype(bool))


def _folders_not_of_good_parts(found: Survey) -> set[str]:
    """Folders whose images are no good parts by their name: plainly, or because another folder is one of good parts."""
    folders = {folder_of(image) for image in found.images}
    has_good = any(map(says_good, folders))

    def is_suspicious(folder: str) -> bool:
        role = found.rules.role(folder)
        if role is not None:
            return role is Role.DEFECTS
        return says_bad(folder) or (has_good and bool(telling_names(folder)) and not says_good(folder))

    return set(filter(is_suspicious, folders))


def _unannotated(root: Path, folder: str, images: list[str]) -> Problem:
    return Problem(
        f"{len(images)} images in {folder}/ have nothing annotated (first {posixpath.basename(images[0])}), so they would "
        "count as good parts, but the name of their folder does not say that they are",
        os.fspath(root / folder),
        f"Annotate them, or name {folder} in CheckDataset.convert.normal if they are good, else in "
        "CheckDataset.convert.ignore; if the folders sort the images, set CheckDataset.convert.src_dataset_type=Folder",
    )


def _same_name(root: Path, image: str, annotated: str) -> Problem:
    return Problem(
        f"the image {image} has no annotation, but {annotated} has, which differs in its suffix alone: they may show the same "
        "part",
        os.fspath(root / image),
        "Remove the one that is not needed, or rename one of them",
    )


def _nothing_annotated(root: Path, count: int) -> Problem:
    return Problem(
        f"no image has an annotation: all {count} are taken for good parts",
        os.fspath(root),
        "Make sure that this is so",
        "warning",
    )
