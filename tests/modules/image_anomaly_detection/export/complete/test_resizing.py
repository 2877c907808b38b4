"""The graph's resizing is OpenCV's."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("onnx")

from paddlex.inference.transforms import Transform
from paddlex.modules.image_anomaly_detection.export.complete.resizing import resized
from tests.modules.image_anomaly_detection.export.complete.running import run

#: (height, width) of pictures that are brought to 40 x 32: smaller, half, a third, uneven ones, larger, one side larger, tiny.
SIZES = [
    (100, 90),
    (80, 64),
    (120, 96),
    (80, 96),
    (331, 475),
    (612, 500),
    (20, 11),
    (33, 200),
    (40, 32),
    (1, 1),
    (2, 5),
]


@pytest.mark.parametrize("method", ["LINEAR", "AREA"])
@pytest.mark.parametrize("size", SIZES)
def test_levels_are_opencvs(method: str, size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)  # nothing is harder than noise
    ours = run(lambda nodes, x, *sides: resized(nodes, x, sides, (32, 40), method), picture, np.float32)
    wanted = Transform((32, 40), interpolation=method).resize(picture[..., ::-1])
    assert np.array_equal(ours.transpose(1, 2, 0), wanted)
