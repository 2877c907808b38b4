"""Calibrate a trained network on normal images: the fusion's statistics first, then the thresholds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import paddle

from paddlex.config_schema import CalibrationSection
from paddlex.data.tiles import TileSample, photos_of
from paddlex.errors import NotFiniteError, TrainingError
from paddlex.inference.calibration import Calibration, are_alike
from paddlex.inference.inspection import Inspection
from paddlex.inference.postprocess import anomaly_score
from paddlex.inference.thresholds import image_threshold
from paddlex.inference.tiling import Tiling, blended_map
from paddlex.inference.transforms import Transform
from paddlex.inference.view import inspected_positions
from paddlex.modules.image_anomaly_detection.calibration.fusion_statistics import (
    choose_shrinkage,
    fit_statistics,
    folds_of,
)
from paddlex.modules.image_anomaly_detection.calibration.pixel_quantile import PixelQuantile
from paddlex.modules.image_anomaly_detection.calibration.zones import ZoneTally
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork

_BATCH_SIZE = 16
CALIBRATED = "calibrated"
_REGION_CUT = 0.25  # of z-scores; the product falls off so steeply by itself that it needs none

Layers = list[np.ndarray]

#: The number of an image -> where it is judged, bool [H, W]; None for everywhere.
Inspected = Callable[[int], "np.ndarray | None"]

#: For each layer the positions of each image that are judged, bool [n, h_l, w_l]; None for all.
Counts = Sequence["np.ndarray | None"]

#: Distances of each layer and a size -> a map of that size.
Fuse = Callable[..., paddle.Tensor]


def everywhere(number: int) -> None:
    """Every pixel of every image is judged."""


def calibrate(
    network: AnomalyNetwork,
    batches: Iterable[np.ndarray],
    options: CalibrationSection,
    image_size: tuple[int, int],
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> Calibration:
    """Set the statistics of the network's fusion and find the thresholds.

    The scores that the thresholds rest on are cross-fitted: the map of an image is made with statistics from the other
    images (five folds), since its own would flatter it. The statistics that stay are from all images.

    Args:
        network: trained, in evaluation mode; its ``fusion`` is changed if ``options.fusion`` is ``calibrated``.
        batches: float32 [N, 3, H, W] of normal images that the network has not seen.
        options: the fusion and the target rates.
        image_size: (H, W).
        inspected: where each image is judged.
        regions: what has zones with limits of their own.
    """
    layers = layer_distances(network, batches)
    return calibrate_distances(network, layers, options, image_size, inspected, regions)


def calibrate_distances(
    network: AnomalyNetwork,
    layers: Layers,
    options: CalibrationSection,
    image_size: tuple[int, int],
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> Calibration:
    """The same from distances that were computed before, float32 [n, h_l, w_l] of each layer."""
    return calibrate_with_scores(network, layers, options, image_size, inspected, regions)[0]


def calibrate_with_scores(
    network: AnomalyNetwork,
    layers: Layers,
    options: CalibrationSection,
    image_size: tuple[int, int],
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> tuple[Calibration, np.ndarray]:
    """The same, and the raw cross-fitted score of each image: float64 [n]."""
    photos = np.arange(len(layers[0]))
    total = sum(_pixels(inspected(number), image_size) for number in range(len(photos)))

    def values(fuse: Fuse, numbers: np.ndarray) -> Iterator[_Values]:
        maps = fused_maps(fuse, layers, numbers, image_size)
        for number, anomaly_map in zip(numbers, maps, strict=True):
            yield _Values.of(int(number), anomaly_map, inspected(int(number)), regions)

    if options.fusion != CALIBRATED:
        return _thresholds(values(network.paper_map, photos), total, options, [], regions)
    counts = _counts(layers, inspected)
    shrinkages = _shrinkages(network, layers, photos, counts)
    judged = _cross_fitted(network, layers, photos, shrinkages, counts, lambda fold: values(network.fusion, fold))
    calibration, scores = _thresholds(judged, total, options, shrinkages, regions)
    in_order = np.empty_like(scores)
    in_order[np.concatenate([fold for _, fold in folds_of(len(photos))])] = scores
    return calibration, in_order


def calibrate_tiles(
    network: AnomalyNetwork,
    distances: Callable[[np.ndarray], list[np.ndarray]],
    batches: Iterable[np.ndarray],
    tiles: Sequence[TileSample],
    options: CalibrationSection,
    tiling: Tiling,
    transform: Transform,
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> Calibration:
    """The same for a model that scans photos in tiles: its thresholds are of whole photos, of their blended maps.

    The statistics are of the positions within a tile and come from the tiles that were drawn; the scores are of all tiles of
    the same photos, blended as ``predict`` does it. One photo is in memory at a time.

    Args:
        network: trained, in evaluation mode; its ``fusion`` is changed if ``options.fusion`` is ``calibrated``.
        distances: does what ``network.partial_maps`` does, from float32 [N, 3, H, W] to [N, 1, h_l, w_l] of each layer.
        batches: float32 [N, 3, H, W] of the tiles, in order.
        tiles: what the batches are of.
        options: the fusion and the target rates.
        tiling: how photos are cut.
        transform: makes the network's input of a tile.
        inspected: where each tile is judged.
        regions: of the photos, see ``calibrate``.
    """
    first, photos = photos_of(tiles)
    total = sum(_pixels(tile.sample.view().inspected, (tile.grid.height, tile.grid.width)) for tile in first)
    fuse = network.fusion if options.fusion == CALIBRATED else network.paper_map

    def tile_maps(images: Sequence[np.ndarray]) -> np.ndarray:
        batch = transform(images)
        with paddle.no_grad():
            return fuse([paddle.to_tensor(layer) for layer in distances(batch)], batch.shape[2:]).numpy()[:, 0]

    def blended_maps(fold: np.ndarray) -> Iterator[_Values]:
        for photo in np.unique(photos[fold]):
            view = first[photo].sample.view()
            yield _Values.of(int(photo), blended_map(view.image, tiling, tile_maps), view.inspected, regions)

    if options.fusion != CALIBRATED:
        return _thresholds(blended_maps(np.arange(len(tiles))), total, options, [], regions)[0]
    layers = _gathered(distances(batch) for batch in batches)
    counts = _counts(layers, inspected)
    shrinkages = _shrinkages(network, layers, photos, counts)
    maps = _cross_fitted(network, layers, photos, shrinkages, counts, blended_maps)
    return _thresholds(maps, total, options, shrinkages, regions)[0]


class _Values(NamedTuple):
    """The map of an image where it is judged, float32 of any shape; with zones the number of each value's, uint8."""

    photo: int
    values: np.ndarray
    zones: np.ndarray | None

    @classmethod
    def of(
        cls, photo: int, anomaly_map: np.ndarray, inspected: np.ndarray | None, regions: Inspection | None
    ) -> _Values:
        zones = regions.zones_at(*anomaly_map.shape) if regions is not None and regions.zones else None
        return cls(
            photo, where_inspected(anomaly_map, inspected), None if zones is None else where_inspected(zones, inspected)
        )


