"""Calibration of a network, recomputed in NumPy, OpenCV and SciPy from the network's distances."""

import copy

import cv2
import numpy as np
import paddle
import pytest
from scipy import ndimage

from paddlex.data.dataset import Sample
from paddlex.data.tiles import draw_tiles
from paddlex.errors import TrainingError
from paddlex.inference.tiling import Tiling
from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.calibration.calibrator import (
    calibrate,
    calibrate_distances,
    calibrate_tiles,
    layer_distances,
)
from paddlex.modules.image_anomaly_detection.models.stfpm.network import STFPM
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMCalibration

SIZE = (64, 64)
COUNT = 12
OPTIONS = {"target_fpr": 0.2, "target_pixel_fpr": 0.01}


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    """Twelve images that are alike: one picture and some noise."""
    random = np.random.default_rng(0)
    return (random.normal(size=(1, 3, *SIZE)) + 0.3 * random.normal(size=(COUNT, 3, *SIZE))).astype(np.float32)


@pytest.fixture(scope="module")
def pristine() -> STFPM:
    """Not yet calibrated. Do not change it."""
    paddle.seed(0)
    network = STFPM(layers=("layer1", "layer2"), image_size=SIZE)
    network.eval()
    return network


@pytest.fixture
def network(pristine) -> STFPM:
    return copy.deepcopy(pristine)


@pytest.fixture
def distances(network, images) -> list[np.ndarray]:
    """[n, h, w] a layer."""
    with paddle.no_grad():
        return [layer.numpy()[:, 0].astype(np.float64) for layer in network.partial_maps(paddle.to_tensor(images))]


def statistics(layer: np.ndarray, shrinkage: float) -> tuple[np.ndarray, np.ndarray]:
    own_mean, own_variance = layer.mean(axis=0), layer.var(axis=0, ddof=1)
    variance = (1 - shrinkage) * own_variance + shrinkage * (own_variance.mean() + own_mean.var())
    return (1 - shrinkage) * own_mean + shrinkage * own_mean.mean(), np.sqrt(variance)


