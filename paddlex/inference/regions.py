"""The anomalous regions of a mask: where, how large, how strong. All in pixels of the input image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from paddlex.inference.postprocess import Limit

#: x and y of a pixel -> the name of the zone that it is in.
ZoneAt = Callable[[int, int], "str | None"]


def find_regions(
    mask: np.ndarray, anomaly_map: np.ndarray, limit: Limit, zone_at: ZoneAt | None = None
) -> list[dict[str, Any]]:
    """Describe the connected regions (8 neighbours) of a mask, the strongest first.

    Args:
        mask: uint8 [H, W], 255 where anomalous.
        anomaly_map: float32 [H, W].
        limit: of the map, for the scores.
        zone_at: from a pixel's x and y to the name of its zone; None where there are no zones.

    Returns:
        A dict for each region: ``bbox`` [x, y, width, height]; ``polygon`` [[x, y], ...], the outer border; ``area`` in
        pixels; ``max_score`` and ``mean_score``, 0 to 1 with 0.5 at the pixel threshold; with zones ``zone``, the name of the
        one that its strongest pixel is in, or None.
    """
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    regions = []
    for label in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[label])
        window = np.s_[y : y + height, x : x + width]
        inside = labels[window] == label
        values = limit.normalise(anomaly_map[window][inside])
        contours, _ = cv2.findContours(
            inside.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE, offset=(x, y)
        )
        regions.append(
            {
                "bbox": [x, y, width, height],
                "polygon": contours[0][:, 0].tolist(),
                "area": area,
                "max_score": float(values.max()),
                "mean_score": float(values.mean()),
            }
        )
        if zone_at is not None:
            rows, columns = np.nonzero(inside)
            strongest = int(values.argmax())
            regions[-1]["zone"] = zone_at(x + int(columns[strongest]), y + int(rows[strongest]))
    return sorted(regions, key=lambda region: -region["max_score"])
