"""How long an image takes is measured on a model that is there, in the engine that is the fastest."""

from __future__ import annotations

import json
from pathlib import Path

from paddlex.config import load_config
from paddlex.modules.image_anomaly_detection.benchmark import timing


def config_of(output: Path, dataset: Path) -> Path:
    path = output.parent / "config.yaml"
    path.write_text(
        f"Global: {{dataset_dir: {json.dumps(str(dataset))}, output: {json.dumps(str(output))}, device: cpu}}",
        encoding="utf-8",
    )
    return path


def test_it_is_of_all_images_where_they_are_few_and_the_size_is_that_of_the_inference_folder(
    trained_copy: Path, demo_dataset: Path
) -> None:
    found = timing.measure(load_config(config_of(trained_copy, demo_dataset)))
    assert (found["images"], found["run_mode"]) == (14, "onnx")
    assert found["milliseconds"] > 0
    assert found["bytes"] == sum(path.stat().st_size for path in (trained_copy / "best_model" / "inference").iterdir())


def test_without_a_model_it_says_so_as_a_mode_does(tmp_path: Path, demo_dataset: Path) -> None:
    output = tmp_path / "output"
    output.mkdir()
    assert timing.main(str(config_of(output, demo_dataset))) == 1
    result = json.loads((output / "time_result.json").read_text(encoding="utf-8"))
    assert (result["done_flag"], result["err_type"]) == (False, "ModelError")
    assert str(output) in result["err_msg"]
