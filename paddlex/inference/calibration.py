"""What a model knows of normal images: its thresholds, and everything they were made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np

from paddlex.inference.checked import (
    Checked,
    Invalid,
    block,
    fraction,
    list_of,
    mapping,
    number,
    optional,
    rate,
    share,
    text,
    within,
    word,
)
from paddlex.inference.postprocess import Limit, Limits

#: Scores that differ by less than this share of the largest are alike: that is how far sums of float32 are off.
_ALIKE = 1e-4


@dataclass(frozen=True)
class ZoneScale(Checked):
    """How the map in a zone is brought to the scale of the thresholds: ``slope * value + shift``.

    Raises:
        Invalid: a value that cannot be.
    """

    name: Annotated[str, text]
    slope: Annotated[float, within(1e-30, 1e30, "from 1e-30 to 1e30")]  # float32 holds it
    shift: Annotated[float, number]


@dataclass(frozen=True)
class Calibration(Checked):
    """Thresholds, and what they rest on. Training makes it; it stands in inference.yml and in .pdstates.

    Attributes:
        fusion: which of the network's maps they are for: ``calibrated``, or the paper's, a ``product`` or another (``paper``).
        image_threshold, pixel_threshold: for the raw image score and for the raw anomaly map.
        image_typical, pixel_typical: the median raw score of normal images, and of their pixels.
        min_area: share of the image below which a region is left out of the mask.
        best_f1_threshold: the image threshold with the highest F1 on validation images, if there were anomalous ones.
        target_fpr, target_pixel_fpr: the share of normal images and of normal pixels that may be called anomalous.
        method: how the image threshold was found, in words.
        scores: raw scores of the calibration images, ascending.
        region_cut: how much of a region's foot is left out of the mask, see ``postprocess.anomaly_mask``.
        shrinkages: of the fusion's statistics, one a layer; none for the paper's fusion.
        zones: how the map is scaled in each zone of the preparation, in their order, before it is held against a threshold.

    Raises:
        Invalid: a value that cannot be, or scores that are all alike: no threshold can rest on them.
    """

    fusion: Annotated[str, word("calibrated", "product", "paper")]
    image_threshold: Annotated[float, number]
    pixel_threshold: Annotated[float, number]
    image_typical: Annotated[float, number]
    pixel_typical: Annotated[float, number]
    target_fpr: Annotated[float, rate]
    target_pixel_fpr: Annotated[float, rate]
    method: Annotated[str, text]
    scores: Annotated[list[float], list_of(number, least=2)]
    region_cut: Annotated[float, fraction] = 0.0
    min_area: Annotated[float, share] = 0.0
    best_f1_threshold: Annotated[float | None, optional(number)] = None
    shrinkages: Annotated[list[float], list_of(fraction)] = field(default_factory=list)
    zones: Annotated[list[ZoneScale], list_of(block(ZoneScale))] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        if are_alike(self.scores):
            raise Invalid("must not be all alike: no threshold can rest on them", "scores")

    @property
    def limits(self) -> Limits:
        """What images and pixels are held against."""
        return Limits(
            # a threshold below what is typical (another rule, or one set by hand) still has a scale of scores around it
            Limit(max(self.scores), self.image_typical).moved_to(self.image_threshold),
            Limit(self.pixel_threshold, self.pixel_typical),
            self.method,
            self.region_cut,
            self.min_area,
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for inference.yml and JSON."""
        return {**super().to_dict(), "images": len(self.scores)}

    @classmethod
    def parse(cls, values: object) -> Calibration:
        """What ``to_dict`` gave.

        Raises:
            Invalid: it cannot be.
        """
        section = mapping(values)
        images = section.pop("images", None)
        calibration = super().parse(section)
        if images not in (None, len(calibration.scores)):
            raise Invalid("must be the number of scores", "images")
        return calibration


def scaled(anomaly_map: np.ndarray, zones: np.ndarray, scales: Sequence[ZoneScale]) -> np.ndarray:
    """A map [h, w] in which each zone is on its scale.

    Args:
        anomaly_map: float32 [h, w].
        zones: uint8 [h, w], the number of each position's zone, from 1; 0 stays as it is.
        scales: of the zones.
    """
    slopes = np.array([1.0, *(one.slope for one in scales)], np.float32)
    shifts = np.array([0.0, *(one.shift for one in scales)], np.float32)
    return slopes[zones] * anomaly_map + shifts[zones]


def are_alike(scores: Sequence[float]) -> bool:
    """Whether scores differ by no more than rounding makes them differ."""
    return max(scores) - min(scores) <= _ALIKE * max(map(abs, scores))