def where_inspected(anomaly_map: np.ndarray, inspected: np.ndarray | None) -> np.ndarray:
    """The values of a map [H, W] where it is judged, [n]; the map as it is where ``inspected`` is None, for everywhere."""
    return anomaly_map if inspected is None else anomaly_map[inspected]


def _thresholds(
    maps: Iterable[_Values],
    total: int,
    options: CalibrationSection,
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
    quantile = PixelQuantile(options.target_pixel_fpr, total)
    tally = None
    if regions is not None and regions.zones:
        tally = ZoneTally(regions.zones, options.target_fpr, options.target_pixel_fpr, total)
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
    limit, method = image_threshold(scores, options.target_fpr)
    calibration = Calibration(
        fusion=options.fusion,
        image_threshold=limit,
        pixel_threshold=quantile.value() if tally is None else tally.pixel_threshold(),
        image_typical=float(np.median(scores)),
        pixel_typical=float(np.median(medians)) if tally is None else tally.pixel_typical(),
        target_fpr=options.target_fpr,
        target_pixel_fpr=options.target_pixel_fpr,
        method=method,
        scores=sorted(scores),
        min_area=options.min_area,
        region_cut=_REGION_CUT if options.fusion == CALIBRATED else 0.0,
        shrinkages=shrinkages,
        zones=[] if tally is None else tally.scales(),
    )
    return calibration, np.array(scores, np.float64)


def layer_distances(network: AnomalyNetwork, batches: Iterable[np.ndarray]) -> Layers:
    """The partial maps, float32 [n, h_l, w_l] each, of all images of some batches."""
    with paddle.no_grad():
        return _gathered(
            [layer.numpy() for layer in network.partial_maps(paddle.to_tensor(batch))] for batch in batches
        )


def _gathered(batches: Iterable[list[np.ndarray]]) -> Layers:
    """[N, 1, h_l, w_l] of each layer, batch by batch -> [n, h_l, w_l] of each layer."""
    parts = [[layer[:, 0] for layer in layers] for layers in batches]
    return [np.concatenate(layer) for layer in zip(*parts, strict=True)]


def _cross_fitted(
    network: AnomalyNetwork,
    layers: Layers,
    photos: np.ndarray,
    shrinkages: list[float],
    counts: Counts,
    maps_of: Callable[[np.ndarray], Iterable[_Values]],
) -> Iterator[_Values]:
    """The maps of each fold with statistics from the rest; at the end the fusion has those of all."""
    for rest, fold in folds_of(len(photos), photos=photos):
        of_rest = [None if of_layer is None else of_layer[rest] for of_layer in counts]
        network.fusion.set_statistics(fit_statistics([layer[rest] for layer in layers], shrinkages, of_rest))
        yield from maps_of(fold)
    network.fusion.set_statistics(fit_statistics(layers, shrinkages, counts))


def _counts(layers: Layers, inspected: Inspected) -> Counts:
    """The positions of each layer that are judged."""
    images = [inspected(number) for number in range(len(layers[0]))]
    if all(one is None for one in images):
        return [None] * len(layers)
    return [np.stack([_positions(one, layer.shape[1:]) for one in images]) for layer in layers]


def _positions(inspected: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    positions = inspected_positions(inspected, shape)
    return np.ones(shape, bool) if positions is None else positions


def _shrinkages(network: AnomalyNetwork, layers: Layers, photos: np.ndarray, counts: Counts) -> list[float]:
    """Of each layer."""
    return [
        max(choose_shrinkage(layer, photos, of_layer), network.least_shrinkage)
        for layer, of_layer in zip(layers, counts, strict=True)
    ]


def _pixels(inspected: np.ndarray | None, size: tuple[int, int]) -> int:
    return size[0] * size[1] if inspected is None else int(np.count_nonzero(inspected))


def fused_maps(fuse: Fuse, layers: Layers, numbers: np.ndarray, image_size: tuple[int, int]) -> Iterator[np.ndarray]:
    """Fuse the distances of the images with these numbers; yields float32 [H, W] for each."""
    for start in range(0, len(numbers), _BATCH_SIZE):
        chosen = numbers[start : start + _BATCH_SIZE]
        with paddle.no_grad():
            yield from fuse([paddle.to_tensor(layer[chosen][:, None]) for layer in layers], image_size).numpy()[:, 0]