def calibrated_map(image: list[np.ndarray], layers: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """[H, W]: the sum of z-scores at the finest layer's size, smoothed, enlarged."""
    z = [(d - mean) / deviation for d, (mean, deviation) in zip(image, layers, strict=True)]
    fused = sum(cv2.resize(one, image[0].shape[::-1], interpolation=cv2.INTER_LINEAR) for one in z)
    return cv2.resize(
        ndimage.gaussian_filter(fused, 1.0, mode="mirror", radius=3), SIZE, interpolation=cv2.INTER_LINEAR
    )


def cross_fitted_maps(distances: list[np.ndarray], shrinkages: list[float]) -> list[np.ndarray]:
    """The map of each image with statistics from the images of the four other fifths."""
    maps = []
    for number in range(COUNT):
        rest = [other for other in range(COUNT) if other % 5 != number % 5]
        fitted = [statistics(layer[rest], s) for layer, s in zip(distances, shrinkages, strict=True)]
        maps.append(calibrated_map([layer[number] for layer in distances], fitted))
    return maps


def test_scores_are_those_of_images_that_their_statistics_have_not_seen(network, images, distances):
    calibration = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    maps = cross_fitted_maps(distances, calibration.shrinkages)
    np.testing.assert_allclose(calibration.scores, sorted(one.max() for one in maps), rtol=1e-3)


def test_the_statistics_that_stay_are_from_all_images(network, images, distances):
    calibration = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    for number, (layer, shrinkage) in enumerate(zip(distances, calibration.shrinkages, strict=True)):
        mean, deviation = statistics(layer, shrinkage)
        np.testing.assert_allclose(getattr(network.fusion, f"mean_{number}").numpy()[0, 0], mean, rtol=1e-4)
        np.testing.assert_allclose(getattr(network.fusion, f"deviation_{number}").numpy()[0, 0], deviation, rtol=1e-3)


def test_the_image_threshold_is_the_conformal_quantile_of_the_scores(network, images):
    calibration = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    assert calibration.image_threshold == calibration.scores[10]  # k = ceil(13 * 0.8) = 11, counted from 1


def test_the_pixel_threshold_is_the_quantile_of_all_pixels(network, images, distances):
    calibration = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    pixels = np.sort(np.ravel(cross_fitted_maps(distances, calibration.shrinkages)))
    assert calibration.pixel_threshold == pytest.approx(pixels[-1 - int(0.01 * pixels.size)], rel=1e-3)


def test_typical_values_are_medians(network, images, distances):
    calibration = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    maps = cross_fitted_maps(distances, calibration.shrinkages)
    assert calibration.image_typical == pytest.approx(np.median([one.max() for one in maps]), rel=1e-3)
    assert calibration.pixel_typical == pytest.approx(np.median([np.median(one) for one in maps]), rel=1e-3, abs=1e-3)


def test_for_the_product_the_paper_s_maps_are_scored_and_the_fusion_stays_as_it_was(network, images, distances):
    calibration = calibrate(network, [images], STFPMCalibration(fusion="product", **OPTIONS), SIZE)
    maps = [
        np.prod([cv2.resize(d, SIZE, interpolation=cv2.INTER_LINEAR) for d in image], axis=0)
        for image in zip(*distances, strict=True)
    ]
    np.testing.assert_allclose(calibration.scores, sorted(one.max() for one in maps), rtol=1e-4)
    assert calibration.shrinkages == []
    assert (network.fusion.mean_0 == 0).all() and (network.fusion.deviation_0 == 1).all()


def test_the_calibration_does_not_depend_on_the_batches(network, images):
    whole = calibrate(network, [images], STFPMCalibration(**OPTIONS), SIZE)
    parts = calibrate(network, [images[:5], images[5:6], images[6:]], STFPMCalibration(**OPTIONS), SIZE)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=1e-4)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("count", [2, 3, 4])
def test_two_images_are_enough(network, images, count):
    calibration = calibrate(network, [images[:count]], STFPMCalibration(), SIZE)
    assert np.isfinite([calibration.image_threshold, calibration.pixel_threshold, *calibration.scores]).all()
    assert calibration.shrinkages == [1.0, 1.0] or count == 4


# Tiles

TRANSFORM = Transform((64, 64))


@pytest.fixture
def tiles(tmp_path):
    """All tiles of eleven photos of 64 x 128: two each, side by side."""
    random = np.random.default_rng(0)
    picture = random.integers(60, 200, size=(64, 128, 3))
    samples = []
    for number in range(11):
        noisy = np.clip(picture + 20 * random.normal(size=picture.shape), 0, 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), noisy)
        samples.append(Sample(tmp_path, f"{number}.png", None, "train.txt", number + 1))
    return sorted(draw_tiles(samples, Tiling(64, 0), None, seed=0), key=lambda tile: (tile.sample.line, tile.number))


def run_distances(network: STFPM, batch: np.ndarray) -> list[np.ndarray]:
    with paddle.no_grad():
        return [layer.numpy() for layer in network.partial_maps(paddle.to_tensor(batch))]


def calibrated_on(network: STFPM, tiles: list, **options: object):
    batches = [TRANSFORM([tile.view().image]) for tile in tiles]
    section = STFPMCalibration(**{**OPTIONS, **options})
    run = lambda batch: run_distances(network, batch)  # noqa: E731
    return calibrate_tiles(network, run, batches, tiles, section, Tiling(64, 0), TRANSFORM)


