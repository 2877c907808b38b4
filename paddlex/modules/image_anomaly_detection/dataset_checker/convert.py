"""From the layouts in which data sets come to ``train.txt`` and ``val.txt``. Images stay where they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from paddlex.errors import DatasetError
from paddlex.inference.walk import PassedOver
from paddlex.modules.image_anomaly_detection.dataset_checker.folder import read_folder
from paddlex.modules.image_anomaly_detection.dataset_checker.labelme import read_labelme
from paddlex.modules.image_anomaly_detection.dataset_checker.layout import Layout, first_folder
from paddlex.modules.image_anomaly_detection.dataset_checker.lists import (
    Entry,
    back_up,
    check_entries,
    split_normal,
    write_lists,
)
from paddlex.modules.image_anomaly_detection.dataset_checker.mvtec_ad import read_mvtec_ad
from paddlex.utils.logging import logger

#: What ``CheckDataset.convert.src_dataset_type`` may be, and what reads such a data set.
READERS: dict[str, Callable[[Path], Layout]] = {
    "MVTec_AD": read_mvtec_ad,
    "LabelMe": read_labelme,
    "Folder": read_folder,
}

#: The share of normal images that train, of those in no ``train``, ``val`` or ``test`` folder.
TRAIN_PERCENT = 80

_VAL_FOLDERS = frozenset({"val", "valid", "validation", "test"})


def convert(root: Path, source_type: str, seed: int) -> PassedOver:
    """Write ``train.txt`` and ``val.txt`` into a data set of another layout.

    Normal images in an outermost folder ``train`` train, those in ``val`` or ``test`` validate, and of all others 80 %
    are drawn for training. Anomalous images validate, wherever they are. Lists and masks that are replaced are kept as
    ``.bak``, ``.bak1`` and so on.

    Args:
        root: the data set's folder.
        source_type: one of `READERS`, in upper or lower case.
        seed: decides the draw; the same images and seed give the same lists.

    Returns:
        what the look at the folder has passed over.

    Raises:
        DatasetError: an unknown type, or a data set that is not of this type. Nothing is changed then.
        DatasetCheckError: files of the data set that cannot be used. Nothing is changed then.
    """
    layout = _reader(source_type)(root)
    train, val = partition(layout, seed)
    check_entries(root, train, val)  # before anything is written
    _write_masks(root, layout.new_masks)
    write_lists(root, train, val)
    logger.info(
        "Converted from %s: %d normal images for training; %d normal and %d anomalous ones for validation",
        source_type,
        len(train),
        len(val) - len(layout.anomalous),
        len(layout.anomalous),
    )
    return layout.passed


def _reader(source_type: str) -> Callable[[Path], Layout]:
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


def _write_masks(root: Path, masks: dict[str, bytes]) -> None:
    """Write all masks aside first, so that a full disk is noticed before a file is replaced."""
    with tempfile.TemporaryDirectory(prefix=".masks.", dir=root) as folder:
        staged = {root / path: Path(folder) / f"{number}.png" for number, path in enumerate(masks)}
        for aside, data in zip(staged.values(), masks.values(), strict=True):
            aside.write_bytes(data)
        for (target, aside), data in zip(staged.items(), masks.values(), strict=True):
            if target.exists() and target.read_bytes() == data:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            back_up(target)
            os.replace(aside, target)
