"""One trained model, asked in every way there is: evaluation, predict, Python, dynamic and static graph must say the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddlex import create_model
from paddlex.data.dataset import read_samples
from paddlex.inference.inputs import read_image
from paddlex.inference.rle import rle_to_mask
from paddlex.modules.image_anomaly_detection.model import load_network
from paddlex.modules.image_anomaly_detection.models.stfpm.options import STFPMOptions

MAP_TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def images(demo_dataset: Path) -> list[str]:
    return [str(sample.image_path) for sample in read_samples(demo_dataset, "val.txt")]


@pytest.fixture(scope="module")
def by_api(trained, images):
    """The reference: create_model on the run's own inference folder, image by image."""
    return list(create_model("STFPM", trained / "best_model" / "inference", device="cpu").predict(images))


@pytest.fixture(scope="module")
def evaluated(main_runner, trained, demo_dataset, tmp_path_factory):
    """The rows of per_image.csv that mode evaluate writes from the dynamic weights."""
    output = tmp_path_factory.mktemp("evaluated")
    done = main_runner(
        "Global.mode=evaluate", f"Global.dataset_dir={demo_dataset}", f"Global.output={output}", "Global.device=cpu",
        f"Evaluate.weight_path={trained / 'best_model' / 'model.pdparams'}",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (output / "evaluate" / "per_image.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def exported_and_predicted(main_runner, trained, images, tmp_path_factory):
    """The JSON files of mode predict with the folder of mode export."""
    output = tmp_path_factory.mktemp("exported")
    weights = f"Export.weight_path={trained / 'best_model' / 'model.pdparams'}"
    assert main_runner("Global.mode=export", f"Global.output={output}", weights).returncode == 0
    done = main_runner(
        "Global.mode=predict", f"Global.output={output}", f"Predict.model_dir={output / 'inference'}", "Global.device=cpu",
        f"Predict.input={json.dumps(images)}", "Predict.batch_size=3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((output / "predict" / "summary.csv").open(encoding="utf-8-sig", newline="")))
    return [json.loads((output / "predict" / row["json"]).read_text(encoding="utf-8")) for row in rows]


def test_evaluation_and_prediction_decide_alike(evaluated, by_api):
    assert [row["called_anomalous"] == "1" for row in evaluated] == [result["is_anomalous"] for result in by_api]


def test_evaluation_and_prediction_score_alike(evaluated, by_api):
    scores = [float(row["score"]) for row in evaluated]
    np.testing.assert_allclose(scores, [result["score"] for result in by_api], atol=1e-5)


def test_mode_predict_on_an_export_decides_and_scores_like_python(exported_and_predicted, by_api):
    assert [result["is_anomalous"] for result in exported_and_predicted] == [
        result["is_anomalous"] for result in by_api
    ]
    scores = [result["score"] for result in exported_and_predicted]
    np.testing.assert_allclose(scores, [result["score"] for result in by_api], atol=1e-5)


def test_mode_predict_on_an_export_draws_the_masks_of_python(exported_and_predicted, by_api):
    for stored, result in zip(exported_and_predicted, by_api, strict=True):
        different = np.count_nonzero(rle_to_mask(stored["mask"]) != result["pred"][0])
        assert different <= 1e-4 * result["pred"].size  # a pixel at the very threshold may fall on either side


@pytest.fixture(scope="module")
def by_network(trained, images):
    """What the dynamic network takes, and what it gives."""
    weights = str(trained / "best_model" / "model.pdparams")
    network, card = load_network(weights, "STFPM", STFPMOptions())
    batch = card.transform([read_image(image) for image in images])
    with paddle.no_grad():
        return batch, [output.numpy() for output in network(paddle.to_tensor(batch))]


@pytest.mark.parametrize("run_mode", ["paddle", "mkldnn", "onnx", "openvino"])
def test_the_maps_of_the_static_graph_are_those_of_the_dynamic_one(run_mode, trained, by_network):
    batch, dynamic = by_network
    model = create_model("STFPM", trained / "best_model" / "inference", device="cpu", backend=run_mode)
    for static, reference in zip(model.backend.run(batch), dynamic, strict=True):
        np.testing.assert_allclose(static, reference, atol=MAP_TOLERANCE)
