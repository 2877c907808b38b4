"""What a person would look for in a data set: groups that differ, near-duplicates, and images that do not belong."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from paddlex.data.dataset import TRAIN_LIST, VAL_LIST
from paddlex.data.dataset_checker import near_duplicates, outliers
from paddlex.data.dataset_checker.check import Inspection
from paddlex.data.dataset_checker.descriptors import Descriptor
from paddlex.data.dataset_checker.exposure import find_poor_exposure
from paddlex.data.dataset_checker.group_statistics import describe_group, find_differences
from paddlex.data.dataset_checker.layout import SUSPECTS
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.suspects import SuspectImage, SuspectPair, write_suspects

#: How many near-duplicates, and how many outliers, are listed and shown. All are counted.
MOST_LISTED = 20


def review(root: Path, output: Path, inspections: Sequence[Inspection], problems: ProblemCollector) -> dict[str, Any]:
    """Compare the images with each other, warn of what looks wrong, and draw ``check_dataset/suspects.png``.

    Nothing of it fails the check: a person has to look. The picture of an earlier check is removed if nobody is suspect.

    Args:
        root: the data set.
        output: where to draw.
        inspections: all of them with a descriptor.
        problems: takes the warnings.

    Returns:
        statistics: of the groups train, val_normal and val_anomalous, see `describe_group`.
        near_duplicates: count, and pairs of the 20 surest, each with train, val (paths) and similarity (0 to 1).
        outliers: count, and images, the 20 farthest, each with image (path) and score.
        suspects: the picture's path, relative to ``output``; None if there is nothing in it.
        Where there are too few images to tell, count is None and reason says why; else reason is None.
    """
    train = [inspection for inspection in inspections if inspection.sample.list_name == TRAIN_LIST]
    val = [inspection for inspection in inspections if inspection.sample.list_name == VAL_LIST]
    groups = {
        "train": _descriptors(train),
        "val_normal": _descriptors([inspection for inspection in val if not inspection.anomalous]),
        "val_anomalous": _descriptors([inspection for inspection in val if inspection.anomalous]),
    }
    found_outliers = outliers.find_outliers(groups["train"])
    found_pairs = near_duplicates.find_near_duplicates(
        groups["train"], _descriptors(val), atypical=[found.index for found in found_outliers]
    )
    pairs = [SuspectPair(train[pair.train].sample, val[pair.val].sample, pair.similarity) for pair in found_pairs]
    images = [SuspectImage(train[found.index].sample, found.score) for found in found_outliers]
    _warn(root, find_differences(groups["train"], groups["val_normal"]), pairs, images, problems)
    for what, remedy in find_poor_exposure(groups["train"]):
        problems.add(Problem(what, os.fspath(root / TRAIN_LIST), remedy, "warning"))
    (output / SUSPECTS).unlink(missing_ok=True)
    if pairs or images:
        write_suspects(output / SUSPECTS, pairs[:MOST_LISTED], images[:MOST_LISTED], len(pairs), len(images))
    return {
        "statistics": {name: describe_group(descriptors) for name, descriptors in groups.items()},
        "near_duplicates": {
            **_count(pairs, len(train), near_duplicates.FEWEST_IMAGES),
            "pairs": [
                {"train": pair.train.image, "val": pair.val.image, "similarity": round(pair.similarity, 3)}
                for pair in pairs[:MOST_LISTED]
            ],
        },
        "outliers": {
            **_count(images, len(train), outliers.FEWEST_IMAGES),
            "images": [{"image": found.sample.image, "score": round(found.score, 1)} for found in images[:MOST_LISTED]],
        },
        "suspects": SUSPECTS if pairs or images else None,
    }


def _descriptors(inspections: Sequence[Inspection]) -> list[Descriptor]:
    return [inspection.descriptor for inspection in inspections if inspection.descriptor is not None]


def _count(found: Sequence[object], train_count: int, fewest: int) -> dict[str, Any]:
    if train_count < fewest:
        return {"count": None, "reason": f"there are fewer than {fewest} training images"}
    return {"count": len(found), "reason": None}


def _warn(
    root: Path,
    differences: Sequence[str],
    pairs: Sequence[SuspectPair],
    images: Sequence[SuspectImage],
    problems: ProblemCollector,
) -> None:
    def warn(what: str, list_name: str, remedy: str) -> None:
        problems.add(Problem(what, os.fspath(root / list_name), remedy, "warning"))

    for difference in differences:
        warn(
            difference, VAL_LIST, "Take both from the same camera and light, or draw them anew with CheckDataset.split"
        )
    if pairs:
        first = pairs[0]
        warn(
            f"{len(pairs)} validation images look like a training image, so the metrics may be too good; the most alike "
            f"are {first.val.image} and {first.train.image} (similarity {first.similarity:.2f})",
            VAL_LIST,
            f"Compare them in {SUSPECTS}; if they show the same part, keep all its images in one list",
        )
    if images:
        farthest = images[0]
        warn(
            f"{len(images)} training images are unlike the others, first of all {farthest.sample.image} "
            f"(score {farthest.score:.1f})",
            TRAIN_LIST,
            f"Look at them in {SUSPECTS}; remove the lines of those that are no good part of this product",
        )
