"""inference.yml: what it must say, and what is said when it does not."""

from __future__ import annotations

import math
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from paddlex.errors import ModelError
from paddlex.inference.calibration import Calibration
from paddlex.inference.model_facts import OwnBlock
from paddlex.inference.model_folder import ModelFolder, open_model_folder
from paddlex.inference.postprocess import PADDLEX_LIMITS, Limit
from paddlex.inference.self_check import SelfCheck
from paddlex.inference.transforms import Transform

CALIBRATION = {
    "fusion": "calibrated", "image_threshold": 6.0, "pixel_threshold": 3.0, "image_typical": 2.0, "pixel_typical": 1.0,
    "method": "by hand", "region_cut": 0.25, "min_area": 0.01, "scores": list(range(1, 20)),
    "target_fpr": 0.05, "target_pixel_fpr": 0.001,
}  # fmt: skip
SELF_CHECK = {"values": [[0.5] * 17, [1.5] * 17]}


def content(**own: Any) -> dict[str, Any]:
    return {
        "Global": {"model_name": "STFPM"},
        "Deploy": {"transforms": [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize"}]},
        **({"AnomalyDetection": {"self_check": SELF_CHECK, **own}} if own else {}),
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
    assert folder.limits == PADDLEX_LIMITS["STFPM"]
    assert folder.output == 0
    assert not folder.is_calibrated


def test_a_calibrated_folder_brings_its_limits(open_with) -> None:
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits
    assert (limits.image.threshold, limits.image.typical) == (6, 2)
    assert (limits.pixel.threshold, limits.pixel.typical) == (3, 1)
    assert (limits.source, limits.region_cut, limits.min_area) == ("by hand", 0.25, 0.01)


@pytest.mark.parametrize(("fusion", "output"), [("calibrated", 1), ("product", 0), ("paper", 0)])
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
    assert folder.own.teacher_weights["source"] == "bundled"


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    own = OwnBlock(
        calibration=Calibration.parse(CALIBRATION),
        self_check=SelfCheck.parse(SELF_CHECK),
        teacher_weights={"source": "中文"},
    )
    written = ModelFolder(tmp_path, "STFPM", Transform((64, 32)), own)
    written.write_config(tmp_path / "inference.yml")
    read = open_model_folder(tmp_path)
    assert (read.own, read.model_name, read.transform.size) == (written.own, "STFPM", (64, 32))


#: As the first version of the toolkit wrote it, shortened.
OLD_BLOCK = """
Global: {model_name: STFPM}
Deploy:
  model: inference.pdmodel
  params: inference.pdiparams
  input_shape: [-1, 3, 128, 128]
  transforms:
  - {type: Resize, target_size: [128, 128]}
  - type: Normalize
    mean: [0.485, 0.456, 0.406]
    std: [0.229, 0.224, 0.225]
AnomalyDetection:
  backbone: resnet18
  layers: [layer1, layer2, layer3]
  image_size: 128
  teacher_weights: {source: bundled, sha256: 0a1b}
  calibration:
    fusion: calibrated
    image_threshold: 4.353220928502137
    pixel_threshold: 2.87227201461792
    image_typical: 2.867305040359497
    pixel_typical: -0.3885110914707184
    target_fpr: 0.05
    target_pixel_fpr: 0.001
    method: 'extrapolated: log-normal prediction bound, because 5 images are too few for the quantile'
    scores: [1.9, 2.5, 2.867305040359497, 3.1, 3.4]
    region_cut: 0.25
    min_area: 0.0001
    best_f1_threshold: null
    shrinkages: [0.0, 0.02, 1.0]
    images: 5
  self_check:
    values:
    - [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 1.0e-05]
    - [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -16.5]
"""


def test_a_folder_of_the_first_version_is_read(open_with) -> None:
    folder = open_with(OLD_BLOCK)
    assert folder.output == 1
    assert (folder.limits.image.threshold, folder.limits.image.typical) == (4.353220928502137, 2.867305040359497)
    assert (folder.limits.region_cut, folder.limits.min_area) == (0.25, 0.0001)
    assert folder.own.tiling is None


# What is wrong


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_model_folder(tmp_path / "nothing")
    assert str(caught.value) == (
        f"the model folder does not exist ({tmp_path / 'nothing'}). There is no 'nothing' in {tmp_path}."
    )


def test_a_folder_without_inference_yml_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        open_model_folder(tmp_path)
    assert str(caught.value) == f"the folder holds no inference.yml ({tmp_path}). Give the folder that export wrote."


@pytest.mark.parametrize("text", ["Global: [", "Global:\n\tmodel_name: x", "a: b: c"])
def test_yaml_that_cannot_be_read_is_an_error_in_one_line(open_with, tmp_path: Path, text: str) -> None:
    message = message_of(open_with, text, tmp_path)
    assert re.fullmatch(r"inference\.yml is not valid YAML: .+ \(FILE line \d\)\. Export it again\.", message)


@pytest.mark.parametrize(
    "values", ["", "- a", "5", {"Global": {}}, {"Global": None}, {"Global": {"model_name": "STFPM"}, "Deploy": {}}]
)
def test_a_missing_key_is_named(open_with, tmp_path: Path, values: object) -> None:
    message = message_of(open_with, values, tmp_path)
    assert "lacks Global.model_name or Deploy.transforms (FILE)" in message
    assert "no model for anomaly detection" in message


@pytest.mark.parametrize("name", ["model.pdparams", "inference.yml", "inference.onnx"])
def test_a_file_of_a_model_given_in_its_place_is_refused_with_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    with pytest.raises(ModelError) as caught:
        open_model_folder(tmp_path / name)
    assert f"Give the folder that it is in: {tmp_path}" in str(caught.value)


@pytest.mark.parametrize("own", ["text", [1], None])
def test_our_own_block_must_be_a_section(open_with, tmp_path: Path, own: object) -> None:
    message = message_of(open_with, {**content(), "AnomalyDetection": own}, tmp_path)
    assert message.startswith("AnomalyDetection must be a section of keys, not ")


WRONG = [
    ("image_threshold", math.nan), ("image_threshold", math.inf), ("image_threshold", -math.inf), ("image_threshold", "high"),
    ("image_threshold", True), ("image_threshold", 1e39), ("pixel_threshold", None), ("pixel_threshold", math.nan),
    ("image_typical", [1]), ("image_typical", math.nan), ("pixel_typical", math.inf), ("region_cut", math.nan),
    ("region_cut", 1.5), ("region_cut", "much"), ("min_area", math.nan), ("min_area", 1), ("target_fpr", 0),
    ("target_fpr", math.nan), ("target_pixel_fpr", 2), ("fusion", "calibratd"), ("fusion", None), ("fusion", 1),
    ("method", 5), ("method", ""), ("scores", 5), ("scores", []), ("scores", [1.0]), ("scores", "12"),
    ("best_f1_threshold", math.nan), ("shrinkages", [2]), ("shrinkages", math.nan), ("images", 7),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_calibration_that_cannot_be_is_refused_by_the_name_of_its_key(
    open_with, tmp_path: Path, key: str, value: object
) -> None:
    message = message_of(open_with, content(calibration={**CALIBRATION, key: value}), tmp_path)
    assert re.match(
        rf"AnomalyDetection\.calibration\.{key}(\[0\])? must be .+ \(FILE line \d+\)\. Correct it, or export", message
    )


@pytest.mark.parametrize("score", [math.nan, math.inf, None, "x"])
def test_one_score_that_is_no_number_is_refused(open_with, tmp_path: Path, score: object) -> None:
    message = message_of(open_with, content(calibration={**CALIBRATION, "scores": [1, 2, score]}), tmp_path)
    assert message.startswith("AnomalyDetection.calibration.scores[2] must be a finite number, not ")


@pytest.mark.parametrize("scores", [[0, 0, 0], [5, 5], [3, 3.00001, 3.00002]])
def test_a_calibration_without_spread_is_refused(open_with, tmp_path: Path, scores: list[float]) -> None:
    """One photo copied many times has given such models: they call everything anomalous."""
    message = message_of(open_with, content(calibration={**CALIBRATION, "scores": scores}), tmp_path)
    assert message.startswith(
        "AnomalyDetection.calibration.scores must not be all alike: no threshold can rest on them ("
    )


@pytest.mark.parametrize("key", ["fusion", "image_threshold", "pixel_typical", "method", "scores", "target_fpr"])
def test_a_calibration_without_a_key_is_refused(open_with, tmp_path: Path, key: str) -> None:
    left = {name: value for name, value in CALIBRATION.items() if name != key}
    assert message_of(open_with, content(calibration=left), tmp_path).startswith(
        f"AnomalyDetection.calibration.{key} is missing ("
    )


@pytest.mark.parametrize(
    ("own", "problem"),
    [
        ({"calibratoin": CALIBRATION}, "AnomalyDetection.'calibratoin' is not known"),
        ({"calibration": {**CALIBRATION, "regon_cut": 0.2}}, "AnomalyDetection.calibration.'regon_cut' is not known"),
        (
            {"calibration": CALIBRATION, "tiling": {"tile_size": 256, "overlap": math.nan}},
            "AnomalyDetection.tiling cannot",
        ),
        (
            {"calibration": CALIBRATION, "tiling": {"tile_size": 10**9}},
            "AnomalyDetection.tiling cannot be used: a tile of",
        ),
        ({"calibration": CALIBRATION, "image_size": math.nan}, "AnomalyDetection.image_size must be a whole number"),
    ],
)
def test_a_key_or_value_of_our_block_that_is_not_known_is_refused(
    open_with, tmp_path: Path, own: dict[str, Any], problem: str
) -> None:
    """A typing error must not turn a calibrated model into one that is not."""
    assert message_of(open_with, content(**own), tmp_path).startswith(problem)


def zoned(*names: str, drawn: tuple[str, ...] = ("rim", "seal"), slope: float = 2.0) -> dict[str, Any]:
    """Our block with scales for zones of these names, and zones drawn with those."""
    shapes = [[[10 * place, 0], [10 * place + 9, 0], [10 * place + 9, 9]] for place in range(len(drawn))]
    zones = [{"name": name, "polygon": shape} for name, shape in zip(drawn, shapes, strict=True)]
    scales = [{"name": name, "slope": slope, "shift": 0.0} for name in names]
    return {
        "calibration": {**CALIBRATION, "zones": scales},
        "preparation": {"regions": {"size": [64, 32], "zones": zones}} if drawn else {},
    }


def test_each_zone_that_is_drawn_has_a_scale_of_its_own(open_with) -> None:
    assert [one.name for one in open_with(content(**zoned("rim", "seal"))).calibration.zones] == ["rim", "seal"]


@pytest.mark.parametrize(
    ("own", "names"),
    [
        (zoned(), "rim, seal"),
        (zoned("rim"), "rim, seal"),
        (zoned("seal", "rim"), "rim, seal"),
        (zoned("rim", "seal", "edge"), "rim, seal"),
        (zoned("rim", drawn=()), "none"),
    ],
)
def test_scales_of_other_zones_than_are_drawn_are_refused(
    open_with, tmp_path: Path, own: dict[str, Any], names: str
) -> None:
    """A threshold on the scale of a zone says nothing of a map that is not on that scale: defects would be called normal."""
    said = f"AnomalyDetection.calibration.zones must be those of preparation.regions, in their order: {names} ("
    assert message_of(open_with, content(**own), tmp_path).startswith(said)


@pytest.mark.parametrize("slope", [0, 1e-300, -1, math.nan, 1e38])
def test_a_scale_that_would_flatten_a_zone_is_refused(open_with, tmp_path: Path, slope: float) -> None:
    message = message_of(open_with, content(**zoned("rim", "seal", slope=slope)), tmp_path)
    assert message.startswith("AnomalyDetection.calibration.zones[0].slope must be ")


def test_a_typing_error_in_the_name_of_our_block_is_refused(open_with, tmp_path: Path) -> None:
    message = message_of(open_with, {**content(), "AnomalyDetecton": {"calibration": CALIBRATION}}, tmp_path)
    assert message.startswith("AnomalyDetecton is not known; perhaps AnomalyDetection is meant (FILE line ")


@pytest.mark.parametrize(
    "self_check",
    [None, [], {}, {"values": []}, {"values": [[]]}, {"values": [[0.5] * 16]}, {"values": [[0.5] * 16 + [math.nan]]},
     {"values": [["a"] * 17]}, {"values": math.nan}, math.nan],
)  # fmt: skip
def test_a_self_check_that_would_check_nothing_is_refused(open_with, tmp_path: Path, self_check: object) -> None:
    message = message_of(open_with, content(calibration=CALIBRATION, self_check=self_check), tmp_path)
    assert message.startswith("AnomalyDetection.self_check")


@pytest.mark.parametrize(
    "transforms",
    [
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "mean": [math.nan, 0, 0]}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "mean": [485, 0.456, 0.406]}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "std": [0.229, 224, 0.225]}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "std": [1, math.inf, 1]}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "std": [1, -1, 1]}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "std": 0}],
        [{"type": "Resize", "target_size": [64, 32]}, {"type": "Normalize", "std": 1e-300}],
        [{"type": "Resize", "target_size": [64, math.nan]}, {"type": "Normalize"}],
        [{"type": "Resize", "target_size": [64, 32.5]}, {"type": "Normalize"}],
        [{"type": "Resize", "target_size": -64}, {"type": "Normalize"}],
        [{"type": "Resize", "target_size": [64, 10**9]}, {"type": "Normalize"}],
        [{"type": "Resize", "target_size": True}, {"type": "Normalize"}],
    ],
)
def test_a_number_of_the_transforms_that_cannot_be_is_refused(open_with, tmp_path: Path, transforms: object) -> None:
    values = {**content(), "Deploy": {"transforms": transforms}}
    assert re.match(
        r"Deploy\.transforms cannot be read: (target_size|mean|std)(\[\d\])? must be ",
        message_of(open_with, values, tmp_path),
    )


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


