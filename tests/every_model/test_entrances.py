"""Every model by every entrance from Python: the folder decides which model it is, and all say what mode predict says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from paddlex import create_model, create_pipeline
from paddlex.engine import run_config
from paddlex.errors import ModelError
from paddlex.modules.image_anomaly_detection.models import MODELS


@pytest.fixture(scope="module")
def part(demo_dataset: Path) -> Path:
    return demo_dataset / "images" / "val" / "bent" / "000.jpg"


@pytest.fixture(scope="module")
def predicted(used_model: Path) -> dict:
    return json.loads((used_model / "predict" / "bent" / "000_res.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entrance", ["by its name", "no name", "a pipeline"])
def test_every_entrance_says_what_mode_predict_says(
    entrance: str, model_name: str, used_model: Path, part: Path, predicted: dict
) -> None:
    model = {
        "by its name": lambda: create_model(model_name, model_dir=used_model, device="cpu"),
        "no name": lambda: create_model(model_dir=used_model / "best_model" / "inference", device="cpu"),
        "a pipeline": lambda: create_pipeline(model_dir=used_model, device="cpu"),
    }[entrance]()
    result = next(iter(model.predict(part)))
    assert result["score"] == pytest.approx(predicted["score"], abs=1e-5)
    assert result["is_anomalous"] == predicted["is_anomalous"]


def test_another_models_name_is_refused_with_its_own(model_name: str, used_model: Path) -> None:
    other = next(name for name in MODELS if name != model_name)
    with pytest.raises(ModelError, match=rf"the folder holds the model {model_name}, not {other} .*Set model_name to"):
        create_model(other, model_dir=used_model, device="cpu")


def test_the_card_decides_which_model_weights_are_of(
    model_name: str, used_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Global.model`` is another's, as where one config serves for the exports of several models."""
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "cache"))
    other = next(name for name in MODELS if name != model_name)
    weights = used_model / "best_model" / "model.pdparams"
    (tmp_path / "config.yaml").write_text(f"Global: {{model: {other}, mode: export}}", encoding="utf-8")
    options = [f"Global.output={tmp_path}", f"Export.weight_path={weights}", "Export.archive=True"]
    assert run_config(str(tmp_path / "config.yaml"), options) == 0
    assert json.loads((tmp_path / "export_result.json").read_text(encoding="utf-8"))["archive"] == f"{model_name}.tar"
    archive = create_model(model_dir=tmp_path / f"{model_name}.tar", device="cpu")
    assert archive.folder.model_name == model_name
