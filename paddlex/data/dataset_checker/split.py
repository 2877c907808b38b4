"""Dividing a data set anew into training and validation images."""

from __future__ import annotations

import math
import posixpath
from pathlib import Path

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, Sample, read_mask, read_samples
from paddlex.data.dataset_checker.lists import (
    Entry,
    check_entries,
    put_elsewhere,
    split_normal,
    write_lists,
    writing_to,
)
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.workers import map_in_threads
from paddlex.errors import DatasetError, ImageReadError
from paddlex.utils.logging import logger


def split(
    root: Path, train_percent: float | None, val_percent: float | None, seed: int, lists_dir: Path | None = None
) -> None:
    """Pool the images of both lists and draw the lists anew; the old ones are kept as ``.bak``.

    With ``lists_dir`` the new lists are written there, see `lists.put_elsewhere`.

    The percentages are of the normal images: those without a mask, or with an empty one in a folder that names no defect;
    that mask is dropped. Anomalous images never train, they all go to ``val.txt``. The same images and seed give the same
    lists, whatever the lists looked like before.

    Raises:
        DatasetError: the percentages are not two that make 100, a list cannot be read, or one would be empty.
        DatasetCheckError: masks that cannot be read, images listed with different masks. Nothing is changed then.
    """
    train_share = check_percentages(train_percent, val_percent)
    present = [name for name in (TRAIN_LIST, VAL_LIST) if (root / name).exists()]
    entries = _pool([sample for name in present or [TRAIN_LIST] for sample in read_samples(root, name)])
    anomalous = sorted(entry for entry in entries if entry.mask is not None)
    train, val_normal = split_normal((entry.image for entry in entries if entry.mask is None), train_share, seed)
    val = sorted([*anomalous, *map(Entry, val_normal)], key=lambda entry: entry.image)
    target = root if lists_dir is None else lists_dir
    entries_of_train = [Entry(image) for image in train]
    check_entries(root, entries_of_train, val)
    with writing_to(target):
        write_lists(target, *put_elsewhere(root, target, entries_of_train, val))
    logger.info(
        "Split: %d normal images for training; %d normal and %d anomalous ones for validation",
        len(train),
        len(val_normal),
        len(anomalous),
    )


def check_percentages(train_percent: float | None, val_percent: float | None) -> float:
    """Return the share of training images, in percent.

    Raises:
        DatasetError: one is missing or negative, or they do not make 100.
    """
    if train_percent is None or val_percent is None:
        raise DatasetError(
            "a split needs both percentages",
            where="CheckDataset.split",
            remedy="Set train_percent and val_percent, which make 100 together",
        )
    if min(train_percent, val_percent) < 0 or not math.isclose(train_percent + val_percent, 100):
        raise DatasetError(
            f"train_percent {train_percent:g} and val_percent {val_percent:g} do not make 100",
            where="CheckDataset.split",
            remedy="Set, for example, 80 and 20",
        )
    return train_percent


def _pool(samples: list[Sample]) -> list[Entry]:
    """One entry an image, in which a mask means anomalies."""
    problems = ProblemCollector()
    pool: dict[str, Entry] = {}
    for sample, entry in zip(samples, map_in_threads(_read_entry, samples, "Reading the masks"), strict=True):
        if isinstance(entry, Problem):
            problems.add(entry)
        elif pool.setdefault(entry.image, entry) != entry:
            problems.add(
                Problem(
                    f"the image {entry.image} is listed twice with different masks",
                    sample.where,
                    "Remove one of the lines",
                )
            )
    problems.raise_if_errors()
    return list(pool.values())


def _read_entry(sample: Sample) -> Entry | Problem:
    image = posixpath.normpath(sample.image)
    if sample.mask is None:
        return Entry(image)
    try:
        mask = read_mask(sample.root / sample.mask)
    except ImageReadError as error:
        return Problem(
            f"the mask {sample.mask} cannot be used: {error.what}", sample.where, "Replace it or remove the line"
        )
    is_anomalous = bool(mask.any()) or sample.is_defective_by_name
    return Entry(image, posixpath.normpath(sample.mask) if is_anomalous else None)
