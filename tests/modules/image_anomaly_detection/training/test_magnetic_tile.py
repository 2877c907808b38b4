"""The whole way on real images: convert, check, train, evaluate."""

import csv
import json
from pathlib import Path

import pytest
from sklearn.metrics import roc_auc_score

pytestmark = [pytest.mark.slow, pytest.mark.shared_data]


@pytest.fixture(scope="module")
def output(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("output")


@pytest.fixture(scope="module")
def run(main_runner, magnetic_tile, output):
    """Run one mode of main.py on the data set; returns <mode>_result.json."""

    def run(mode: str, *overrides: str) -> dict:
        done = main_runner(
            f"Global.mode={mode}", f"Global.dataset_dir={magnetic_tile}", f"Global.output={output}", "Global.device=cpu",
            *overrides,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads((output / f"{mode}_result.json").read_text(encoding="utf-8"))

    return run


@pytest.fixture(scope="module")
def checked(run) -> dict:
    return run("check_dataset", "CheckDataset.convert.enable=True", "CheckDataset.convert.src_dataset_type=MVTec_AD")


@pytest.fixture(scope="module")
def evaluated(run, checked) -> dict:
    run("train", "Train.image_size=128", "Train.epochs_iters=1")
    return run("evaluate")


def test_the_converted_data_set_passes_the_check(checked):
    assert checked["check_pass"] is True
    assert (checked["attributes"]["train_samples"], checked["attributes"]["val_samples"]) == (240, 220)


def test_all_test_images_are_evaluated_the_normal_ones_too(evaluated):
    metrics = evaluated["metrics"]
    assert (metrics["normal_images"], metrics["anomalous_images"]) == (60, 160)
    assert set(metrics["by_defect_type"]) == {"blowhole", "break", "crack", "fray", "uneven"}


def test_image_auroc_is_that_of_the_scores_of_all_of_them(evaluated, output):
    with (output / evaluated["per_image"]).open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    truth, scores = (
        [Path(row["image"]).parent.name != "good" for row in rows],
        [float(row["raw_score"]) for row in rows],
    )
    assert (truth.count(False), truth.count(True)) == (60, 160)
    assert evaluated["metrics"]["image_auroc"] == pytest.approx(roc_auc_score(truth, scores), abs=1e-4)
