"""A result shows itself in a notebook, and the notebook of the documentation runs as it stands."""

from __future__ import annotations

import base64
import re
import sys
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient

import paddlex
from paddlex import create_model
from paddlex.errors import MissingPackageError

ROOT = Path(paddlex.__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


@pytest.fixture(scope="module")
def result(trained: Path, demo_dataset: Path):
    model = create_model("STFPM", model_dir=trained, device="cpu")
    return next(model.predict(str(demo_dataset / "images" / "val" / "glue" / "000.jpg")))


@pytest.fixture(scope="module")
def executed(trained: Path) -> nbformat.NotebookNode:
    """The notebook after it was run in a kernel of its own, in docs/, with the test's model."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL_DIR", str(trained))
        patch.setenv("PYTHONPATH", str(ROOT))
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT / "docs")}}).execute()
    return notebook


def outputs(notebook: nbformat.NotebookNode) -> list:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def decoded(png: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_a_result_shows_the_picture_that_it_saves(result, tmp_path: Path) -> None:
    shown = decoded(result._repr_png_())
    assert np.array_equal(shown, cv2.imread(str(result.save_to_img(tmp_path / "picture.png"))))


def test_showing_a_result_needs_no_pillow_but_img_says_that_it_does(result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert decoded(result._repr_png_()) is not None
    with pytest.raises(MissingPackageError) as caught:
        result.img  # noqa: B018
    assert str(caught.value) == "a result's .img needs Pillow. pip install pillow, or use save_to_img."


def test_the_stored_notebook_holds_no_outputs() -> None:
    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    assert outputs(stored) == []
    assert [cell.execution_count for cell in stored.cells if cell.cell_type == "code" and cell.execution_count] == []


def test_the_notebook_shows_pictures(executed: nbformat.NotebookNode) -> None:
    pictures = [output.data["image/png"] for output in outputs(executed) if "image/png" in output.get("data", {})]
    assert len(pictures) == 2
    assert all(decoded(base64.b64decode(picture)).shape[0] > 200 for picture in pictures)


def test_the_notebook_judges_every_picture_and_a_lower_rate_calls_fewer_anomalous(executed) -> None:
    text = "".join(output.text for output in outputs(executed) if output.get("name") == "stdout")
    assert len(re.findall(r"^(?:ANOMALOUS|normal)\s+0\.\d{3}  ", text, re.MULTILINE)) == 16
    thresholds = [float(number) for number in re.findall(r"threshold +([\d.]+),", text)]
    flagged = [int(count) for count in re.findall(r"(\d+) of 16 anomalous", text)]
    assert len(thresholds) == len(flagged) == 3
    assert thresholds == sorted(thresholds)
    assert flagged == sorted(flagged, reverse=True)
