"""A day with the studio in a browser: from an empty workspace to a model that is live, corrected, guarded and taken back."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

from paddlex.data.demo import make_demo_dataset
from tests.studio.access.conftest import StudioProcess
from tests.studio.page.test_teaching import add_pictures

NAME, PASSWORD = "ada", "a line of many words"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """Where a studio of an empty workspace answers, started as its command starts it."""
    studio = StudioProcess(tmp_path / "log.txt", tmp_path / "workspace")
    yield studio.url
    studio.process.send_signal(signal.SIGTERM)
    assert studio.process.wait(120) == 0


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """The demonstration's grid: 30 good parts to teach, and others to judge."""
    return make_demo_dataset(tmp_path / "grid", train=30, val_normal=4, val_anomalous=10) / "images"


def judge(browser: Any, picture: Path, verdict: str) -> None:
    """Let a picture be judged, and look at it."""
    browser.set_input_files("#files", [str(picture)])
    browser.click(f"#rows tr:has-text('{picture.name}')")
    browser.locator("#picture-name", has_text=picture.name).wait_for()
    browser.wait_for_selector(f"#verdict[data-verdict={verdict}]")


@pytest.mark.slow
def test_a_product_is_taught_goes_live_is_corrected_guarded_and_taken_back(
    address: str, pictures: Path, chromium: Any, tmp_path: Path
) -> None:
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, locale="en-US")
    browser = context.new_page()
    browser.set_default_timeout(240_000)
    complaints: list[str] = []
    browser.on("pageerror", lambda error: complaints.append(str(error)))

    browser.goto(address)  # an empty workspace asks for its first engineer
    browser.fill(".access input[type=text]", NAME)
    browser.fill(".access input[type=password]", PASSWORD)
    browser.click(".access .primary")

    browser.click('#rail a[href="#teach"]')
    browser.click("#add-product")
    browser.fill("dialog.asking input", "grid")
    browser.keyboard.press("Enter")
    browser.wait_for_selector("#teach-files")
    add_pictures(browser, [str(path) for path in sorted((pictures / "train").rglob("*.jpg"))], 30)
    browser.click("#step-main")
    browser.wait_for_selector(".outcome")
    assert "paddlex" in browser.text_content(".command code")
    browser.click("#step-main")
    browser.click("#step-main:has-text('Inspect everywhere')")
    browser.click("#step-main:has-text('Start learning')")
    browser.wait_for_selector(".job:not([hidden])")
    browser.reload()  # whoever closes the page finds the training where it is
    browser.click("#step-main:has-text('Next')", timeout=600_000)
    browser.wait_for_selector("#teach-threshold")
    browser.click("#step-main")
    browser.click("#step-main:has-text('Go live')")
    browser.wait_for_selector("#judge:not([hidden])")

    good, bad = (cv2.imread(str(min((pictures / "val" / kind).iterdir()))) for kind in ("good", "glue"))
    cv2.circle(good, (128, 128), 14, (30, 30, 160), -1)  # the ink of a stamp, which is allowed
    cv2.imwrite(str(tmp_path / "stamped.png"), good)
    cv2.imwrite(str(tmp_path / "glued.png"), bad)
    judge(browser, tmp_path / "stamped.png", "ng")
    browser.click("#verdict-actions .say-good")
    browser.wait_for_selector("#verdict-actions:has-text('Judged again: OK')")
    assert browser.inner_text("#verdict-word") == "OK"

    judge(browser, tmp_path / "glued.png", "ng")
    browser.click("#verdict-actions .say-bad")
    browser.click("#verdict-actions >> text=As outlined")
    browser.click("#verdict-actions .primary")
    browser.wait_for_selector("#verdict-actions .said.bad")

    browser.click('#rail a[href^="#models"]')
    browser.click(".detail summary:has-text('Another threshold')")
    browser.fill(".retune input", "1000")  # a worse model: nothing exceeds its threshold
    browser.click("text=Make this version")
    browser.wait_for_selector(".detail h3:has-text('Version 3')")
    browser.click(".detail >> text=Go live")
    browser.wait_for_selector("dialog.asking .gate-word.bad")
    assert "glued.png" in browser.inner_text("dialog.asking .reasons")
    assert browser.is_disabled("dialog.asking .primary")
    browser.click("dialog.asking >> text=Cancel")

    browser.click("text=Back to version 1")
    browser.wait_for_selector("dialog.asking .gate-word")
    browser.click("dialog.asking .primary")
    browser.wait_for_selector(".now:has-text('Version 1 is live')")
    browser.click('#rail a[href^="#judge"]')
    judge(
        browser, Path(shutil.copy(tmp_path / "stamped.png", tmp_path / "again.png")), "ng"
    )  # as before it was corrected

    browser.click('#rail a[href^="#history"]')
    for name in ("stamped.png", "glued.png"):
        browser.locator(f"main.view tr:has-text('{name}')").first.wait_for()
    browser.evaluate("location.hash = 'settings/audit'")
    for said in ("Back to an earlier version", "Bad part added to the challenge set"):
        browser.locator(f"main.view >> text={said}").first.wait_for()
    browser.click("text=Verify")
    browser.wait_for_selector(".verification")
    assert complaints == []
    context.close()
