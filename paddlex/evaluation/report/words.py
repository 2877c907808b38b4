"""What the figures say, in sentences. Plain text; nothing here knows HTML."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddlex.evaluation.evaluator import Evaluation
from paddlex.evaluation.metrics import Confusion, confusion_at
from paddlex.evaluation.numbers import (
    NOT_MEASURABLE,
    count,
    figure,
    interval,
    percent,
    share,
)
from paddlex.inference.calibration import Calibration
from paddlex.inference.thresholds import image_threshold


@dataclass(frozen=True)
class KeyFigure:
    """One figure for the first page.

    Attributes:
        name: what it is called.
        value: as text.
        spread: its interval, or the counts it comes from.
        meaning: one plain sentence.
    """

    name: str
    value: str
    spread: str
    meaning: str


@dataclass(frozen=True)
class Counts:
    """How many images there are of each kind, and what became of them."""

    normal: int
    anomalous: int
    found: int
    false_alarms: int

    @classmethod
    def of(cls, evaluation: Evaluation) -> Counts:
        decisions = evaluation.image.confusion
        return cls(
            normal=decisions.true_negative + decisions.false_positive,
            anomalous=decisions.true_positive + decisions.false_negative,
            found=decisions.true_positive,
            false_alarms=decisions.false_positive,
        )


def headline(evaluation: Evaluation) -> str:
    """The outcome in a short paragraph: decisions, ranking, localisation."""
    counts = Counts.of(evaluation)
    outlines = [_localisation(evaluation)] if counts.anomalous else []
    return " ".join([_decisions(counts), _ranking(evaluation), *outlines])


def key_figures(evaluation: Evaluation) -> list[KeyFigure]:
    """The figures of the first page, each with what it means; without defective parts, false alarms alone."""
    counts, image, pixels = Counts.of(evaluation), evaluation.image, evaluation.pixel_confusion
    called, found, alarms = counts.found + counts.false_alarms, counts.found, counts.false_alarms
    no_images, no_pixels = missing_images(evaluation), missing_pixels(evaluation)
    false_alarms = _rate(
        "False alarms", alarms, counts.normal, image.intervals["false_positive_rate"],
        "The share of the good parts that the model called anomalous.", "there are no normal images",
    )  # fmt: skip
    if not counts.anomalous:
        return [false_alarms]
    return [
        _rate(
            "Defects found (recall)", found, counts.anomalous, image.intervals["recall"],
            "The share of the defective parts that the model called anomalous.", "there are no anomalous images",
        ),
        false_alarms,
        _rate(
            "Alarms that are right (precision)", found, called if no_images is None else 0, image.intervals["precision"],
            "Of the parts called anomalous, the share that are. It depends on how many defects the test set holds.",
            no_images or "nothing was called anomalous",
        ),
        KeyFigure(
            "Image AUROC", figure(image.auroc), _spread(image.intervals["auroc"], no_images),
            "How often a defective part scores higher than a good one, whatever the threshold: 0.5 is a coin toss, "
            "1 is perfect.",
        ),
        KeyFigure(
            "AUPRO up to a false-positive rate of 0.3", figure(evaluation.pixel.aupro_30),
            no_pixels or _kind_of_pixels(evaluation),
            "How much of each defect the heat map covers while few good pixels light up; small defects count as much as "
            "large ones.",
        ),
        KeyFigure(
            "Mask IoU", figure(None if no_pixels else pixels.iou), no_pixels or "all pixels of all images pooled",
            "How well the predicted outlines and the true ones overlap: 0 is not at all, 1 is exactly.",
        ),
    ]  # fmt: skip


def thresholds(evaluation: Evaluation, calibration: Calibration | None) -> list[str]:
    """Where the two thresholds come from, what they promise, and what they gave.

    Args:
        evaluation: the figures.
        calibration: the model's; None for a model without.
    """
    limits, counts = evaluation.limits, Counts.of(evaluation)
    sentences = [
        "An image is called anomalous if its score is above 0.5, which stands for a raw score of "
        f"{limits.image.threshold:.6g} ({limits.source})."
    ]
    if calibration is not None and _holds_target_fpr(evaluation, calibration):
        sentences.append(
            f"It was set on {count(len(calibration.scores), 'normal calibration image')} so that at most "
            f"{share(calibration.target_fpr)} of new normal images exceed it"
            + (f"; here {counts.false_alarms:,} of {counts.normal:,} did." if counts.normal else ".")
        )
    sentences.append(_pixel_threshold(evaluation, calibration))
    hindsight = _hindsight(evaluation)
    return [*sentences, hindsight] if hindsight else sentences


def notes(evaluation: Evaluation) -> list[str]:
    """What is missing, and what the intervals cannot show."""
    counts, bounds = Counts.of(evaluation), evaluation.image.intervals["auroc"]
    sentences = [f"{note}." for note in evaluation.notes]
    if bounds is not None and bounds[0] == bounds[1]:
        sentences.append(
            "The interval of the image AUROC has no width: a bootstrap resamples the images that are there and cannot see what "
            "did not happen. That is no proof that other images would all be ranked right."
        )
    for wrong, total, event in (
        (counts.false_alarms, counts.normal, "false alarm"),
        (counts.anomalous - counts.found, counts.anomalous, "missed defect"),
    ):
        if total and not wrong:
            sentences.append(
                f"Not one {event} in {count(total, 'image')} does not mean that there will never be one: a true rate of up to "
                f"{_unseen_rate(total)} would still be compatible with it (exact one-sided 95 % limit)."
            )
    return sentences


def missing_images(evaluation: Evaluation) -> str | None:
    """Why image-level figures cannot be measured; None if they can."""
    counts = Counts.of(evaluation)
    if not counts.anomalous:
        return "there are no anomalous images"
    return None if counts.normal else "there are no normal images"


def missing_pixels(evaluation: Evaluation) -> str | None:
    """Why pixel-level figures cannot be measured; None if they can."""
    if evaluation.pixel.auroc is not None:
        return None
    if not any(row.is_anomalous for row in evaluation.rows):
        return "there are no anomalous images"
    if not any(row.is_anomalous and row.pixels for row in evaluation.rows):
        return "no anomalous image has a mask that says where the defect is"
    return "the masks leave no normal pixel"


def normalised_scores(evaluation: Evaluation, *, anomalous: bool) -> tuple[np.ndarray, np.ndarray]:
    """Scores float64 [n] of the normal or of the anomalous images, and bool [n], which of them were called anomalous."""
    rows = [row for row in evaluation.rows if row.is_anomalous == anomalous]
    return np.array([row.score for row in rows], np.float64), np.array([row.called_anomalous for row in rows], bool)


def _decisions(counts: Counts) -> str:
    if counts.anomalous:
        were_found = _were(counts.found, counts.anomalous)
        found = f"Of {count(counts.anomalous, 'defective part')} {were_found} found "
        found += f"({percent(counts.found, counts.anomalous)})"
    else:
        found = "There are no defective parts in this test set"
    if not counts.normal:
        return f"{found}; there are no good parts to raise a false alarm."
    return (
        f"{found}; of {count(counts.normal, 'good part')} {_were(counts.false_alarms, counts.normal)} called bad "
        f"({percent(counts.false_alarms, counts.normal)})."
    )


def _ranking(evaluation: Evaluation) -> str:
    auroc, bounds = evaluation.image.auroc, evaluation.image.intervals["auroc"]
    if auroc is None or bounds is None:
        return f"The image AUROC is {NOT_MEASURABLE}: {missing_images(evaluation)}."
    has_width = bounds[0] != bounds[1]
    spread = f"95 % interval {interval(bounds, 2)}" if has_width else "an interval of no width, see the notes"
    pairs = int(100 * auroc) if 0.995 <= auroc < 1 else round(100 * auroc)
    return (
        f"Image AUROC {figure(auroc)} ({spread}): of 100 pairs of a defective and a good part the defective one scores "
        f"higher in {pairs}; guessing would give 50."
    )


def _localisation(evaluation: Evaluation) -> str:
    reason = missing_pixels(evaluation)
    if reason:
        return f"How well defects are outlined is {NOT_MEASURABLE}: {reason}."
    pixels = evaluation.pixel_confusion
    marked, defective = pixels.true_positive + pixels.false_positive, pixels.true_positive + pixels.false_negative
    covered = f"the predicted outlines cover {percent(pixels.true_positive, defective)} of the defects' area"
    right = f", and {percent(pixels.true_positive, marked)} of what they mark is defective" if marked else ""
    return f"AUPRO {figure(evaluation.pixel.aupro_30)}; {covered}{right}."


def _pixel_threshold(evaluation: Evaluation, calibration: Calibration | None) -> str:
    limits, pixels = evaluation.limits, evaluation.pixel_confusion
    text = f"A pixel can be marked if the raw map is above {limits.pixel.threshold:.6g} there"
    if calibration is not None:
        text += f", set so that at most {share(calibration.target_pixel_fpr)} of normal pixels exceed it"
    normal = pixels.false_positive + pixels.true_negative
    if normal:
        marked = percent(pixels.false_positive, normal)
        text += f"; here {marked} of the normal pixels were marked, those around defects included"
    cuts = []
    if limits.region_cut:
        cuts.append(f"what lies below {share(limits.region_cut)} of the way from the threshold to its region's peak")
    if limits.min_area:
        cuts.append(f"regions smaller than {share(limits.min_area)} of the image (of a tile, if scanned in tiles)")
    return f"{text}. Left out of the masks: {' and '.join(cuts)}." if cuts else f"{text}."


def _holds_target_fpr(evaluation: Evaluation, calibration: Calibration) -> bool:
    """Whether the threshold is the one that the target rate gives: another rule may have been chosen, or another rate."""
    return image_threshold(calibration.scores, calibration.target_fpr)[1] == evaluation.limits.source


def _hindsight(evaluation: Evaluation) -> str | None:
    """What the best threshold for these very images would have given, where it is better."""
    image = evaluation.image
    now = image.confusion.f1
    if image.best_f1 is None or image.best_f1_threshold is None or now is None or image.best_f1 <= now:
        return None
    raw = {
        kind: np.array([row.raw_score for row in evaluation.rows if row.is_anomalous == kind]) for kind in (False, True)
    }
    best: Confusion = confusion_at(image.best_f1_threshold, raw[False], raw[True])
    score = float(evaluation.limits.image.normalise(image.best_f1_threshold))
    return (
        f"With hindsight F1 would be highest, {figure(image.best_f1)} instead of {figure(now)}, at a score of {score:.3f}: "
        f"{best.true_positive:,} of {raw[True].size:,} defective parts found, {best.false_positive:,} of {raw[False].size:,} "
        "good parts called bad. A threshold chosen on the images it is judged by flatters itself."
    )


def _rate(name: str, part: int, whole: int, bounds: tuple[float, float] | None, meaning: str, reason: str) -> KeyFigure:
    if not whole:
        return KeyFigure(name, NOT_MEASURABLE, reason, meaning)
    spread = f"{part:,} of {whole:,}"
    if bounds is not None and bounds[0] != bounds[1]:
        spread += f"; 95 % interval {100 * bounds[0]:.0f} to {100 * bounds[1]:.0f}\N{NO-BREAK SPACE}%"
    return KeyFigure(name, percent(part, whole), spread, meaning)


def _spread(bounds: tuple[float, float] | None, reason: str | None) -> str:
    if reason or bounds is None:
        return reason or NOT_MEASURABLE
    return f"95 % interval {interval(bounds)}" if bounds[0] != bounds[1] else "an interval of no width, see the notes"


def _kind_of_pixels(evaluation: Evaluation) -> str:
    images = sum(row.is_anomalous and row.pixels is not None for row in evaluation.rows)
    return f"{count(images, 'anomalous image')} with a mask"


def _unseen_rate(images: int) -> str:
    """The rate whose probability of no event in so many images is 5 %."""
    return f"{100 * (1 - 0.05 ** (1 / images)):.2g}\N{NO-BREAK SPACE}%"


def _were(part: int, whole: int) -> str:
    if part == whole > 1:
        return "all were"
    return "none was" if part == 0 else f"{part:,} {'was' if part == 1 else 'were'}"
