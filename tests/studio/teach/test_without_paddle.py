"""A studio where no training is possible: it says so, and refits a model from elsewhere."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

import pytest

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import products
from paddlex.studio.fitting import Fitting
from paddlex.studio.intake import Intake
from paddlex.studio.jobs import Jobs
from paddlex.studio.workspace import Workspace
from tests.studio.teach.conftest import picture, png_of


@pytest.fixture
def database_url() -> None:
    """SQLite: what is tried here is no matter of the database."""


@pytest.fixture
def fitting(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Fitting:
    """Of a workspace with one product and five good pictures; its jobs wait for ever."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with workspace.writing() as session:
        products.add(session, "ring", None, "anna")
    intake = Intake(workspace)
    for number in range(5):
        image = picture(number)
        intake.add(1, png_of(image), image, name="a part.png", role="good", source="import", by="anna")
    return Fitting(workspace, Jobs(workspace))


def test_a_training_is_refused_in_one_line_that_says_what_to_do(fitting: Fitting, workspace: Workspace) -> None:
    with pytest.raises(RequestError) as caught:
        fitting.start(1, "train", "anna")
    assert caught.value.status == 409
    assert str(caught.value) == (
        "a training needs Paddle, which is not installed here. "
        f"Refit a model: put one from elsewhere into {workspace.path / 'start_models'}."
    )


def test_a_product_begins_with_a_refit_of_a_model_from_elsewhere(fitting: Fitting, workspace: Workspace) -> None:
    assert fitting.start_models() == []
    (workspace.path / "start_models" / "other rings").mkdir(parents=True)
    assert fitting.start_models() == ["other rings"]
    job = fitting.start(1, "refit", "anna", "other rings")

    parts = shlex.split(job.command)
    assert parts[:2] == ["paddlex", "--refit"]
    assert parts[parts.index("--model_dir") + 1] == str(workspace.path / "start_models" / "other rings")
    pictures = sorted(Path(parts[parts.index("--input") + 1]).iterdir())
    assert [path.name for path in pictures] == [f"{number:05d}_a_part.png" for number in range(1, 6)]
    assert [path.read_bytes() for path in pictures] == [png_of(picture(number)) for number in range(5)]


@pytest.mark.parametrize("name", ["..", "../models/ring/1", "/etc", ""])
def test_no_other_folder_of_the_machine_is_a_model_to_begin_with(fitting: Fitting, name: str) -> None:
    with pytest.raises(RequestError, match="there is no model"):
        fitting.start(1, "refit", "anna", name)
