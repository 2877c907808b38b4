"""How good a model is: its predictions, as ``predict`` makes them, held against the masks of the validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np

from paddlex.data.dataset import Sample, read_mask
from paddlex.errors import DatasetError
from paddlex.evaluation.metrics import (
    Confusion,
    ImageMetrics,
    PixelAccumulator,
    PixelMetrics,
    confusion,
    image_metrics,
)
from paddlex.inference.position import NOT_FOUND
from paddlex.inference.postprocess import Limits
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress

_FOUND = {"found": True}
_BATCH_SIZE = 4  # the results do not depend on it
_NAMED = 5
_CURVES = ("roc_curve", "precision_recall_curve", "pro_curve")


@dataclass(frozen=True)
class ImageRow:
    """What became of one validation image.

    Attributes:
        sample: its line of the list.
        is_anomalous: what it is.
        called_anomalous: what the model says.
        score, raw_score: as in the result.
        pixels: the mask against the true one; None where the true one does not say where the defect is.
        inspected: share of the photo that is inspected; None where the part is not found.
        is_outside: whether the true mask marks something, and nothing of it where the photo is inspected.
    """

    sample: Sample
    is_anomalous: bool
    called_anomalous: bool
    score: float
    raw_score: float
    pixels: Confusion | None
    inspected: float | None = 1.0
    is_outside: bool = False


@dataclass(frozen=True)
class Evaluation:
    """A model on a set of images.

    Attributes:
        rows: one for each image, in the order of the list.
        limits: the thresholds of the decisions.
        image: image-level figures.
        pixel: pixel-level figures over all thresholds.
        pixel_confusion: the masks at the pixel threshold.
        image_by_type, pixel_by_type: each defect type against all normal images, and against all normal pixels.
        notes: why a figure is None or what was left out.
    """

    rows: list[ImageRow]
    limits: Limits
    image: ImageMetrics
    pixel: PixelMetrics
    pixel_confusion: Confusion
    image_by_type: dict[str, ImageMetrics]
    pixel_by_type: dict[str, PixelMetrics]
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """The metrics as they stand in evaluate_result.json; see docs/outputs.md."""
        image, pixels = _rates(self.image.confusion), _rates(self.pixel_confusion)
        normal_images = sum(not row.is_anomalous for row in self.rows)
        return {
            "image_auroc": self.image.auroc,
            "pixel_auroc": self.pixel.auroc,
            "aupro": self.pixel.aupro_30,
            "IoU": pixels["iou"],
            "Precision": pixels["precision"],
            "Recall": pixels["recall"],
            "F1": pixels["f1"],
            "pixel_false_positive_rate": pixels["false_positive_rate"],
            "image_precision": image["precision"],
            "image_recall": image["recall"],
            "image_f1": image["f1"],
            "image_false_positive_rate": image["false_positive_rate"],
            "image_threshold": self.limits.image.threshold,
            "pixel_threshold": self.limits.pixel.threshold,
            "threshold_source": self.limits.source,
            "normal_images": normal_images,
            "anomalous_images": len(self.rows) - normal_images,
            "notes": self.notes,
            "image_level": _image_figures(self.image),
            "pixel_level": {**_pixel_figures(self.pixel), **pixels},
            "by_defect_type": {
                name: {
                    "images": sum(row.is_anomalous and row.sample.defect_type == name for row in self.rows),
                    "image_level": _image_figures(self.image_by_type[name]),
                    "pixel_level": _pixel_figures(self.pixel_by_type.get(name, PixelMetrics())),
                }
                for name in self.image_by_type
            },
        }


def evaluate(predictor: AnomalyPredictor, samples: Sequence[Sample], log_interval: int | None = None) -> Evaluation:
    """Predict every sample and compare.

    An image is anomalous if its mask has a non-zero pixel. One whose mask is empty although its folder names a defect is
    anomalous too. It is left out of the pixel figures, as is one whose mask marks every pixel: where the defect is,
    nobody has said. An image in which the part is not found is called anomalous, and left out of the pixel figures too.

    Pixels that are not inspected are called normal, whatever they are; a note says which defects lie there altogether.

    Args:
        predictor: the model.
        samples: validation samples.
        log_interval: a log line after every so many batches; None for none.

    Raises:
        DatasetError: a mask of another size than its image.
        ImageReadError: an image or a mask that cannot be read.
    """
    rows: list[ImageRow] = []
    pixels = PixelAccumulator()
    not_found = 0
    for number, (sample, result) in enumerate(_predict(predictor, samples), 1):
        mask = _mask(sample, result)
        is_anomalous = bool(mask.any()) or sample.is_defective_by_name
        counts = None
        is_found = result.get("position", _FOUND)["found"]
        not_found += not is_found
        if is_found and (not is_anomalous or (mask.any() and not mask.all())):
            counts = confusion(result["pred"][0] > 0, mask)
            pixels.add(result["anomaly_map"], mask, sample.defect_type)
        decision = result["is_anomalous"], result["score"], result["raw_score"]
        is_outside = bool(mask.any()) and "inspected" in result and not (mask & result["inspected"]).any()
        inspected = result.get("inspected_area", 1.0) if is_found else None
        row = ImageRow(sample, is_anomalous, *decision, counts, inspected, is_outside)
        rows.append(row)
        if log_interval and number % (log_interval * _BATCH_SIZE) == 0:
            logger.info("Evaluated %d of %d images.", number, len(samples))

    threshold = predictor.limits.image.threshold
    normal = _raw_scores(row for row in rows if not row.is_anomalous)
    types = sorted({row.sample.defect_type for row in rows if row.is_anomalous})
    anomalous = {
        name: _raw_scores(row for row in rows if row.is_anomalous and row.sample.defect_type == name) for name in types
    }
    return Evaluation(
        rows=rows,
        limits=predictor.limits,
        image=image_metrics(normal, np.concatenate([np.empty(0), *anomalous.values()]), threshold),
        pixel=pixels.compute(),
        pixel_confusion=sum((row.pixels for row in rows if row.pixels), Confusion(0, 0, 0, 0)),
        image_by_type={name: image_metrics(normal, scores, threshold) for name, scores in anomalous.items()},
        pixel_by_type=pixels.compute_by_type(),
        notes=_notes(rows, not_found),
    )


def validation_scores(predictor: AnomalyPredictor, samples: Sequence[Sample]) -> tuple[np.ndarray, np.ndarray]:
    """The raw image scores of normal and of anomalous images, float64 [n] and [m]: ``evaluate`` without the pixels.

    Raises:
        ImageReadError: an image or a mask that cannot be read.
    """
    scores: tuple[list[float], list[float]] = ([], [])
    for sample, result in _predict(predictor, samples):
        has_mask = sample.mask_path is not None and bool(read_mask(sample.mask_path, sample.reading).any())
        scores[has_mask or sample.is_defective_by_name].append(result["raw_score"])
    return np.array(scores[0], np.float64), np.array(scores[1], np.float64)


def _predict(predictor: AnomalyPredictor, samples: Sequence[Sample]) -> Iterator[tuple[Sample, AnomalyResult]]:
    """Each sample with its result; where the part is not found, the image is called anomalous."""
    if predictor.preparation.refuses:
        predictor = copy(predictor)
        predictor.preparation = predictor.preparation.never_refusing()
    results = predictor.predict([str(sample.image_path) for sample in samples], batch_size=_BATCH_SIZE)
    yield from zip(samples, progress(results, "Evaluate", total=len(samples)), strict=True)


def _mask(sample: Sample, result: AnomalyResult) -> np.ndarray:
    shape = result["anomaly_map"].shape
    if sample.mask_path is None:
        return np.zeros(shape, bool)
    mask = read_mask(sample.mask_path, sample.reading)
    if mask.shape != shape:
        raise DatasetError(
            f"the mask {sample.mask} is {mask.shape[1]}x{mask.shape[0]}, its image {shape[1]}x{shape[0]} pixels",
            where=sample.where,
            remedy="Run Global.mode=check_dataset and correct what it names",
        )
    return mask


def _raw_scores(rows: Iterator[ImageRow]) -> np.ndarray:
    return np.array([row.raw_score for row in rows], np.float64)


def _image_figures(metrics: ImageMetrics) -> dict[str, Any]:
    values = {name: value for name, value in vars(metrics).items() if name not in _CURVES}
    decisions: Confusion = values.pop("confusion")
    intervals = values.pop("intervals")
    return {**values, **_rates(decisions), **vars(decisions), "intervals_95": intervals}


def _rates(decisions: Confusion) -> dict[str, float | None]:
    """All rates by name; those that need both kinds are None where one is missing, and not a perfect or a zero."""
    rates = decisions.rates()
    has_both = decisions.true_positive + decisions.false_negative and decisions.false_positive + decisions.true_negative
    return rates if has_both else {**rates, "precision": None, "iou": None, "f1": None}


def _pixel_figures(metrics: PixelMetrics) -> dict[str, Any]:
    return {name: value for name, value in vars(metrics).items() if name not in _CURVES}


def _notes(rows: Sequence[ImageRow], not_found: int) -> list[str]:
    notes = []
    if all(row.is_anomalous for row in rows):
        notes.append("AUROC and the false-positive rate need normal validation images; there are none")
    if not any(row.is_anomalous for row in rows):
        notes.append("AUROC, AUPRO, IoU, Precision and Recall need anomalous validation images; there are none")
    if not_found:
        notes.append(
            f"{not_found} of {len(rows)} images: {NOT_FOUND}. They are called anomalous, and left out of the pixel figures"
        )
    without_mask = sum(row.pixels is None for row in rows) - not_found
    if without_mask:
        notes.append(
            f"{without_mask} defective images have a mask that does not say where the defect is (it marks nothing, or the "
            "whole image) and are left out of the pixel figures"
        )
    inspected = float(np.mean([row.inspected for row in rows if row.inspected is not None] or [1.0]))
    if inspected < 1:
        notes.append(
            f"{inspected:.0%} of the photo is inspected; elsewhere nothing is found, and every pixel is called normal"
        )
    outside = [row.sample.image for row in rows if row.is_outside]
    if outside:
        named = ", ".join(outside[:_NAMED]) + (f" and {len(outside) - _NAMED} more" if len(outside) > _NAMED else "")
        has = "1 defect lies" if len(outside) == 1 else f"{len(outside)} defects lie"
        notes.append(
            f"{has} wholly outside the inspected area, where nothing is looked for; a part counts as missed where nothing else "
            f"is found on it: {named}"
        )
    return notes
