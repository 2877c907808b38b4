"""The check itself: every image and mask is decoded once, and everything that is wrong is reported."""

from __future__ import annotations

import hashlib
import os
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import cv2
import numpy as np

from paddlex.data.dataset import (
    VAL_LIST,
    Sample,
    decode_mask,
    is_lossy,
    read_samples,
    source_folder,
)
from paddlex.data.dataset_checker.demo import save_demo
from paddlex.data.dataset_checker.descriptors import Descriptor, describe
from paddlex.data.dataset_checker.grey_levels import looks_like_mask
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.errors import DatasetError, ImageReadError
from paddlex.inference.image_files import decode_picture, read_bytes
from paddlex.inference.reading import ANY, Reading


@dataclass(frozen=True)
class Inspection:
    """What is kept of a sample once its pixels are gone.

    Attributes:
        sample: the line that was inspected.
        anomalous: whether the mask has anomalous pixels; where it cannot be read, whether there should be one.
        coverage: the share of anomalous pixels, 0 to 1; 0 without a mask.
        has_lossy_mask: whether the mask's file is a JPEG or the like.
        looks_like_mask: whether the image has hardly any grey levels.
        digest: a hash of the image file's bytes, or of its pixels, see `recognise_pictures`; empty where it cannot be read.
        descriptor: what the image looks like; None where it cannot be read.
        problems: what is wrong with this line.
    """

    sample: Sample
    anomalous: bool
    coverage: float
    has_lossy_mask: bool
    looks_like_mask: bool
    digest: bytes
    descriptor: Descriptor | None
    problems: tuple[Problem, ...]


def read_list(root: Path, list_name: str, problems: ProblemCollector, reading: Reading = ANY) -> list[Sample]:
    """Read a list; one that cannot be used is a problem like any other, so that the other list is still checked."""
    try:
        return read_samples(root, list_name, reading)
    except DatasetError as error:
        problems.add(Problem(error.what, error.where or os.fspath(root), error.remedy or "Correct the list"))
        return []


def check_lines(samples: Sequence[Sample], problems: ProblemCollector) -> list[Sample]:
    """Check what the lines of both lists say, without opening a file.

    Returns:
        the samples whose files are to be read: not those outside the data set, and a repeated line only once.
    """
    readable = []
    first_lines: dict[str, Sample] = {}
    folders = {root: [root, source_folder(root) or root] for root in {sample.root for sample in samples}}
    for sample in samples:
        paths = [path for path in (sample.image, sample.mask) if path is not None]
        outside = [path for path in paths if _leaves_folders(path, folders[sample.root])]
        if outside:
            problems.extend(
                Problem(f"the path {path} leaves the data set", sample.where, "Move the file into the data set folder")
                for path in outside
            )
            continue
        first = first_lines.setdefault(os.path.normpath(sample.image_path), sample)
        if first is not sample:
            problems.add(_repetition(first, sample))
        if first is sample or (first.list_name, first.mask) != (sample.list_name, sample.mask):
            readable.append(sample)
    return readable


def inspect_samples(
    samples: Sequence[Sample], demos: Mapping[Sample, Path], problems: ProblemCollector
) -> list[Inspection]:
    """Read all files once, on all cores, and report what is wrong with them; save demo pictures on the way.

    Args:
        samples: the lines to inspect.
        demos: where to draw some of them.
        problems: takes what is found, in the order of the lines.
    """
    inspections = []
    for inspection in map_in_threads(
        lambda sample: inspect_sample(sample, demos.get(sample)), samples, "Checking the data set"
    ):
        problems.extend(inspection.problems)
        inspections.append(inspection)
    return inspections


