"""What each of several models is trained with."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddlex.config import load_config, schema_for
from paddlex.config_schema import Config
from paddlex.modules.image_anomaly_detection.benchmark.contenders import configs_of
from paddlex.modules.image_anomaly_detection.models import MODELS

SHIPPED = Path(__file__).parents[4] / "paddlex" / "configs" / "image_anomaly_detection" / "STFPM.yaml"


def contenders(*overrides: str) -> dict[str, Config]:
    return configs_of(load_config(SHIPPED, overrides))


def test_without_names_it_is_the_configs_own_model_with_all_its_settings() -> None:
    (config,) = contenders("Train.epochs_iters=7", "Train.calibration.fusion=product").values()
    same = ["Train.epochs_iters=7", "Train.calibration.fusion=product", "Evaluate.analyses=[]"]
    assert config == load_config(SHIPPED, same)


def test_the_train_section_is_the_configs_own_models_and_others_have_their_own_defaults() -> None:
    names = list(MODELS)[::-1]
    configs = contenders(f"Benchmark.models=[{', '.join(names)}]", "Train.image_size=128", "Train.layers=[layer2]")
    assert list(configs) == names
    for name, config in configs.items():
        assert config.Global.model == name
        assert type(config.Train) is MODELS[name].options
        if name == "STFPM":
            assert (config.Train.image_size, config.Train.layers) == (128, ["layer2"])
        else:
            assert config.Train == MODELS[name].options()


def test_the_seed_the_tiling_and_what_calibration_aims_at_are_the_same_for_all() -> None:
    config = contenders(
        "Benchmark.models=[PatchCore]", "Train.seed=3", "Train.tiling.tile_size=512", "Train.calibration.target_fpr=0.01",
        "Train.calibration.min_area=0.5", "Train.calibration.fusion=product", "Train.calibration.holdout_percent=50",
    )["PatchCore"]  # fmt: skip
    assert (config.Train.seed, config.Train.tiling.tile_size) == (3, 512)
    expected = {"target_fpr": 0.01, "min_area": 0.5}
    assert config.Train.calibration.model_dump() == {
        **schema_for("PatchCore")().Train.calibration.model_dump(),
        **expected,
    }


def test_the_device_the_bit_depth_and_all_other_sections_are_the_same_for_all() -> None:
    changes = ["Global.device=cpu", "Global.bit_depth=12", "Evaluate.log_interval=3"]
    config = contenders("Benchmark.models=[STFPM, PaDiM]", *changes)["PaDiM"]
    assert (config.Global.device, config.Global.bit_depth, config.Evaluate.log_interval) == ("cpu", 12, 3)


def test_no_analyses_are_made_because_the_table_shows_none_of_them() -> None:
    assert Config().Evaluate.analyses != []
    (config,) = contenders().values()
    assert config.Evaluate.analyses == []


def test_a_model_that_is_named_twice_is_one(tmp_path: Path) -> None:
    assert list(contenders("Benchmark.models=[PaDiM, STFPM, PaDiM]")) == ["PaDiM", "STFPM"]


@pytest.mark.parametrize("model", list(MODELS))
def test_the_config_of_a_run_can_be_read_again(model: str, tmp_path: Path) -> None:
    config = contenders(f"Benchmark.models=[{model}]")[model]
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "config.yaml") == config
