"""A model that has learned nothing useful says so: defects are drawn on good parts, and it should find most of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from paddlex.config_schema import GlobalSection
from paddlex.data.dataset import TRAIN_LIST, read_samples, thinned
from paddlex.errors import PaddleXError
from paddlex.evaluation.analyses.quick_check import QuickCheck, quick_check
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.modules.image_anomaly_detection.models.contract import Fitted
from paddlex.utils.devices import Device
from paddlex.utils.logging import logger

#: Photos that defects are drawn on; they are spread over the list. Seconds, and the share is known to about 0.1. Of photos that
#: are scanned in tiles, and whole since they are prepared, a few, for the time that takes.
_MOST_PHOTOS, _MOST_WHOLE = 24, 4

#: A model that finds fewer of such defects than this share is warned of.
_ENOUGH = 0.5


def with_detectability(
    fitted: Fitted, inference: Path, settings: GlobalSection, device: Device, others: Sequence[str]
) -> Fitted:
    """What a training has left, and what its model finds of defects drawn on some of the photos it is from.

    Args:
        fitted: what the training has left.
        inference: its best model.
        settings: where the photos are, and how large they may be.
        device: where the model runs.
        others: names of other models, to advise.
    """
    reading = replace(settings.reading, bit_depth=fitted.card.bit_depth)
    try:
        predictor = AnomalyPredictor(inference, device=str(device), quiet=True)
        samples = read_samples(settings.dataset_dir or "", TRAIN_LIST, reading)
        is_slow = predictor.tiling is not None and predictor.preparation.steps
        chosen = thinned(samples, _MOST_WHOLE if is_slow else _MOST_PHOTOS)
        result = quick_check(predictor, (sample.read() for sample in chosen))
    except (PaddleXError, OSError) as error:
        logger.warning("What the model finds of drawn defects is not known: %s", error)
        return fitted
    logger.info("%s.", describe(result))
    warnings = list(fitted.warnings)
    if result.share < _ENOUGH:
        warnings.append(warning(result, others))
        logger.warning("%s", warnings[-1])
    return replace(fitted, facts={**fitted.facts, "detectability": asdict(result)}, warnings=warnings)


def describe(result: QuickCheck) -> str:
    """The figure in words, without a full stop."""
    found, drawn = sum(result.found.values()), sum(result.drawn.values())
    return f"Of {drawn} defects drawn on photos of good parts the model finds {found} ({result.share:.0%})"


def warning(result: QuickCheck, others: Sequence[str]) -> str:
    """What is wrong with a model that finds few, and what to do, in a sentence or two."""
    return (
        f"{describe(result)}, though they are plain to see: it will miss real ones of that size too. Try another "
        f"Global.model ({', '.join(others)}), more photos of good parts, or a larger Train.image_size."
    )
