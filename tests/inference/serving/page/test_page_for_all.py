"""The page for everyone: by keyboard, with a screen reader, on a phone, in light and dark, in two languages, by camera."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddlex.inference.serving.web_pages import PAGE

Open = Callable[..., Any]
PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}

#: Text on ground, by the names of theme.css: 4.5 at least (WCAG 2.2, 1.4.3).
TEXT = [
    ("ink", "panel"), ("ink", "bench"), ("ink", "sunken"), ("ink", "chosen"), ("quiet", "panel"), ("quiet", "bench"),
    ("quiet", "sunken"), ("quiet", "chosen"), ("on-accent", "accent"), ("accent", "panel"), ("panel", "ink"),
    ("on-verdict", "ok"), ("on-verdict", "ng"), ("on-verdict", "resting"),
    ("ok-text", "panel"), ("ok-text", "chosen"), ("ok-text", "sunken"), ("ng-text", "panel"),
    ("ng-text", "chosen"), ("ng-text", "sunken"),
    ("caution-text", "sunken"), ("on-table", "table"), ("quiet-on-table", "table"),
]  # fmt: skip
#: Borders of controls, sliders, bars and focus rings: 3 at least (1.4.11).
SHAPES = [("edge", "panel"), ("accent", "panel"), ("focus", "panel"), ("focus", "chosen"), ("bar-ok", "panel"),
          ("bar-ng", "panel"), ("bar-normal", "panel")]  # fmt: skip


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(scheme: str) -> None:
    text = (PAGE / "theme.css").read_text(encoding="utf-8")
    light, dark = (block[1] for block in re.finditer(r":root[^{]*\{(.*?)\}", text, re.DOTALL))
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", light if scheme == "light" else dark))
    too_low = {
        pair: round(contrast(*(colours[name] for name in pair)), 2)
        for pairs, least in ((TEXT, 4.5), (SHAPES, 3.0))
        for pair in pairs
        if contrast(*(colours[name] for name in pair)) < least
    }
    assert too_low == {}


def test_every_control_has_a_name_for_a_screen_reader(judged: Any) -> None:
    judged.browser.click("#open-camera")
    judged.browser.wait_for_selector("#snapshot")
    devtools = judged.browser.context.new_cdp_session(judged.browser)
    nodes = [node for node in devtools.send("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
    judged.browser.click("#camera-close")
    found: dict[str, list[str]] = {}
    for node in nodes:
        found.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
    controls = (
        "button",
        "slider",
        "spinbutton",
        "searchbox",
        "checkbox",
        "radio",
        "combobox",
        "grid",
        "link",
        "region",
        "image",
    )
    assert {role: [name for name in found.get(role, []) if not name] for role in controls} == {
        role: [] for role in controls
    }
    assert len(found["button"]) >= 15 and len(found["slider"]) == 2 and len(found["radio"]) == 4
    assert {"banner", "main", "region", "heading", "grid", "columnheader", "gridcell", "status"} <= found.keys()
    assert set(found["region"]) >= {"Verdict", "Images", "Threshold", "Results"}
    pictures = [name for name in found["image"] if "jpg" in name]
    assert pictures and re.search(r"(OK|NG)", pictures[0])  # the picture says in words what it shows
    histogram = next(name for name in found["image"] if "Raw scores" in name)
    assert "14 on this page" in histogram


def test_verdicts_are_announced(page: Any, parts: list[Path], expected: dict[str, Any]) -> None:
    page.choose(parts[:1])
    verdict = "NG" if expected[parts[0].name]["is_anomalous"] else "OK"
    announcer = page.browser.locator("#announcer[aria-live=polite]")
    announcer.get_by_text(f"{parts[0].name}: {verdict}").wait_for(state="attached")


def test_everything_is_reached_and_done_by_keyboard(page: Any, parts: list[Path]) -> None:
    keyboard = page.browser.keyboard
    page.choose(parts[:3])
    page.browser.focus(".skip")
    focused = []
    for _ in range(60):
        keyboard.press("Tab")
        here = page.browser.evaluate("""() => {
            const element = document.activeElement;
            const ring = getComputedStyle(element.closest(".filter") ?? element);
            const shows = element.matches("[type=range], #table") || ring.outlineStyle !== "none";
            return [element.id || element.closest("th")?.dataset.sort || element.name || element.tagName, shows];
        }""")
        if here[0] == "BODY":
            break
        focused.append(here)
    names = [name for name, _ in focused]
    wanted = page.browser.locator("button:visible:enabled, select:visible:enabled, input:visible").evaluate_all(
        "all => all.map(e => e.id || e.closest('th')?.dataset.sort || e.name)"
    )
    assert set(wanted) | {"table"} <= set(names)
    assert [name for name, has_ring in focused if not has_ring] == []
    with page.browser.expect_file_chooser() as chooser:
        page.browser.focus("#choose-files")
        keyboard.press("Enter")
    chooser.value.set_files(str(parts[3]))
    page.wait_for(4)
    page.browser.focus("#help")
    keyboard.press("Space")
    assert page.browser.is_visible("#help-dialog")
    keyboard.press("Escape")
    assert not page.browser.is_visible("#help-dialog")


def test_the_page_speaks_chinese_and_english(open_page: Open, parts: list[Path]) -> None:
    page = open_page(locale="zh-CN").ready().choose(parts[:1])
    assert page.browser.title() == "视觉检测" and page.browser.get_attribute("html", "lang") == "zh-CN"
    assert page.browser.inner_text("#choose-files") == "选择图片"
    assert "误报率" in page.browser.inner_text("#false-alarms")
    left = re.findall(r"[A-Za-z]{4,}", page.browser.inner_text("main"))
    # names of files and of things, and what the service itself says
    assert set(left) <= {"bent", "conformal", "quantile", "score", "ascending", "order", "extrapolated", "normal", "images",
                         "prediction", "bound", "because", "few", "the", "are", "too", "log", "for"}  # fmt: skip
    page.browser.click("#language")
    page.frame()
    assert page.browser.title() == "Visual inspection" and page.browser.get_attribute("html", "lang") == "en"
    assert page.browser.inner_text("#choose-files") == "Choose images"
    assert not re.search(r"[\u4e00-\u9fff]", page.browser.inner_text("main"))
    page.browser.reload()
    page.ready()
    assert page.browser.title() == "Visual inspection"  # the choice is kept


def test_dark_follows_the_system_until_the_user_chooses(open_page: Open) -> None:
    page = open_page(color_scheme="dark").ready()
    ground = lambda: page.browser.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731
    assert ground() == "rgb(11, 14, 17)"
    page.browser.emulate_media(color_scheme="light")
    page.frame()
    assert ground() == "rgb(232, 235, 238)"
    page.browser.click("#theme")
    assert ground() == "rgb(11, 14, 17)"
    page.browser.reload()
    assert ground() == "rgb(11, 14, 17)"


def test_a_phone_shows_everything_without_scrolling_sideways(open_page: Open, parts: list[Path]) -> None:
    for locale in ("en-US", "zh-CN"):
        page = open_page(**PHONE, locale=locale).ready().choose(parts[:3])
        width, inner = page.browser.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width <= inner == 360
        small = page.browser.locator("button:visible, select:visible, input[type=range]:visible").evaluate_all(
            "all => all.filter(e => e.getBoundingClientRect().height < 44).map(e => e.id || e.outerHTML)"
        )
        assert small == []
        assert page.browser.get_attribute("#photo", "capture") == "environment"
        assert page.browser.is_visible("#take-photo") and page.browser.is_visible("#verdict-word")
        page.browser.tap("#rows tr[role=row] >> nth=2")
        page.frame()
        assert page.browser.inner_text("#picture-name") == parts[2].name
        top = page.browser.locator("#verdict-word").evaluate("word => word.getBoundingClientRect().top")
        assert 0 <= top < 300  # the verdict on the row that was tapped is in sight


def test_the_camera_is_judged_by_snapshot_and_continuously(page: Any) -> None:
    page.browser.click("#open-camera")
    page.browser.locator("#video").evaluate("video => video.videoWidth || new Promise(done => video.onplaying = done)")
    page.browser.click("#snapshot")
    page.wait_for(1)
    assert page.verdict()[0] in ("OK", "NG")
    page.browser.click("#continuous")
    page.browser.locator("#count-all", has_text=re.compile("^[4-9]$")).wait_for()
    page.browser.click("#continuous")
    page.browser.locator("#progress").wait_for(state="hidden")
    names = [row["name"] for row in page.rows()]
    assert len(set(names)) == len(names) >= 4
    assert page.browser.inner_text("#picture-name") == names[-1]  # the newest is shown
    head, row, view = page.browser.evaluate("""["#table thead", "#table [aria-selected=true]", "#scroller"].map(
        name => document.querySelector(name).getBoundingClientRect().bottom)""")
    assert head < row <= view + 1  # and its row is in sight
    page.browser.click("#camera-close")
    assert not page.browser.is_visible("#video")
    assert page.browser.locator("#video").evaluate("video => video.srcObject") is None
    assert page.complaints == []


def test_a_camera_that_is_refused_is_explained(page: Any) -> None:
    page.browser.evaluate("""() => {
        navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException("no", "NotAllowedError"));
    }""")
    page.browser.click("#open-camera")
    page.browser.wait_for_selector("#notice:not([hidden])")
    assert "refused" in page.browser.inner_text("#notice")
    assert not page.browser.is_visible("#video")
