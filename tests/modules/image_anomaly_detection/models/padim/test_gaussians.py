"""The Gaussians against SciPy's Mahalanobis distance, and covariances estimated by NumPy position by position."""

import dataclasses

import numpy as np
import paddle
import pytest
from scipy.spatial.distance import mahalanobis

from paddlex.inference.refit.features import PatchFeatures
from paddlex.modules.image_anomaly_detection.models.padim.gaussians import PositionGaussians

CHANNELS = 6
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}  # see ``PositionGaussians``


def as_input(images: np.ndarray) -> np.ndarray:
    """[N, h, w, C] as a network has it: [N, C, h, w]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def by_hand(kept: np.ndarray, pool: np.ndarray, images: np.ndarray) -> np.ndarray:
    """[N, h, w]: Gaussians of images [k, h, w, C], in the deviations of the pool [m, C], and how far other images are."""
    deviation = pool.astype(np.float64).std(axis=0)
    kept, images = kept / deviation, images / deviation
    distances = np.empty(images.shape[:3])
    for n, y, x in np.ndindex(*distances.shape):
        covariance = np.cov(kept[:, y, x], rowvar=False) + 0.01 * np.eye(kept.shape[-1])
        distances[n, y, x] = mahalanobis(images[n, y, x], kept[:, y, x].mean(axis=0), np.linalg.inv(covariance))
    return distances


def fitted(features: PatchFeatures) -> tuple[PositionGaussians, np.ndarray]:
    _, *size, channels = features.kept.shape
    gaussians = PositionGaussians("layer3", channels, tuple(size))
    distances = gaussians.fit(features, seed=0)
    gaussians.eval()
    return gaussians, distances


def test_the_distance_is_mahalanobis_at_each_position(features):
    gaussians, _ = fitted(features)
    images = features.kept[::-1] + 0.5
    distance = gaussians(paddle.to_tensor(as_input(images))).numpy()
    assert distance.shape == (7, 1, 4, 5)
    np.testing.assert_allclose(distance[:, 0], by_hand(features.kept, features.pool, images), rtol=1e-4)


def test_kept_images_are_judged_by_gaussians_of_the_other_folds(features):
    _, distances = fitted(features)
    expected = np.empty_like(distances)
    for fold in range(3):
        mine, others = features.folds == fold, features.pool_folds != fold
        expected[mine] = by_hand(features.kept[~mine], features.pool[others], features.kept[mine])
    assert distances.dtype == np.float32
    np.testing.assert_allclose(distances, expected, rtol=1e-4)


@pytest.mark.parametrize("count", [4, 10])
def test_few_images_are_enough_for_many_channels(count):
    """Fewer images than channels leave a covariance without an inverse; new images must not be thrown far away by that."""
    random = np.random.default_rng(0)
    images = random.normal(size=(count + 2, 2, 3, 112)).astype(np.float32)
    folds = np.arange(count) % 2
    kept = images[:count]
    numbers = np.arange(count)
    features = PatchFeatures(kept, folds, numbers, kept.reshape(-1, 112), np.repeat(folds, 6), np.repeat(numbers, 6))
    gaussians, distances = fitted(features)
    new = gaussians(paddle.to_tensor(as_input(images[count:]))).numpy()[:, 0]
    np.testing.assert_allclose(new, by_hand(kept, kept.reshape(-1, 112), images[count:]), rtol=1e-4)
    assert 0.7 < np.median(distances) / np.median(new) < 1.3


def test_one_image_on_the_other_side_is_a_mean_without_a_spread(features):
    folds = features.pool_folds % 2
    pair = PatchFeatures(features.kept[:2], np.array([0, 1]), np.arange(2), features.pool, folds, features.pool_numbers)
    _, distances = fitted(pair)
    deviation = features.pool[pair.pool_folds == 1].std(axis=0)
    expected = np.linalg.norm((pair.kept[0] - pair.kept[1]) / deviation, axis=-1) / 0.01**0.5
    np.testing.assert_allclose(distances[0], expected, rtol=1e-4)


def test_fitting_twice_gives_the_same_gaussians(features):
    first, second = fitted(features), fitted(features)
    for name, value in first[0].state_dict().items():
        assert value.numpy().tobytes() == second[0].state_dict()[name].numpy().tobytes(), name
    assert first[1].tobytes() == second[1].tobytes()


def test_every_engine_computes_the_same_distances(features, in_all_engines):
    gaussians, _ = fitted(features)
    images = np.concatenate([features.kept, features.kept + 3])
    expected = gaussians(paddle.to_tensor(as_input(images))).numpy()
    for mode, distance in in_all_engines(gaussians, as_input(images)).items():
        np.testing.assert_allclose(distance, expected, **TOLERANCE, err_msg=mode)


def test_images_without_any_texture_can_be_fitted_to(features):
    flat = dataclasses.replace(features, kept=np.ones_like(features.kept), pool=np.ones_like(features.pool))
    assert (fitted(flat)[1] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["kept", "pool"])
def test_features_that_are_no_numbers_are_an_error(features, where, value):
    getattr(features, where)[..., 2].flat[3] = value
    with pytest.raises(ValueError, match="the features of layer3 are no finite numbers"):
        fitted(features)


def test_a_covariance_that_cannot_be_inverted_is_an_error(features):
    kept = features.kept.copy()
    kept[0, 1, 1, :2] = 1e20  # two channels stir together, so far that the others' variance is lost to rounding
    with pytest.raises(ValueError, match="the covariance of the features of layer3 cannot be inverted"):
        fitted(dataclasses.replace(features, kept=kept))


def test_one_fold_alone_is_an_error(features):
    with pytest.raises(ValueError, match="cross-fitting layer3 needs images in at least two folds"):
        fitted(dataclasses.replace(features, folds=np.zeros_like(features.folds)))


def test_gaussians_that_no_graph_could_hold_are_refused_before_they_are_made():
    with pytest.raises(
        ValueError, match=r"256 x 256 positions of 112 channels, of layer3, take 3.1 GB, and a graph holds 2"
    ):
        PositionGaussians("layer3", 112, (256, 256))
