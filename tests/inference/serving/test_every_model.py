"""A service takes whatever model its folder holds, when it starts and when it loads anew."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from paddlex import create_model
from paddlex.modules.image_anomaly_detection.models import MODELS


def test_one_service_answers_with_each_model_in_turn(
    start_server: Callable[..., Any], trained_models: Callable[[str], Path], images: list[str], tmp_path: Path
) -> None:
    folder, part = tmp_path / "parts", Path(images[1])
    server = None
    for name in MODELS:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(trained_models(name) / "best_model" / "inference", folder)
        if server is None:
            server = start_server("--pipeline", f"parts={folder}").wait_until_ready()
        else:
            reloaded = httpx.post(f"{server.url}/models/parts/reload").json()["result"]
            assert reloaded["modelName"] == name
        (answer,) = httpx.post(f"{server.url}/judge", files={"files": ("a.jpg", part.read_bytes())}).json()["results"]
        alone = next(create_model(name, model_dir=folder, device="cpu").predict(part))
        assert answer["rawScore"] == pytest.approx(alone["raw_score"], rel=1e-4)
        assert answer["isAnomalous"] == alone["is_anomalous"]
