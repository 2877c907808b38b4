"""Pipelines: the shipped YAML, a user's own, and what is said of a wrong one."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from paddlex import create_model, create_pipeline
from paddlex.errors import ConfigError
from paddlex.inference.pipelines.pipeline_config import SHIPPED, PipelineConfig, load_pipeline_config
from paddlex.inference.tiling import Tiling


@pytest.fixture
def write_yaml(tmp_path: Path):
    """Write my.yaml with keys of SubModules.AnomalyDetection and of the top level."""

    def write_yaml(module: dict | None = None, **top: object) -> Path:
        content = {"pipeline_name": "anomaly_detection", **top, "SubModules": {"AnomalyDetection": module or {}}}
        path = tmp_path / "my.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
        return path

    return write_yaml


def wrong(tmp_path: Path, text: str) -> str:
    path = tmp_path / "my.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_pipeline_config(path)
    return str(caught.value).replace(str(path), "my.yaml")


# What it does


def test_the_pipeline_by_name_judges_as_the_model_does(trained: Path, images: list[str]) -> None:
    pipeline = create_pipeline("anomaly_detection", model_dir=trained, device="cpu")
    model = create_model("STFPM", model_dir=trained, device="cpu")
    for ours, theirs in zip(pipeline.predict(images), model.predict(images), strict=True):
        assert ours["input_path"] == theirs["input_path"]
        assert ours["is_anomalous"] == theirs["is_anomalous"]
        assert ours["raw_score"] == pytest.approx(theirs["raw_score"], rel=1e-4)
        assert np.array_equal(ours["pred"], theirs["pred"])


def test_replacing_the_model_is_one_path_in_the_yaml(trained: Path, write_yaml) -> None:
    shipped = yaml.safe_load(SHIPPED["anomaly_detection"].read_text(encoding="utf-8"))
    module = shipped["SubModules"]["AnomalyDetection"] | {"model_dir": str(trained)}
    pipeline = create_pipeline(str(write_yaml(module)), device="cpu")
    assert pipeline.predictor.folder.path == trained / "best_model" / "inference"


@pytest.mark.parametrize(
    ("module", "expected"),
    [({}, None), ({"tile_size": 0}, None), ({"tile_size": 64, "tile_overlap": 0.5}, Tiling(64, 0.5))],
)
def test_the_tiling_of_the_yaml_reaches_the_model(trained: Path, write_yaml, module: dict, expected: object) -> None:
    pipeline = create_pipeline(write_yaml({"model_dir": str(trained), **module}), device="cpu")
    assert pipeline.predictor.tiling == expected


def test_the_settings_of_the_yaml_reach_the_model(trained: Path, write_yaml, images: list[str]) -> None:
    path = write_yaml({"model_dir": str(trained), "threshold": 1e9, "min_area": 0.5, "run_mode": "paddle"})
    pipeline = create_pipeline(path, device="cpu")
    assert pipeline.predictor.limits.image.threshold == 1e9
    assert pipeline.predictor.limits.min_area == 0.5
    assert pipeline.predictor.backend.run_mode == "paddle"
    assert not any(result["is_anomalous"] for result in pipeline.predict(images))


def test_use_hpip_outranks_the_run_mode(trained: Path, write_yaml) -> None:
    module = {"model_dir": str(trained), "run_mode": "paddle"}
    fastest = create_model(model_dir=trained, device="cpu").backend.run_mode
    assert fastest != "paddle"
    assert create_pipeline(write_yaml(module), device="cpu", use_hpip=True).predictor.backend.run_mode == fastest
    assert create_pipeline(write_yaml(module, use_hpip=True), device="cpu").predictor.backend.run_mode == fastest


def test_a_mapping_takes_the_place_of_a_file(trained: Path, images: list[str]) -> None:
    module = {"module_name": "anomaly_detection", "model_name": "STFPM", "model_dir": trained, "batch_size": 2}
    content = {"pipeline_name": "anomaly_detection", "SubModules": {"AnomalyDetection": module}}
    pipeline = create_pipeline(config=content, device="cpu")
    assert len(list(pipeline.predict(images))) == len(images)


def test_an_image_that_cannot_be_read_is_handed_to_on_error(trained: Path, images: list[str], tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    pipeline = create_pipeline(model_dir=trained, device="cpu")
    errors: list[object] = []
    results = list(
        pipeline.predict([images[0], str(tmp_path / "broken.jpg")], on_error=lambda source, _: errors.append(source))
    )
    assert (len(results), errors) == (1, [str(tmp_path / "broken.jpg")])


# What the file may say


def test_the_shipped_file_has_every_key_with_its_default() -> None:
    shipped = yaml.safe_load(SHIPPED["anomaly_detection"].read_text(encoding="utf-8"))
    module = shipped.pop("SubModules")["AnomalyDetection"]
    shipped.update(shipped.pop("Serving"))
    shipped["save"] = tuple(shipped["save"])
    of_hpi_config = {"threads"}
    assert set(shipped) | set(module) == {field.name for field in fields(PipelineConfig)} - of_hpi_config
    assert PipelineConfig(**shipped, **module) == PipelineConfig() == load_pipeline_config("anomaly_detection")


def test_a_file_of_paddlex_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "upstream.yaml").write_text(
        "pipeline_name: anomaly_detection\n\nSubModules:\n  AnomalyDetection:\n    module_name: anomaly_detection\n"
        "    model_name: STFPM\n    model_dir: null\n    batch_size: 1\n",
        encoding="utf-8",
    )
    assert load_pipeline_config(tmp_path / "upstream.yaml") == replace(PipelineConfig(), model_name="STFPM")


@pytest.mark.parametrize(
    ("key", "words"),
    [("device", "--device"), ("Batch_Size", "batch_size: small and capital letters differ")],
)
def test_a_key_that_is_not_taken_says_what_to_do_instead(write_yaml, key: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_pipeline_config(write_yaml({key: "gpu:0"}))
    assert words in str(caught.value)


def test_a_models_config_is_no_pipeline_and_the_error_says_where_it_belongs(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("Global:\n  model: STFPM\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="Give it to paddlex -c"):
        load_pipeline_config(tmp_path / "model.yaml")


def test_settings_of_the_module_outrank_those_for_all(write_yaml) -> None:
    module = {"use_hpip": True, "hpi_config": {"backend": "openvino", "backend_config": {"cpu_num_threads": 1}}}
    config = load_pipeline_config(write_yaml(module, use_hpip=False, hpi_config={"backend": "paddle"}))
    assert (config.run_mode, config.threads) == ("openvino", 1)


def test_a_number_in_scientific_notation_is_a_number(write_yaml, tmp_path: Path) -> None:
    path = tmp_path / "my.yaml"
    path.write_text("SubModules:\n  AnomalyDetection:\n    target_fpr: 1e-2\n", encoding="utf-8")  # text, to YAML
    assert load_pipeline_config(path).target_fpr == 0.01


def test_what_is_given_with_the_call_outranks_the_file_and_its_other_way_to_say_it(write_yaml) -> None:
    path = write_yaml({"target_fpr": 0.2, "batch_size": 8})
    config = load_pipeline_config(path, {"threshold": 3.0, "batch_size": 2, "min_area": None})
    assert (config.threshold, config.target_fpr, config.batch_size, config.min_area) == (3.0, None, 2, None)


# What is said of a wrong one


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(tmp_path: Path) -> None:
    text = "pipeline_name: anomaly_detection\nSubModules:\n  AnomalyDetection:\n    batchsize: 2\n"
    assert wrong(tmp_path, text) == (
        "unknown key SubModules.AnomalyDetection.batchsize (my.yaml line 4). "
        "Did you mean SubModules.AnomalyDetection.batch_size?"
    )


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one(tmp_path: Path) -> None:
    assert wrong(tmp_path, "target_fpr: 0.1\n") == (
        "unknown key target_fpr (my.yaml line 1). Did you mean SubModules.AnomalyDetection.target_fpr?"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SubModules:\n  AnomalyDetction:\n    batch_size: 2\n", "unknown key SubModules.AnomalyDetction (my.yaml line 2). "
         "Did you mean SubModules.AnomalyDetection?"),
        ("serving:\n  visualize: True\n", "unknown key serving (my.yaml line 1). "
         "It is written Serving: small and capital letters differ."),
        (f"{'x' * 900}: 1\n", f"unknown key {'x' * 77}... (my.yaml line 1). The keys are "),
    ],
)  # fmt: skip
def test_a_section_that_is_not_there_is_named_with_the_one_that_is_meant(
    tmp_path: Path, text: str, message: str
) -> None:
    assert wrong(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("batch_size: 0", "must be a whole number, 1 or more, not 0"),
        ("batch_size: 1.5", "must be a whole number, 1 or more, not 1.5"),
        ("batch_size: True", "must be a whole number, 1 or more, not True"),
        ("batch_size: null", "must be a whole number, 1 or more, not None"),
        ("target_fpr: 5", "must be between 0 and 1, not 5"),
        ("min_area: 1", "must be 0 or more, and below 1, not 1"),
        ("tile_size: 3", "must be 0, or 16 or more, not 3"),
        ("tile_size: True", "must be a whole number, 1 or more, not True"),
        ("tile_overlap: 0.6", "must be from 0 to 0.5, not 0.6"),
        ("threshold: high", "must be a finite number, not 'high'"),
        ("threshold: .nan", "must be a finite number, not nan"),
        ("threshold: -.inf", "must be a finite number, not -inf"),
        ("target_fpr: .nan", "must be a finite number, not nan"),
        ("min_area: .nan", "must be a finite number, not nan"),
        ("tile_overlap: .nan", "must be a finite number, not nan"),
        ("score_threshold: 30", "must be between 0 and 1, not 30"),
        ("threshold: [1]", "must be a finite number, not a list"),
        ("model_dir: 2024", "must be text (quote it if YAML takes it for a number), not 2024"),
        ("module_name: segmentation", "must be anomaly_detection, not 'segmentation'"),
    ],
)
def test_a_value_that_cannot_be_is_named(tmp_path: Path, line: str, what: str) -> None:
    key = line.partition(":")[0]
    message = wrong(tmp_path, f"SubModules:\n  AnomalyDetection:\n    {line}\n")
    assert message == f"SubModules.AnomalyDetection.{key} {what} (my.yaml line 3). Correct the value."


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("pipeline_name: x\n", "pipeline_name must be anomaly_detection, not 'x' (my.yaml line 1)"),
        ("use_hpip: fast\n", "use_hpip must be True or False, not 'fast' (my.yaml line 1)"),
        ("use_hpip: True\nuse_hpip: False\n", "the file has the key use_hpip twice (my.yaml line 2)"),
        ("SubModules: 1\n", "SubModules must be a section of keys (my.yaml line 1)"),
        ("a: [\n", "the file is not valid YAML: "),
        ("- a\n", "the file is not a mapping of keys (my.yaml)"),
        ("", "the file is not a mapping of keys (my.yaml)"),
        (
            "use_hpip: !!python/name:os.system x\n",
            "the file has a value that cannot be read at use_hpip (my.yaml line 1)",
        ),
    ],
)
def test_a_file_that_cannot_be_is_refused(tmp_path: Path, text: str, what: str) -> None:
    assert wrong(tmp_path, text).startswith(what)


def test_a_threshold_on_the_scores_scale_is_read_and_outranked_by_any_other_way_to_set_one(write_yaml) -> None:
    path = write_yaml({"score_threshold": 0.6})
    assert load_pipeline_config(path).score_threshold == 0.6
    config = load_pipeline_config(path, {"target_fpr": 0.01})
    assert (config.score_threshold, config.target_fpr) == (None, 0.01)
    config = load_pipeline_config(write_yaml({"threshold": 3.0}), {"score_threshold": 0.7})
    assert (config.threshold, config.score_threshold) == (None, 0.7)


def test_a_threshold_and_a_rate_are_one_too_many(tmp_path: Path) -> None:
    text = "SubModules:\n  AnomalyDetection:\n    threshold: 1\n    target_fpr: 0.1\n"
    assert wrong(tmp_path, text) == "both threshold and target_fpr are given (my.yaml). Give one of them."


def test_a_file_that_is_missing_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="the pipeline's file does not exist"):
        create_pipeline(tmp_path / "nothing.yaml")
    (tmp_path / "my.yaml").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ConfigError, match="the file is not text in UTF-8"):
        create_pipeline(tmp_path / "my.yaml")


def test_an_unknown_pipeline_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"there is no pipeline 'anomaly_detektion'\. Did you mean anomaly_detection\?"
    ):
        create_pipeline("anomaly_detektion")


def test_a_wrong_setting_of_the_call_is_named(trained: Path) -> None:
    with pytest.raises(ConfigError, match="target_fpr must be between 0 and 1, not 2"):
        create_pipeline(model_dir=trained, target_fpr=2)
