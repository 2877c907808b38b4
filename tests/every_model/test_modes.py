"""Every model through every mode of main.py: what lies in the output folder, and that it all says the same."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from paddlex.config import load_config, schema_for
from paddlex.data.dataset import VAL_LIST, read_mask, read_samples
from paddlex.inference.rle import rle_to_mask
from paddlex.inference.transforms import IMAGENET_MEAN, IMAGENET_STD
from paddlex.modules.image_anomaly_detection.backbones import BACKBONES
from paddlex.modules.image_anomaly_detection.models import MODELS


def result_of(output: Path, mode: str) -> dict[str, Any]:
    return json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def rows(used_model: Path) -> list[dict[str, str]]:
    with (used_model / "predict" / "summary.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_mode_is_done(used_model: Path) -> None:
    assert all(result_of(used_model, mode)["done_flag"] for mode in ("check_dataset", "evaluate", "export", "predict"))


# train


def test_train_writes_what_it_promises(trained_model: Path, model_name: str) -> None:
    result = result_of(trained_model, "train")
    assert result["done_flag"] is True
    assert result["model_name"] == model_name
    assert result["visualdl_log"] == ""  # there is none: the log is train_log
    assert (trained_model / result["config"]).name == "config.yaml"
    assert (trained_model / result["train_log"]).name == "train.log"
    labels = (trained_model / result["label_dict"]).read_text(encoding="utf-8")
    assert labels.splitlines() == ["0 normal", "1 anomalous"]
    if "backbone" in MODELS[model_name].options.model_fields:
        assert result["teacher_weights"]["source"] and len(result["teacher_weights"]["sha256"]) == 64


def test_every_file_of_a_trained_model_exists(trained_model: Path) -> None:
    for model in result_of(trained_model, "train")["models"].values():
        files = {key: value for key, value in model.items() if key != "score"}
        assert {"pdparams", "pdstates", "inference_config", "pdmodel", "pdiparams"} <= files.keys()
        assert [key for key, path in files.items() if not (trained_model / path).stat().st_size] == []


def test_the_best_model_lies_where_users_look_for_it(trained_model: Path) -> None:
    best = result_of(trained_model, "train")["models"]["best"]
    assert best["pdparams"] == "best_model/model.pdparams"
    assert best["pdmodel"] == "best_model/inference/inference.pdmodel"
    assert best["pdiparams"] == "best_model/inference/inference.pdiparams"
    assert best["inference_config"] == "best_model/inference/inference.yml"
    assert (trained_model / "best_model" / "inference" / "inference.onnx").is_file()


def test_the_config_that_train_writes_is_complete_and_says_what_was_run(
    trained_model: Path, model_name: str, demo_dataset: Path
) -> None:
    config = load_config(trained_model / "config.yaml")
    assert _keys(yaml.safe_load((trained_model / "config.yaml").read_text(encoding="utf-8"))) == _keys(
        schema_for(model_name)().model_dump()
    )
    assert (config.Train.image_size, config.Train.batch_size) == (128, 4)
    assert (config.Global.model, config.Global.device) == (model_name, "cpu")
    assert config.Global.dataset_dir == str(demo_dataset)


def test_no_temporary_file_is_left(used_model: Path) -> None:
    assert list(used_model.rglob(".*")) == []


# evaluate


def test_evaluate_gives_the_promised_metrics(used_model: Path) -> None:
    result = result_of(used_model, "evaluate")
    for name in ("image_auroc", "pixel_auroc", "IoU", "Precision", "Recall"):
        assert 0 <= result["metrics"][name] <= 1
    assert result["teacher_weights"] == result_of(used_model, "train")["teacher_weights"]


def test_even_a_short_training_tells_defects_from_good_parts(used_model: Path) -> None:
    metrics = result_of(used_model, "evaluate")["metrics"]
    assert metrics["image_auroc"] > 0.6
    assert metrics["pixel_auroc"] > 0.7


def test_the_metrics_agree_with_the_predictions(used_model: Path, demo_dataset: Path) -> None:
    """IoU, precision and recall once more, by counting the pixels that predict marks in its JSON files."""
    metrics = result_of(used_model, "evaluate")["metrics"]
    marked, true = [], []
    for sample in read_samples(demo_dataset, VAL_LIST):
        prediction = json.loads(_json_of(used_model, demo_dataset, sample.image).read_text(encoding="utf-8"))
        marked.append(rle_to_mask(prediction["mask"]).ravel() > 0)
        true.append(np.zeros(marked[-1].shape, bool) if sample.mask is None else read_mask(sample.mask_path).ravel())
    marked, true = np.concatenate(marked), np.concatenate(true)
    both = (marked & true).sum()
    assert both > 0
    # a pixel at the very threshold may fall on either side in another engine
    assert metrics["IoU"] == pytest.approx(both / (marked | true).sum(), abs=1e-3)
    assert metrics["Precision"] == pytest.approx(both / marked.sum(), abs=1e-3)
    assert metrics["Recall"] == pytest.approx(both / true.sum(), abs=1e-3)


def test_the_image_auroc_agrees_with_the_predicted_scores(used_model: Path, demo_dataset: Path) -> None:
    """The share of (normal, anomalous) pairs in the right order, ties counted half (Hanley, McNeil, 1982)."""
    normal, anomalous = [], []
    for sample in read_samples(demo_dataset, VAL_LIST):
        score = json.loads(_json_of(used_model, demo_dataset, sample.image).read_text(encoding="utf-8"))["score"]
        (anomalous if sample.defect_type != "good" else normal).append(score)
    assert (len(normal), len(anomalous)) == (4, 10)
    order = np.array(anomalous)[:, None] - np.array(normal)
    auroc = (order > 0).mean() + (order == 0).mean() / 2
    assert result_of(used_model, "evaluate")["metrics"]["image_auroc"] == pytest.approx(auroc, abs=1e-9)


# export


def test_export_writes_the_inference_folder(used_model: Path) -> None:
    result = result_of(used_model, "export")
    folder = used_model / result["export_path"]
    assert sorted(path.name for path in folder.iterdir()) == result["files"]
    assert {"inference.pdmodel", "inference.pdiparams", "inference.yml", "inference.onnx"} <= set(result["files"])


def test_what_is_exported_is_what_training_exported(used_model: Path) -> None:
    exported, trained = (
        (used_model / folder / "inference.yml").read_text() for folder in ("inference", "best_model/inference")
    )
    assert exported == trained


def test_inference_yml_reads_as_paddlex_expects(used_model: Path, model_name: str) -> None:
    content = yaml.safe_load((used_model / "inference" / "inference.yml").read_text(encoding="utf-8"))
    backbone = BACKBONES.get(content["AnomalyDetection"].get("backbone"))
    mean, std = (IMAGENET_MEAN, IMAGENET_STD) if backbone is None else (backbone.mean, backbone.std)
    assert content["Global"]["model_name"] == model_name
    assert content["Deploy"]["model"] == "inference.pdmodel"
    assert content["Deploy"]["params"] == "inference.pdiparams"
    assert content["Deploy"]["input_shape"] == [-1, 3, 128, 128]
    interpolation = MODELS[model_name].interpolation
    interp = {} if interpolation == "LINEAR" else {"interp": interpolation}  # that of PaddleX where nothing is said
    assert content["Deploy"]["transforms"] == [
        {"type": "Resize", "target_size": [128, 128], **interp},
        {"type": "Normalize", "mean": list(mean), "std": list(std)},
    ]


# predict


def test_predict_writes_a_picture_and_a_json_for_each_image(used_model: Path, rows: list[dict[str, str]]) -> None:
    assert len(rows) == 14
    for row in rows:
        assert cv2.imdecode(np.fromfile(used_model / "predict" / row["image"], np.uint8), cv2.IMREAD_COLOR) is not None
        prediction = json.loads((used_model / "predict" / row["json"]).read_text(encoding="utf-8"))
        assert prediction["input_path"] == row["input_path"]
        assert str(prediction["is_anomalous"]) == row["is_anomalous"]


def test_images_of_the_same_name_in_several_folders_keep_their_folders(rows: list[dict[str, str]]) -> None:
    assert len({row["json"] for row in rows}) == 14
    assert {"bent/000_res.json", "good/000_res.json"} <= {row["json"] for row in rows}


def test_the_result_of_predict_sums_up(used_model: Path, rows: list[dict[str, str]]) -> None:
    result = result_of(used_model, "predict")
    assert (result["images"], result["failed_images"], result["failed"]) == (14, 0, [])
    assert result["anomalous"] == [row["is_anomalous"] for row in rows].count("True")
    assert (used_model / result["summary"]).is_file()


def _json_of(output: Path, dataset: Path, image: str) -> Path:
    below = (dataset / image).relative_to(dataset / "images" / "val")
    return output / "predict" / below.parent / f"{below.stem}_res.json"


def _keys(values: dict, prefix: str = "") -> set[str]:
    def walk(node: dict, path: str) -> Iterator[str]:
        for key, value in node.items():
            yield f"{path}{key}"
            if isinstance(value, dict):
                yield from walk(value, f"{path}{key}.")

    return set(walk(values, prefix))
