"""The fusions of NumPy and OpenCV are those that Paddle computes in the network."""

from __future__ import annotations

import numpy as np
import paddle
import pytest

from paddlex.inference.refit.fusion import CalibratedMaps, summed
from paddlex.modules.image_anomaly_detection.calibration.fusion import CalibratedFusion, upsample

SIZES = [(16, 24), (8, 12), (5, 7)]
#: (H, W): larger by a whole number, by another one, and smaller.
IMAGE_SIZES = [(64, 96), (50, 77), (12, 20)]


@pytest.fixture
def distances() -> list[np.ndarray]:
    """Of three images, [3, h, w] a layer."""
    random = np.random.default_rng(0)
    return [random.gamma(2.0, size=(3, *size)).astype(np.float32) for size in SIZES]


def tensors(distances: list[np.ndarray]) -> list[paddle.Tensor]:
    return [paddle.to_tensor(layer[:, None]) for layer in distances]


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_the_calibrated_map_is_the_network_s(distances, image_size, sigma) -> None:
    random = np.random.default_rng(1)
    network = CalibratedFusion(SIZES, sigma)
    network.set_statistics([(random.normal(size=size), random.uniform(0.5, 2, size=size)) for size in SIZES])
    with paddle.no_grad():
        expected = network(tensors(distances), image_size).numpy()[:, 0]
    found = network.in_numpy()(distances, image_size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("image_size", IMAGE_SIZES)
def test_the_sum_is_the_network_s(distances, image_size) -> None:
    expected = sum(upsample(layer, image_size).numpy()[:, 0] for layer in tensors(distances))
    np.testing.assert_allclose(summed(distances, image_size), expected, rtol=1e-5, atol=1e-5)


def test_before_any_statistics_are_known_distances_count_as_they_are(distances) -> None:
    with paddle.no_grad():
        expected = CalibratedFusion(SIZES, 1.0)(tensors(distances), SIZES[0]).numpy()[:, 0]
    np.testing.assert_allclose(CalibratedMaps(SIZES, 1.0)(distances, SIZES[0]), expected, rtol=1e-5, atol=1e-5)
