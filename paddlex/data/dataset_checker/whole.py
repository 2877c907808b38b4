"""What no single line is to blame for: too few images of a kind, photos or masks that look wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from paddlex.data.dataset import FEWEST_TRAINING_IMAGES, TRAIN_LIST, VAL_LIST, Sample
from paddlex.data.dataset_checker.check import Inspection
from paddlex.data.dataset_checker.copies import count_different
from paddlex.data.dataset_checker.problems import Problem, ProblemCollector
from paddlex.data.dataset_checker.survey import says_bad

#: With fewer training images a check warns: a model and its threshold would rest on chance.
FEW_TRAINING_IMAGES = 10

#: A mask that marks more of its image, but not all of it, is probably inverted.
INVERTED_COVERAGE = 0.9


def check_whole(root: Path, inspections: Sequence[Inspection], problems: ProblemCollector) -> None:
    """Report what no single line is to blame for: too few images of a kind, photos or masks that look wrong."""

    def warn(what: str, list_name: str, remedy: str, severity: str = "warning") -> None:
        problems.add(Problem(what, os.fspath(root / list_name), remedy, severity))

    train = [inspection for inspection in inspections if inspection.sample.list_name == TRAIN_LIST]
    train_count, readable = count_different(inspections, TRAIN_LIST), sum(bool(found.digest) for found in train)
    validation = [inspection for inspection in inspections if inspection.sample.list_name == VAL_LIST]
    anomalous_count = sum(inspection.anomalous for inspection in validation)
    if readable == len(train) and 0 < train_count < FEWEST_TRAINING_IMAGES:
        copies = "" if train_count == readable else f" ({readable} files, but the others are copies)"
        warn(
            f"there are only {train_count} different training images{copies}; {FEWEST_TRAINING_IMAGES} are the least",
            TRAIN_LIST,
            "Take more photos of good parts; 50 are a start, 200 are better",
            "error",
        )
    elif 0 < train_count < FEW_TRAINING_IMAGES:
        warn(f"there are only {train_count} different training images", TRAIN_LIST, "Take more images of good parts")
    if validation and not anomalous_count:
        warn("there are no anomalous validation images, so no metric can be measured", VAL_LIST, "Add some with masks")
    if validation and anomalous_count == len(validation):
        warn("there are no normal validation images, so false alarms cannot be measured", VAL_LIST, "Add some")
    _check_masks([found for found in validation if found.coverage], warn)
    _check_photos(inspections, problems)


def _check_photos(inspections: Sequence[Inspection], problems: ProblemCollector) -> None:
    odd = [found.sample for found in inspections if found.looks_like_mask]
    if 0 < 2 * len(odd) < len(inspections):
        what = f"{len(odd)} of the {len(inspections)} images have hardly any grey levels, as masks do ({odd[0].image})"
        remedy = "If they are masks, remove them from the lists, or name their folder in CheckDataset.convert.masks or ignore"
        problems.add(Problem(what, odd[0].where, remedy, "warning"))
    misnamed = [found.sample for found in inspections if not found.anomalous and _says_bad(found.sample)]
    if misnamed:
        what = f"good parts in a folder whose name says that they are bad: {len(misnamed)} ({misnamed[0].image})"
        remedy = "If they are bad, move their lines to val.txt, each with a mask, or remove them"
        problems.add(Problem(what, misnamed[0].where, remedy, "warning"))


def _says_bad(sample: Sample) -> bool:
    """Whether its folders in the data set say so; of an absolute path, which leads through others as well, the last."""
    return says_bad(sample.defect_type if os.path.isabs(sample.image) else os.path.dirname(sample.image))


def _check_masks(masked: Sequence[Inspection], warn: Callable[..., None]) -> None:
    full = [found for found in masked if found.coverage == 1]
    drawn = [found for found in masked if found.coverage < 1]
    wide = [found for found in drawn if found.coverage > INVERTED_COVERAGE]
    lossy = [found for found in masked if found.has_lossy_mask]
    if full:
        warn(
            f"{len(full)} defective images have a mask of the whole image, which does not say where the defect is: they "
            "count in the image-level metrics, and are left out of the pixel-level ones",
            VAL_LIST,
            "Go by the image-level metrics, or draw masks",
        )
    if wide:
        are_most = 2 * len(wide) > len(drawn)
        warn(
            f"{len(wide)} of {len(drawn)} masks mark more than {INVERTED_COVERAGE:.0%} of their images "
            f"({wide[0].sample.mask}: {wide[0].coverage:.1%}): they are probably inverted",
            VAL_LIST,
            "Invert them: the defect is white (not zero), the good part black (zero)",
            "error" if are_most else "warning",
        )
    if lossy:
        warn(
            f"{len(lossy)} masks are JPEG files or the like, whose compression blurs the outline ({lossy[0].sample.mask}): "
            "a pixel of them counts as anomalous above 127",
            VAL_LIST,
            "Save masks as PNG",
        )
