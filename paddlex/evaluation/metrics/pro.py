"""Per-region overlap: every ground-truth region counts the same, whatever its size."""

from __future__ import annotations

import cv2
import numpy as np

from paddlex.evaluation.metrics.curves import Curve, Ranking, cumulative_share


def region_weights(mask: np.ndarray) -> np.ndarray:
    """One over the size of the region that each anomalous pixel belongs to; a region is an 8-connected component.

    The weights of the pixels that a threshold finds add up to the sum over regions C of |P and C| / |C|, P being the pixels
    found: the per-region overlap before division by the number of regions (P. Bergmann, K. Batzner, M. Fauser,
    D. Sattlegger, C. Steger: The MVTec Anomaly Detection Dataset, IJCV 129, 2021, "relative per-region overlap").

    Args:
        mask: bool [H, W].

    Returns:
        float64 [n], n anomalous pixels in the order of ``mask``'s rows; the sum is the number of regions.
    """
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return 1 / statistics[labels[mask], cv2.CC_STAT_AREA]


def pro_curve(ranking: Ranking, overlap: np.ndarray) -> Curve:
    """False-positive rate over all normal pixels (x) against per-region overlap (y), from (0, 0) to (1, 1).

    AUPRO is its ``area`` up to a false-positive rate of 0.3 in the paper, and of 0.05 in stricter comparisons since.

    Args:
        ranking: counts of pixels.
        overlap: float64 [n], the ``region_weights`` summed over each interval of the ranking.
    """
    return Curve(cumulative_share(ranking.normal), cumulative_share(overlap), ranking.thresholds)
