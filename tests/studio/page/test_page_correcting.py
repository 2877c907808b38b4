"""Correcting in the Judge view: a word, a drawing, and a model that has learnt from it while one looks on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from paddlex.studio.database.schema import Member

Open = Callable[..., Any]


def judge(page: Any, pictures: list[Path]) -> Any:
    """Choose pictures in the Judge view, and wait for their verdicts."""
    page.browser.set_input_files("#files", [str(picture) for picture in pictures])
    page.browser.wait_for_selector(f"#count-all:text-is('{len(pictures)}')")
    page.browser.wait_for_selector("#progress", state="hidden")
    page.browser.wait_for_selector("#verdict-actions .say-bad")
    return page


def test_a_defect_is_drawn_by_mouse_and_joins_the_challenge_set(
    open_studio: Open, studio: Any, parts: list[Path]
) -> None:
    part = next(part for part in parts if part.name.startswith("thread"))
    page = judge(open_studio("olga"), [part])
    browser = page.browser
    browser.click("#verdict-actions .say-bad")
    browser.click("#verdict-actions >> text=Rectangle")
    box = browser.locator(".drawing").bounding_box()
    for x, y, act in ((0.25, 0.25, browser.mouse.down), (0.75, 0.5, browser.mouse.up)):
        browser.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        act()
    browser.click("#verdict-actions .primary")
    browser.wait_for_selector("#verdict-actions .said.bad")
    with studio.workspace.reading() as session:
        member = session.query(Member).filter_by(name=part.name, role="challenge").one()
    (polygon,) = member.where
    for point, wanted in zip(polygon, [[0.25, 0.25], [0.75, 0.25], [0.75, 0.5], [0.25, 0.5]], strict=True):
        assert point == pytest.approx(wanted, abs=0.005)
    assert member.verdict_id == studio.client.get("/studio/verdicts", params={"limit": 1}).json()["verdicts"][0]["id"]


def test_what_was_outlined_is_taken_as_drawn(open_studio: Open, studio: Any, parts: list[Path]) -> None:
    part = next(part for part in parts if part.name.startswith("metal"))
    page = judge(open_studio(), [part])
    browser = page.browser
    browser.click("#verdict-actions .say-bad")
    browser.click("#verdict-actions >> text=As outlined")
    browser.click("#verdict-actions .primary")
    browser.wait_for_selector("#verdict-actions .said.bad")
    regions = studio.client.get("/studio/verdicts", params={"limit": 1}).json()["verdicts"][0]["regions"]
    with studio.workspace.reading() as session:
        member = session.query(Member).filter_by(name=part.name, role="challenge").one()
    assert len(member.where) == len(regions)
    first = [[(x + 0.5) / 128, (y + 0.5) / 128] for x, y in regions[0]["polygon"]]
    assert member.where[0] == [pytest.approx(point, abs=1e-3) for point in first]
    browser.click("#verdict-actions >> text=Undo")
    browser.wait_for_selector("#verdict-actions .say-good")
    with studio.workspace.reading() as session:
        assert session.query(Member).filter_by(name=part.name, role="challenge").count() == 0


def test_a_false_alarm_is_learnt_from_and_the_part_judged_again(
    open_studio: Open, studio: Any, parts: list[Path]
) -> None:
    found = studio.client.get("/studio/verdicts", params={"verdict": "ng", "corrected": "none"}).json()["verdicts"]
    names = {verdict["name"] for verdict in found if not verdict["name"].startswith(("glue", "thread", "metal"))}
    part = next(part for part in parts if part.name in names)
    page = judge(open_studio("olga"), [part, *(part for part in parts if part.name.startswith("good"))])
    browser = page.browser
    browser.click(f"#rows tr:has-text('{part.name}')")
    before = {
        row.inner_text() for row in browser.locator("#rows tr[role=row]").all() if part.name not in row.inner_text()
    }
    browser.wait_for_selector("#verdict[data-verdict=ng]")
    browser.click("#verdict-actions .say-good")
    browser.wait_for_selector("#verdict-actions:has-text('Judged again: OK')", timeout=240_000)
    assert browser.inner_text("#verdict-word") == "OK"
    live = next(one for one in studio.client.get("/studio/products/grid/versions").json()["versions"] if one["isLive"])
    assert (live["how"], live["parent"]) == ("refit", 1)
    after = {
        row.inner_text() for row in browser.locator("#rows tr[role=row]").all() if part.name not in row.inner_text()
    }
    assert after == before, "other verdicts stay what they were"


def test_a_heat_map_that_was_dropped_is_asked_for_without_judging_again(
    open_studio: Open, studio: Any, parts: list[Path]
) -> None:
    glue = [part for part in parts if part.name.startswith("glue")]
    page = judge(open_studio("olga"), [*glue, next(part for part in parts if part.name.startswith("good"))])
    browser = page.browser
    count = studio.client.get("/studio/verdicts", params={"limit": 1}).json()["total"]
    browser.evaluate(
        """async name => {
        const { details } = await import(`${location.origin}/page/details.js`);
        const { state } = await import(`${location.origin}/page/main.js`);
        details.delete(state.items.find(item => item.name === name).id);
    }""",
        glue[-1].name,
    )
    browser.click(f"#rows tr:has-text('{glue[-1].name}')")
    browser.wait_for_selector(f"#picture-name:text-is('{glue[-1].name}')")
    browser.wait_for_selector("#outlines polygon.line", state="attached")
    browser.wait_for_function("() => document.querySelector('#heat').width > 1")
    assert studio.client.get("/studio/verdicts", params={"limit": 1}).json()["total"] == count
