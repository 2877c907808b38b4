"""Teaching a product in the browser, from its first picture to judging live, with a real studio and a real training."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from sqlalchemy import select

from paddlex.studio.database.schema import Member, Product
from paddlex.studio.workspace import now_ms

Open = Callable[..., Any]
FILES = ".intake-buttons input[type=file] >> nth=0"


@pytest.fixture(scope="module")
def good(demo_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The 24 training pictures, one of them blurred besides, and a text that is called a picture."""
    folder = tmp_path_factory.mktemp("good")
    sources = sorted((demo_dataset / "images" / "train").rglob("*.jpg"))
    found = [Path(shutil.copy(source, folder / f"good-{source.name}")) for source in sources]
    blurred = cv2.GaussianBlur(cv2.imread(str(sources[0])), (0, 0), 4)
    cv2.imwrite(str(folder / "zz-blurred.png"), blurred)
    (folder / "zz-text.png").write_text("this is no picture", encoding="utf-8")
    return [str(path) for path in (*found, folder / "zz-blurred.png", folder / "zz-text.png")]


def new_product(page: Any, name: str) -> Any:
    """Make a product by the page; returns the browser with its first step."""
    browser = page.open("teach").browser
    browser.click("#add-product")
    browser.fill("dialog.asking input", name)
    browser.keyboard.press("Enter")
    browser.wait_for_selector("#teach-files")
    return browser


def add_pictures(browser: Any, files: list[str], count: int, role: str = "good") -> None:
    browser.set_input_files(FILES, files)
    browser.locator(f"[data-count={role}]", has_text=re.compile(f"^{count}$")).wait_for()
    browser.locator(".uploading .progress").wait_for(state="hidden")


def test_flagged_pictures_come_first_and_one_click_sets_them_aside(open_studio: Open, good: list[str]) -> None:
    browser = new_product(open_studio("ada"), "flagged")
    assert browser.is_disabled("#step-main")
    add_pictures(browser, good, 25)
    assert "zz-text.png" in browser.inner_text(".uploading .notice")
    first = browser.locator(".tile").first
    assert first.locator(".tile-name").inner_text() == "zz-blurred.png"
    assert first.locator(".tile-flag").inner_text() == "Blurred"
    browser.click("button[aria-label='Set aside: zz-blurred.png']")
    browser.locator("[data-count=aside]", has_text="1").wait_for()
    assert browser.evaluate("document.activeElement.matches('.tile-act')")  # the keyboard goes on at the next one
    browser.get_by_role("button", name="Undo").click()
    browser.locator("[data-count=aside]", has_text="0").wait_for()
    add_pictures(browser, good[:3], 25)
    assert "already: 3" in browser.inner_text(".uploading .notice")


