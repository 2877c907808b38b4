"""The calibrated fusion against the same computation in NumPy, OpenCV and SciPy."""

import cv2
import numpy as np
import paddle
import pytest
from scipy import ndimage

from paddlex.modules.image_anomaly_detection.calibration.fusion import CalibratedFusion, upsample
from paddlex.modules.image_anomaly_detection.models.stfpm.network import product

SIZES = [(16, 24), (8, 12), (4, 6)]
IMAGE_SIZE = (64, 96)


@pytest.fixture
def distances() -> list[np.ndarray]:
    """Of two images, [2, 1, h, w] a layer."""
    random = np.random.default_rng(0)
    return [random.gamma(2.0, size=(2, 1, *size)).astype(np.float32) for size in SIZES]


@pytest.fixture
def statistics() -> list[tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(1)
    return [(random.normal(size=size), random.uniform(0.5, 2, size=size)) for size in SIZES]


def resized(one: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with pixel centres at half integers, which is align_corners=False."""
    return cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR)


def fuse(fusion, distances: list[np.ndarray]) -> np.ndarray:
    """[N, H, W]."""
    with paddle.no_grad():
        return fusion([paddle.to_tensor(layer) for layer in distances], IMAGE_SIZE).numpy()[:, 0]


def expected_map(z: list[np.ndarray], sigma: float) -> np.ndarray:
    """[N, H, W] of z-scores [N, 1, h, w] a layer: summed at the finest size, smoothed over 7 x 7, resized."""
    summed = sum(np.stack([resized(image[0], SIZES[0]) for image in layer]) for layer in z)
    smooth = [ndimage.gaussian_filter(image, sigma, mode="mirror", radius=3) for image in summed]
    return np.stack([resized(image, IMAGE_SIZE) for image in smooth])


def test_upsampling_is_bilinear_with_half_pixel_centres():
    # one row (0, 4) to four columns at -0.25, 0.25, 0.75 and 1.25 source pixels; outside, the border value
    got = upsample(paddle.to_tensor([[[[0.0, 4.0]]]]), (1, 4)).numpy().ravel()
    np.testing.assert_allclose(got, [0, 1, 3, 4], atol=1e-6)


def test_the_product_multiplies_the_upsampled_layers(distances):
    expected = np.prod([[resized(image[0], IMAGE_SIZE) for image in layer] for layer in distances], axis=0)
    np.testing.assert_allclose(fuse(product, distances), expected, rtol=1e-4, atol=1e-6)


def test_before_calibration_the_distances_count_as_they_are(distances):
    expected = expected_map(distances, sigma=1.0)
    np.testing.assert_allclose(fuse(CalibratedFusion(SIZES), distances), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sigma", [0.7, 1.0, 2.0])
def test_the_map_is_the_smoothed_sum_of_z_scores(distances, statistics, sigma):
    fusion = CalibratedFusion(SIZES, sigma)
    fusion.set_statistics(statistics)
    z = [(layer - mean) / deviation for layer, (mean, deviation) in zip(distances, statistics, strict=True)]
    expected = expected_map([layer.astype(np.float32) for layer in z], sigma)
    np.testing.assert_allclose(fuse(fusion, distances), expected, rtol=1e-4, atol=1e-5)


def test_distances_that_are_as_usual_everywhere_give_zero(statistics):
    fusion = CalibratedFusion(SIZES)
    fusion.set_statistics(statistics)
    usual = [mean[None, None].astype(np.float32) for mean, _ in statistics]
    np.testing.assert_allclose(fuse(fusion, usual), 0, atol=1e-6)


def test_statistics_are_part_of_the_saved_weights(statistics):
    saved, loaded = CalibratedFusion(SIZES), CalibratedFusion(SIZES)
    saved.set_statistics(statistics)
    loaded.set_state_dict(saved.state_dict())
    for number, (mean, deviation) in enumerate(statistics):
        np.testing.assert_allclose(getattr(loaded, f"mean_{number}").numpy()[0, 0], mean, rtol=1e-6)
        np.testing.assert_allclose(getattr(loaded, f"deviation_{number}").numpy()[0, 0], deviation, rtol=1e-6)


def test_a_single_layer_can_be_fused(distances):
    expected = np.stack([ndimage.gaussian_filter(image[0], 1.0, mode="mirror", radius=3) for image in distances[1]])
    fusion = CalibratedFusion(SIZES[1:2])
    got = fusion([paddle.to_tensor(distances[1])], SIZES[1]).numpy()[:, 0]
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_a_layer_that_is_smaller_than_the_gaussian_is_refused():
    with pytest.raises(ValueError, match=r"\(3, 4\) positions, too few to smooth"):
        CalibratedFusion([(3, 4)])
