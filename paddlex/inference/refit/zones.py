"""Zones with limits of their own: how the map in each is brought to a common scale, so that one threshold is right for all.

Pure NumPy. The scale is affine: what is typical of a zone's pixels, and its own threshold, become those of the rest.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from paddlex.errors import TrainingError
from paddlex.inference.calibration import ZoneScale
from paddlex.inference.inspection import Zone
from paddlex.inference.refit.fusion_statistics import FOLDS
from paddlex.inference.refit.pixel_quantile import PixelQuantile
from paddlex.inference.thresholds import image_threshold


class ZoneTally:
    """Takes in the maps of normal images, zone by zone.

    The scales that the threshold rests on are cross-fitted: an image is scaled by those from the other images (five folds),
    since its own would flatter it.

    Args:
        zones: numbered from 1; 0 is the rest of what is inspected.
        target_fpr: the share of normal images above the threshold, where a zone has none of its own.
        share, total: as of ``PixelQuantile``.
    """

    def __init__(self, zones: Sequence[Zone], target_fpr: float, share: float, total: int) -> None:
        self._zones, self._target_fpr, self._share, self._total = zones, target_fpr, share, total
        self._highest: list[list[float]] = []
        self._medians: list[list[float]] = []
        self._folds: list[int] = []
        self._pixels: dict[tuple[int, int], PixelQuantile] = {}

    def add(self, photo: int, values: np.ndarray, labels: np.ndarray) -> None:
        """Take in one image.

        Args:
            photo: its number.
            values: of its map where it is inspected, float32 [m].
            labels: the zone of each, uint8 [m].

        Raises:
            TrainingError: a zone has no position on the map.
        """
        fold = photo % FOLDS
        of_zones = [values[labels == number] for number in range(len(self._zones) + 1)]
        for zone, of_zone in zip(self._zones, of_zones[1:], strict=True):
            if not of_zone.size:
                raise TrainingError(
                    f"the zone {zone.name} is too small: the network's map has no position in it",
                    where="Train.regions.zones",
                    remedy="Make it larger, or raise Train.image_size",
                )
        self._folds.append(fold)
        self._highest.append([float(one.max()) if one.size else -np.inf for one in of_zones])
        self._medians.append([float(np.median(one)) if one.size else -np.inf for one in of_zones])
        for number, of_zone in enumerate(of_zones):
            group = self._pixels.setdefault((fold, number), PixelQuantile(self._share, self._total))
            group.add(of_zone)

    def scores(self) -> list[float]:
        """The score of each image on the common scale: the highest value of its scaled map."""
        scales = {fold: self._scales(np.array(self._folds) != fold) for fold in set(self._folds)}
        return [
            max(
                one.slope * high + one.shift
                for one, high in zip(scales[fold], highest, strict=True)
                if np.isfinite(high)
            )
            for highest, fold in zip(self._highest, self._folds, strict=True)
        ]

    def pixel_threshold(self) -> float:
        """What ``PixelQuantile`` would say of the scaled maps."""
        quantile = PixelQuantile(self._share, self._total)
        for (fold, number), group in self._pixels.items():
            scale = self._scales(np.array(self._folds) != fold)[number]
            quantile.add(scale.slope * group.highest() + scale.shift)
        return quantile.value()

    def pixel_typical(self) -> float:
        """The median of the pixels, which is that of the rest in every zone."""
        return self._figures(np.ones(len(self._folds), bool))[0][0]

    def scales(self) -> list[ZoneScale]:
        """Of each zone, from all images."""
        return self._scales(np.ones(len(self._folds), bool))[1:]

    def _scales(self, chosen: np.ndarray) -> list[ZoneScale]:
        """From some images, bool [n]; the first is that of the rest, which changes nothing."""
        chosen = chosen if np.count_nonzero(chosen) > 1 else np.ones(len(chosen), bool)
        (typical, limit), *figures = self._figures(chosen)
        found = [ZoneScale("rest", 1.0, 0.0)]
        for zone, (own_typical, own_limit) in zip(self._zones, figures, strict=True):
            slope = (limit - typical) / (zone.factor * (own_limit - own_typical))
            found.append(ZoneScale(zone.name, slope, typical - slope * own_typical))
        return found

    def _figures(self, chosen: np.ndarray) -> list[tuple[float, float]]:
        """What is typical of the pixels, and the threshold for the highest: of the rest, or the first zone if there is no rest,
        and of each zone.
        """
        highest, medians = np.array(self._highest)[chosen], np.array(self._medians)[chosen]
        found = []
        for number in range(highest.shape[1]):
            zone = self._zones[number - 1] if number else None
            column = number if np.isfinite(highest[:, number]).all() else 1
            target = self._target_fpr if zone is None or zone.target_fpr is None else zone.target_fpr
            typical = float(np.median(medians[:, column]))
            limit, _ = image_threshold(highest[:, column].tolist(), target)
            if not limit > typical:
                what = f"the held-out images are all alike in the zone {zone.name if zone else 'that is the rest'}"
                raise TrainingError(what, where="Train.regions.zones", remedy="Make it larger, or leave it out")
            found.append((typical, limit))
        return found
