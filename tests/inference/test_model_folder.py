"""inference.yml: what it must say, and what is said when it does not."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from paddlex.errors import ModelError
from paddlex.inference.model_folder import ModelFolder, open_model_folder
from paddlex.inference.postprocess import PADDLEX_LIMITS
from paddlex.inference.transforms import Transform

CALIBRATION = {
    "fusion": "calibrated", "image_threshold": 6.0, "pixel_threshold": 3.0, "image_typical": 2.0, "pixel_typical": 1.0,
    "method": "by hand", "region_cut": 0.25, "min_area": 0.01, "scores": list(range(1, 20)),
}  # fmt: skip


def content(**own: Any) -> dict[str, Any]:
    return {
        "Global": {"model_name": "STFPM"},
        "Deploy": {"transforms": [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize"}]},
        **({"AnomalyDetection": own} if own else {}),
    }


@pytest.fixture
def open_with(tmp_path: Path):
    def open_with(values: object) -> ModelFolder:
        (tmp_path / "inference.yml").write_text(
            values if isinstance(values, str) else yaml.safe_dump(values), encoding="utf-8"
        )
        return open_model_folder(tmp_path)

    return open_with


def message_of(open_with, values: object, tmp_path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_with(values)
    message = str(caught.value)
    assert "\n" not in message
    return message.replace(str(tmp_path / "inference.yml"), "FILE")


def test_a_folder_from_elsewhere_needs_only_a_name_and_transforms(open_with, tmp_path: Path) -> None:
    folder = open_with(content())
    assert (folder.path, folder.model_name, folder.transform.size) == (tmp_path, "STFPM", (64, 32))
    assert folder.limits == PADDLEX_LIMITS
    assert folder.output == 0
    assert not folder.is_calibrated


def test_a_calibrated_folder_brings_its_limits(open_with) -> None:
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits
    assert (limits.image.threshold, limits.image.typical) == (6, 2)
    assert (limits.pixel.threshold, limits.pixel.typical) == (3, 1)
    assert (limits.source, limits.region_cut, limits.min_area) == ("by hand", 0.25, 0.01)


@pytest.mark.parametrize(("fusion", "output"), [("calibrated", 1), ("product", 0)])
def test_the_fusion_decides_which_of_the_graphs_outputs_is_the_map(open_with, fusion: str, output: int) -> None:
    assert open_with(content(calibration={**CALIBRATION, "fusion": fusion})).output == output


@pytest.mark.parametrize("below", ["", "best_model/inference", "inference"])
def test_the_inference_folder_is_found_below_a_training_output(trained: Path, tmp_path: Path, below: str) -> None:
    shutil.copytree(trained / "best_model" / "inference", tmp_path / "output" / below)
    assert open_model_folder(str(tmp_path / "output")).path == tmp_path / "output" / below


def test_what_training_writes_is_calibrated_and_says_where_the_teacher_is_from(trained: Path) -> None:
    folder = open_model_folder(trained)
    assert folder.is_calibrated
    assert folder.limits.image.threshold > folder.limits.image.typical
    assert folder.limits.pixel.threshold > folder.limits.pixel.typical
    assert folder.own["teacher_weights"]["source"] == "bundled"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    written = ModelFolder(tmp_path, "STFPM", Transform((64, 32)), {"calibration": CALIBRATION, "note": "中文"})
    written.write_config(tmp_path / "inference.yml")
    read = open_model_folder(tmp_path)
    assert (read.own, read.model_name, read.transform.size) == (written.own, "STFPM", (64, 32))


# What is wrong


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_model_folder(tmp_path / "nothing")
    assert str(caught.value) == (
        f"the model folder does not exist ({tmp_path / 'nothing'}). Train or export a model first."
    )


def test_a_folder_without_inference_yml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_model_folder(tmp_path)
    assert str(caught.value) == f"the folder holds no inference.yml ({tmp_path}). Give the folder that export wrote."


@pytest.mark.parametrize("text", ["Global: [", "Global:\n\tmodel_name: x", "a: b: c"])
def test_yaml_that_cannot_be_read_is_an_error_in_one_line(open_with, tmp_path: Path, text: str) -> None:
    message = message_of(open_with, text, tmp_path)
    assert message.startswith("inference.yml cannot be read: ")
    assert message.endswith("(FILE). Export it again.")


@pytest.mark.parametrize(
    "values", ["", "- a", "5", {"Global": {}}, {"Global": None}, {"Global": {"model_name": "STFPM"}, "Deploy": {}}]
)
def test_a_missing_key_is_named(open_with, tmp_path: Path, values: object) -> None:
    message = message_of(open_with, values, tmp_path)
    assert message.startswith("inference.yml lacks Global.model_name or Deploy.transforms (")
    assert message.endswith("(FILE). Export it again.")


@pytest.mark.parametrize("own", ["text", [1], {"calibration": "high"}, {"calibration": [1]}])
def test_our_own_block_must_be_a_mapping(open_with, tmp_path: Path, own: object) -> None:
    message = message_of(open_with, {**content(), "AnomalyDetection": own}, tmp_path)
    assert message == "AnomalyDetection in inference.yml cannot be read (FILE). Export it again."


@pytest.mark.parametrize(
    "change", [{"image_threshold": "high"}, {"pixel_threshold": None}, {"region_cut": "much"}, {"image_typical": [1]}]
)
def test_a_calibration_that_cannot_be_read_is_an_error(open_with, change: dict[str, Any]) -> None:
    folder = open_with(content(calibration={**CALIBRATION, **change}))
    with pytest.raises(ModelError, match=r"the calibration cannot be read \(.+inference\.yml\)\. Export it again\."):
        _ = folder.limits


@pytest.mark.parametrize(
    ("name", "missing"),
    [("graph", "inference.pdmodel or inference.json"), ("params", "inference.pdiparams")],
)
def test_a_missing_graph_or_weights_file_is_named(open_with, tmp_path: Path, name: str, missing: str) -> None:
    folder = open_with(content())
    with pytest.raises(ModelError) as caught:
        getattr(folder, name)
    assert str(caught.value) == f"the folder has no {missing} ({tmp_path}). Export it again."


@pytest.mark.parametrize(
    ("present", "chosen"),
    [(["inference.json"], "inference.json"), (["inference.json", "inference.pdmodel"], "inference.pdmodel")],
)
def test_the_graph_may_be_of_the_old_or_the_new_format(
    open_with, tmp_path: Path, present: list[str], chosen: str
) -> None:
    folder = open_with(content())
    for name in present:
        (tmp_path / name).touch()
    assert folder.graph.name == chosen


# Other limits than the model's own


def test_a_threshold_of_the_users_replaces_that_of_the_image_only(open_with) -> None:
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits_at(threshold=4)
    assert (limits.image.threshold, limits.image.typical) == (4, 2)
    assert limits.pixel == folder.limits.pixel
    assert limits.source == "given by the user"


@pytest.mark.parametrize(("target_fpr", "threshold"), [(0.05, 19), (0.1, 18), (0.5, 10)])
def test_another_rate_is_found_in_the_calibration_scores(open_with, target_fpr: float, threshold: float) -> None:
    """Of 19 scores 1 to 19, the one in place ceil(20 (1 - rate))."""
    limits = open_with(content(calibration=CALIBRATION)).limits_at(target_fpr=target_fpr)
    assert limits.image.threshold == threshold


def test_another_smallest_region_changes_nothing_else(open_with) -> None:
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits_at(min_area=0)
    assert limits.min_area == 0
    assert (limits.image, limits.pixel, limits.source) == (folder.limits.image, folder.limits.pixel, "by hand")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"threshold": 1, "target_fpr": 0.1}, "both threshold and target_fpr are given"),
        ({"min_area": 1}, "min_area 1 is no share of the image"),
        ({"min_area": -0.1}, "min_area -0.1 is no share of the image"),
        ({"target_fpr": 0}, "target_fpr cannot be held: target_fpr must be between 0 and 1, not 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(open_with, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        open_with(content(calibration=CALIBRATION)).limits_at(**options)
    assert str(caught.value).startswith(problem)


def test_a_rate_needs_calibration_scores(open_with) -> None:
    with pytest.raises(ModelError, match="the model has no calibration scores"):
        open_with(content()).limits_at(target_fpr=0.1)


def test_a_rate_that_needs_scipy_says_so_where_it_is_not_installed(open_with, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ModelError, match=r"which needs scipy .*pip install scipy, or give threshold instead\."):
        open_with(content(calibration=CALIBRATION)).limits_at(target_fpr=0.001)
