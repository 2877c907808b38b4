"""Regions of a hand-made mask: where they are, how large, how strong."""

from __future__ import annotations

import numpy as np
import pytest

from paddlex.inference.postprocess import Limit
from paddlex.inference.regions import find_regions

LIMIT = Limit(threshold=10.0, typical=0.0)


@pytest.fixture
def mask_and_map() -> tuple[np.ndarray, np.ndarray]:
    """A rectangle of 3 x 2 pixels with values 20, and a single pixel of value 40, in a map that is 0 elsewhere."""
    anomaly_map = np.zeros((8, 10), np.float32)
    anomaly_map[2:4, 5:8] = 20
    anomaly_map[6, 1] = 40
    return np.where(anomaly_map > 0, 255, 0).astype(np.uint8), anomaly_map


def test_an_empty_mask_has_no_regions():
    assert find_regions(np.zeros((4, 4), np.uint8), np.zeros((4, 4), np.float32), LIMIT) == []


def test_the_strongest_region_comes_first(mask_and_map):
    assert [region["bbox"] for region in find_regions(*mask_and_map, LIMIT)] == [[1, 6, 1, 1], [5, 2, 3, 2]]


def test_area_and_outline_are_in_pixels_of_the_image(mask_and_map):
    rectangle = find_regions(*mask_and_map, LIMIT)[1]
    assert rectangle["area"] == 6
    assert sorted(rectangle["polygon"]) == [[5, 2], [5, 3], [7, 2], [7, 3]]


def test_scores_are_on_the_scale_of_the_pixel_threshold(mask_and_map):
    point, rectangle = find_regions(*mask_and_map, LIMIT)
    assert rectangle["mean_score"] == pytest.approx(0.75)  # as far above the threshold as typical is below it
    assert point["max_score"] == pytest.approx(0.5 * (1 + 3 / 4))  # u = (40 - 10) / 10


def test_regions_that_touch_at_a_corner_are_one():
    mask = np.zeros((4, 4), np.uint8)
    mask[1, 1] = mask[2, 2] = 255
    assert len(find_regions(mask, mask.astype(np.float32), LIMIT)) == 1


def test_a_region_is_in_the_zone_of_its_strongest_pixel(mask_and_map):
    mask, anomaly_map = mask_and_map
    anomaly_map[3, 6] = 30
    asked = []
    zones = {(1, 6): None, (6, 3): "rim"}
    found = find_regions(mask, anomaly_map, LIMIT, lambda x, y: asked.append((x, y)) or zones[x, y])
    assert [region["zone"] for region in found] == [None, "rim"]
    assert all("zone" not in region for region in find_regions(mask, anomaly_map, LIMIT))
