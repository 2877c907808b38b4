"""Every model of ``MODELS``, really trained by main.py: who registers one more has it tested by all of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from paddlex.modules.image_anomaly_detection.models import MODELS


@pytest.fixture(scope="session", params=list(MODELS))
def model_name(request: pytest.FixtureRequest) -> str:
    """One of ``MODELS``."""
    return request.param


@pytest.fixture(scope="session")
def trained_model(model_name: str, trained_models: Callable[[str], Path]) -> Path:
    """The output folder of a short training of the model. Do not change it."""
    return trained_models(model_name)


@pytest.fixture(scope="session")
def used_model(model_name: str, used_models: Callable[[str], Path]) -> Path:
    """The same after all other modes. Do not change it."""
    return used_models(model_name)


@pytest.fixture(scope="session")
def shipped(model_name: str) -> Path:
    """The YAML of the model that comes along."""
    configs = Path(__file__).parents[2] / "paddlex" / "configs" / "image_anomaly_detection"
    return configs / f"{model_name}.yaml"
