"""A model learns again without Paddle what a training has taught it, or says that it cannot."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from paddlex import create_model
from paddlex.data.dataset import TRAIN_LIST, read_samples
from paddlex.errors import RefitError
from paddlex.inference.complete_check import CompleteGraph
from paddlex.inference.model_folder import COMPLETE_NAME, ONNX_NAME, PARAMS_NAME, open_model_folder
from paddlex.inference.refit import refit
from paddlex.modules.image_anomaly_detection.models import MODELS


def pictures(dataset: Path) -> list[str]:
    return [str(sample.image_path) for sample in read_samples(dataset, TRAIN_LIST)]


def test_the_training_images_teach_it_the_same_again_to_the_bit(
    model_name: str, trained_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    assert json.loads((trained_model / "train_result.json").read_text(encoding="utf-8"))["suspects"] == []
    if MODELS[model_name].refitter is None:
        with pytest.raises(RefitError, match=r"learns by gradients.*Train it again with the new photos"):
            refit(trained_model, pictures(demo_dataset), tmp_path / "new")
        return
    result = refit(trained_model, pictures(demo_dataset), tmp_path / "new", run_mode="onnx")
    old, new = open_model_folder(trained_model), open_model_folder(tmp_path / "new")
    assert (result.images, result.left_out) == (24, ())
    trained, fitted = (folder.own.to_dict() for folder in (old, new))
    for one in (trained, fitted):
        del one["self_check"], one["calibration"]["best_f1_threshold"]  # by Paddle; by images with defects
    assert fitted == trained
    for name in (ONNX_NAME, PARAMS_NAME):
        assert (new.path / name).read_bytes() == (old.path / name).read_bytes()


def test_what_it_has_learnt_anew_gives_the_same_scores_in_every_engine(
    model_name: str, trained_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    if MODELS[model_name].refitter is None:
        pytest.skip("it is trained, not refitted")
    val = demo_dataset / "images" / "val"
    refit(trained_model, [*pictures(demo_dataset)[1:], val / "good" / "000.jpg"], tmp_path / "new")
    images = [str(val / name / "000.jpg") for name in ("bent", "good", "thread")]
    scores = {
        engine: [
            one["raw_score"] for one in create_model(None, tmp_path / "new", "cpu", backend=engine).predict(images)
        ]
        for engine in ("onnx", "openvino", "mkldnn", "paddle")
    }
    for engine in scores:
        np.testing.assert_allclose(scores[engine], scores["onnx"], rtol=1e-4)
    old = [one["raw_score"] for one in create_model(None, trained_model, "cpu", backend="onnx").predict(images)]
    assert scores["onnx"] != old


def test_a_false_alarm_is_learnt_and_no_threshold_rests_on_it(
    model_name: str, trained_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    """It was chosen because its score is high: among 24 scores it would be the threshold itself, and defects be missed."""
    if MODELS[model_name].refitter is None:
        pytest.skip("it is trained, not refitted")
    val = demo_dataset / "images" / "val"
    odd = cv2.imread(str(val / "good" / "000.jpg"))
    cv2.circle(odd, (64, 64), 8, (30, 30, 160), -1)  # the ink of a stamp, which is allowed
    defects = [str(path) for path in sorted(val.rglob("*.jpg")) if path.parent.name != "good"]
    before = create_model(None, trained_model, "cpu")
    assert next(before.predict(odd))["is_anomalous"]

    refit(trained_model, pictures(demo_dataset), tmp_path / "new", false_alarms=[odd])
    refit(trained_model, [*pictures(demo_dataset), odd], tmp_path / "among them")
    new, among = (create_model(None, tmp_path / name, "cpu") for name in ("new", "among them"))
    assert not next(new.predict(odd))["is_anomalous"]
    found = [sum(one["is_anomalous"] for one in model.predict(defects)) for model in (before, new, among)]
    assert found[0] - 1 <= found[1]
    assert found[2] < found[0] - 1
    assert len(open_model_folder(tmp_path / "new").calibration.scores) == len(pictures(demo_dataset))


def test_what_mode_export_wrote_is_refitted_as_the_training_s_folder_is(
    model_name: str, used_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    if MODELS[model_name].refitter is None:
        pytest.skip("it is trained, not refitted")
    result = refit(used_model / "inference", pictures(demo_dataset), tmp_path / "new", run_mode="onnx")
    assert result.calibration.scores == result.before.scores
    assert [warning for warning in result.warnings if "no INT8 graph" in warning]
    assert sorted(path.name for path in (tmp_path / "new").iterdir() if path.suffix != ".info") == [
        "inference.onnx", "inference.pdiparams", "inference.pdmodel", "inference.yml", "inference_complete.onnx",
    ]  # fmt: skip


def test_the_complete_graph_learns_with_it(
    model_name: str, used_model: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    """And it stays what predict is, with the new thresholds."""
    if MODELS[model_name].refitter is None:
        pytest.skip("it is trained, not refitted")
    refit(used_model / "inference", pictures(demo_dataset)[3:], tmp_path / "new", run_mode="onnx")
    model = create_model(None, tmp_path / "new", "cpu", backend="onnx")
    graph = CompleteGraph(tmp_path / "new" / COMPLETE_NAME)
    old = CompleteGraph(used_model / "inference" / COMPLETE_NAME)
    photos = [
        cv2.imread(str(demo_dataset / "images" / "val" / name / "000.jpg")) for name in ("bent", "good", "thread")
    ]
    for photo, wanted in zip(photos, model.predict(photos), strict=True):
        ours = graph.judge(photo)
        assert float(ours["score"]) == pytest.approx(wanted["score"], abs=1e-4) != float(old.judge(photo)["score"])
        assert bool(ours["is_anomalous"]) == wanted["is_anomalous"]
        assert (ours["mask"] != wanted["pred"][0]).mean() < 1e-3
    assert (float(graph.facts["image_threshold"]), graph.facts["model_digest"] != old.facts["model_digest"]) == (
        model.limits.image.threshold, True,
    )  # fmt: skip
