"""What the table says, in sentences. Plain text; nothing here knows HTML."""

from __future__ import annotations

from collections.abc import Sequence

from paddlex.evaluation.report.numbers import figure
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, mean_text

_SOURCES = {
    "target_fpr": "which was set on good images and saw no defect",
    "best_f1": "which was chosen on these very images and flatters them",
}

#: The categories that published means are of (Bergmann et al., CVPR 2019).
_MVTEC_AD = {
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw", "tile"),
    *("toothbrush", "transistor", "wood", "zipper"),
}
_PUBLISHED = (
    "Published for STFPM on these 15 categories of MVTec AD, mean image AUROC / pixel AUROC: 0.955 / 0.970 (the paper: Wang "
    "et al., BMVC 2021; PRO 0.921), 0.893 / 0.951 (anomalib), 0.937 / 0.967 and 0.948 / 0.962 (two reproductions on Paddle)."
)


def headline(finished: Sequence[Row], mean: Mean, total: int) -> str:
    """The outcome in a short paragraph.

    Args:
        finished: the rows with figures, the weakest first.
        mean: over them.
        total: how many categories there are.
    """
    if not finished:
        return "No category has figures."
    means = {name: mean_text(name, value) for name, value in mean.figures.items()}
    of = f"all {total}" if len(finished) == total else f"{len(finished)} of {total}"
    text = (
        f"Over {of} categories, mean image AUROC {means['image_auroc']}, pixel AUROC {means['pixel_auroc']}, AUPRO "
        f"{means['aupro_30']}. At their own thresholds the models found {means['found_share']} of the defective parts, and "
        f"called {means['false_alarm_share']} of the good ones bad, on average over the categories."
    )
    weakest = finished[0]
    if len(finished) > 1 and weakest.image_auroc is not None:
        text += f" The weakest is {weakest.category}, with an image AUROC of {figure(weakest.image_auroc)}."
    return text


def notes(rows: Sequence[Row], total: int, others: Sequence[str]) -> list[str]:
    """What is missing, and what the means are to be held against.

    Args:
        rows: the categories that are finished or failed.
        total: how many categories there are.
        others: folders that are no category.
    """
    failed = [row for row in rows if row.error is not None]
    sentences = [f"{row.category} failed: {row.error}" for row in failed]
    if failed:
        sentences.append("A mean without the failed categories is not to be compared with a published one.")
    if len(rows) < total:
        sentences.append(f"The benchmark has not come to its end: {len(rows)} of {total} categories are done.")
    if others:
        sentences.append(f"Passed over, because they are no categories: {', '.join(others)}.")
    if {row.category for row in rows} == _MVTEC_AD:
        sentences.append(_PUBLISHED)
    return sentences


def explanation(rule: str) -> str:
    """How to read the table.

    Args:
        rule: ``Train.calibration.rule``.
    """
    return (
        "The lowest image AUROC first. Behind it stands its 95 % interval (bootstrap over the category's images). The second "
        "column counts images: to train on, a part of which is held out to set the thresholds; good ones to judge; defective "
        f"ones to judge. Found and false alarms are decisions at each model's own threshold, {_SOURCES[rule]}. The mean is "
        "unweighted, as in papers. Minutes are those of the training."
    )
