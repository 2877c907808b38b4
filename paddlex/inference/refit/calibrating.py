"""From the distances of normal images to the fusion's statistics, and to thresholds. Pure NumPy and OpenCV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from paddlex.errors import NotFiniteError, TrainingError
from paddlex.inference.calibration import Calibration, are_alike
from paddlex.inference.inspection import Inspection
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.refit.fusion import CalibratedMaps, Fuse
from paddlex.inference.refit.fusion_statistics import choose_shrinkage, fit_statistics, folds_of
from paddlex.inference.refit.pixel_quantile import PixelQuantile
from paddlex.inference.refit.zones import ZoneTally
from paddlex.inference.thresholds import image_threshold
from paddlex.inference.view import inspected_positions

_BATCH_SIZE = 16
CALIBRATED = "calibrated"
_REGION_CUT = 0.25  # of z-scores; the product falls off so steeply by itself that it needs none

Layers = list[np.ndarray]

#: The number of an image -> where it is judged, bool [H, W]; None for everywhere.
Inspected = Callable[[int], "np.ndarray | None"]

#: For each layer the positions of each image that are judged, bool [n, h_l, w_l]; None for all.
Counts = Sequence["np.ndarray | None"]


class Aims(Protocol):
    """What thresholds are to hold, see ``Calibration``, which is one."""

    @property
    def fusion(self) -> str: ...
    @property
    def target_fpr(self) -> float: ...
    @property
    def target_pixel_fpr(self) -> float: ...
    @property
    def min_area(self) -> float: ...


@dataclass(frozen=True)
class Fusions:
    """How the partial maps of a network become one map.

    Attributes:
        calibrated: z-scores; its statistics are set by the calibration.
        paper: the network's own.
        least_shrinkage: see ``AnomalyNetwork``.
    """

    calibrated: CalibratedMaps
    paper: Fuse
    least_shrinkage: float

    def of(self, aims: Aims) -> Fuse:
        """The one that decides."""
        return self.calibrated if aims.fusion == CALIBRATED else self.paper


def everywhere(number: int) -> None:
    """Every pixel of every image is judged."""


def calibrate_layers(
    fusions: Fusions,
    layers: Layers,
    aims: Aims,
    image_size: tuple[int, int],
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> tuple[Calibration, np.ndarray]:
    """Set the statistics of the fusion and find the thresholds.

    The scores that the thresholds rest on are cross-fitted: the map of an image is made with statistics from the other
    images (five folds), since its own would flatter it. The statistics that stay are from all images.

    Args:
        fusions: of the network; the calibrated one is changed if ``aims.fusion`` is ``calibrated``.
        layers: distances, float32 [n, h_l, w_l] of each layer, of normal images that the network has not seen.
        aims: the fusion and the target rates.
        image_size: (H, W).
        inspected: where each image is judged.
        regions: what has zones with limits of their own.

    Returns:
        The calibration, and the raw cross-fitted score of each image: float64 [n].

    Raises:
        TrainingError: a map that is not finite, or scores that are all alike.
    """
    photos = np.arange(len(layers[0]))
    total = sum(pixels(inspected(number), image_size) for number in range(len(photos)))

    def values(numbers: np.ndarray) -> Iterator[JudgedMap]:
        maps = fused_maps(fusions.of(aims), layers, numbers, image_size)
        for number, anomaly_map in zip(numbers, maps, strict=True):
            yield JudgedMap.of(int(number), anomaly_map, inspected(int(number)), regions)

    if aims.fusion != CALIBRATED:
        return thresholds(values(photos), total, aims, [], regions)
    judged, shrinkages = cross_fitted(fusions, layers, photos, inspected, values)
    calibration, scores = thresholds(judged, total, aims, shrinkages, regions)
    in_order = np.empty_like(scores)
    in_order[np.concatenate([fold for _, fold in folds_of(len(photos))])] = scores
    return calibration, in_order


class JudgedMap(NamedTuple):
    """The map of an image where it is judged, float32 of any shape; with zones the number of each value's, uint8."""

    photo: int
    values: np.ndarray
    zones: np.ndarray | None

    @classmethod
    def of(
        cls, photo: int, anomaly_map: np.ndarray, inspected: np.ndarray | None, regions: Inspection | None
    ) -> JudgedMap:
        zones = regions.zones_at(*anomaly_map.shape) if regions is not None and regions.zones else None
        return cls(
            photo, where_inspected(anomaly_map, inspected), None if zones is None else where_inspected(zones, inspected)
        )


def where_inspected(anomaly_map: np.ndarray, inspected: np.ndarray | None) -> np.ndarray:
    """The values of a map [H, W] where it is judged, [n]; the map as it is where ``inspected`` is None, for everywhere."""
    return anomaly_map if inspected is None else anomaly_map[inspected]


