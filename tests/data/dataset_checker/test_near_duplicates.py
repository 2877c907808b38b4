"""Near-duplicates between training and validation images: what counts as one, and what must not."""

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker.descriptors import describe
from paddlex.data.dataset_checker.near_duplicates import (
    find_near_duplicates,
    shrunk_covariance,
)

SIZE = 160


def tile(seed):
    """A part with marks of its own on the same vignette: what natural parts look like."""
    generator = np.random.default_rng(seed)
    marks = cv2.GaussianBlur(generator.normal(size=(SIZE, SIZE)), (0, 0), 5)
    return colour(100 + 25 * marks / marks.std() + 40 * vignette())


def cloth(seed):
    """A regular weave, shifted and turned at random, with nearly nothing of its own."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    angle = generator.uniform(-0.08, 0.08)
    across, down = columns * np.cos(angle) + rows * np.sin(angle), rows * np.cos(angle) - columns * np.sin(angle)
    phases = generator.uniform(0, 2 * np.pi, 2)
    weave = np.sin(across * 0.4 + phases[0]) + np.sin(down * 0.4 + phases[1])
    return colour(110 + 40 * weave + generator.normal(0, 6, (SIZE, SIZE)))


def stamped(seed):
    """The same outline in the same place every time; the parts differ by faint marks only."""
    generator = np.random.default_rng(seed)
    picture = np.full((SIZE, SIZE), 60.0)
    cv2.circle(picture, (80, 80), 60, 180, cv2.FILLED)
    cv2.rectangle(picture, (60, 60), (100, 100), 30, cv2.FILLED)
    marks = cv2.GaussianBlur(generator.normal(size=(SIZE, SIZE)), (0, 0), 4)
    return colour(picture + 4 * marks / marks.std() + generator.uniform(-10, 10))


def colour(grey):
    return cv2.cvtColor(np.clip(grey, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)


def vignette():
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    return 1 - rows**2 - columns**2


def saved_again(image):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)


def brightened(image):
    return cv2.convertScaleAbs(image, alpha=0.8, beta=40)


def halved(image):
    return cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)


def cropped(image):
    return image[2:-3, 3:-2]


def photographed_again(image):
    """Turned by a degree, shifted by a pixel, a little darker, with noise."""
    turn = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), 1, 1)
    turn[:, 2] += 1
    turned = cv2.warpAffine(image, turn, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(turned * 0.9 + np.random.default_rng(0).normal(0, 5, image.shape), 0, 255).astype(np.uint8)


def describe_all(images):
    return [describe(image) for image in images]


def found_pairs(train, val):
    return [(pair.train, pair.val) for pair in find_near_duplicates(describe_all(train), describe_all(val))]


@pytest.mark.parametrize("product", [tile, cloth, stamped])
@pytest.mark.parametrize("count", [12, 60])
def test_different_parts_are_no_near_duplicates_however_regular_the_product(product, count):
    assert found_pairs([product(seed) for seed in range(count)], [product(1000 + seed) for seed in range(30)]) == []


@pytest.mark.parametrize("product", [tile, cloth, stamped])
@pytest.mark.parametrize("change", [saved_again, brightened, halved])
def test_a_copy_of_a_training_image_is_found_however_regular_the_product(product, change):
    train = [product(seed) for seed in range(60)]
    val = [product(1000), change(train[7]), product(1001)]
    assert found_pairs(train, val) == [(7, 1)]


@pytest.mark.parametrize("change", [cropped, photographed_again])
def test_a_part_that_was_photographed_twice_is_found(change):
    train = [tile(seed) for seed in range(60)]
    assert found_pairs(train, [tile(1000), change(train[33])]) == [(33, 1)]


def test_a_copy_is_found_among_few_images():
    train = [tile(seed) for seed in range(12)]
    assert found_pairs(train, [tile(1000), saved_again(train[3])]) == [(3, 1)]


def test_fewer_than_ten_training_images_tell_nothing():
    train = [tile(seed) for seed in range(9)]
    assert found_pairs(train, [saved_again(train[3])]) == []


def test_the_surest_pair_comes_first_and_each_validation_image_once():
    train = [tile(seed) for seed in range(40)]
    train.append(saved_again(train[5]))
    pairs = find_near_duplicates(describe_all(train), describe_all([cropped(train[9]), train[5]]))
    assert [(pair.train, pair.val) for pair in pairs] == [(5, 1), (9, 0)]
    assert 0.999 < pairs[0].similarity <= 1
    assert pairs[1].similarity < pairs[0].similarity


def test_black_frames_are_no_near_duplicates_of_each_other():
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    noisy = np.random.default_rng(0).integers(0, 3, black.shape, dtype=np.uint8)
    assert found_pairs([*(tile(seed) for seed in range(20)), black], [noisy, black]) == []


def test_a_set_of_flat_images_is_no_error():
    flat = [np.full((40, 60, 3), level, np.uint8) for level in range(12)]
    assert found_pairs(flat, flat) == []


def test_foreign_images_in_the_training_set_do_not_make_the_others_alike():
    train = [stamped(seed) for seed in range(60)] + [cloth(seed) for seed in range(3)]
    found = find_near_duplicates(
        describe_all(train), describe_all([stamped(1000 + seed) for seed in range(30)]), atypical=[60, 61, 62]
    )
    assert found == []


def test_the_covariance_is_shrunk_as_scikit_learn_does_it():
    covariance = pytest.importorskip("sklearn.covariance")
    vectors = np.random.default_rng(0).normal(size=(30, 50)) * np.arange(1, 51)
    centred = vectors - vectors.mean(axis=0)
    expected, _ = covariance.ledoit_wolf(centred, assume_centered=True)
    np.testing.assert_allclose(shrunk_covariance(centred), expected, rtol=1e-9, atol=1e-9)


def test_thousands_of_images_are_compared_in_bounded_memory():
    import tracemalloc

    images = describe_all([tile(seed) for seed in range(40)])
    train, val = images * 75, images * 25  # 3000 x 1000 similarities would take 12 MB as float32, a sorted copy as much
    tracemalloc.start()
    try:
        assert len(find_near_duplicates(train, val)) == 1000
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
