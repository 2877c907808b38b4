"""One trained model, asked in every way there is: evaluation, predict, Python, dynamic and static graph must say the same."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import paddle
import pytest

from paddlex import create_model
from paddlex.config import schema_for
from paddlex.data.dataset import read_samples
from paddlex.inference.inputs import read_image
from paddlex.inference.rle import rle_to_mask
from paddlex.modules.image_anomaly_detection.export.export_check import EXACT
from paddlex.modules.image_anomaly_detection.model import load_network


@pytest.fixture(scope="module")
def images(demo_dataset: Path) -> list[str]:
    return [str(sample.image_path) for sample in read_samples(demo_dataset, "val.txt")]


@pytest.fixture(scope="module")
def by_api(model_name: str, used_model: Path, images: list[str]):
    """The reference: create_model on the run's own inference folder, image by image."""
    return list(create_model(model_name, used_model / "best_model" / "inference", device="cpu").predict(images))


@pytest.fixture(scope="module")
def evaluated(used_model: Path, images: list[str]) -> list[dict[str, str]]:
    """The rows of per_image.csv that mode evaluate writes from the dynamic weights."""
    with (used_model / "evaluate" / "per_image.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def predicted(used_model: Path, images: list[str]) -> list[dict]:
    """The JSON files of mode predict, three images at a time, with the folder of mode export."""
    rows = csv.DictReader((used_model / "predict" / "summary.csv").open(encoding="utf-8-sig", newline=""))
    files = {row["input_path"]: used_model / "predict" / row["json"] for row in rows}
    return [json.loads(files[image].read_text(encoding="utf-8")) for image in images]


def test_evaluation_and_prediction_decide_alike(evaluated, by_api):
    assert [row["called_anomalous"] == "1" for row in evaluated] == [result["is_anomalous"] for result in by_api]


def test_evaluation_and_prediction_score_alike(evaluated, by_api):
    scores = [float(row["score"]) for row in evaluated]
    np.testing.assert_allclose(scores, [result["score"] for result in by_api], atol=1e-5)


def test_mode_predict_on_an_export_decides_and_scores_like_python(predicted, by_api):
    assert [result["is_anomalous"] for result in predicted] == [result["is_anomalous"] for result in by_api]
    np.testing.assert_allclose(
        [result["score"] for result in predicted], [result["score"] for result in by_api], atol=1e-5
    )


def test_mode_predict_on_an_export_draws_the_masks_of_python(predicted, by_api):
    for stored, result in zip(predicted, by_api, strict=True):
        different = np.count_nonzero(rle_to_mask(stored["mask"]) != result["pred"][0])
        assert different <= 1e-4 * result["pred"].size  # a pixel at the very threshold may fall on either side


@pytest.fixture(scope="module")
def dynamic(model_name: str, used_model: Path, images: list[str]) -> tuple[np.ndarray, list[np.ndarray]]:
    """A batch of every third image, and the two maps of the network itself."""
    weights = str(used_model / "best_model" / "model.pdparams")
    network, card = load_network(weights, model_name, schema_for(model_name)().Train)
    batch = card.transform([read_image(image) for image in images[::3]])
    with paddle.no_grad():
        return batch, [output.numpy() for output in network(paddle.to_tensor(batch))]


@pytest.mark.parametrize("run_mode", ["paddle", "mkldnn", "onnx", "openvino"])
def test_the_maps_of_the_static_graph_are_those_of_the_dynamic_one(run_mode, used_model, dynamic):
    """To the tolerance that an export is held to, for any number of images at once."""
    batch, maps = dynamic
    backend = create_model(model_dir=used_model / "inference", device="cpu", backend=run_mode).backend
    for count in (1, len(batch)):
        outputs = backend.run(batch[:count])
        assert [output.shape for output in outputs] == [(count, 1, 128, 128)] * 2
        for static, reference in zip(outputs, maps, strict=True):
            np.testing.assert_allclose(static, reference[:count], rtol=0, atol=EXACT * reference.max())
