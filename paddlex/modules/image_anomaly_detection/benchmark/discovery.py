"""Which categories a folder holds, and the lists that each is trained and judged by. Nothing is written into them."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, Sample, read_samples
from paddlex.data.dataset_checker.convert import partition, write_masks
from paddlex.data.dataset_checker.layout import list_folders
from paddlex.data.dataset_checker.lists import check_entries, list_text, put_elsewhere
from paddlex.data.dataset_checker.mvtec_ad import is_category, read_mvtec_ad
from paddlex.data.dataset_checker.rules import NO_RULES
from paddlex.errors import DatasetError
from paddlex.utils.files import write_text
from paddlex.utils.logging import logger


@dataclass(frozen=True)
class Category:
    """One category of a data set.

    Attributes:
        name: its folder's.
        folder: where its images are.
        has_lists: whether it is a SegDataset, with lists of its own; else it is in the layout of MVTec AD.
    """

    name: str
    folder: Path
    has_lists: bool


@dataclass(frozen=True)
class DataSet:
    """What a category is trained and judged by.

    Attributes:
        folder: has ``train.txt`` and ``val.txt``.
        train_images: lines of ``train.txt``.
        train_fingerprint: changes with the lines of ``train.txt`` and with the size of any file that they name.
        val_fingerprint: the same of ``val.txt``.
    """

    folder: Path
    train_images: int
    train_fingerprint: str
    val_fingerprint: str


def find_categories(root: Path) -> tuple[list[Category], list[str]]:
    """The categories in a folder, sorted by name, and the names of the folders in it that are none.

    Raises:
        DatasetError: there are no categories, or the folder is one itself.
    """
    if _has_lists(root) or is_category(root):
        raise DatasetError(
            "the folder is a category itself",
            where=root,
            remedy="Set Global.dataset_dir to the folder that holds the categories, or use Global.mode=train",
        )
    categories, others = [], []
    for name in list_folders(root):
        folder = root / name
        if _has_lists(folder) or is_category(folder):
            categories.append(Category(name, folder, _has_lists(folder)))
        else:
            others.append(name)
    if not categories:
        raise DatasetError(
            "no folder in it is a category",
            where=root,
            remedy="A category has train and test folders, as in MVTec AD, or train.txt and val.txt",
        )
    for name in others:
        logger.warning("%s is passed over: it has neither train and test folders nor train.txt and val.txt", name)
    return categories, others


def make_data_set(category: Category, lists: Path) -> DataSet:
    """A category's own lists, or lists made from its layout, in the folder ``lists``, with absolute paths.

    Raises:
        DatasetError, DatasetCheckError: the category cannot be used as it is.
    """
    folder = category.folder
    if not category.has_lists:
        _, layout = read_mvtec_ad(folder, NO_RULES)
        train, val = partition(layout, seed=0)
        check_entries(folder, train, val)
        write_masks(lists, layout.new_masks)
        train, val = put_elsewhere(folder, lists, train, val, layout.new_masks)
        write_text(lists / TRAIN_LIST, list_text(train))
        write_text(lists / VAL_LIST, list_text(val))
        folder = lists
    train_samples, val_samples = read_samples(folder, TRAIN_LIST), read_samples(folder, VAL_LIST)
    fingerprints = [_fingerprint(samples, category.folder) for samples in (train_samples, val_samples)]
    return DataSet(folder, len(train_samples), *fingerprints)


def _has_lists(folder: Path) -> bool:
    return (folder / TRAIN_LIST).is_file() and (folder / VAL_LIST).is_file()


def _fingerprint(samples: list[Sample], root: Path) -> str:
    """The same wherever the category lies."""
    digest = hashlib.sha256()
    for sample in samples:
        for given, path in ((sample.image, sample.image_path), (sample.mask, sample.mask_path)):
            name = os.path.relpath(given, root) if given and os.path.isabs(given) else given
            digest.update(f"{name}\n{_size(path)}\n".encode())
    return digest.hexdigest()


def _size(path: Path | None) -> int:
    """In bytes; -1 for none: a missing file is told of when it is read."""
    try:
        return -1 if path is None else path.stat().st_size
    except OSError:
        return -1