# A model without a calibration that PaddleX has no constant for


def uncalibrated() -> dict[str, Any]:
    return {**content(), "Global": {"model_name": "PatchCore"}}


@pytest.mark.parametrize("ways", [{}, {"min_area": 0.1}, {"score_threshold": 0.6}, {"target_fpr": 0.05}])
def test_such_a_model_has_no_threshold_that_it_could_decide_by(open_with, tmp_path: Path, ways: dict) -> None:
    folder = open_with(uncalibrated())
    with pytest.raises(ModelError) as caught:
        folder.limits_at(**ways)
    assert str(caught.value) == (
        "the PatchCore model is not calibrated: nothing says from which score on a part is anomalous "
        f"({tmp_path / 'inference.yml'}). Train it again, which calibrates it, or give threshold, a raw score."
    )


@pytest.mark.parametrize(("threshold", "typical"), [(4.0, 0.0), (-4.0, -5.0)])
def test_a_threshold_of_the_users_is_then_for_images_and_pixels(open_with, threshold: float, typical: float) -> None:
    limits = open_with(uncalibrated()).limits_at(threshold=threshold, min_area=0.1)
    assert limits.image == limits.pixel == Limit(threshold, typical)
    assert (limits.source, limits.min_area, limits.region_cut) == ("given by the user", 0.1, 0)