@pytest.fixture
def whole_maps(network, tiles):
    """Makes the map of each photo, [64, 128], from statistics of the four other fifths of the photos."""

    def make(shrinkages: list[float]) -> list[np.ndarray]:
        single = [run_distances(network, TRANSFORM([tile.view().image])) for tile in tiles]
        layers = [np.concatenate(layer)[:, 0].astype(np.float64) for layer in zip(*single, strict=True)]
        maps = []
        for photo in range(11):
            rest = [n for n, tile in enumerate(tiles) if (tile.sample.line - 1) % 5 != photo % 5]
            fitted = [statistics(layer[rest], s) for layer, s in zip(layers, shrinkages, strict=True)]
            halves = [calibrated_map([layer[2 * photo + half] for layer in layers], fitted) for half in (0, 1)]
            maps.append(np.hstack(halves))
        return maps

    return make


def test_a_tiled_model_s_thresholds_are_of_whole_photos_that_their_statistics_have_not_seen(network, tiles, whole_maps):
    calibration = calibrated_on(network, tiles)
    maps = whole_maps(calibration.shrinkages)
    np.testing.assert_allclose(calibration.scores, sorted(one.max() for one in maps), rtol=1e-3)
    pixels = np.sort(np.ravel(maps))
    assert calibration.pixel_threshold == pytest.approx(pixels[-1 - int(0.01 * pixels.size)], rel=1e-3)


def test_a_tiled_model_keeps_the_statistics_of_all_tiles(network, tiles):
    calibration = calibrated_on(network, tiles)
    layer = np.concatenate([run_distances(network, TRANSFORM([tile.view().image]))[0] for tile in tiles])[:, 0]
    mean, _ = statistics(layer.astype(np.float64), calibration.shrinkages[0])
    np.testing.assert_allclose(network.fusion.mean_0.numpy()[0, 0], mean, rtol=1e-4)


def test_every_tile_counts_for_the_scores_even_if_few_were_drawn(network, tiles):
    drawn = [tile for tile in tiles if tile.number == tile.sample.line % 2]
    calibration = calibrated_on(network, drawn, fusion="product")
    assert calibration.scores == pytest.approx(calibrated_on(network, tiles, fusion="product").scores)


# What no threshold can rest on


@pytest.mark.parametrize("fusion", ["calibrated", "product"])
@pytest.mark.parametrize("count", [2, 5, 20])
def test_copies_of_one_image_are_refused(network, images, fusion, count):
    """In batches of other sizes, for sums of float32 are then rounded otherwise."""
    copies = np.repeat(images[:1], count, axis=0)
    batches = [copies[: count // 2], copies[count // 2 :]]
    with pytest.raises(TrainingError, match=rf"the held-out images are all alike: each of the {count} has the score"):
        calibrate(network, batches, STFPMCalibration(fusion=fusion), SIZE)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_answer_that_is_not_finite_is_refused(network, images, value):
    layers = layer_distances(network, [images])
    layers[0][3, 0, 0] = value
    with pytest.raises(TrainingError, match="the network's answer to a held-out image is not finite"):
        calibrate_distances(network, layers, STFPMCalibration(fusion="product"), SIZE)


def test_thresholds_rest_on_the_inspected_pixels_alone(network, distances):
    """The same as of maps from which the others were cut: by hand for the paper's fusion."""
    inspected = np.zeros(SIZE, bool)
    inspected[10:40, 5:60] = True
    options = STFPMCalibration(fusion="product", **OPTIONS)
    layers = [layer.astype(np.float32) for layer in distances]
    calibration = calibrate_distances(network, layers, options, SIZE, lambda number: inspected)
    with paddle.no_grad():
        maps = network.paper_map([paddle.to_tensor(layer[:, None]) for layer in layers], SIZE).numpy()[:, 0]
    values = maps[:, inspected]
    assert calibration.scores == pytest.approx(sorted(values.max(axis=1).tolist()))
    assert (values > calibration.pixel_threshold).mean() <= OPTIONS["target_pixel_fpr"]
    assert (values >= calibration.pixel_threshold).mean() >= OPTIONS["target_pixel_fpr"]
