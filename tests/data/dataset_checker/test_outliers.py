"""Training images that do not belong to the set."""

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker.descriptors import describe
from paddlex.data.dataset_checker.outliers import find_outliers

SIZE = 96


def product(seed, brightness=120.0):
    """Brushed metal: stripes of a random course, under slightly varying light."""
    generator = np.random.default_rng(seed)
    stripes = cv2.GaussianBlur(generator.normal(size=(SIZE, SIZE)), (0, 0), sigmaX=1, sigmaY=12)
    grey = brightness + generator.normal(0, 6) + generator.normal(20, 2) * stripes / stripes.std()
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def foreign(seed):
    """Another product: coloured dots."""
    generator = np.random.default_rng(seed)
    image = np.full((SIZE, SIZE, 3), (180, 120, 60), np.uint8)
    for x, y in generator.integers(0, SIZE, (20, 2)).tolist():
        cv2.circle(image, (x, y), 7, (20, 40, 200), cv2.FILLED)
    return image


def found(images):
    return [outlier.index for outlier in find_outliers([describe(image) for image in images])]


@pytest.mark.parametrize("count", [10, 40, 300])
def test_a_clean_set_has_no_outliers(count):
    assert found([product(seed) for seed in range(count)]) == []


def test_images_that_are_all_equal_have_no_outliers():
    assert found([product(0)] * 30) == []


def test_three_foreign_images_do_not_vouch_for_each_other():
    images = [product(seed) for seed in range(100)]
    images[20], images[50], images[80] = foreign(0), foreign(1), foreign(2)
    assert sorted(found(images)) == [20, 50, 80]


def test_in_a_small_set_a_foreign_image_is_found():
    assert found([*(product(seed) for seed in range(20)), foreign(0)]) == [20]


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(np.zeros((SIZE, SIZE, 3), np.uint8), id="black frame"),
        pytest.param(np.full((SIZE, SIZE, 3), 255, np.uint8), id="overexposed"),
        pytest.param(cv2.rotate(product(1000), cv2.ROTATE_90_CLOCKWISE), id="turned part"),
        pytest.param(cv2.GaussianBlur(product(1000), (0, 0), 8), id="out of focus"),
        pytest.param(cv2.applyColorMap(product(1000), cv2.COLORMAP_JET), id="false colours"),
    ],
)
def test_an_image_of_another_kind_is_found(odd):
    assert found([*(product(seed) for seed in range(100)), odd]) == [100]


def test_the_farthest_comes_first():
    images = [*(product(seed) for seed in range(100)), product(1000, brightness=190), foreign(0)]
    outliers = find_outliers([describe(image) for image in images])
    assert [outlier.index for outlier in outliers] == [101, 100]
    assert outliers[0].score > outliers[1].score


def test_two_variants_of_a_product_are_both_normal():
    images = [product(seed, brightness=170 if seed % 5 == 0 else 100) for seed in range(200)]
    assert found(images) == []


def test_fewer_than_ten_images_tell_nothing():
    assert found([*(product(seed) for seed in range(8)), foreign(0)]) == []


def test_among_thousands_of_images_all_are_judged():
    images = [describe(product(seed)) for seed in range(250)] * 10
    for index in (1, 1234, 2499):
        images[index] = describe(foreign(index))
    assert sorted(outlier.index for outlier in find_outliers(images)) == [1, 1234, 2499]
