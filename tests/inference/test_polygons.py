"""Polygons in a picture: which pixels they hold."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from paddlex.inference.checked import Invalid
from paddlex.inference.polygons import pixels_in, placed, polygon, union


def test_the_pixels_whose_centre_is_inside_are_in():
    rectangle = ((1.0, 1.0), (4.0, 1.0), (4.0, 3.0), (1.0, 3.0))
    expected = [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    assert pixels_in(rectangle, (5, 4), 4, 5).astype(int).tolist() == expected


def test_any_polygon_holds_what_opencv_finds_inside():
    """OpenCV asks of one point at a time."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        angles = np.sort(rng.uniform(0, 2 * np.pi, 9))
        radii = rng.uniform(6, 19, 9)
        corners = np.stack([20 + radii * np.cos(angles), 21 + radii * np.sin(angles)], axis=1).astype(np.float32)
        expected = [
            [cv2.pointPolygonTest(corners, (x + 0.5, y + 0.5), False) > 0 for x in range(40)] for y in range(42)
        ]
        assert pixels_in(tuple(map(tuple, corners.astype(float))), (40, 42), 42, 40).tolist() == expected


def test_it_grows_with_the_picture():
    triangle = ((0.0, 0.0), (10.0, 0.0), (0.0, 8.0))
    large = pixels_in(triangle, (10, 8), 80, 100)
    assert abs(large.mean() - 0.5) < 0.01
    assert pixels_in(triangle, (100, 80), 80, 100).mean() == pytest.approx(0.005, abs=0.001)


def test_neighbours_that_share_a_side_share_no_pixel_and_leave_none_out():
    left, right = ((0.0, 0.0), (3.3, 0.0), (5.9, 6.0), (0.0, 6.0)), ((3.3, 0.0), (9.0, 0.0), (9.0, 6.0), (5.9, 6.0))
    one, other = (pixels_in(shape, (9, 6), 6, 9) for shape in (left, right))
    assert not (one & other).any()
    assert (one | other).all()
    assert union([left, right], (9, 6), 6, 9).all()
    assert not union([], (9, 6), 6, 9).any()


def test_who_points_at_the_last_pixel_means_the_edge():
    whole = placed(((0.0, 0.0), (8.0, 0.0), (8.0, 5.0), (0.0, 5.0)), (9, 6))
    assert pixels_in(whole, (9, 6), 6, 9).all()


@pytest.mark.parametrize(
    ("corners", "said"),
    [
        (
            ((-1.0, 0.0), (4.0, 0.0), (4.0, 4.0)),
            "leaves the picture: a point is at -1 x 0, and the picture is 9 x 6 pixels",
        ),
        (
            ((0.0, 0.0), (4.0, 0.0), (4.0, 6.5)),
            "leaves the picture: a point is at 4 x 6.5, and the picture is 9 x 6 pixels",
        ),
        (((1.0, 1.0), (2.0, 2.0), (5.0, 5.0)), "encloses no area"),
    ],
)
def test_one_that_cannot_be_meant_is_refused(corners, said):
    with pytest.raises(Invalid, match=f"^{said}$"):
        placed(corners, (9, 6))


@pytest.mark.parametrize(
    "value", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [2]], [[0, 0], [1, 1], [2, "x"]], "x", None, [[0, 0]] * 10_001]
)
def test_what_is_no_polygon_is_refused(value):
    with pytest.raises(Invalid):
        polygon(value)