def thresholds(
    maps: Iterable[JudgedMap],
    total: int,
    aims: Aims,
    shrinkages: list[float],
    regions: Inspection | None,
) -> tuple[Calibration, np.ndarray]:
    """From the anomaly maps of normal images, of any shapes, with ``total`` pixels that are judged together.

    Returns:
        The calibration, and the scores in the order of the maps: float64 [n].

    Raises:
        TrainingError: a map that is not finite, or scores that are all alike.
    """
    scores: list[float] = []
    medians: list[float] = []
    quantile = PixelQuantile(aims.target_pixel_fpr, total)
    tally = None
    if regions is not None and regions.zones:
        tally = ZoneTally(regions.zones, aims.target_fpr, aims.target_pixel_fpr, total)
    for photo, anomaly_map, zones in maps:
        try:
            scores.append(anomaly_score(anomaly_map))
        except NotFiniteError:
            what = "the network's answer to a held-out image is not finite"
            raise TrainingError(
                what, remedy="Train again; a model that learns by gradients with a lower Train.learning_rate"
            ) from None
        if tally is None or zones is None:
            medians.append(float(np.median(anomaly_map)))
            quantile.add(anomaly_map)
        else:
            tally.add(photo, anomaly_map, zones)
    scores = scores if tally is None else tally.scores()
    if len(scores) > 1 and are_alike(scores):
        raise TrainingError(
            f"the held-out images are all alike: each of the {len(scores)} has the score {scores[0]:.6g}, "
            "and no threshold can rest on that",
            remedy="Take photos of different good parts",
        )
    limit, method = image_threshold(scores, aims.target_fpr)
    calibration = Calibration(
        fusion=aims.fusion,
        image_threshold=limit,
        pixel_threshold=quantile.value() if tally is None else tally.pixel_threshold(),
        image_typical=float(np.median(scores)),
        pixel_typical=float(np.median(medians)) if tally is None else tally.pixel_typical(),
        target_fpr=aims.target_fpr,
        target_pixel_fpr=aims.target_pixel_fpr,
        method=method,
        scores=sorted(scores),
        min_area=aims.min_area,
        region_cut=_REGION_CUT if aims.fusion == CALIBRATED else 0.0,
        shrinkages=shrinkages,
        zones=[] if tally is None else tally.scales(),
    )
    return calibration, np.array(scores, np.float64)


def cross_fitted(
    fusions: Fusions,
    layers: Layers,
    photos: np.ndarray,
    inspected: Inspected,
    maps_of: Callable[[np.ndarray], Iterable[JudgedMap]],
) -> tuple[Iterator[JudgedMap], list[float]]:
    """The maps of each fold with statistics from the rest, and the shrinkages of these; at the end those of all are set.

    Args:
        fusions: of the network; the calibrated one is changed.
        layers: distances of the images, float32 [n, h_l, w_l] of each layer.
        photos: int [n], which photo each image is a tile of.
        inspected: where each image is judged.
        maps_of: the maps of the images with these numbers, by the calibrated fusion as it is then.
    """
    counts = _counts(layers, inspected)
    shrinkages = [
        max(choose_shrinkage(layer, photos, of_layer), fusions.least_shrinkage)
        for layer, of_layer in zip(layers, counts, strict=True)
    ]

    def maps() -> Iterator[JudgedMap]:
        for rest, fold in folds_of(len(photos), photos=photos):
            of_rest = [None if of_layer is None else of_layer[rest] for of_layer in counts]
            statistics = fit_statistics([layer[rest] for layer in layers], shrinkages, of_rest)
            fusions.calibrated.set_statistics(statistics)
            yield from maps_of(fold)
        fusions.calibrated.set_statistics(fit_statistics(layers, shrinkages, counts))

    return maps(), shrinkages


def _counts(layers: Layers, inspected: Inspected) -> Counts:
    """The positions of each layer that are judged."""
    images = [inspected(number) for number in range(len(layers[0]))]
    if all(one is None for one in images):
        return [None] * len(layers)
    return [np.stack([_positions(one, layer.shape[1:]) for one in images]) for layer in layers]


def _positions(inspected: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    positions = inspected_positions(inspected, shape)
    return np.ones(shape, bool) if positions is None else positions


def pixels(inspected: np.ndarray | None, size: tuple[int, int]) -> int:
    """How many pixels of a map of a size (h, w) are judged."""
    return size[0] * size[1] if inspected is None else int(np.count_nonzero(inspected))


def fused_maps(fuse: Fuse, layers: Layers, numbers: np.ndarray, image_size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Fuse the distances of the images with these numbers; yields float32 [H, W] for each."""
    for start in range(0, len(numbers), _BATCH_SIZE):
        chosen = numbers[start : start + _BATCH_SIZE]
        yield from fuse([layer[chosen] for layer in layers], image_size)