def test_a_threshold_that_is_no_number_is_refused_there_too(open_with) -> None:
    with pytest.raises(ModelError, match="threshold must be a finite number"):
        open_with(uncalibrated()).limits_at(threshold=math.nan)


# Other limits than the model's own


def test_a_threshold_of_the_users_replaces_that_of_the_image_only(open_with) -> None:
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits_at(threshold=4)
    assert (limits.image.threshold, limits.image.typical) == (4, 2)
    assert limits.pixel == folder.limits.pixel
    assert limits.source == "given by the user"


@pytest.mark.parametrize(("score", "raw"), [(0.5, 6), (0.75, 10), (0.25, 2), (0.6, 7)])
def test_a_threshold_on_the_scores_scale_is_the_raw_value_of_that_score(open_with, score: float, raw: float) -> None:
    """The model's own limit is 6, its typical value 2: u = 0.25 gives 0.5 (1 + 0.25 / 1.25) = 0.6."""
    folder = open_with(content(calibration=CALIBRATION))
    limits = folder.limits_at(score_threshold=score)
    assert limits.image.threshold == pytest.approx(raw)
    assert folder.limits.image.normalise(raw) == pytest.approx(score)
    assert limits.image.normalise(raw) == pytest.approx(0.5), "scores are counted from the new threshold"
    assert limits.source == f"a score of {score:g} on the model's own scale, given by the user"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"threshold": 0.6}, "would reject 19 of the 19 normal calibration images (100%), whose raw scores are from 1 to 19: "
                             "score_threshold takes one on the scale of the scores, 0 to 1"),
        ({"threshold": 15}, "would reject 4 of the 19 normal calibration images (21%), whose raw scores are from 1 to 19"),
        ({"threshold": 101}, "would reject 0 of the 19 normal calibration images (0%), whose raw scores are from 1 to 19: "
                             "it is so far above them that defects may be called normal too"),
        ({"score_threshold": 0.99}, "so far above them"),
        ({"score_threshold": 0.01}, "would reject 19 of the 19"),
    ],
)  # fmt: skip
def test_a_threshold_far_out_of_the_range_of_the_calibration_scores_is_doubted(
    open_with, options: dict[str, float], words: str
) -> None:
    folder = open_with(content(calibration={**CALIBRATION, "image_threshold": 20, "image_typical": 10}))
    assert words in (folder.doubt(folder.limits_at(**options)) or "")


