"""From the anomaly map to a score, a decision and a mask. Training, evaluation and prediction all come through here."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np


@dataclass(frozen=True)
class Thresholds:
    """Where normal ends, on the scale of the raw anomaly map.

    Attributes:
        image: an image with a raw score above this is anomalous.
        pixel: a pixel with a raw value above this is anomalous.
        source: where the two come from, in words.
    """

    image: float
    pixel: float
    source: str


#: PaddleX's own constant, the same for every model and data set; used where a model brings no calibration.
PADDLEX_THRESHOLDS = Thresholds(image=0.01, pixel=0.01, source="PaddleX's constant of 0.01, not calibrated")


def anomaly_score(anomaly_map: np.ndarray) -> float:
    """The raw image score: the maximum of the map [h, w] at the network's resolution (STFPM, section 3.3)."""
    return float(anomaly_map.max())


def normalised_score(raw: float | np.ndarray, threshold: float) -> float | np.ndarray:
    """Map raw values (>= 0) to 0..1, the threshold to 0.5: raw / (raw + threshold), strictly monotone."""
    return raw / (raw + threshold)


def resize_map(anomaly_map: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring a map float32 [h, w] to the size of its image, bilinearly: no value leaves the map's range."""
    if anomaly_map.shape == (height, width):
        return anomaly_map
    return cv2.resize(anomaly_map, (width, height), interpolation=cv2.INTER_LINEAR)


def anomaly_mask(anomaly_map: np.ndarray, threshold: float) -> np.ndarray:
    """uint8 [1, H, W]: 255 where the map [H, W] is above the threshold, else 0."""
    return np.where(anomaly_map > threshold, np.uint8(255), np.uint8(0))[None]