def test_of_many_pictures_only_those_in_view_are_elements(open_studio: Open, studio: Any) -> None:
    image = np.zeros((40, 40, 3), np.uint8)
    with studio.workspace.writing() as session:
        product = Product(name="many", made_at=now_ms(), settings={}, target_fpr=0.05)
        session.add(product)
        session.flush()
        for number in range(520):
            image[:] = (number % 256, number // 256, 90)
            row = studio.workspace.pictures.add(session, cv2.imencode(".png", image)[1].tobytes())
            session.flush()
            session.add(
                Member(
                    product_id=product.id, digest=row.digest, role="good", name=f"{number:03}.png", source="import",
                    where=[], added_at=now_ms(), added_by="ada", problem="dark" if number == 515 else "",
                )
            )  # fmt: skip
    browser = open_studio("ada").open("teach/many/pictures").browser
    browser.locator("[data-count=good]", has_text="520").wait_for()
    assert browser.locator(".tile-name").first.inner_text() == "515.png"  # flagged, although it came last but four
    browser.wait_for_selector(".tile")
    assert 10 < browser.locator(".tile").count() < 100
    browser.locator(".tiles").evaluate("tiles => tiles.scrollTop = tiles.scrollHeight")
    browser.get_by_text("519.png", exact=True).wait_for()
    assert browser.locator(".tile").count() < 100


def test_a_live_picture_says_what_is_wrong_and_is_taken_by_itself(open_studio: Open) -> None:
    page = open_studio("ada")
    browser = new_product(page, "camera")
    browser.click("#teach-camera")
    browser.wait_for_selector(".live-hint[data-hint]:not([data-hint=''])")
    browser.click("#teach-take")
    browser.locator("[data-count=good]", has_text="1").wait_for()
    browser.get_by_role("button", name="Automatic").click()
    browser.locator("[data-count=good]", has_text=re.compile("^[2-9]$")).wait_for()  # the fake camera's picture moves
    browser.get_by_role("button", name="Close camera").click()
    assert browser.locator("video:visible").count() == 0
    browser.click("button:has-text('Network camera')")
    browser.fill(".teach-network input", "rtsp://user:secret@127.0.0.1:1/none")
    browser.keyboard.press("Enter")
    browser.wait_for_selector(".teach-network .wrong:not([hidden])")
    assert "secret" not in browser.inner_text(".teach-network")
    page.complaints.clear()  # Chromium tells of the 502


def test_regions_are_painted_by_pointer_and_keyboard_taken_back_and_kept(open_studio: Open, studio: Any) -> None:
    browser = open_studio("ada").open("teach/grid/regions").browser
    browser.wait_for_selector(".drawing.active")
    browser.wait_for_selector("#step-main:has-text('Inspect everywhere')")
    box = browser.locator(".drawing.active").bounding_box()

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    browser.mouse.move(*at(0.1, 0.1))
    browser.mouse.down()
    browser.mouse.move(*at(0.3, 0.4))
    browser.mouse.up()
    browser.check("input[value=corners]", force=True)
    for corner in ((0.6, 0.6), (0.9, 0.6), (0.9, 0.9), (0.6, 0.6)):
        browser.mouse.click(*at(*corner))
    browser.get_by_text("To ignore: 2").wait_for()
    browser.get_by_role("button", name="Undo").click()
    browser.get_by_text("To ignore: 1").wait_for()
    browser.check("input[value=inspect]", force=True)
    browser.focus(".drawing.active")
    for key in ("ArrowLeft", "Shift+ArrowRight", "Enter"):
        browser.keyboard.press(key)
    browser.get_by_text("To inspect: 1. To ignore: 1.").wait_for()
    browser.click("#step-main")
    browser.wait_for_selector("#step-title:has-text('learn')")
    kept = studio.client.get("/studio/products/grid/regions").json()
    assert len(kept["inspect"]) == 1 and np.allclose(
        kept["ignore"], [[[0.1, 0.1], [0.3, 0.1], [0.3, 0.4], [0.1, 0.4]]], atol=0.01
    )
    studio.client.put("/studio/products/grid/regions", json={"inspect": [], "ignore": []})


def test_a_threshold_is_moved_before_anything_goes_live(open_studio: Open, studio: Any) -> None:
    newest = studio.client.get("/studio/products/grid/versions").json()["versions"][0]
    browser = open_studio("ada").open("teach/grid/threshold").browser
    browser.wait_for_selector("#teach-threshold")
    before = browser.inner_text(".rate-words")
    browser.focus("#teach-threshold")
    for _ in range(60):
        browser.keyboard.press("ArrowLeft")
    assert browser.inner_text(".rate-words") != before
    shown = float(browser.input_value(".threshold-raw"))
    above = sum(score > shown for score in newest["scores"])
    assert f"{above} of {len(newest['scores'])} good parts" in browser.inner_text(".rate-words")
    browser.click("#step-main")
    browser.wait_for_selector("#step-title:has-text('judge')")
    made = studio.client.get("/studio/products/grid/versions").json()["versions"][0]
    assert made["how"] == "threshold" and made["parent"] == newest["id"] and np.isclose(made["threshold"], shown)


def test_what_goes_wrong_is_said_and_can_be_tried_again(open_studio: Open, studio: Any) -> None:
    with studio.workspace.writing() as session:
        product = Product(name="broken", made_at=now_ms(), settings={}, target_fpr=0.05)
        session.add(product)
        session.flush()
        grid = session.scalars(select(Product).where(Product.name == "grid")).one()
        some = session.scalars(select(Member).where(Member.product_id == grid.id, Member.role == "good").limit(5)).all()
        for member in some:
            session.add(
                Member(
                    product_id=product.id, digest=member.digest, role="good", name=member.name, source="import",
                    where=[], added_at=now_ms(), added_by="ada",
                )
            )  # fmt: skip
    studio.client.put("/studio/products/broken/regions", json={"inspect": [], "ignore": []})
    page = open_studio("ada")
    page.browser.route("**/studio/products/broken/fit", lambda route: route.fulfill(status=503, body=json.dumps(
        {"errorCode": 503, "errorMsg": "the disk is full. Make room."}), content_type="application/json"))  # fmt: skip
    browser = page.open("teach/broken/fit").browser
    browser.click("#step-main:has-text('Start learning')")
    browser.wait_for_selector(".notice.bad:not([hidden])")
    assert browser.inner_text("#step-main") == "Try again"
    page.complaints.clear()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_every_control_of_every_step_has_a_name_and_a_phone_shows_it(open_studio: Open, locale: str) -> None:
    page = open_studio("ada", viewport={"width": 390, "height": 844}, is_mobile=True, has_touch=True, locale=locale)
    browser = page.browser
    devtools = browser.context.new_cdp_session(browser)
    for step in ("pictures", "check", "regions", "fit", "threshold", "live"):
        page.open(f"teach/grid/{step}")
        browser.wait_for_selector(f".steps a[href$='{step}'][aria-current=step]")
        browser.wait_for_selector("#step-main, .notice.bad:not([hidden])")
        nodes = [node for node in devtools.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
        controls = {"button", "link", "slider", "spinbutton", "radio", "checkbox", "combobox", "textbox", "application"}
        nameless = [
            node["role"]["value"]
            for node in nodes
            if node["role"]["value"] in controls and not node.get("name", {}).get("value")
        ]
        assert nameless == [], step
        assert browser.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [390, 390], step
        small = browser.locator("main.view :is(button, select, summary):visible").evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().height < 44).map(e => e.outerHTML)"
        )
        assert small == [], step
        if locale == "zh-CN":
            assert not re.search(r"[A-Za-z]{5,}", browser.inner_text(".step-about") + browser.inner_text(".steps"))
