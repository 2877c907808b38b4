"""train_result.json keeps its promises to PaddleX's users."""

import hashlib
import json
from pathlib import Path

import pytest
import yaml

import paddlex.modules.image_anomaly_detection as package
from paddlex.config import load_config

BUNDLED = Path(package.__file__).with_name("pretrained") / "resnet18_layer123_fp16.safetensors"
FILES = {
    "pdparams", "pdema", "pdopt", "pdstates", "inference_config", "pdmodel", "pdiparams", "pdiparams.info",
}  # fmt: skip


@pytest.fixture(scope="module")
def result(trained) -> dict:
    return json.loads((trained / "train_result.json").read_text(encoding="utf-8"))


def test_it_has_paddlexs_keys(result):
    keys = {"model_name", "done_flag", "config", "label_dict", "train_log", "visualdl_log", "models"}
    assert keys <= result.keys()
    assert (result["model_name"], result["done_flag"]) == ("STFPM", True)


@pytest.mark.parametrize("key", ["config", "label_dict", "train_log"])
def test_the_files_of_the_run_exist(trained, result, key):
    assert (trained / result[key]).stat().st_size > 0


@pytest.mark.parametrize("model", ["best", "last_1"])
def test_each_model_has_a_score_and_files_that_exist_below_the_output_folder(trained, result, model):
    described = result["models"][model]
    assert described.keys() == FILES | {"score"}
    for key in FILES:
        path = trained / described[key]
        assert path.stat().st_size > 0 and path.resolve().is_relative_to(trained.resolve())


def test_scores_are_the_held_out_losses_of_the_best_and_the_last_evaluation(result):
    losses = [entry["held_out_loss"] for entry in result["history"]]
    assert result["models"]["best"]["score"] == min(losses)
    assert result["models"]["last_1"]["score"] == losses[-1]
    assert result["best_chosen_by"] == "loss on held-out normal images"


def test_the_history_has_every_epoch(result):
    assert [entry["epoch"] for entry in result["history"]] == [1, 2, 3]


def test_it_says_which_teacher_was_used(result):
    assert result["teacher_weights"] == {
        "source": "bundled",
        "sha256": hashlib.sha256(BUNDLED.read_bytes()).hexdigest(),
    }


def test_the_config_beside_it_is_complete_and_loads(trained, result):
    config = load_config(trained / result["config"])
    assert (config.Train.image_size, config.Train.epochs_iters, config.Train.batch_size) == (128, 3, 4)
    assert Path(config.Global.dataset_dir).is_absolute()


def test_the_labels_are_normal_and_anomalous(trained, result):
    assert (trained / result["label_dict"]).read_text(encoding="utf-8").splitlines() == ["0 normal", "1 anomalous"]


@pytest.mark.parametrize("model", ["best", "last_1"])
def test_the_thresholds_beside_the_weights_are_those_of_the_inference_folder(trained, result, model):
    described = result["models"][model]
    card = json.loads((trained / described["pdstates"]).read_text(encoding="utf-8"))
    inference = yaml.safe_load((trained / described["inference_config"]).read_text(encoding="utf-8"))
    assert inference["AnomalyDetection"]["calibration"] == card["calibration"]
    assert len(card["calibration"]["scores"]) == 5  # a fifth of 24 images was held out
