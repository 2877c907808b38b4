"""The graph's masks are those of ``anomaly_mask``, whatever shape the regions have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("onnx")

from paddlex.inference import postprocess
from paddlex.inference.complete_graph import MIN_AREA, PIXEL_THRESHOLD, REGION_CUT
from paddlex.inference.postprocess import Limit, Limits
from paddlex.modules.image_anomaly_detection.export.complete.masks import anomaly_mask
from tests.modules.image_anomaly_detection.export.complete.running import run

LIMITS = Limits(Limit(1.0), Limit(0.5), "by hand", region_cut=0.25, min_area=0.002)


def masked(anomaly_map: np.ndarray, limits: Limits) -> np.ndarray:
    """The graph's mask, bool [H, W]."""
    values = {
        PIXEL_THRESHOLD: np.float32(limits.pixel.threshold),
        REGION_CUT: np.float32(limits.region_cut),
        MIN_AREA: np.float64(limits.min_area),
    }

    def formula(nodes, x, *sides):
        held = {name: nodes.held(name, np.asarray(value)) for name, value in values.items() if value}
        return anomaly_mask(nodes, x, sides, held)

    return run(formula, anomaly_map, np.bool_)


def spiral(side: int) -> np.ndarray:
    """One region that goes around itself many times, one pixel wide, float32 [side, side], its peak at the inner end."""
    values = np.zeros((side, side), np.float32)
    row, column, down, right = 0, 0, 0, 1
    while True:
        values[row, column] = 1
        ahead, beyond = ((row + n * down, column + n * right) for n in (1, 2))
        inside = all(0 <= place < side for place in ahead)
        if not inside or (all(0 <= place < side for place in beyond) and values[beyond]):
            down, right = right, -down
            turned = row + down, column + right
            if not all(0 <= place < side for place in turned) or values[row + 2 * down, column + 2 * right]:
                values[row, column] = 9
                return values
        row, column = row + down, column + right


def mixtures() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    slanting = np.eye(24, 40, dtype=np.float32)
    return {
        "noise": rng.random((50, 70), dtype=np.float32),
        "sparse noise": rng.random((50, 70), dtype=np.float32) ** 4,
        "a spiral": spiral(41),
        "diagonals touch at their corners": slanting + 3 * slanting[::-1],
        "everything": np.full((9, 7), 2, np.float32),
        "nothing": np.zeros((9, 7), np.float32),
        "one pixel": np.full((1, 1), 2, np.float32),
        "one row": rng.random((1, 60), dtype=np.float32),
        "one column": rng.random((60, 1), dtype=np.float32),
    }


@pytest.mark.parametrize("region_cut", [0.0, 0.25])
@pytest.mark.parametrize("min_area", [0.0, 0.002])
@pytest.mark.parametrize("name", mixtures())
def test_the_mask_is_predicts(name: str, region_cut: float, min_area: float) -> None:
    anomaly_map, limits = mixtures()[name], replace(LIMITS, region_cut=region_cut, min_area=min_area)
    assert np.array_equal(masked(anomaly_map, limits), postprocess.anomaly_mask(anomaly_map, limits)[0] > 0)


def test_a_spiral_is_one_region() -> None:
    """Worked out by hand: its peak of 9 cuts off whatever is below 0.5 + 0.25 (9 - 0.5), all but the peak itself."""
    assert masked(spiral(41), replace(LIMITS, min_area=0.0)).sum() == 1
