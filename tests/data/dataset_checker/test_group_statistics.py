"""Sizes and brightness of train beside val, and when they count as different."""

import cv2
import numpy as np
import pytest

from paddlex.data.dataset_checker.descriptors import Descriptor, describe
from paddlex.data.dataset_checker.group_statistics import describe_group, find_differences


def image(brightness=100.0, width=640, height=480):
    """A descriptor with only what statistics look at."""
    return Descriptor(width, height, brightness, 30.0, np.zeros(0), np.zeros(0), np.zeros(0))


def group(count, mean, spread, seed, **options):
    return [image(value, **options) for value in np.random.default_rng(seed).normal(mean, spread, count)]


def test_brightness_and_contrast_are_those_of_the_grey_picture():
    left, right = (40, 80, 120), (200, 180, 160)
    picture = np.zeros((200, 320, 3), np.uint8)
    picture[:, :160], picture[:, 160:] = left, right
    greys = [0.114 * blue + 0.587 * green + 0.299 * red for blue, green, red in (left, right)]  # ITU-R BT.601
    description = describe(picture)
    assert description.brightness == pytest.approx(np.mean(greys), abs=1)
    assert description.contrast == pytest.approx(np.std(greys), abs=1)
    assert (description.width, description.height) == (320, 200)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (64, 64), (65, 129), (2000, 100)])
def test_images_of_any_size_are_described(size):
    picture = np.full((*size, 3), 90, np.uint8)
    description = describe(picture)
    assert description.thumbnail.shape == (64, 64)
    assert description.brightness == pytest.approx(90)


def test_colour_and_edges_are_described():
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::8], stripes[:, 1::8] = 255, 255
    across, down, *diagonals = describe(stripes).edges[0]
    assert down == 0
    assert across > diagonals[0] == pytest.approx(diagonals[1])
    red, blue = (
        describe(cv2.merge([np.full((64, 64), c, np.uint8) for c in bgr])) for bgr in ((0, 0, 200), (200, 0, 0))
    )
    assert red.colours[1] > 128 > blue.colours[1]  # Cr


def test_sizes_are_counted_the_most_frequent_first():
    statistics = describe_group([image(width=100), *[image(width=200)] * 3])
    assert statistics["images"] == 4
    assert statistics["sizes"] == [
        {"width": 200, "height": 480, "images": 3},
        {"width": 100, "height": 480, "images": 1},
    ]
    assert statistics["distinct_sizes"] == 2


def test_of_many_sizes_ten_are_listed():
    statistics = describe_group([image(width=100 + number) for number in range(50)])
    assert (len(statistics["sizes"]), statistics["distinct_sizes"]) == (10, 50)


def test_the_mean_and_spread_are_over_images():
    statistics = describe_group([image(brightness) for brightness in (80, 100, 120)])
    assert statistics["brightness"] == {"mean": 100, "std": 16.33}
    assert statistics["contrast"] == {"mean": 30, "std": 0}


def test_an_empty_group_has_no_brightness():
    statistics = describe_group([])
    assert (statistics["images"], statistics["sizes"], statistics["brightness"]) == (0, [], None)


def test_groups_of_one_kind_do_not_differ():
    for seed in range(100):
        assert find_differences(group(200, 100, 25, seed), group(20, 100, 25, 1000 + seed)) == []


def test_brighter_validation_images_are_told():
    [difference] = find_differences(group(200, 100, 10, 0), group(20, 130, 10, 1))
    assert difference.startswith("the normal validation images are brighter than the training images: ")
    assert "is 129, not 100" in difference or "is 130, not 100" in difference or "is 131, not 100" in difference


def test_darker_validation_images_are_told():
    assert "darker" in find_differences(group(200, 100, 10, 0), group(20, 70, 10, 1))[0]


def test_a_small_difference_does_not_matter_however_certain():
    assert find_differences(group(2000, 100, 1, 0), group(2000, 106, 1, 1)) == []


def test_a_difference_within_the_spread_does_not_matter_however_certain():
    assert find_differences(group(2000, 100, 40, 0), group(2000, 115, 40, 1)) == []


def test_few_images_must_differ_more():
    train = group(100, 100, 20, 0)
    assert find_differences(train, [image(value) for value in (140, 90, 145)]) == []
    assert find_differences(train, [image(value) for value in (178, 180, 182)]) != []


def test_two_images_tell_nothing():
    assert find_differences(group(100, 100, 20, 0), [image(250), image(250)]) == []


def test_other_sizes_and_proportions_are_told():
    train = [image(width=640, height=480)] * 50
    larger, wider = [image(width=1280, height=960)] * 5, [image(width=760, height=400)] * 5
    assert find_differences(train, larger) == [
        "the normal validation images are larger than the training images: they have 4.00 times as many pixels"
    ]
    assert find_differences(train, wider) == [
        "the normal validation images have other proportions than the training images: width / height is 1.90, not 1.33"
    ]


def test_mixed_sizes_on_both_sides_do_not_differ():
    generator = np.random.default_rng(0)
    sizes = [image(width=int(width), height=int(height)) for width, height in generator.integers(200, 600, (260, 2))]
    assert find_differences(sizes[:200], sizes[200:]) == []
