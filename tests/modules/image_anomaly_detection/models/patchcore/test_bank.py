"""The memory bank against scikit-learn's nearest neighbours, fitted and searched by hand."""

import dataclasses
import subprocess
import sys

import numpy as np
import paddle
import pytest
from scipy.spatial.distance import cdist
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from paddlex.inference.refit.bank import FLOOR, bank_size
from paddlex.inference.refit.coreset import greedy_coreset
from paddlex.modules.image_anomaly_detection.models.patchcore.bank import MemoryBank

CHANNELS = 6
#: Of the distances, between any two ways of computing them; see ``MemoryBank``.
TOLERANCE = 1e-4 * CHANNELS**0.5


def as_input(images: np.ndarray) -> np.ndarray:
    """[N, h, w, C] as a network has it: [N, C, h, w]."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2))


def by_hand(pool: np.ndarray, size: int, images: np.ndarray, seed: int = 0) -> np.ndarray:
    """[N, h, w]: fit to the pool [m, C] and search for the patches of images [N, h, w, C]."""
    scaler = StandardScaler().fit(pool.astype(np.float64))
    patches = scaler.transform(pool.astype(np.float64))
    bank = patches[greedy_coreset(patches.astype(np.float32), size, seed)]
    search = NearestNeighbors(n_neighbors=1, algorithm="brute").fit(bank)
    rows = scaler.transform(images.reshape(-1, CHANNELS).astype(np.float64))
    distances = search.kneighbors(rows)[0].reshape(images.shape[:3])
    return np.maximum(distances, FLOOR * CHANNELS**0.5)


def fitted(features, size=40, seed=0) -> tuple[MemoryBank, np.ndarray]:
    bank = MemoryBank("layer2", CHANNELS, size)
    distances = bank.fit(features, seed)
    bank.eval()
    return bank, distances


def test_the_distance_is_that_to_the_nearest_of_the_standardised_patches_of_the_coreset(features):
    bank, _ = fitted(features)
    images = features.kept + 0.01 * np.random.default_rng(1).normal(size=features.kept.shape).astype(np.float32)
    distance = bank(paddle.to_tensor(as_input(images))).numpy()
    assert distance.shape == (7, 1, 4, 5)
    np.testing.assert_allclose(distance[:, 0], by_hand(features.pool, 40, images), atol=TOLERANCE)


def test_a_patch_that_is_in_the_bank_is_at_the_floor(features):
    bank, _ = fitted(features, size=len(features.pool))
    images = features.pool[None, None]
    distance = bank(paddle.to_tensor(as_input(images))).numpy()
    np.testing.assert_allclose(distance, FLOOR * CHANNELS**0.5, rtol=1e-6)


def test_kept_images_are_judged_by_a_bank_of_the_other_folds(features):
    _, distances = fitted(features)
    expected = np.empty_like(distances)
    for fold in range(3):
        mine, others = features.folds == fold, features.pool_folds != fold
        expected[mine] = by_hand(features.pool[others], 40, features.kept[mine])
    assert distances.dtype == np.float32
    np.testing.assert_allclose(distances, expected, atol=TOLERANCE)


def test_a_fold_whose_others_have_fewer_patches_than_the_bank_holds_all_of_them(features):
    _, distances = fitted(features, size=140)
    mine, others = features.folds == 1, features.pool_folds != 1
    assert others.sum() < 140
    np.testing.assert_allclose(
        distances[mine], by_hand(features.pool[others], 140, features.kept[mine]), atol=TOLERANCE
    )


def test_features_kept_in_half_precision_change_little(features):
    offset = features.pool.mean(axis=0)  # half precision has 3 digits: near zero, as a network's features are
    exact = dataclasses.replace(features, kept=features.kept - offset, pool=features.pool - offset)
    half = dataclasses.replace(exact, kept=exact.kept.astype(np.float16))
    np.testing.assert_allclose(fitted(half)[1], fitted(exact)[1], atol=0.01)


def test_fitting_twice_with_one_seed_gives_the_same_bank(features):
    first, second = fitted(features, seed=3), fitted(features, seed=3)
    assert {name: value.numpy().tobytes() for name, value in first[0].state_dict().items()} == {
        name: value.numpy().tobytes() for name, value in second[0].state_dict().items()
    }
    assert first[1].tobytes() == second[1].tobytes()


def test_every_engine_computes_the_same_distances(features, in_all_engines):
    bank, _ = fitted(features)
    images = np.concatenate([features.kept, features.pool[:140].reshape(7, 4, 5, CHANNELS)])  # some are in the bank
    expected = bank(paddle.to_tensor(as_input(images))).numpy()
    for mode, distance in in_all_engines(bank, as_input(images)).items():
        np.testing.assert_allclose(distance, expected, atol=TOLERANCE, err_msg=mode)


def test_a_channel_that_never_stirred_does_not_drown_the_others(features):
    dead = dataclasses.replace(features, kept=features.kept.copy(), pool=features.pool.copy())
    for values in (dead.kept, dead.pool):
        values[..., 0] = 5.0
        values[..., 1] = 0.0
    bank, distances = fitted(dead)
    assert np.isfinite(distances).all()
    stirred = dead.kept.copy()
    stirred[..., 0] += 1e-3
    before, after = (bank(paddle.to_tensor(as_input(images))).numpy() for images in (dead.kept, stirred))
    np.testing.assert_allclose(after, before, atol=0.1)


def test_images_without_any_texture_can_be_fitted_to(features):
    flat = dataclasses.replace(features, kept=np.ones_like(features.kept), pool=np.ones_like(features.pool))
    np.testing.assert_allclose(fitted(flat)[1], FLOOR * CHANNELS**0.5, rtol=1e-6)


def weighted_by_hand(bank: np.ndarray, points: np.ndarray, neighbours: int) -> np.ndarray:
    """Equations 6 and 7, for the patches of one image [n, C] and a bank [b, C]: the distances, weighted."""
    distances = cdist(points, bank)
    nearest = distances.min(axis=1)
    test_patch = points[nearest.argmax()]
    star = bank[np.linalg.norm(bank - test_patch, axis=1).argmin()]
    around = bank[np.argsort(np.linalg.norm(bank - star, axis=1))[:neighbours]]
    weight = 1 - np.exp(nearest.max()) / np.exp(np.linalg.norm(around - test_patch, axis=1)).sum()
    return nearest * weight


@pytest.mark.parametrize("neighbours", [2, 9, 40])
def test_an_image_is_weighted_by_the_surroundings_of_the_patch_nearest_to_its_farthest_one(features, neighbours):
    bank = MemoryBank("layer2", CHANNELS, 40, neighbours)
    bank.fit(features, seed=0)
    images = features.kept + np.random.default_rng(1).normal(size=features.kept.shape).astype(np.float32)
    distance = bank(paddle.to_tensor(as_input(images))).numpy()[:, 0]
    scaler = StandardScaler().fit(features.pool)
    pool = scaler.transform(features.pool)
    patches = pool[greedy_coreset(pool, 40, 0)]
    expected = [
        weighted_by_hand(patches, scaler.transform(image.reshape(-1, CHANNELS)), neighbours).reshape(4, 5)
        for image in images
    ]
    np.testing.assert_allclose(distance, expected, atol=TOLERANCE)


@pytest.mark.parametrize(("size", "neighbours"), [(40, 1), (1, 9)])
def test_a_weighting_by_one_patch_alone_is_an_error(size, neighbours):
    with pytest.raises(ValueError, match=f"needs 2 neighbours or more: {neighbours} in a bank of {size} patches"):
        MemoryBank("layer2", CHANNELS, size, neighbours)


def test_cross_fitted_distances_are_weighted_as_the_layer_does(features):
    weighted = MemoryBank("layer2", CHANNELS, 40, neighbours=5).fit(features, seed=0)
    for fold in range(3):
        mine, others = features.folds == fold, features.pool_folds != fold
        bank = MemoryBank("layer2", CHANNELS, 40, neighbours=5)
        bank.fit(dataclasses.replace(features, pool=features.pool[others], pool_folds=features.pool_folds[others]), 0)
        distance = bank(paddle.to_tensor(as_input(features.kept[mine]))).numpy()[:, 0]
        np.testing.assert_allclose(weighted[mine], distance, atol=TOLERANCE)


def test_every_engine_computes_the_same_weighted_distances(features, in_all_engines):
    bank = MemoryBank("layer2", CHANNELS, 40, neighbours=9)
    bank.fit(features, seed=0)
    images = as_input(features.kept + 1)
    expected = bank(paddle.to_tensor(images)).numpy()
    for mode, distance in in_all_engines(bank, images).items():
        np.testing.assert_allclose(distance, expected, atol=TOLERANCE, err_msg=mode)


def test_fewer_patches_than_the_bank_holds_are_an_error(features):
    with pytest.raises(ValueError, match=r"the memory bank of layer2 holds 151 patches, .* give only 150"):
        fitted(features, size=151)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["kept", "pool"])
def test_features_that_are_no_numbers_are_an_error(features, where, value):
    getattr(features, where)[..., 2].flat[5] = value
    with pytest.raises(ValueError, match="the features of layer2 are no finite numbers"):
        fitted(features)


def test_one_fold_alone_is_an_error(features):
    alone = dataclasses.replace(
        features, folds=np.zeros_like(features.folds), pool_folds=np.zeros_like(features.pool_folds)
    )
    with pytest.raises(ValueError, match="cross-fitting layer2 needs images in at least two folds"):
        fitted(alone)


@pytest.mark.parametrize(("wanted", "patches", "size"), [(2000, 40000, 2000), (2000, 160, 160), (5, 5, 5)])
def test_a_bank_holds_what_there_is(wanted, patches, size):
    assert bank_size(wanted, patches) == size


@pytest.mark.parametrize(("wanted", "patches"), [(2000, 0), (0, 10)])
def test_a_bank_of_nothing_is_an_error(wanted, patches):
    with pytest.raises(ValueError, match=f"{wanted} are wanted, of {patches}"):
        bank_size(wanted, patches)


def test_nothing_of_paddle_is_said_to_a_user():
    """Paddle warns at the first minimum along an axis that PyTorch's returns something else."""
    program = """
from paddlex.utils.paddle_environment import import_paddle
import_paddle()
import paddle
from paddlex.modules.image_anomaly_detection.models.patchcore.bank import MemoryBank
MemoryBank("layer2", 6, 10)(paddle.zeros([1, 6, 4, 5]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
