"""A plain folder of good and bad images."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from paddlex.data.dataset_checker.annotations import recognise
from paddlex.data.dataset_checker.layout import (
    MASK_FOLDER,
    Layout,
    MaskIndex,
    check_masks_of_normal,
    list_folders,
    without_suffix,
)
from paddlex.data.dataset_checker.lists import Entry
from paddlex.data.dataset_checker.mvtec_ad import is_category
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.rules import TOP, FolderRules, Role
from paddlex.data.dataset_checker.survey import (
    Survey,
    folder_of,
    says_bad,
    says_good,
    survey,
    telling_names,
    undecided,
)
from paddlex.data.folder_names import (
    ACCEPTED_NORMAL_NAMES,
    is_mask_folder,
    is_neutral_folder,
    is_partition_folder,
)
from paddlex.errors import DatasetError

_SORT = f"Sort them into folders: good/ for the good parts (or {ACCEPTED_NORMAL_NAMES}), bad/ or a name for each defect"


def read_folder(root: Path, rules: FolderRules) -> tuple[Survey, Layout]:
    """Read a data set that is sorted into folders of good and of bad images::

        good/000.png                or normal/, ok/, 良品/ …, see `is_normal_folder`
        bad/000.png                 any other name: bad, ng, scratch …; it names the defect type
        masks/bad/000.png           or ground_truth/…, gt/…, label/…; 000_mask.png does as well; with any suffix of an image
        masks/000.png               will do where only one bad image has this name
        bad/000_mask.png            beside the image

    All of it may stand once more in folders ``train``, ``val`` and ``test``, or ``images``. Masks are optional: a bad image
    without one gets a mask of the whole image, see `Layout.add_unlocated`.

    Raises:
        DatasetError: there are no images, or none in a folder of good parts, or it is another layout.
        DatasetCheckError: images in no folder, masks that belong to no image or to several, unreadable images.
    """
    _refuse_mvtec_ad(root)
    found = survey(root, rules)
    problems = ProblemCollector()
    masks = MaskIndex([(_key(path, rules), path) for path in found.masks], problems)
    layout = Layout()
    image_of_mask: dict[str, str] = {}
    unmasked, masks_of_normal = [], []
    unsorted: dict[str, list[str]] = defaultdict(list)
    above_good = {
        os.fspath(parent)
        for folder in set(map(folder_of, found.images))
        if says_good(folder)
        for parent in PurePosixPath(folder).parents
    }
    for image in found.images:
        role = _role(image, rules, above_good, unsorted)
        is_normal = role is Role.NORMAL
        mask = masks.find(_key(image, rules)) or (None if is_normal else masks.find(PurePosixPath(image).stem))
        if mask is not None and image_of_mask.setdefault(mask, image) != image:
            problems.add(_shared_mask(root, mask, image_of_mask[mask], image))
        if is_normal:
            layout.normal.append(image)
            if mask is not None:
                masks_of_normal.append(mask)
        elif role is Role.DEFECTS and mask is None:
            unmasked.append(image)
        elif role is Role.DEFECTS:
            layout.anomalous.append(Entry(image, mask))
    _check_sorted(found, layout, unsorted, problems)
    strays: dict[str, list[str]] = defaultdict(list)
    for mask in masks.paths():
        if mask not in image_of_mask:
            strays[folder_of(mask)].append(mask)
    problems.extend(_stray_masks(root, folder, stray) for folder, stray in strays.items())
    check_masks_of_normal(root, masks_of_normal, problems)
    layout.add_unlocated(root, unmasked, problems)
    problems.raise_if_errors()
    tool = recognise(found)
    if tool is not None:
        layout.notes.append(_unused_annotations(root, tool))
    return found, layout


def _refuse_mvtec_ad(root: Path) -> None:
    remedy = "Set CheckDataset.convert.src_dataset_type=MVTec_AD"
    names = list_folders(root)
    if is_category(root) and "ground_truth" in map(str.lower, names):
        raise DatasetError(
            "the folder has the layout of MVTec AD (train, test, ground_truth)", where=root, remedy=remedy
        )
    categories = [name for name in names if is_category(root / name)]
    if categories and not is_category(root):
        raise DatasetError(
            f"the folder holds {len(categories)} categories in the layout of MVTec AD: {', '.join(categories[:10])}",
            where=root,
            remedy=f"{remedy}, and Global.dataset_dir to one of them, as {root / categories[0]}",
        )


def _role(image: str, rules: FolderRules, above_good: Collection[str], unsorted: dict[str, list[str]]) -> Role | None:
    """What the image's folders say of it; None, and a place in ``unsorted``, where they say nothing, or two things.

    A name that is no plain one for bad parts names no kind of defect where a folder of good parts lies below it.
    """
    folder = folder_of(image)
    role = rules.role(folder)
    if role is not None:
        return role
    is_no_kind = not telling_names(folder) or (folder in above_good and not says_good(folder) and not says_bad(folder))
    if is_no_kind or (says_good(folder) and says_bad(folder)):
        unsorted[folder].append(image)
        return None
    return Role.NORMAL if says_good(folder) else Role.DEFECTS


def _check_sorted(found: Survey, layout: Layout, unsorted: dict[str, list[str]], problems: ProblemCollector) -> None:
    root, tool = found.root, recognise(found)
    hint = f". Or, as there are annotations of {tool}: set CheckDataset.convert.src_dataset_type={tool}" if tool else ""
    if unsorted and sum(map(len, unsorted.values())) == len(found.images):
        names = ", ".join(unsorted)
        raise DatasetError(
            f"nothing says which of the {len(found.images)} images are good parts: the folder names {_places(unsorted)} do not",
            where=root,
            remedy=f'{_SORT}. If all of them are good parts, set CheckDataset.convert.normal="[{names}]"{hint}',
        )
    if not layout.normal and not unsorted:
        counts = Counter(folder_of(image) for image in found.images)
        places = ", ".join(f"{folder}/ ({count})" for folder, count in sorted(counts.items()))
        raise DatasetError(
            f"there are no normal images to train on: no folder has a name for good parts, only {places[:500]}",
            where=root,
            remedy=f"Call the folder of good parts one of {ACCEPTED_NORMAL_NAMES}, or set CheckDataset.convert.normal to its "
            f"name{hint}",
        )
    for folder, images in unsorted.items():
        if says_good(folder):
            problems.add(undecided(folder, "its name says good and bad"))
        else:
            problems.add(_no_kind(root, images))


def _places(unsorted: dict[str, list[str]]) -> str:
    return ", ".join("of the data set itself" if folder == TOP else f"{folder}/" for folder in unsorted)


def _key(path: str, rules: FolderRules) -> str:
    """What an image and its mask have in common: the path without the names of mask folders and of folders of images."""
    *folders, name = PurePosixPath(without_suffix(path)).parts
    kept, is_inside = [], False
    for depth, folder in enumerate(folders, 1):
        is_masks = rules.role("/".join(folders[:depth])) is Role.MASKS
        says_nothing = is_mask_folder(folder) or (is_neutral_folder(folder) and not is_partition_folder(folder))
        if not says_nothing and (is_inside or not is_masks):
            kept.append(folder)
        is_inside = is_masks
    return "/".join([*kept, name])


def _no_kind(root: Path, images: list[str]) -> Problem:
    others = f" (nor do {len(images) - 1} others beside it)" if len(images) > 1 else ""
    return Problem(
        f"the image {images[0]} stands in no folder that says whether it is good or bad{others}",
        os.fspath(root / images[0]),
        "Move it to good/, or to bad/ or a folder named after the defect",
    )


def _shared_mask(root: Path, mask: str, first: str, second: str) -> Problem:
    return Problem(
        f"the mask {mask} could be that of {first} and of {second}",
        os.fspath(root / mask),
        f"Move it to a folder named as the image's, as {MASK_FOLDER}/{PurePosixPath(first).parent}",
    )


def _stray_masks(root: Path, folder: str, masks: list[str]) -> Problem:
    others = f", nor do {len(masks) - 1} others in {folder}/" if len(masks) > 1 else ""
    return Problem(
        f"the mask {masks[0]} belongs to no image{others}",
        os.fspath(root / masks[0]),
        f"For an image bad/000.png, name it {MASK_FOLDER}/bad/000.png; or remove it. If {folder} holds no masks, name it in "
        "CheckDataset.convert.defects, normal or ignore",
    )


def _unused_annotations(root: Path, tool: str) -> Problem:
    return Problem(
        f"there are annotations of {tool}, which src_dataset_type=Folder does not read",
        os.fspath(root),
        f"Set CheckDataset.convert.src_dataset_type={tool} to use them",
        "warning",
    )
