"""With the models of several products, the page says what each image shows, and decides by that product's threshold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def mixed(
    start_server: Callable[..., Any], open_page: Callable[..., Any], bank: Path, demo_dataset: Path, disc_dataset: Path
) -> Any:
    """The page of a bank, with a grid and a disc on it."""
    server = start_server("--pipeline", str(bank)).wait_until_ready()
    grid, disc = demo_dataset / "images" / "val" / "bent" / "000.jpg", disc_dataset / "val" / "100.png"
    return open_page(server.url).ready().choose([grid, disc])


def test_each_image_says_its_product_and_has_its_threshold(mixed: Any, tmp_path: Path) -> None:
    browser = mixed.browser
    assert [row["about"] for row in mixed.rows()] == ["grid", "disc"]
    shown = []
    for number, product in enumerate(("grid", "disc")):
        browser.locator("#rows tr[role=row]").nth(number).click()
        mixed.frame()
        assert browser.inner_text("#verdict-meaning").startswith(f"{product} · ")
        shown.append(float(browser.input_value("#threshold-raw")))
    assert shown[0] != shown[1]

    grid = mixed.rows()[0]
    browser.fill("#threshold-raw", "-1000")  # the disc's alone is moved
    browser.keyboard.press("Tab")
    mixed.frame()
    assert mixed.rows()[0] == grid and mixed.rows()[1]["verdict"] == "NG"

    noise = tmp_path / "noise.png"
    noise.write_bytes(_png(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)))
    mixed.choose([noise])
    browser.locator("#rows tr[role=row]").nth(2).click()
    mixed.frame()
    assert mixed.rows()[2]["verdict"] == "Error" and "none of the products disc, grid" in mixed.rows()[2]["about"]
    assert browser.is_disabled("#threshold-raw") and browser.input_value("#threshold-raw") == ""


def _png(image: np.ndarray) -> bytes:
    import cv2

    return cv2.imencode(".png", image)[1].tobytes()
