"""The config of every model: the YAML that comes along is complete, and other models' keys are unknown keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from paddlex.config import load_config, schema_for
from paddlex.errors import ConfigError
from paddlex.modules.image_anomaly_detection.models import MODELS

#: Keys of Train that need no word of explanation: PaddleX's own, and terms of the field.
PLAIN = {"num_classes", "batch_size", "momentum", "nesterov", "weight_decay", "seed", "layers", "image_size"}


def leaves(values: dict, prefix: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in values.items():
        found |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return found


def test_the_shipped_config_lists_every_key_with_the_default_of_the_schema(shipped: Path, model_name: str) -> None:
    written = leaves(yaml.safe_load(shipped.read_text(encoding="utf-8")))
    defaults = leaves(schema_for(model_name)().model_dump())
    assert written.pop("Global.model") == model_name
    assert written.pop("Global.dataset_dir") == "./dataset/metal_grid"
    del defaults["Global.model"], defaults["Global.dataset_dir"]
    assert written == defaults


def test_the_shipped_config_loads_to_the_defaults(shipped: Path, model_name: str) -> None:
    defaults = schema_for(model_name)()
    defaults.Global.model = model_name
    assert load_config(shipped, ["Global.dataset_dir=null"]) == defaults


def test_the_shipped_config_explains_every_key_of_train(shipped: Path) -> None:
    text = shipped.read_text(encoding="utf-8").partition("\nTrain:\n")[2].partition("\nEvaluate:\n")[0]
    lines = {re.match(r" +(\w+):", line)[1]: line for line in text.splitlines() if line.strip()}
    values = {key: line for key, line in lines.items() if not line.endswith((":",))}
    assert {key for key, line in values.items() if "#" not in line} <= PLAIN


def test_global_model_alone_chooses_the_model(model_name: str, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("", encoding="utf-8")
    config = load_config(tmp_path / "config.yaml", [f"Global.model={model_name}"])
    assert isinstance(config.Train, MODELS[model_name].options)


@pytest.mark.parametrize("other", list(MODELS))
def test_a_key_of_another_model_is_unknown_and_the_nearest_key_is_named(
    shipped: Path, model_name: str, other: str
) -> None:
    own, others = (leaves(schema_for(name)().Train.model_dump()) for name in (model_name, other))
    for key in others.keys() - own.keys():
        with pytest.raises(ConfigError) as caught:
            load_config(shipped, [f"Train.{key}={others[key]}"])
        what, _, remedy = str(caught.value).partition(f" (-o Train.{key}=")
        assert what.startswith(f"unknown key Train.{key}, which is one of ")
        assert what.endswith(f" and means nothing for {model_name}")
        near = re.findall(r"Did you mean (.+)\?$", remedy)
        known = leaves(schema_for(model_name)().model_dump())
        assert set(near) <= known.keys() and (near or "The keys of Train" in remedy)
