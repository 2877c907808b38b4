"""From the anomaly map to a score, a decision and a mask. Training, evaluation and prediction all come through here."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from paddlex.errors import ModelError, NotFiniteError


@dataclass(frozen=True)
class Limit:
    """Where normal ends on one scale of raw values.

    Attributes:
        threshold: what is above it is anomalous.
        typical: the median of what is normal.

    Raises:
        ModelError: one of them is not finite: everything would be below it, or nothing.
    """

    threshold: float
    typical: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.threshold) or not math.isfinite(self.typical):
            what = f"a threshold of {self.threshold}, where {self.typical} is typical, cannot be used"
            raise ModelError(what, remedy="Give a finite number")

    def moved_to(self, threshold: float) -> Limit:
        """The same scale with another threshold; above ``typical`` that stays at 0.25, else the width of the scale stays."""
        if threshold > self.typical:
            return Limit(threshold, self.typical)
        return Limit(threshold, threshold - (self.threshold - self.typical))

    def raw(self, score: float) -> float:
        """The raw value whose score is ``score``, above 0 and below 1: ``normalise`` undone."""
        side = 2 * score - 1
        return self.threshold + side / max(1 - abs(side), 1e-12) * max(self.threshold - self.typical, 1e-12)

    def normalise(self, raw: np.ndarray | float) -> np.ndarray:
        """Map raw values to 0..1, strictly monotone: typical is at 0.25, the threshold at 0.5, as far above it at 0.75.

        0.5 (1 + u / (1 + |u|)) with u = (raw - threshold) / (threshold - typical); it saturates slowly, so that strong
        anomalies stay comparable.
        """
        u = (np.asarray(raw, np.float64) - self.threshold) / max(self.threshold - self.typical, 1e-12)
        return 0.5 * (1 + u / (1 + np.abs(u)))


@dataclass(frozen=True)
class Limits:
    """The limits of a model for image scores and for the pixels of its maps.

    Attributes:
        image: for the raw image score.
        pixel: for the raw map.
        source: where the two come from, in words.
        region_cut: 0 to 1, see ``anomaly_mask``.
        min_area: share of the image, 0 to 1, see ``anomaly_mask``.
    """

    image: Limit
    pixel: Limit
    source: str
    region_cut: float = 0.0
    min_area: float = 0.0


#: Model name -> PaddleX's own constant for it, the same for every data set; used where such a model brings no calibration. The
#: maps of another model have another scale: there is no such number for it.
PADDLEX_LIMITS = {"STFPM": Limits(Limit(0.01), Limit(0.01), "PaddleX's constant of 0.01, not calibrated")}


def anomaly_score(anomaly_map: np.ndarray) -> float:
    """The raw image score: the maximum of the map [h, w] at the network's resolution (as in STFPM, section 3.3).

    Raises:
        NotFiniteError: the map has a value that is not finite, anywhere: what is beside it cannot be trusted either.
    """
    if not np.isfinite(anomaly_map).all():
        what = "the network's answer is not finite (NaN or infinity), so the image is neither normal nor anomalous"
        raise NotFiniteError(what, remedy="If every image has this, the model is damaged: export or train it again")
    return float(anomaly_map.max())


def resize_map(anomaly_map: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a map float32 [h, w] to the size of its image, bilinearly: no value leaves the map's range."""
    if anomaly_map.shape == (height, width):
        return anomaly_map
    return cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_LINEAR)


def anomaly_mask(anomaly_map: np.ndarray, limits: Limits, inspected: np.ndarray | None = None) -> np.ndarray:
    """The anomalous pixels of a map float32 [H, W]: uint8 [1, H, W], 255 or 0.

    A pixel must be above the threshold, and in the upper part of its own region: not below ``limits.region_cut`` of the way
    from the threshold to the region's peak. What lies lower is the halo that the network's receptive field puts around a
    strong defect. A region that is then smaller than ``limits.min_area`` of the image is a speck and left out. Both only take
    pixels away, so the share of false pixels that the threshold promises holds. Where ``inspected``, bool [H, W], is false,
    no pixel is anomalous.
    """
    threshold = limits.pixel.threshold
    above = (anomaly_map > threshold).astype(np.uint8)
    if inspected is not None:
        above &= inspected
    if not above.any():
        return above[None]
    if limits.region_cut:
        count, regions = cv2.connectedComponents(above, connectivity=8)
        is_above = regions > 0
        values, region = anomaly_map[is_above], regions[is_above].astype(np.intp)
        peaks = np.full(count, threshold, anomaly_map.dtype)
        np.maximum.at(peaks, region, values)
        above[is_above] = values >= threshold + limits.region_cut * (peaks[region] - threshold)
    if limits.min_area:
        _, regions, stats, _ = cv2.connectedComponentsWithStats(above, connectivity=8)
        is_speck = stats[:, cv2.CC_STAT_AREA] < limits.min_area * above.size
        above[is_speck[regions]] = 0
    return above[None] * np.uint8(255)
