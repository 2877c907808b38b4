"""create_model and create_pipeline take whatever model a folder holds, and refuse it by a name that is not its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from paddlex import create_model, create_pipeline
from paddlex.errors import ModelError
from paddlex.inference.archive import pack
from paddlex.inference.predictor import AnomalyPredictor


def of_pipeline(module: Mapping[str, object], **options: object) -> AnomalyPredictor:
    """The model of a pipeline whose file says no more of it than this."""
    config = {"SubModules": {"AnomalyDetection": module}}
    return create_pipeline(config=config, device="cpu", **options).predictor


#: How a model is asked for -> the model; each is given the output folder of a training run.
WAYS: dict[str, Callable[[Path], AnomalyPredictor]] = {
    "a training's output": lambda output: create_model(model_dir=output, device="cpu"),
    "its inference folder": lambda output: create_model(model_dir=output / "best_model/inference", device="cpu"),
    "by place": lambda output: create_model("PatchCore", output, "cpu"),
    "by keyword": lambda output: create_model(model_name="PatchCore", model_dir=str(output), device="cpu"),
    "no name at all": lambda output: create_model(None, output, "cpu"),
    "a pipeline": lambda output: create_pipeline(model_dir=output, device="cpu").predictor,
    "its file": lambda output: of_pipeline({"model_dir": str(output)}),
    "null in its file": lambda output: of_pipeline({"model_name": None, "model_dir": str(output)}),
    "the name in its file": lambda output: of_pipeline({"model_name": "PatchCore", "model_dir": str(output)}),
}


@pytest.mark.parametrize("ask", WAYS.values(), ids=WAYS)
def test_the_folder_decides(ask: Callable, patchcore: Path) -> None:
    model = ask(patchcore)
    assert model.folder.model_name == "PatchCore"
    assert model.limits == AnomalyPredictor(patchcore, device="cpu").limits


def test_an_archive_decides_too(patchcore: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDLEX_HOME", str(tmp_path / "cache"))
    pack(patchcore / "best_model" / "inference", tmp_path / "model.tar")
    assert create_model(model_dir=tmp_path / "model.tar", device="cpu").folder.model_name == "PatchCore"


@pytest.mark.parametrize(
    "ask",
    [
        lambda output: create_model("STFPM", model_dir=output, device="cpu"),
        lambda output: of_pipeline({"model_name": "STFPM", "model_dir": str(output)}),
        lambda output: of_pipeline({"model_name": "STFPM"}, model_dir=output),
    ],
    ids=["create_model", "a pipeline's file", "a file's name and another folder"],
)
def test_a_name_that_is_not_the_models_is_refused_with_its_own(ask: Callable, patchcore: Path) -> None:
    with pytest.raises(ModelError) as caught:
        ask(patchcore)
    assert str(caught.value) == (
        f"the folder holds the model PatchCore, not STFPM ({patchcore / 'best_model' / 'inference'}). "
        "Set model_name to PatchCore, or leave it out."
    )
