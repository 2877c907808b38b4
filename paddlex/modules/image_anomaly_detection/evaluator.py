"""How good a model is: its predictions, as ``predict`` makes them, held against the masks of the validation images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from paddlex.errors import DatasetError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.results import AnomalyResult
from paddlex.modules.image_anomaly_detection.dataset import Sample, read_mask
from paddlex.modules.image_anomaly_detection.metrics import Confusion, auroc, confusion
from paddlex.utils.logging import logger
from paddlex.utils.progress import progress

_BATCH_SIZE = 4  # the results do not depend on it


def evaluate(predictor: AnomalyPredictor, samples: Sequence[Sample], log_interval: int | None = None) -> dict[str, Any]:
    """Predict every sample and compare.

    An image is anomalous if its mask has a non-zero pixel. One whose mask is empty although its folder names a defect is
    anomalous too, but left out of the pixel figures: where the defect is, nobody has said. What the samples do not allow
    (no normal or no anomalous images) is None, with the reason under "notes".

    Args:
        predictor: the model.
        samples: validation samples.
        log_interval: a log line after every so many batches; None for none.

    Returns:
        The metrics, flat: image_auroc, pixel_auroc; IoU, Precision, Recall, F1 of the pixels at the pixel threshold;
        image_precision, image_recall, image_f1, image_false_positive_rate at the image threshold; the thresholds; counts.
    """
    scores: list[float] = []
    decisions: list[bool] = []
    anomalous: list[bool] = []
    normal_pixels: list[np.ndarray] = []
    anomalous_pixels: list[np.ndarray] = []
    pixels = Confusion(0, 0, 0, 0)
    without_mask = 0
    for number, (sample, result) in enumerate(_predict(predictor, samples, "Evaluate"), 1):
        mask = _mask(sample, result)
        has_mask = bool(mask.any())
        scores.append(result["raw_score"])
        decisions.append(result["is_anomalous"])
        anomalous.append(has_mask or sample.is_defective_by_name)
        if has_mask or not anomalous[-1]:
            normal_pixels.append(result["anomaly_map"][~mask])
            anomalous_pixels.append(result["anomaly_map"][mask])
            pixels += confusion(result["pred"][0] > 0, mask)
        else:
            without_mask += 1
        if log_interval and number % (log_interval * _BATCH_SIZE) == 0:
            logger.info("Evaluated %d of %d images.", number, len(samples))
    is_anomalous, all_scores = np.array(anomalous), np.array(scores)
    images = confusion(decisions, anomalous)
    return {
        "image_auroc": auroc(all_scores[~is_anomalous], all_scores[is_anomalous]),
        "pixel_auroc": auroc(_concatenated(normal_pixels), _concatenated(anomalous_pixels)),
        "IoU": pixels.iou,
        "Precision": pixels.precision,
        "Recall": pixels.recall,
        "F1": pixels.f1,
        "pixel_false_positive_rate": pixels.false_positive_rate,
        "image_precision": images.precision,
        "image_recall": images.recall,
        "image_f1": images.f1,
        "image_false_positive_rate": images.false_positive_rate,
        "image_threshold": predictor.limits.image.threshold,
        "pixel_threshold": predictor.limits.pixel.threshold,
        "threshold_source": predictor.limits.source,
        "normal_images": int((~is_anomalous).sum()),
        "anomalous_images": int(is_anomalous.sum()),
        "notes": _notes(is_anomalous, without_mask),
    }


def _predict(
    predictor: AnomalyPredictor, samples: Sequence[Sample], description: str
) -> Iterator[tuple[Sample, AnomalyResult]]:
    results = predictor.predict([str(sample.image_path) for sample in samples], batch_size=_BATCH_SIZE)
    yield from zip(samples, progress(results, description, total=len(samples)), strict=True)


def _mask(sample: Sample, result: AnomalyResult) -> np.ndarray:
    shape = result["anomaly_map"].shape
    if sample.mask_path is None:
        return np.zeros(shape, bool)
    mask = read_mask(sample.mask_path)
    if mask.shape != shape:
        raise DatasetError(
            f"the mask {sample.mask} is {mask.shape[1]}x{mask.shape[0]}, its image {shape[1]}x{shape[0]} pixels",
            where=sample.where,
            remedy="Run Global.mode=check_dataset and mend what it names",
        )
    return mask


def _concatenated(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.empty(0, np.float32)


def _notes(is_anomalous: np.ndarray, without_mask: int) -> list[str]:
    notes = []
    if is_anomalous.all():
        notes.append("image_auroc and the false-positive rate need normal validation images; there are none")
    if not is_anomalous.any():
        notes.append("AUROC, IoU, Precision and Recall need anomalous validation images with masks; there are none")
    if without_mask:
        notes.append(f"{without_mask} defective images have an empty mask and are left out of the pixel figures")
    return notes
