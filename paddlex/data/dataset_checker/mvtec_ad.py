"""The layout of MVTec AD (Bergmann et al., CVPR 2019), which many other data sets of the field have taken over."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from paddlex.data.dataset import read_mask
from paddlex.data.dataset_checker.layout import (
    MASK_FOLDER,
    Layout,
    MaskIndex,
    check_masks_of_normal,
    encode_mask,
    first_folder,
    list_folders,
    without_suffix,
)
from paddlex.data.dataset_checker.lists import Entry
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import FolderRules, Role
from paddlex.data.dataset_checker.survey import (
    Survey,
    folder_of,
    says_bad,
    survey,
    undecided,
)
from paddlex.data.folder_names import ACCEPTED_NORMAL_NAMES, is_normal_folder
from paddlex.errors import DatasetError, ImageReadError

_LAYOUT = "train/good, test/good, test/<defect> and ground_truth/<defect>"
_GROUND_TRUTH = "ground_truth"
_PARTS = ("train", "validation", "test", _GROUND_TRUTH)


def read_mvtec_ad(root: Path, rules: FolderRules) -> tuple[Survey, Layout]:
    """Read one category of a data set in the layout of MVTec AD::

        train/good/000.png
        validation/good/000.png                (MVTec LOCO AD) more good parts to validate with
        test/good/000.png
        test/<defect>/000.png
        ground_truth/<defect>/000_mask.png     or 000.png; with any suffix of an image
        ground_truth/<defect>/000/000.png      and more in the same folder: together they mark the defects (MVTec LOCO AD)

    A folder of good parts may have any name of `is_normal_folder`. Without any mask the defective images get masks of the
    whole image, see `Layout.add_unlocated`.

    Raises:
        DatasetError: the folder is no category; the categories in it are listed.
        DatasetCheckError: images that stand in no folder of this layout, or defective ones without a mask beside others
            that have one; folders or masks that say of good parts that they are bad.
    """
    _check_is_category(root)
    found = survey(root, rules, _PARTS)
    problems = ProblemCollector()
    of_test = [path for path in found.masks if first_folder(path) in ("test", _GROUND_TRUTH)]
    masks = MaskIndex([(without_suffix(_inside(path)), path) for path in of_test], problems)
    layout = Layout()
    unmasked: list[str] = []
    masks_of_normal: list[str] = []
    undecided_folders: dict[str, None] = {}
    strays = set(found.masks)
    for image in found.images:
        part, kind, key = first_folder(image), first_folder(_inside(image)), without_suffix(_inside(image))
        role = rules.role(folder_of(image))
        own_masks = masks.find_all(key) if part == "test" else []
        strays.difference_update(own_masks)
        if role is None and is_normal_folder(kind) and says_bad(folder_of(image)):
            undecided_folders[folder_of(image)] = None
        elif role is Role.NORMAL or (role is None and is_normal_folder(kind)):
            layout.normal.append(image)
            masks_of_normal += own_masks
        elif part != "test" or not kind:
            problems.add(_misplaced(root, image))
        elif not own_masks:
            unmasked.append(image)
        else:
            layout.anomalous.append(Entry(image, _merge(root, own_masks, key, layout, problems)))
    problems.extend(undecided(folder, "its name says good and bad") for folder in undecided_folders)
    check_masks_of_normal(root, masks_of_normal, problems)
    if strays:
        layout.notes.append(_stray_masks(root, sorted(strays)))
    if found.masks:
        problems.extend(_no_mask(root, image) for image in unmasked)
    else:
        layout.add_unlocated(root, unmasked, problems)
    problems.raise_if_errors()
    return found, layout


def is_category(folder: Path) -> bool:
    """Whether a folder looks like one category of MVTec AD."""
    return {"train", "test"} <= {name.lower() for name in list_folders(folder)}


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


def _merge(root: Path, masks: list[str], key: str, layout: Layout, problems: ProblemCollector) -> str:
    """One mask of one or several: a pixel is anomalous if it is in any of them."""
    if len(masks) == 1:
        return masks[0]
    try:
        merged = read_mask(root / masks[0])
        for path in masks[1:]:
            mask = read_mask(root / path)
            if mask.shape != merged.shape:
                raise ImageReadError(f"its size differs from that of {masks[0]}", where=root / path)
            merged = np.logical_or(merged, mask)
    except ImageReadError as error:
        problems.add(
            Problem(f"the masks {folder_of(masks[0])} cannot be used: {error.what}", str(error.where), "Replace them")
        )
        return masks[0]
    name = f"{MASK_FOLDER}/{key}.png"
    layout.new_masks[name] = encode_mask(merged)
    return name


def _inside(path: str) -> str:
    """The path inside its outermost folder."""
    return path.partition("/")[2]


def _misplaced(root: Path, image: str) -> Problem:
    return Problem(
        f"the image {image} stands in no folder of the layout of MVTec AD",
        os.fspath(root / image),
        f"The layout is {_LAYOUT}, and good may also be called {ACCEPTED_NORMAL_NAMES}: move the image or leave it out",
    )


def _stray_masks(root: Path, masks: list[str]) -> Problem:
    others = f", nor do {len(masks) - 1} others" if len(masks) > 1 else ""
    return Problem(
        f"the mask {masks[0]} belongs to no image of test{others}",
        os.fspath(root / masks[0]),
        "Make sure that its image is not among the good parts",
        "warning",
    )


def _no_mask(root: Path, image: str) -> Problem:
    stem = without_suffix(_inside(image))
    return Problem(
        f"the defective image {image} has no mask",
        os.fspath(root / image),
        f"Add {_GROUND_TRUTH}/{stem}_mask.png, or leave the image out",
    )
