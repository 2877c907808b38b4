"""``Global.mode=check_dataset``: bring a data set into form if asked to, check it, and show what is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from paddlex.data.bit_depth import find_reading
from paddlex.data.dataset import TRAIN_LIST, VAL_LIST, Sample
from paddlex.data.dataset_checker.analyse import count_kinds, write_histogram
from paddlex.data.dataset_checker.check import check_lines, inspect_samples, read_list
from paddlex.data.dataset_checker.contents import (
    FolderUse,
    log_uses,
    to_words,
    uses_of_lists,
)
from paddlex.data.dataset_checker.convert import convert
from paddlex.data.dataset_checker.copies import (
    check_contents,
    count_different,
    recognise_pictures,
)
from paddlex.data.dataset_checker.demo import choose_demos, demo_name
from paddlex.data.dataset_checker.layout import DEMO_FOLDER, HISTOGRAM
from paddlex.data.dataset_checker.problems import ProblemCollector
from paddlex.data.dataset_checker.review import review
from paddlex.data.dataset_checker.rules import NO_RULES, FolderRules
from paddlex.data.dataset_checker.split import check_percentages, split
from paddlex.data.dataset_checker.whole import check_whole
from paddlex.errors import DatasetError
from paddlex.inference.list_files import FALSE_ALARMS_LIST
from paddlex.inference.reading import ANY, Reading
from paddlex.inference.walk import PassedOver
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger

__all__ = ["check_dataset"]


def check_dataset(
    dataset_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    convert_from: str | None = None,
    rules: FolderRules = NO_RULES,
    lists_dir: str | os.PathLike[str] | None = None,
    train_percent: float | None = None,
    val_percent: float | None = None,
    seed: int = 0,
    num_samples: int = 10,
    reading: Reading = ANY,
) -> dict[str, Any]:
    """Convert and split a data set where asked to, check it, and write pictures of it and of what looks wrong in it.

    Args:
        dataset_dir: the data set; ``train.txt`` and ``val.txt`` are written there by a conversion or a split.
        output_dir: gets ``check_dataset/demo_img/*.png``, ``check_dataset/histogram.png`` and, if there is anything to
            show, ``check_dataset/suspects.png``.
        convert_from: ``MVTec_AD``, ``LabelMe``, ``COCO``, ``CVAT`` or ``Folder``; None to take the lists as they are.
        rules: what a conversion is to take folders for.
        lists_dir: where a conversion or a split writes lists and masks, if not into the data set. That folder is then the
            data set of all that follows.
        train_percent: the share of the normal images that train; None, like ``val_percent``, for no split.
        val_percent: the share of the normal images that validate; both make 100.
        seed: decides the draw of a conversion or split.
        reading: how pictures are read; a bit depth that it does not give is found from the training images.
        num_samples: how many demo pictures to draw of each list, at most.

    Returns:
        what ``check_dataset_result.json`` holds. Paths of pictures are relative to ``output_dir``. Warnings are dicts
        with the keys severity, what, where and remedy. ``contents`` says in words what each folder was taken for,
        ``folders`` the same as dicts (folder, taken_for, images, why). ``analysis`` holds the histogram and what `review`
        found, ``passed_over`` counts the files that are no pictures.

    Raises:
        DatasetCheckError: the check or the conversion found errors; all of them were looked for.
        DatasetError: the data set cannot be converted or split as asked, or does not exist.
    """
    root, output = Path(dataset_dir), Path(output_dir)
    if not root.is_dir():
        raise DatasetError("the data set folder does not exist", where=root, remedy="Set Global.dataset_dir to it")
    wants_split = train_percent is not None or val_percent is not None
    if wants_split:
        check_percentages(train_percent, val_percent)  # before a conversion writes anything
    problems = ProblemCollector()
    target = root if lists_dir is None else Path(lists_dir)
    uses: list[FolderUse] = []
    passed = PassedOver()
    if convert_from is not None:
        conversion = convert(root, convert_from, seed, rules, target)
        uses, passed = conversion.uses, conversion.passed
        log_uses(root, uses)
        problems.extend(conversion.notes)
        root = target
    if wants_split:
        split(root, train_percent, val_percent, seed, target)
        root = target

    reading = find_reading(reading, root)
    train = read_list(root, TRAIN_LIST, problems, reading)
    alarms = read_list(root, FALSE_ALARMS_LIST, problems, reading) if (root / FALSE_ALARMS_LIST).exists() else []
    val = read_list(root, VAL_LIST, problems, reading)
    samples = check_lines([*train, *alarms, *val], problems)
    demo_names = _name_demos(samples, num_samples)
    with atomic_directory(output / DEMO_FOLDER) as demo_folder:
        demo_paths = {sample: demo_folder / name for sample, name in demo_names.items()}
        inspections = recognise_pictures(inspect_samples(samples, demo_paths, problems))
        check_whole(root, inspections, problems)
        check_contents(inspections, problems)
        problems.raise_if_errors()
    if not uses:
        uses = uses_of_lists(root, inspections, passed)
        log_uses(root, uses)
    findings = review(root, output, inspections, problems)
    counts = count_kinds(inspections)
    write_histogram(output / HISTOGRAM, counts)
    different = count_different(inspections, TRAIN_LIST)
    logger.info(
        "%d good parts to train on (%d different pictures); %d good and %d defective ones to judge.",
        counts.train_normal, different, counts.val_normal, counts.val_anomalous,
    )  # fmt: skip
    if root != Path(dataset_dir):
        logger.info("The lists are in %s: set Global.dataset_dir to it for the modes that follow.", root)
    logger.info("Check dataset passed !")
    return {
        "done_flag": True,
        "check_pass": True,
        "attributes": {
            "train_sample_paths": _demo_paths(demo_names, TRAIN_LIST),
            "train_samples": len(train),
            "train_different_images": different,
            "false_alarm_samples": len(alarms),
            "val_sample_paths": _demo_paths(demo_names, VAL_LIST),
            "val_samples": len(val),
            "val_different_images": count_different(inspections, VAL_LIST),
            "num_classes": 1,
            "bit_depth": reading.bit_depth,
            "val_normal_samples": counts.val_normal,
            "val_anomalous_samples": counts.val_anomalous,
            "val_defect_types": counts.val_defects,
        },
        "analysis": {"histogram": HISTOGRAM, **findings},
        "passed_over": passed.to_dict(),
        "contents": to_words(uses),
        "folders": [use.to_dict() for use in uses],
        "warnings": problems.warnings,
        "warning_count": problems.warning_count,
        "dataset_path": os.fspath(dataset_dir) if root == Path(dataset_dir) else os.fspath(root),
        "show_type": "image",
        "dataset_type": "SegDataset",
    }


def _name_demos(samples: list[Sample], count: int) -> dict[Sample, str]:
    names = {}
    for list_name in (TRAIN_LIST, VAL_LIST):
        chosen = choose_demos([sample for sample in samples if sample.list_name == list_name], count)
        names.update({sample: demo_name(sample, number) for number, sample in enumerate(chosen)})
    return names


def _demo_paths(demo_names: dict[Sample, str], list_name: str) -> list[str]:
    return [f"{DEMO_FOLDER}/{name}" for sample, name in demo_names.items() if sample.list_name == list_name]
