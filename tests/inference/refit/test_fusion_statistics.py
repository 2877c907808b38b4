"""Statistics of each position, shrunk towards those of the layer as far as the images call for."""

import numpy as np
import pytest

from paddlex.inference.refit.fusion_statistics import (
    SHRINKAGES,
    choose_shrinkage,
    fit_statistics,
    folds_of,
    layer_statistics,
)

RANDOM = np.random.default_rng(0)
DISTANCES = RANDOM.gamma(2.0, size=(8, 6, 5)).astype(np.float32)
PLACES = RANDOM.uniform(0.5, 3.0, size=(6, 5))


def test_without_shrinkage_each_position_has_its_own_mean_and_deviation():
    mean, deviation = layer_statistics(DISTANCES, 0.0)
    np.testing.assert_allclose(mean, np.mean(DISTANCES.astype(np.float64), axis=0), rtol=1e-6)
    np.testing.assert_allclose(deviation, np.std(DISTANCES.astype(np.float64), axis=0, ddof=1), rtol=1e-6)


def test_with_full_shrinkage_every_position_has_the_layers_mean():
    mean, _ = layer_statistics(DISTANCES, 1.0)
    np.testing.assert_allclose(mean, np.full((6, 5), DISTANCES.mean(dtype=np.float64)), rtol=1e-6)


def test_with_full_shrinkage_the_variance_is_that_within_positions_plus_that_between_them():
    # two positions, 1 and 3 on average, each with a sample variance of 2 * 0.5**2 = 0.5; between them 1
    distances = np.array([[[0.5, 2.5]], [[1.5, 3.5]]])
    _, deviation = layer_statistics(distances, 1.0)
    np.testing.assert_allclose(deviation, np.sqrt(0.5 + 1.0))


def test_shrinkage_mixes_means_and_variances_linearly():
    (own_mean, own), (layer_mean, layer) = layer_statistics(DISTANCES, 0.0), layer_statistics(DISTANCES, 1.0)
    mean, deviation = layer_statistics(DISTANCES, 0.3)
    np.testing.assert_allclose(mean, 0.7 * own_mean + 0.3 * layer_mean)
    np.testing.assert_allclose(deviation**2, 0.7 * own**2 + 0.3 * layer**2)


def test_a_position_that_never_changes_is_not_infinitely_sensitive():
    distances = DISTANCES.copy()
    distances[:, 2, 3] = 1.0
    _, deviation = layer_statistics(distances, 0.0)
    _, layer = layer_statistics(distances, 1.0)
    assert deviation[2, 3] == pytest.approx(0.01 * layer[0, 0])


def test_distances_that_are_all_equal_give_finite_z_scores():
    mean, deviation = layer_statistics(np.ones((5, 4, 4), np.float32), 0.0)
    z = (np.ones((4, 4), np.float32) - mean.astype(np.float32)) / deviation.astype(np.float32)
    assert np.isfinite(z).all()


@pytest.mark.filterwarnings("error")
def test_a_single_image_gives_the_mean_and_the_variance_between_its_positions():
    mean, deviation = layer_statistics(np.array([[[1.0, 3.0]]]), 1.0)
    np.testing.assert_allclose(mean, [[2.0, 2.0]])
    np.testing.assert_allclose(deviation, [[1.0, 1.0]])


def test_aligned_images_choose_little_shrinkage():
    aligned = PLACES + RANDOM.normal(scale=0.05, size=(40, 6, 5))
    assert choose_shrinkage(aligned) <= 0.05


def test_noise_that_is_the_same_everywhere_chooses_much_shrinkage():
    unaligned = RANDOM.normal(loc=2.0, size=(40, 16, 16))
    assert choose_shrinkage(unaligned) >= 0.9


def test_few_images_choose_more_shrinkage_than_many():
    images = PLACES + RANDOM.normal(scale=1.0, size=(100, 6, 5))
    assert choose_shrinkage(images[:10]) > choose_shrinkage(images)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_images_too_few_to_judge_by_shrink_altogether(count):
    assert choose_shrinkage(DISTANCES[:count]) == 1.0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("count", [4, 5, 9, 10])
def test_any_other_number_of_images_can_be_judged(count):
    assert choose_shrinkage(RANDOM.gamma(2.0, size=(count, 6, 5))) in SHRINKAGES


@pytest.mark.parametrize("count", [2, 3, 5, 7, 12])
def test_every_image_is_in_one_fold_and_in_the_rest_of_all_others(count):
    folds = list(folds_of(count))
    assert len(folds) == min(5, count)
    assert sorted(np.concatenate([fold for _, fold in folds]).tolist()) == list(range(count))
    for rest, fold in folds:
        assert sorted([*rest, *fold]) == list(range(count))


def test_each_layer_has_its_own_shrinkage():
    first, second = fit_statistics([DISTANCES, DISTANCES], [0.0, 1.0])
    np.testing.assert_array_equal(first[0], layer_statistics(DISTANCES, 0.0)[0])
    np.testing.assert_array_equal(second[0], layer_statistics(DISTANCES, 1.0)[0])


def test_all_tiles_of_a_photo_are_in_one_fold():
    photos = np.repeat(np.arange(7), [3, 1, 4, 1, 5, 2, 6])
    folds = list(folds_of(len(photos), photos=photos))
    assert sorted(np.concatenate([fold for _, fold in folds])) == list(range(len(photos)))
    for rest, fold in folds:
        assert not set(photos[rest]) & set(photos[fold])


def test_tiles_of_one_photo_do_not_vouch_for_each_other():
    """What each photo has at a place, all its tiles have, and no other photo: nothing can be known of a position."""
    own = np.random.default_rng(0).gamma(2.0, size=(12, 6, 5))
    tiles, photos = np.repeat(own, 10, axis=0), np.repeat(np.arange(12), 10)
    assert choose_shrinkage(tiles) < choose_shrinkage(tiles, photos)


def test_only_what_is_inspected_counts():
    inspected = RANDOM.random(DISTANCES.shape) < 0.7
    inspected[:2] = True
    inspected[:, 0, 0] = False  # nowhere inspected
    mean, deviation = layer_statistics(DISTANCES, 0.3, inspected)
    there = inspected.any(axis=0)
    kept = np.ma.array(DISTANCES.astype(np.float64), mask=~inspected)
    own_mean, own_variance = kept.mean(axis=0), kept.var(axis=0, ddof=1)
    layer_mean, layer_variance = own_mean.mean(), own_variance.mean() + own_mean.var()
    np.testing.assert_allclose(mean[there], (0.7 * own_mean + 0.3 * layer_mean)[there])
    np.testing.assert_allclose(deviation[there] ** 2, (0.7 * own_variance + 0.3 * layer_variance)[there])
    np.testing.assert_allclose(mean[0, 0], DISTANCES[:, 0, 0].mean())  # so that nothing stands out there


def test_what_is_not_inspected_does_not_choose_the_shrinkage():
    """Half of the positions never change, which no shrinking suits; the others are alike everywhere."""
    images = RANDOM.gamma(2.0, size=(40, 8, 8))
    images[:, :, 4:] = 7.0
    inspected = np.zeros(images.shape, bool)
    inspected[:, :, :4] = True
    assert choose_shrinkage(images) == 0
    assert choose_shrinkage(images, inspected=inspected) == choose_shrinkage(images[:, :, :4]) >= 0.9
