"""The layout of MVTec AD (Bergmann et al., CVPR 2019), which many other data sets of the field have taken over."""

from __future__ import annotations

import os
from pathlib import Path

from paddlex.errors import DatasetError
from paddlex.modules.image_anomaly_detection.dataset import is_normal_folder
from paddlex.modules.image_anomaly_detection.dataset_checker.layout import (
    Layout,
    MaskIndex,
    first_folder,
    list_folders,
    relative_images,
    without_suffix,
)
from paddlex.modules.image_anomaly_detection.dataset_checker.lists import Entry
from paddlex.modules.image_anomaly_detection.dataset_checker.problems import Problem, ProblemCollector

_LAYOUT = "train/good, test/good, test/<defect> and ground_truth/<defect>"


def read_mvtec_ad(root: Path) -> Layout:
    """Read one category of a data set in the layout of MVTec AD::

        train/good/000.png
        test/good/000.png
        test/<defect>/000.png
        ground_truth/<defect>/000_mask.png     or 000.png; with any suffix of an image

    A folder of good parts may also be called ``normal`` or ``ok``.

    Raises:
        DatasetError: the folder is no category; the categories in it are listed.
        DatasetCheckError: images that stand in no folder of this layout, or defective ones without a mask.
    """
    _check_is_category(root)
    layout = Layout()
    paths = relative_images(root, layout.passed)
    masks = MaskIndex((without_suffix(_inside(path)), path) for path in paths if first_folder(path) == "ground_truth")
    problems = ProblemCollector()
    for image in paths:
        part, kind = first_folder(image), first_folder(_inside(image))
        if part not in ("train", "test"):
            continue
        mask = masks.find(without_suffix(_inside(image)))
        if is_normal_folder(kind):
            layout.normal.append(image)
        elif part == "train" or not kind:
            problems.add(_misplaced(root, image))
        elif mask is None:
            problems.add(_no_mask(root, image))
        else:
            layout.anomalous.append(Entry(image, mask))
    problems.raise_if_errors()
    return layout


def _check_is_category(root: Path) -> None:
    if is_category(root):
        return
    categories = [name for name in list_folders(root) if is_category(root / name)]
    if categories:
        raise DatasetError(
            f"the folder is no category itself, but holds {len(categories)}: {', '.join(categories)}",
            where=root,
            remedy=f"Set Global.dataset_dir to one of them, as {root / categories[0]}",
        )
    raise DatasetError("the folder has no train and test folder", where=root, remedy=f"MVTec AD has {_LAYOUT}")


def is_category(folder: Path) -> bool:
    """Whether a folder looks like one category of MVTec AD."""
    return {"train", "test"} <= {name.lower() for name in list_folders(folder)}


def _inside(path: str) -> str:
    """The path inside its outermost folder."""
    return path.partition("/")[2]


def _misplaced(root: Path, image: str) -> Problem:
    return Problem(
        f"the image {image} stands in no folder of the layout of MVTec AD",
        os.fspath(root / image),
        f"The layout is {_LAYOUT}: move the image or leave it out",
    )


def _no_mask(root: Path, image: str) -> Problem:
    stem = without_suffix(_inside(image))
    return Problem(
        f"the defective image {image} has no mask",
        os.fspath(root / image),
        f"Add ground_truth/{stem}_mask.png, or leave the image out",
    )
