"""Where a map is judged, at whatever resolution it is."""

from __future__ import annotations

import numpy as np

from paddlex.inference.view import inspected_positions, judged


def test_outside_nothing_is_higher_than_the_lowest_value_inside():
    anomaly_map = np.array([[3.0, 9.0], [5.0, 1.0]], np.float32)
    inspected = np.array([[True, False], [True, False]])
    assert judged(anomaly_map, inspected).tolist() == [[3.0, 3.0], [5.0, 3.0]]
    assert judged(anomaly_map, None) is anomaly_map


def test_a_small_inspected_place_is_not_lost_where_the_map_is_coarse():
    inspected = np.zeros((100, 100), bool)
    inspected[42:45, 73:76] = True
    positions = inspected_positions(inspected, (10, 10))
    assert np.argwhere(positions).tolist() == [[4, 7]]


def test_half_inspected_positions_are_judged():
    inspected = np.zeros((4, 4), bool)
    inspected[:, :3] = True  # the right positions are half in
    assert inspected_positions(inspected, (2, 2)).all()
    inspected[:, 2] = False
    assert inspected_positions(inspected, (2, 2)).tolist() == [[True, False], [True, False]]
