"""A folder of models is served whole: each product by its name, and as ``auto`` whichever an image shows."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from paddlex import create_model


@pytest.fixture(scope="module")
def parts(demo_dataset: Path, disc_dataset: Path) -> dict[str, Path]:
    """A photo of each product."""
    return {"grid": demo_dataset / "images" / "val" / "bent" / "000.jpg", "disc": disc_dataset / "val" / "100.png"}


@pytest.fixture(scope="module")
def service(start_server: Callable[..., Any], bank: Path) -> Any:
    return start_server("--pipeline", "anomaly_detection", "--model_dir", str(bank)).wait_until_ready()


def judge(url: str, files: list[bytes], model: str | None = None) -> dict[str, Any]:
    """The answer to uploaded files."""
    query = {} if model is None else {"model": model}
    return httpx.post(f"{url}/judge", params=query, files=[("files", ("a", data)) for data in files]).json()


def test_auto_and_each_product_are_listed(service: Any) -> None:
    models = httpx.get(f"{service.url}/models").json()["models"]
    assert [model["name"] for model in models] == ["auto", "disc", "grid"]
    assert models[0] == {"name": "auto", "modelName": "auto", "isDefault": True, "products": ["disc", "grid"]}
    assert models[1]["threshold"] != models[2]["threshold"]


def test_each_image_is_judged_by_the_model_of_its_product(service: Any, bank: Path, parts: dict[str, Path]) -> None:
    results = judge(service.url, [parts["grid"].read_bytes(), parts["disc"].read_bytes()])["results"]
    assert [result["product"] for result in results] == ["grid", "disc"]
    for result in results:
        [alone] = create_model(model_dir=bank, product=result["product"], device="cpu").predict(
            parts[result["product"]]
        )
        assert 0 < result["productDistance"] <= 1
        assert result["rawScore"] == pytest.approx(alone["raw_score"], rel=1e-4)
        assert (result["threshold"], result["isAnomalous"]) == (alone["threshold"], alone["is_anomalous"])


def test_the_endpoint_of_paddlex_says_the_product(service: Any, parts: dict[str, Path]) -> None:
    image = base64.b64encode(parts["disc"].read_bytes()).decode()
    answer = httpx.post(f"{service.url}/image-anomaly-detection", json={"image": image, "visualize": False}).json()
    assert answer["errorCode"] == 0 and answer["result"]["product"] == "disc"


def test_a_raw_threshold_is_for_a_named_product(service: Any, parts: dict[str, Path]) -> None:
    """A number on the scale of one model would call the parts of another good."""
    image = base64.b64encode(parts["disc"].read_bytes()).decode()
    one, many = f"{service.url}/image-anomaly-detection", f"{service.url}/image-anomaly-detection/batch"
    for name in ({}, {"model": "auto"}):
        for url, images in ((one, {"image": image}), (many, {"images": [image]})):
            refused = httpx.post(url, json={**images, **name, "threshold": 1e9})
            assert (
                refused.status_code == 422
                and "each product's model has a scale of its own" in refused.json()["errorMsg"]
            )
    answer = httpx.post(one, json={"image": image, "model": "disc", "threshold": 1e9}).json()
    assert answer["result"]["isAnomalous"] is False
    answer = httpx.post(one, json={"image": image, "scoreThreshold": 0.001}).json()
    assert answer["result"]["isAnomalous"] is True


def test_a_named_product_judges_whatever_it_is_given(service: Any, parts: dict[str, Path]) -> None:
    [result] = judge(service.url, [parts["grid"].read_bytes()], "disc")["results"]
    assert result["product"] == "disc" and "productDistance" not in result


def test_an_image_of_no_product_is_an_error_and_never_ok(service: Any, parts: dict[str, Path]) -> None:
    noise = cv2.imencode(".png", np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))[1].tobytes()
    known, unknown = judge(service.url, [parts["grid"].read_bytes(), noise])["results"]
    assert known["product"] == "grid"
    assert unknown["errorCode"] == 422 and "isAnomalous" not in unknown
    assert "none of the products disc, grid: the nearest is" in unknown["errorMsg"]


def test_a_product_is_loaded_anew_by_its_name(service: Any) -> None:
    assert httpx.post(f"{service.url}/models/disc/reload").json()["result"]["name"] == "disc"
    refused = httpx.post(f"{service.url}/models/auto/reload").json()
    assert refused["errorCode"] == 409 and "Load those of its products anew" in refused["errorMsg"]


def test_without_a_signature_products_are_served_by_name_alone(
    start_server: Callable[..., Any],
    bank: Path,
    tmp_path: Path,
    parts: dict[str, Path],
    forget_signature: Callable[[Path], None],
) -> None:
    copy = Path(shutil.copytree(bank, tmp_path / "bank"))
    forget_signature(copy / "grid")
    old = start_server("--pipeline", str(copy)).wait_until_ready()
    assert "auto is not served: auto cannot recognise grid: " in old.log
    assert [model["name"] for model in httpx.get(f"{old.url}/models").json()["models"]] == ["disc", "grid"]
    assert judge(old.url, [parts["grid"].read_bytes()], "auto")["errorCode"] == 404
    [result] = judge(old.url, [parts["grid"].read_bytes()], "grid")["results"]
    assert result["product"] == "grid"


def test_one_product_of_a_bank_can_be_served_alone(start_server: Callable[..., Any], bank: Path) -> None:
    one = start_server(
        "--pipeline", "anomaly_detection", "--model_dir", str(bank), "--product", "disc"
    ).wait_until_ready()
    [model] = httpx.get(f"{one.url}/models").json()["models"]
    assert model["name"] == "anomaly_detection"


def test_one_raw_threshold_for_all_is_refused(start_server: Callable[..., Any], bank: Path) -> None:
    server = start_server("--pipeline", str(bank), "--threshold", "5")
    assert server.process.wait(240) == 1
    assert "each model of the folder has a scale of its own" in server.log


def test_a_bank_beside_another_pipeline_is_refused(start_server: Callable[..., Any], bank: Path) -> None:
    server = start_server("--pipeline", f"all={bank}", "--pipeline", f"one={bank / 'grid'}")
    assert server.process.wait(240) == 1
    assert "all is a folder of several models, and there are other pipelines" in server.log
