"""timm's answers, see ``make_references.py``, and our networks with the same weights."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def making() -> dict:
    """What ``make_references.py`` defines."""
    return runpy.run_path(str(HERE / "make_references.py"))


@pytest.fixture(scope="session")
def references() -> dict[str, np.ndarray]:
    with np.load(HERE / "references.npz") as file:
        return dict(file)


@pytest.fixture(scope="session")
def published(making, references):
    """The whole state dict of a backbone as its file has it: ``published(name)``."""

    def arrays(name: str) -> dict[str, np.ndarray]:
        rows = [row.partition(" ") for row in references[f"{name}/names"]]
        shapes = {key: tuple(int(side) for side in text.split(",") if side) for key, _, text in rows}
        return {key: making["array"](key, shape) for key, shape in shapes.items()}

    return arrays
