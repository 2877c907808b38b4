"""``Global.mode=check_dataset``: bring a data set into form if asked to, check it, and show what is in it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from paddlex.errors import DatasetError
from paddlex.inference.walk import PassedOver
from paddlex.modules.image_anomaly_detection.dataset import TRAIN_LIST, VAL_LIST, Sample
from paddlex.modules.image_anomaly_detection.dataset_checker.analyse import count_kinds, write_histogram
from paddlex.modules.image_anomaly_detection.dataset_checker.check import (
    check_contents,
    check_lines,
    check_whole,
    count_different,
    inspect_samples,
    read_list,
)
from paddlex.modules.image_anomaly_detection.dataset_checker.convert import convert
from paddlex.modules.image_anomaly_detection.dataset_checker.demo import choose_demos, demo_name
from paddlex.modules.image_anomaly_detection.dataset_checker.layout import DEMO_FOLDER, HISTOGRAM
from paddlex.modules.image_anomaly_detection.dataset_checker.problems import ProblemCollector
from paddlex.modules.image_anomaly_detection.dataset_checker.review import review
from paddlex.modules.image_anomaly_detection.dataset_checker.split import check_percentages, split
from paddlex.utils.files import atomic_directory
from paddlex.utils.logging import logger

__all__ = ["check_dataset"]


def check_dataset(
    dataset_dir: str | os.PathLike[str],
    output_dir: str | os.PathLike[str],
    *,
    convert_from: str | None = None,
    train_percent: float | None = None,
    val_percent: float | None = None,
    seed: int = 0,
    num_samples: int = 10,
) -> dict[str, Any]:
    """Convert and split a data set where asked to, check it, and write pictures of it and of what looks wrong in it.

    Args:
        dataset_dir: the data set; ``train.txt`` and ``val.txt`` are written there by a conversion or a split.
        output_dir: gets ``check_dataset/demo_img/*.png``, ``check_dataset/histogram.png`` and, if there is anything to
            show, ``check_dataset/suspects.png``.
        convert_from: ``MVTec_AD``, ``LabelMe`` or ``Folder``; None to take the lists as they are.
        train_percent: the share of the normal images that train; None, like ``val_percent``, for no split.
        val_percent: the share of the normal images that validate; both make 100.
        seed: decides the draw of a conversion or split.
        num_samples: how many demo pictures to draw of each list, at most.

    Returns:
        what ``check_dataset_result.json`` holds. Paths of pictures are relative to ``output_dir``. Warnings are dicts
        with the keys severity, what, where and remedy. ``analysis`` holds the histogram and what `review` found,
        ``passed_over`` what a conversion has left out.

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
    passed = PassedOver() if convert_from is None else convert(root, convert_from, seed)
    if wants_split:
        split(root, train_percent, val_percent, seed)

    problems = ProblemCollector()
    train = read_list(root, TRAIN_LIST, problems)
    val = read_list(root, VAL_LIST, problems)
    samples = check_lines([*train, *val], problems)
    demo_names = _name_demos(samples, num_samples)
    with atomic_directory(output / DEMO_FOLDER) as demo_folder:
        demo_paths = {sample: demo_folder / name for sample, name in demo_names.items()}
        inspections = inspect_samples(samples, demo_paths, problems)
        check_contents(inspections, problems)
        check_whole(root, inspections, problems)
        problems.raise_if_errors()
    findings = review(root, output, inspections, problems)
    counts = count_kinds(inspections)
    write_histogram(output / HISTOGRAM, counts)
    logger.info("Check dataset passed !")
    return {
        "done_flag": True,
        "check_pass": True,
        "attributes": {
            "train_sample_paths": _demo_paths(demo_names, TRAIN_LIST),
            "train_samples": len(train),
            "train_different_images": count_different(inspections, TRAIN_LIST),
            "val_sample_paths": _demo_paths(demo_names, VAL_LIST),
            "val_samples": len(val),
            "val_different_images": count_different(inspections, VAL_LIST),
            "num_classes": 1,
            "val_normal_samples": counts.val_normal,
            "val_anomalous_samples": counts.val_anomalous,
            "val_defect_types": counts.val_defects,
        },
        "analysis": {"histogram": HISTOGRAM, **findings},
        "passed_over": passed.to_dict(),
        "warnings": problems.warnings,
        "warning_count": problems.warning_count,
        "dataset_path": os.fspath(dataset_dir),
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