@pytest.mark.parametrize(
    "options",
    [{}, {"threshold": 16}, {"threshold": 60}, {"target_fpr": 0.05}, {"target_fpr": 0.5}, {"score_threshold": 0.6}],
)
def test_a_threshold_within_reason_is_not_doubted(open_with, options: dict[str, float]) -> None:
    folder = open_with(content(calibration={**CALIBRATION, "image_threshold": 20, "image_typical": 10}))
    assert folder.doubt(folder.limits_at(**options), options.get("target_fpr")) is None


def test_a_threshold_that_stands_in_the_file_is_doubted_too(open_with) -> None:
    folder = open_with(content(calibration={**CALIBRATION, "image_threshold": 0.6}))
    assert "would reject 19 of the 19" in (folder.doubt(folder.limits) or "")


def test_a_model_without_calibration_scores_raises_no_doubt(open_with) -> None:
    folder = open_with(content())
    assert folder.doubt(folder.limits_at(threshold=1e9)) is None


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
        ({"threshold": 1, "score_threshold": 0.6}, "both threshold and score_threshold are given"),
        ({"target_fpr": 0.1, "score_threshold": 0.6}, "both score_threshold and target_fpr are given"),
        ({"score_threshold": 0}, "score_threshold must be between 0 and 1, not 0"),
        ({"score_threshold": 1}, "score_threshold must be between 0 and 1, not 1"),
        ({"score_threshold": 30}, "score_threshold must be between 0 and 1, not 30"),
        ({"score_threshold": math.nan}, "score_threshold must be a finite number, not nan"),
        ({"min_area": 1}, "min_area must be 0 or more, and below 1, not 1"),
        ({"min_area": -0.1}, "min_area must be 0 or more, and below 1, not -0.1"),
        ({"min_area": math.nan}, "min_area must be a finite number, not nan"),
        ({"threshold": math.nan}, "threshold must be a finite number, not nan"),
        ({"threshold": math.inf}, "threshold must be a finite number, not inf"),
        ({"threshold": -math.inf}, "threshold must be a finite number, not -inf"),
        ({"threshold": True}, "threshold must be a finite number, not True"),
        ({"target_fpr": math.nan}, "target_fpr must be a finite number, not nan"),
        ({"target_fpr": 0}, "target_fpr must be between 0 and 1, not 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(open_with, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ModelError) as caught:
        open_with(content(calibration=CALIBRATION)).limits_at(**options)
    assert str(caught.value).startswith(problem)


def test_a_rate_needs_calibration_scores(open_with) -> None:
    with pytest.raises(ModelError, match="the model has no calibration scores"):
        open_with(content()).limits_at(target_fpr=0.1)


def test_a_rate_that_few_scores_have_to_be_extrapolated_to_needs_no_scipy(
    open_with, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy", None)
    limits = open_with(content(calibration=CALIBRATION)).limits_at(target_fpr=0.001)
    assert limits.image.threshold > max(CALIBRATION["scores"])
