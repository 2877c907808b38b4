"""inference_complete.onnx of every model judges as predict does, whatever the size of a picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex import create_model

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def session(used_model: Path):
    path = used_model / "inference" / "inference_complete.onnx"
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def photos(folder: Path) -> list[np.ndarray]:
    """uint8 [H, W, 3] BGR: some as they are, larger, smaller, of another shape, and grey."""
    some = [cv2.imread(str(path)) for path in sorted(folder.rglob("*.*"))][::3]
    sizes = [(128, 128), (300, 211), (90, 70), (400, 100)]
    resized = [cv2.resize(photo, sizes[number % 4]) for number, photo in enumerate(some)]
    grey = cv2.cvtColor(cv2.cvtColor(some[0], cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return [*resized, grey]


def test_its_verdicts_are_predicts(used_model: Path, demo_dataset: Path, session) -> None:
    model = create_model(model_dir=used_model / "inference", device="cpu", backend="onnx")
    pictures = photos(demo_dataset / "images" / "val")
    names = [output.name for output in session.get_outputs()]
    assert names == ["score", "raw_score", "is_anomalous", "anomaly_map", "mask"]
    for photo, wanted in zip(pictures, model.predict(pictures), strict=True):
        ours = dict(zip(names, session.run(None, {"image": photo[..., ::-1].copy()}), strict=True))
        assert float(ours["score"]) == pytest.approx(wanted["score"], abs=1e-3)
        assert float(ours["raw_score"]) == pytest.approx(wanted["raw_score"], rel=1e-2)
        assert bool(ours["is_anomalous"]) == wanted["is_anomalous"]
        assert ours["anomaly_map"].shape == ours["mask"].shape == photo.shape[:2]
        assert set(np.unique(ours["mask"])) <= {0, 255}
        assert (ours["mask"] != wanted["pred"][0]).mean() < 0.01


def test_export_says_how_far_it_is_off(used_model: Path) -> None:
    complete = json.loads((used_model / "export_result.json").read_text(encoding="utf-8"))["complete"]
    assert (complete["pictures"], complete["colour_order"], complete["decisions_changed"]) == (28, "RGB", 0)
    assert complete["largest_score_difference"] <= 1e-3


def test_it_says_what_it_is(used_model: Path, model_name: str) -> None:
    model = create_model(model_dir=used_model / "inference", device="cpu", backend="onnx")
    facts = {
        one.key: one.value for one in onnx.load(used_model / "inference" / "inference_complete.onnx").metadata_props
    }
    assert (facts["model_name"], facts["colour_order"]) == (model_name, "RGB")
    assert float(facts["image_threshold"]) == model.limits.image.threshold
    assert float(facts["pixel_threshold"]) == model.limits.pixel.threshold