def inspect_sample(sample: Sample, demo_path: Path | None = None) -> Inspection:
    """Read one image and its mask, and draw them at ``demo_path`` if both are sound."""
    problems: list[Problem] = []
    image, is_lossy_image, digest = _read_sample_image(sample, problems)
    mask, has_lossy_mask = _read_sample_mask(sample, problems)
    if image is not None and mask is not None and image.shape[:2] != mask.shape:
        problems.append(_size_mismatch(sample, image, mask))
    has_anomalies = mask is not None and bool(mask.any())
    if sample.list_name != VAL_LIST and has_anomalies:
        problems.append(_anomalous_training_image(sample))
    elif mask is not None and not has_anomalies and sample.is_defective_by_name:
        problems.append(_empty_mask(sample))
    anomalous = has_anomalies or sample.is_defective_by_name or (mask is None and sample.mask is not None)
    if demo_path is not None and image is not None and not any(problem.severity == "error" for problem in problems):
        save_demo(demo_path, image, mask)
    coverage = 0.0 if mask is None else cv2.countNonZero(mask.view(np.uint8)) / mask.size
    descriptor = None if image is None else describe(image)
    is_like_mask = image is not None and looks_like_mask(image, is_lossy_image)
    return Inspection(sample, anomalous, coverage, has_lossy_mask, is_like_mask, digest, descriptor, tuple(problems))


def _leaves_folders(path: str, folders: Sequence[Path]) -> bool:
    if posixpath.isabs(path) or PureWindowsPath(path).is_absolute():
        ways = [way(folder) for folder in folders for way in (os.path.abspath, os.path.realpath)]  # it may be a link
        return not any(Path(os.path.normpath(path)).is_relative_to(way) for way in ways)
    return posixpath.normpath(path).split("/")[0] == ".."


def _repetition(first: Sample, again: Sample) -> Problem:
    if first.list_name != again.list_name:
        return Problem(
            f"the image {again.image} stands in {first.list_name} (line {first.line}) and in {again.list_name}",
            again.where,
            "Train and validate on different images: remove one of the lines",
        )
    if first.mask != again.mask:
        return Problem(
            f"the image {again.image} stands twice with different masks, first in line {first.line}",
            again.where,
            "Join the masks in one file, or remove one of the lines",
        )
    return Problem(f"the line repeats line {first.line}", again.where, "Remove one of them", "warning")


def _read_sample_image(sample: Sample, problems: list[Problem]) -> tuple[np.ndarray | None, bool, bytes]:
    """The image, uint8 [H, W, 3], whether its file is a lossy one, and a hash of it."""
    try:
        data = read_bytes(sample.image_path, sample.reading)
        image = decode_picture(data, sample.image, sample.reading)
        return image, is_lossy(data), hashlib.sha1(data, usedforsecurity=False).digest()
    except ImageReadError as error:
        problems.append(_unreadable("image", sample.image, sample, error))
        return None, False, b""


def _read_sample_mask(sample: Sample, problems: list[Problem]) -> tuple[np.ndarray | None, bool]:
    """The mask, bool [H, W], and whether its file is a lossy one."""
    if sample.mask is None:
        return None, False
    try:
        data = read_bytes(sample.root / sample.mask, sample.reading)
        return decode_mask(data, name=sample.mask, reading=sample.reading), is_lossy(data)
    except ImageReadError as error:
        problems.append(_unreadable("mask", sample.mask, sample, error))
        return None, False


def _unreadable(role: str, path: str, sample: Sample, error: ImageReadError) -> Problem:
    if not os.path.exists(sample.root / path):
        return Problem(
            f"the {role} {path} does not exist",
            sample.where,
            "Check the spelling, upper and lower case included, or remove the line",
        )
    return Problem(f"the {role} {path} cannot be used: {error.what}", sample.where, "Replace it or remove the line")


def _anomalous_training_image(sample: Sample) -> Problem:
    what = f"the training image {sample.image} has anomalies in its mask {sample.mask}"
    return Problem(what, sample.where, f"Train on normal images only: move the line to {VAL_LIST}")


def _empty_mask(sample: Sample) -> Problem:
    return Problem(
        f"the mask {sample.mask} is empty, but the image {sample.image} is listed as defective; it counts as anomalous "
        "and is left out of the pixel-level metrics",
        sample.where,
        "Drop the mask from the line if the part is good, else draw the mask",
        "warning",
    )


def _size_mismatch(sample: Sample, image: np.ndarray, mask: np.ndarray) -> Problem:
    return Problem(
        f"the mask {sample.mask} is {mask.shape[1]} x {mask.shape[0]} pixels, "
        f"its image {sample.image} {image.shape[1]} x {image.shape[0]} (width x height, turned as EXIF says)",
        sample.where,
        "Draw the mask at the size of the image",
    )
