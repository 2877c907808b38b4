"""STFPM gives what it gave before it became one of several models."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest


def test_a_short_training_gives_the_weights_maps_and_scores_it_always_gave(tmp_path: Path) -> None:
    making = runpy.run_path(str(Path(__file__).with_name("make_reference.py")))
    with np.load(making["REFERENCE"]) as arrays:
        expected = dict(arrays)
    found = making["short_training"](tmp_path)
    if found["machine"] == expected["machine"]:
        for name, value in expected.items():
            if name == "thresholds":  # fused in NumPy since, whose sums are rounded otherwise
                assert found[name] == pytest.approx(value, rel=1e-6)
            else:
                assert np.array_equal(found[name], value), name
    for name in ("weights", "maps", "scores", "thresholds"):
        assert found[name] == pytest.approx(expected[name], rel=0.02, abs=0.02), name
