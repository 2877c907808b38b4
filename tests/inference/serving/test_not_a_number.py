"""A model whose answer is not a finite number: no verdict, no reload, and on the page no OK."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import numpy as np
import pytest

from paddlex.errors import ModelError
from paddlex.inference.predictor import AnomalyPredictor
from paddlex.inference.serving.batching import check_finite


class Damaged:
    """A real predictor; one entry of its results can be spoilt."""

    def __init__(self, predictor: AnomalyPredictor) -> None:
        self._predictor = predictor
        for name in ("limits", "folder", "device", "backend", "tiling", "preparation", "reading"):
            setattr(self, name, getattr(predictor, name))
        self.spoilt: dict[str, Any] = {}

    def judge(self, images: Sequence[np.ndarray]) -> list:
        results = self._predictor.judge(images)
        for result in results:
            result.update(self.spoilt)
        return results


@pytest.fixture
def damaged(predictor: AnomalyPredictor) -> Damaged:
    return Damaged(predictor)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["raw_score", "score", "threshold", "pixel_threshold", "anomalous_area"])
def test_each_number_that_a_verdict_rests_on_must_be_finite(damaged: Damaged, name: str, value: float) -> None:
    grey = np.full((32, 32, 3), 128, np.uint8)
    check_finite(damaged.judge([grey])[0])
    damaged.spoilt = {name: value}
    with pytest.raises(ModelError, match="not a finite number"):
        check_finite(damaged.judge([grey])[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_each_pixel_of_the_map_must_be_finite(damaged: Damaged, value: float) -> None:
    result = damaged.judge([np.full((32, 32, 3), 128, np.uint8)])[0]
    result["anomaly_map"][7, 3] = value
    with pytest.raises(ModelError, match="not a finite number"):
        check_finite(result)


def test_an_image_without_a_finite_score_is_an_error_of_every_endpoint_and_a_reload_is_refused(
    serve_here: Callable[..., str], damaged: Damaged, photo: bytes, photo_base64: str
) -> None:
    url = serve_here(damaged)
    # as a model answers whose threshold is no number: nothing is above it
    damaged.spoilt = {"threshold": math.nan, "score": math.nan, "is_anomalous": False}
    single = httpx.post(f"{url}/image-anomaly-detection", json={"image": photo_base64})
    batch = httpx.post(f"{url}/image-anomaly-detection/batch", json={"images": [photo_base64] * 2})
    form = httpx.post(f"{url}/judge", files=[("files", ("a", photo)), ("files", ("b", photo))])
    for response in (single, batch, form):
        assert (response.status_code, response.json()["errorCode"]) == (500, 500)
        assert "not a finite number" in response.json()["errorMsg"]
        assert "labelMap" not in response.text and "isAnomalous" not in response.text
    reload = httpx.post(f"{url}/models/parts/reload")
    assert (reload.status_code, reload.json()["errorCode"]) == (409, 409)
    damaged.spoilt = {}
    assert httpx.post(f"{url}/models/parts/reload").status_code == 200
    assert httpx.post(f"{url}/image-anomaly-detection", json={"image": photo_base64}).status_code == 200
