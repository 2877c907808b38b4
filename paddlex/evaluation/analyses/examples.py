"""Pictures of drawn defects: of each kind the smallest that is found, and the largest that is missed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np

from paddlex.evaluation.analyses.detectability_result import Example, Measured
from paddlex.evaluation.analyses.drawing import Defect
from paddlex.inference.pictures import heat_map
from paddlex.inference.predictor import AnomalyPredictor

#: A picture shows so many times the defect's size, but no less than a share of the photo's shorter side.
_AROUND, _LEAST = 3.0, 0.2

#: Side of a picture, in its own pixels.
_SIDE = 200


def choose_examples(
    measured: Sequence[Measured], levels: dict[str, Sequence[float]]
) -> Iterator[tuple[Measured, float, bool]]:
    """Of each kind the smallest that is found, at the faintest, and the largest that is missed, at the plainest.

    Args:
        measured: all drawn defects.
        levels: of each kind, ascending.

    Yields:
        The defect, the level to draw it at, and whether it is found at that.
    """
    for kind, all_levels in levels.items():
        items = [item for item in measured if item.kind == kind]
        found = [item for item in items if math.isfinite(item.needed)]
        if found:
            smallest = min(found, key=lambda item: (item.size, item.needed))
            yield smallest, smallest.needed, True
        missed = [item for item in items if item.needed > all_levels[0]]
        if missed:
            largest = max(missed, key=lambda item: (item.size, item.needed))
            yield largest, max(level for level in all_levels if level < largest.needed), False


def picture_examples(
    predictor: AnomalyPredictor,
    chosen: Iterator[tuple[Measured, float, bool]],
    redrawn: Callable[[Measured], tuple[np.ndarray, Defect]],
) -> list[Example]:
    """The chosen ones with their surroundings.

    Args:
        predictor: the model.
        chosen: see ``choose_examples``.
        redrawn: gives the photo of a defect, uint8 [H, W, 3] BGR, and the defect.
    """
    examples = []
    for item, level, is_found in chosen:
        photo, defect = redrawn(item)
        drawn = defect.on(photo, level)
        (anomaly_map,) = predictor.photo_maps([drawn])
        covered = defect.covered(photo).astype(np.float32)
        heat = heat_map(anomaly_map, predictor.limits.pixel)
        around = _surroundings(defect, photo.shape)
        pictures = [_shown(whole[around]) for whole in (drawn, cv2.addWeighted(drawn, 0.45, heat, 0.55, 0), covered)]
        examples.append(Example(item.kind, item.size, level, is_found, pictures[0], pictures[1], pictures[2] >= 0.5))
    return examples


def _surroundings(defect: Defect, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """A square of the photo with the defect in its middle, or as near to it as the rim allows."""
    side = min(min(shape[:2]), math.ceil(max(_AROUND * defect.size, _LEAST * min(shape[:2]))))
    left, top = (
        min(max(0, round(centre - side / 2)), length - side)
        for centre, length in zip(defect.place, (shape[1], shape[0]), strict=True)
    )
    return slice(top, top + side), slice(left, left + side)


def _shown(image: np.ndarray) -> np.ndarray:
    method = cv2.INTER_AREA if image.shape[0] > _SIDE else cv2.INTER_LINEAR
    return cv2.resize(image, (_SIDE, _SIDE), interpolation=method)
