"""Calibrate a trained network on normal images: the fusion's statistics first, then the thresholds.

What is computed is in ``inference.refit.calibrating``, which needs no Paddle; here a network is asked, and told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import paddle

from paddlex.config_schema import CalibrationSection
from paddlex.data.tiles import TileSample, photos_of
from paddlex.inference.calibration import Calibration
from paddlex.inference.inspection import Inspection
from paddlex.inference.refit.calibrating import (
    CALIBRATED,
    Inspected,
    JudgedMap,
    Layers,
    calibrate_layers,
    cross_fitted,
    everywhere,
    pixels,
    thresholds,
)
from paddlex.inference.tiling import Tiling, blended_map
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.models.network import AnomalyNetwork


def calibrate(
    network: AnomalyNetwork,
    batches: Iterable[np.ndarray],
    options: CalibrationSection,
    image_size: tuple[int, int],
    inspected: Inspected = everywhere,
    regions: Inspection | None = None,
) -> Calibration:
    """Set the statistics of the network's fusion and find the thresholds, see ``calibrate_layers``.

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
    fusions = network.fusions()
    found = calibrate_layers(fusions, layers, options, image_size, inspected, regions)
    network.fusion.set_statistics(fusions.calibrated.statistics)
    return found


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
    total = sum(pixels(tile.sample.view().inspected, (tile.grid.height, tile.grid.width)) for tile in first)
    fusions = network.fusions()

    def tile_maps(images: Sequence[np.ndarray]) -> np.ndarray:
        batch = transform(images)
        return fusions.of(options)([layer[:, 0] for layer in distances(batch)], batch.shape[2:])

    def blended_maps(fold: np.ndarray) -> Iterator[JudgedMap]:
        for photo in np.unique(photos[fold]):
            view = first[photo].sample.view()
            yield JudgedMap.of(int(photo), blended_map(view.image, tiling, tile_maps), view.inspected, regions)

    if options.fusion != CALIBRATED:
        return thresholds(blended_maps(np.arange(len(tiles))), total, options, [], regions)[0]
    layers = _gathered(distances(batch) for batch in batches)
    maps, shrinkages = cross_fitted(fusions, layers, photos, inspected, blended_maps)
    calibration, _ = thresholds(maps, total, options, shrinkages, regions)
    network.fusion.set_statistics(fusions.calibrated.statistics)
    return calibration


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
