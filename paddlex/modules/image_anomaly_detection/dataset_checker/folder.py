"""A plain folder of good and bad images."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path, PurePosixPath

import numpy as np

from paddlex.errors import ImageReadError
from paddlex.inference.inputs import read_image
from paddlex.modules.image_anomaly_detection.dataset import is_normal_folder
from paddlex.modules.image_anomaly_detection.dataset_checker.layout import (
    MASK_FOLDER,
    Layout,
    MaskIndex,
    encode_mask,
    relative_images,
    without_suffix,
)
from paddlex.modules.image_anomaly_detection.dataset_checker.lists import Entry
from paddlex.modules.image_anomaly_detection.dataset_checker.problems import Problem, ProblemCollector
from paddlex.modules.image_anomaly_detection.dataset_checker.workers import map_in_threads
from paddlex.utils.logging import logger

_MASK_FOLDERS = frozenset({"masks", "mask", "ground_truth", "gt"})
_PARTITION_FOLDERS = frozenset({"train", "val", "valid", "validation", "test"})
_FULL_FRAME = f"{MASK_FOLDER}/full_frame_"


def read_folder(root: Path) -> Layout:
    """Read a data set that is sorted into folders of good and of bad images::

        good/000.png                or normal/ or ok/, in upper or lower case
        bad/000.png                 any other name: bad, ng, scratch …; it names the defect type
        masks/bad/000.png           or ground_truth/…, gt/…; 000_mask.png does as well; with any suffix of an image
        masks/000.png               will do where only one bad image has this name

    All of it may stand once more in folders ``train``, ``val`` and ``test``. Masks are optional. The lists cannot say
    "defective, but who knows where", so a bad image without a mask gets one that marks the whole image, written to
    ``masks/full_frame_<width>x<height>.png``. Image-level metrics are right then; pixel-level metrics mean nothing.

    Raises:
        DatasetError: there are no images.
        DatasetCheckError: images in no folder, masks that belong to no image or to several, unreadable images.
    """
    layout = Layout()
    paths = relative_images(root, layout.passed)
    masks = MaskIndex((_mask_key(path), path) for path in paths if _is_mask(path) and not path.startswith(_FULL_FRAME))
    problems = ProblemCollector()
    image_of_mask: dict[str, str] = {}
    unmasked = []
    for image in paths:
        if _is_mask(image):
            continue
        is_normal = is_normal_folder(_kind(image))
        mask = masks.find(without_suffix(image)) or (None if is_normal else masks.find(PurePosixPath(image).stem))
        if mask is not None and image_of_mask.setdefault(mask, image) != image:
            problems.add(_shared_mask(root, mask, image_of_mask[mask], image))
        if not _kind(image):
            problems.add(_no_kind(root, image))
        elif is_normal:
            layout.normal.append(image)
        elif mask is None:
            unmasked.append(image)
        else:
            layout.anomalous.append(Entry(image, mask))
    problems.extend(_stray_mask(root, mask) for mask in masks.paths() if mask not in image_of_mask)
    _add_full_frame_masks(root, unmasked, layout, problems)
    problems.raise_if_errors()
    if unmasked:
        logger.warning(
            "%d anomalous images have no mask, so one is written that marks the whole image: "
            "image-level metrics are right, pixel-level metrics mean nothing",
            len(unmasked),
        )
    return layout


def _add_full_frame_masks(root: Path, images: list[str], layout: Layout, problems: ProblemCollector) -> None:
    """Images of one size share a mask."""
    for image, size in zip(images, map_in_threads(partial(_read_size, root), images, "Reading sizes"), strict=True):
        if isinstance(size, Problem):
            problems.add(size)
            continue
        height, width = size
        mask = f"{_FULL_FRAME}{width}x{height}.png"
        if mask not in layout.new_masks:
            layout.new_masks[mask] = encode_mask(np.ones((height, width), bool))
        layout.anomalous.append(Entry(image, mask))


def _read_size(root: Path, image: str) -> tuple[int, int] | Problem:
    try:
        height, width = read_image(root / image).shape[:2]
    except ImageReadError as error:
        return Problem(f"the image {image} cannot be used: {error.what}", str(root / image), "Replace or remove it")
    return height, width


def _is_mask(path: str) -> bool:
    return any(part.lower() in _MASK_FOLDERS for part in PurePosixPath(path).parts[:-1])


def _mask_key(path: str) -> str:
    """The path without the mask folder's name, which is that of its image."""
    parts = PurePosixPath(without_suffix(path)).parts
    folders = [part for part in parts[:-1] if part.lower() not in _MASK_FOLDERS]
    return "/".join([*folders, parts[-1]])


def _kind(image: str) -> str:
    """The outermost folder that is not ``train``, ``val`` or ``test``; "" where there is none."""
    for part in PurePosixPath(image).parts[:-1]:
        if part.lower() not in _PARTITION_FOLDERS:
            return part
    return ""


def _no_kind(root: Path, image: str) -> Problem:
    return Problem(
        f"the image {image} stands in no folder that says whether it is good or bad",
        os.fspath(root / image),
        "Move it to good/, or to bad/ or a folder named after the defect",
    )


def _shared_mask(root: Path, mask: str, first: str, second: str) -> Problem:
    return Problem(
        f"the mask {mask} could be that of {first} and of {second}",
        os.fspath(root / mask),
        f"Move it to a folder named as the image's, as {MASK_FOLDER}/{PurePosixPath(first).parent}",
    )


def _stray_mask(root: Path, mask: str) -> Problem:
    return Problem(
        f"the mask {mask} belongs to no image",
        os.fspath(root / mask),
        f"For an image bad/000.png, name it {MASK_FOLDER}/bad/000.png; or remove it",
    )
