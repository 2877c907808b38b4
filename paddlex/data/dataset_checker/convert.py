"""From the layouts in which data sets come to ``train.txt`` and ``val.txt``. Images stay where they are."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paddlex.data.dataset_checker.coco import read_coco
from paddlex.data.dataset_checker.contents import FolderUse, uses_of_conversion
from paddlex.data.dataset_checker.cvat import read_cvat
from paddlex.data.dataset_checker.folder import read_folder
from paddlex.data.dataset_checker.labelme import read_labelme
from paddlex.data.dataset_checker.layout import Layout, first_folder
from paddlex.data.dataset_checker.lists import (
    Entry,
    back_up,
    check_entries,
    put_elsewhere,
    split_normal,
    write_lists,
    writing_to,
)
from paddlex.data.dataset_checker.mvtec_ad import read_mvtec_ad
from paddlex.data.dataset_checker.problems import Problem
from paddlex.data.dataset_checker.rules import NO_RULES, FolderRules
from paddlex.data.dataset_checker.survey import Survey
from paddlex.errors import DatasetError
from paddlex.inference.walk import PassedOver
from paddlex.utils.leftovers import temporary_folder
from paddlex.utils.logging import logger

#: What ``CheckDataset.convert.src_dataset_type`` may be, and what reads such a data set.
READERS: dict[str, Callable[[Path, FolderRules], tuple[Survey, Layout]]] = {
    "MVTec_AD": read_mvtec_ad,
    "LabelMe": read_labelme,
    "COCO": read_coco,
    "CVAT": read_cvat,
    "Folder": read_folder,
}

#: The share of normal images that train, of those in no ``train``, ``val`` or ``test`` folder.
TRAIN_PERCENT = 80

_VAL_FOLDERS = frozenset({"val", "valid", "validation", "test"})


@dataclass(frozen=True)
class Conversion:
    """What a conversion has found.

    Attributes:
        uses: what each folder was taken for.
        notes: what a person should know, as warnings.
        passed: the files that are no pictures.
    """

    uses: list[FolderUse]
    notes: list[Problem]
    passed: PassedOver


def convert(
    root: Path,
    source_type: str,
    seed: int,
    rules: FolderRules = NO_RULES,
    lists_dir: Path | None = None,
) -> Conversion:
    """Write ``train.txt`` and ``val.txt`` for a data set of another layout.

    Normal images in an outermost folder ``train`` train, those in ``val`` or ``test`` validate, and of all others 80 %
    are drawn for training. Anomalous images validate, wherever they are. Lists and masks that are replaced are kept as
    ``.bak``, ``.bak1`` and so on.

    Args:
        root: the data set's folder.
        source_type: one of `READERS`, in upper or lower case.
        seed: decides the draw; the same images and seed give the same lists.
        rules: what the user says of folders.
        lists_dir: where lists and masks are written, if not into the data set; see `lists.put_elsewhere`.

    Raises:
        DatasetError: an unknown type, a data set that is not of this type, or a folder that cannot be written. Nothing is
            changed then.
        DatasetCheckError: files of the data set that cannot be used. Nothing is changed then.
    """
    found, layout = _reader(source_type)(root, rules)
    if not layout.normal:
        raise DatasetError(
            "there are no normal images to train on", where=root, remedy="Add photos of good parts, without annotation"
        )
    train, val = partition(layout, seed)
    check_entries(root, train, val)  # before anything is written
    target = root if lists_dir is None else lists_dir
    with writing_to(target):
        write_masks(target, layout.new_masks)
        write_lists(target, *put_elsewhere(root, target, train, val, layout.new_masks))
    logger.info(
        "Converted from %s: %d normal images for training; %d normal and %d anomalous ones for validation",
        source_type,
        len(train),
        len(val) - len(layout.anomalous),
        len(layout.anomalous),
    )
    return Conversion(uses_of_conversion(found, layout), layout.notes, found.passed)


def _reader(source_type: str) -> Callable[[Path, FolderRules], tuple[Survey, Layout]]:
    for name, reader in READERS.items():
        if name.lower() == source_type.lower():
            return reader
    raise DatasetError(
        f"{source_type!r} is not a type of data set that can be converted",
        where="CheckDataset.convert.src_dataset_type",
        remedy=f"It may be {', '.join(READERS)}",
    )


def partition(layout: Layout, seed: int) -> tuple[list[Entry], list[Entry]]:
    """The entries of ``train.txt`` and of ``val.txt``; see ``convert``."""
    train = [image for image in layout.normal if first_folder(image) == "train"]
    val = [image for image in layout.normal if first_folder(image) in _VAL_FOLDERS]
    unassigned = set(layout.normal).difference(train, val)
    drawn_train, drawn_val = split_normal(unassigned, TRAIN_PERCENT, seed)
    val_entries = [*map(Entry, [*val, *drawn_val]), *layout.anomalous]
    return [Entry(image) for image in sorted(train + drawn_train)], sorted(val_entries, key=lambda entry: entry.image)


def write_masks(folder: Path, masks: dict[str, bytes]) -> None:
    """Write all masks aside first, so that a full disk is noticed before a file is replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder, "masks") as aside_folder:
        staged = {folder / path: aside_folder / f"{number}.png" for number, path in enumerate(masks)}
        for aside, data in zip(staged.values(), masks.values(), strict=True):
            aside.write_bytes(data)
        for (target, aside), data in zip(staged.items(), masks.values(), strict=True):
            if target.exists() and target.read_bytes() == data:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            back_up(target)
            os.replace(aside, target)
