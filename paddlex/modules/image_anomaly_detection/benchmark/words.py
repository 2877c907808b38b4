"""What the table says, in sentences. Plain text; nothing here knows HTML."""

from __future__ import annotations

from collections.abc import Sequence

from paddlex.evaluation.numbers import figure
from paddlex.modules.image_anomaly_detection.benchmark.columns import share_text, signed
from paddlex.modules.image_anomaly_detection.benchmark.published import CATEGORIES, PUBLISHED, SOURCE
from paddlex.modules.image_anomaly_detection.benchmark.table import Mean, Row, Table

_SOURCES = {
    "target_fpr": "which was set on good images and saw no defect",
    "best_f1": "which was chosen on these very images and flatters them",
}

_STFPM_MEANS = (
    "Published for STFPM on these 15 categories of MVTec AD, mean image AUROC / pixel AUROC: 0.955 / 0.970 (the paper: Wang "
    "et al., BMVC 2021; PRO 0.921), 0.893 / 0.951 (anomalib), 0.937 / 0.967 and 0.948 / 0.962 (two reproductions on Paddle)."
)


def headline(table: Table) -> str:
    """The outcome in a short paragraph."""
    if not table.finished:
        return "No category has figures."
    return _of_many(table) if table.is_comparison else _of_one(table)


def _of_one(table: Table) -> str:
    (mean,), finished = table.means.values(), table.finished
    of = f"all {table.categories}" if len(finished) == table.categories else f"{len(finished)} of {table.categories}"
    text = (
        f"Over {of} categories, mean image AUROC {figure(mean.figures['image_auroc'])}, pixel AUROC "
        f"{figure(mean.figures['pixel_auroc'])}, AUPRO {figure(mean.figures['aupro_30'])}. {_decisions(mean)}, on average "
        "over the categories."
    )
    weakest = finished[0]
    if len(finished) > 1 and weakest.image_auroc is not None:
        text += f" The weakest is {weakest.category}, with an image AUROC of {figure(weakest.image_auroc)}."
    return text


def _decisions(mean: Mean) -> str:
    found, called = (share_text(mean.figures[name]) for name in ("found_share", "false_alarm_share"))
    return f"At their own thresholds the models found {found} of the defective parts, and called {called} of the good ones bad"


def _of_many(table: Table) -> str:
    known = {model: mean.standing for model, mean in table.means.items() if mean.standing is not None}
    if not known:
        return "No category has been judged by all models yet."
    highest = max(known, key=lambda model: known[model].difference)
    text = f"{highest} has the highest image AUROC, on average over the categories that all models have judged."
    for model, standing in known.items():
        if model != highest:
            low, high = (signed(-bound) for bound in (standing.high, standing.low))
            chance = "" if standing.high < 0 else ", which may be chance"
            text += f" {model} is {signed(-standing.difference)} ({low} to {high}) behind{chance}."
    decisions = _decisions(table.means[highest]).replace(
        "their own thresholds the models", f"its own thresholds {highest}"
    )
    return f"{text} {decisions}."


def notes(table: Table, others: Sequence[str], by_default: Sequence[str] = ()) -> list[str]:
    """What is missing, and what the means are to be held against.

    Args:
        table: all that is known so far.
        others: folders that are no category.
        by_default: models whose settings are their own defaults.
    """
    rows, failed = table.rows, table.failed
    sentences = [f"{table.name_of(row)} failed: {row.error}" for row in failed]
    if failed:
        sentences.append("A mean without the failed categories is not to be compared with a published one.")
    if len(rows) < table.total:
        things = "runs" if table.is_comparison else "categories"
        sentences.append(f"The benchmark has not come to its end: {len(rows)} of {table.total} {things} are done.")
    if others:
        sentences.append(f"Passed over, because they are no categories: {', '.join(others)}.")
    if by_default:
        sentences.append(
            f"Trained with the defaults of their own, and the seed, the tiling and the targets of the calibration of this "
            f"config: {', '.join(by_default)}."
        )
    return sentences + _published(rows)


def _published(rows: Sequence[Row]) -> list[str]:
    """Of categories of MVTec AD, what others have published, and where."""
    names = {row.category for row in rows}
    known = [name for name in CATEGORIES if name in names]
    if not known:
        return []
    means = (
        f"{one.method} {sum(one.image_auroc[name] for name in known) / len(known):.3f}" for one in PUBLISHED.values()
    )
    of = "all 15 categories" if len(known) == len(CATEGORIES) else ", ".join(known)
    sentence = f"Published image AUROC on MVTec AD, mean over {of}: {', '.join(means)}. The source: {SOURCE}."
    return [sentence, *([_STFPM_MEANS] if names == set(CATEGORIES) else [])]


def explanation(rule: str, is_comparison: bool) -> str:
    """How to read the table.

    Args:
        rule: ``Train.calibration.rule``.
        is_comparison: whether there are several models.
    """
    compared = (
        "Behind the highest: a model's image AUROC less the highest of the category, with the 95 % interval of the difference "
        "(bootstrap over the images, the same for both); the highest is called best, and bold, only where each of these "
        "intervals lies below 0. "
    )
    return (
        "The lowest image AUROC first, with its 95 % interval (bootstrap over the category's images). "
        f"{compared if is_comparison else ''}Below a category's name its images are counted: those to train on, a part of "
        "which may be held out to set the thresholds; good ones to judge; defective ones to judge. Found and false alarms are "
        f"decisions at each model's own threshold, {_SOURCES[rule]}. Means are unweighted, as in papers. Fitting time is that "
        "of the training, and ms an image the median from the file to the decision, one image at a time in the fastest engine "
        "installed; both are this machine's. MB is the size of the inference folder."
    )
