"""A photo in which the part is not found is NG on the page, in words, whatever threshold is set there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml

from paddlex.data.demo.part import draw_part
from paddlex.inference.alignment import Alignment
from paddlex.inference.preparation import Preparation


@pytest.fixture
def aligned(trained: Path, demo_dataset: Path, tmp_path: Path) -> Path:
    """The folder of a model that aligns photos to one of them."""
    folder = Path(shutil.copytree(trained / "best_model" / "inference", tmp_path / "aligned"))
    alignment = Alignment.to(
        cv2.imread(str(demo_dataset / "images/val/good/000.jpg")),
        motion="rigid", max_shift=0.1, max_angle=10, least_quality=0.5, min_seen=0.7, not_found="ng",
    )  # fmt: skip
    content = yaml.safe_load((folder / "inference.yml").read_text(encoding="utf-8"))
    content["AnomalyDetection"]["preparation"] = Preparation(alignment=alignment).to_dict()
    (folder / "inference.yml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


def test_the_wrong_part_is_ng_in_words(
    start_server: Callable[..., Any], open_page: Callable[..., Any], aligned: Path, demo_dataset: Path, tmp_path: Path
) -> None:
    server = start_server("--model_dir", str(aligned), "--pipeline", "anomaly_detection").wait_until_ready()
    wrong = tmp_path / "wrong.png"
    cv2.imwrite(str(wrong), draw_part(3, 128, 128))
    page = open_page(server.url).ready().choose([wrong, demo_dataset / "images/val/good/000.jpg"])
    browser = page.browser
    assert browser.inner_text("#verdict-meaning") == "not found: wrong part or position"
    assert browser.inner_text("#verdict-details") == "not found: wrong part or position"
    assert page.rows()[0]["verdict"] == "NG"
    browser.fill("#threshold-raw", "1e30")
    browser.keyboard.press("Tab")
    page.frame()
    assert [row["verdict"] for row in page.rows()] == ["NG", "OK"]
    assert not page.complaints
