"""The History: every verdict is found again, looked at, corrected and taken away as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from paddlex.studio.database.schema import Member, Verdict

Open = Callable[..., Any]

ROWS = """rows => rows.map(row => ({
    name: row.querySelector(".row-name").textContent, verdict: row.querySelector(".chip").textContent,
    score: Number(row.querySelector(".row-score").textContent), chosen: row.getAttribute("aria-selected"),
}))"""


def rows(page: Any) -> list[dict[str, Any]]:
    return page.browser.locator(".history tbody tr").evaluate_all(ROWS)


def wait_for(page: Any, count: int) -> list[dict[str, Any]]:
    """The rows, as soon as there are so many."""
    page.browser.wait_for_function("n => document.querySelectorAll('.history tbody tr').length === n", arg=count)
    return rows(page)


@pytest.fixture
def judged(studio: Any) -> list[dict[str, Any]]:
    """What the studio itself remembers, the latest first."""
    return studio.client.get("/studio/verdicts", params={"limit": 100}).json()["verdicts"]


def test_what_was_judged_is_listed_the_latest_first(open_studio: Open, judged: list[dict[str, Any]]) -> None:
    page = open_studio("olga").open("history")
    shown = wait_for(page, len(judged))
    assert [row["name"] for row in shown] == [verdict["name"] for verdict in judged]
    assert [row["verdict"] for row in shown] == ["NG" if verdict["isAnomalous"] else "OK" for verdict in judged]
    assert [row["score"] for row in shown] == pytest.approx([verdict["score"] for verdict in judged], abs=6e-4)


def test_verdicts_are_found_by_what_they_were(open_studio: Open, judged: list[dict[str, Any]]) -> None:
    page = open_studio().open("history")
    bad = [verdict for verdict in judged if verdict["isAnomalous"]]
    assert 0 < len(bad) < len(judged)
    page.browser.check("input[name=verdict][value=ng]")
    assert {row["verdict"] for row in wait_for(page, len(bad))} == {"NG"}
    page.browser.fill("input[name=name]", "GLUE")
    named = [verdict["name"] for verdict in bad if "glue" in verdict["name"]]
    assert [row["name"] for row in wait_for(page, len(named))] == named
    page.browser.fill("input[name=name]", "")
    page.browser.check("input[name=verdict][value='']")
    page.browser.click(".history summary")
    middle = sorted(verdict["score"] for verdict in judged)[len(judged) // 2]
    page.browser.fill("input[name=scoreFrom]", str(middle))
    high = [verdict["name"] for verdict in judged if verdict["score"] >= middle]
    assert [row["name"] for row in wait_for(page, len(high))] == high
    page.browser.fill("input[name=to]", "2020-01-01")
    wait_for(page, 0)
    assert page.browser.inner_text(".history .no-rows") == "No verdict is like this."
    page.browser.click(".filters >> text=Reset")
    wait_for(page, len(judged))


def test_the_chosen_verdict_is_seen_with_heat_map_and_outlines(open_studio: Open, judged: list[dict[str, Any]]) -> None:
    page = open_studio().open("history?verdict=ng")
    verdict = next(one for one in judged if one["isAnomalous"])
    page.browser.wait_for_selector(".detail .outlines polygon.line", state="attached")
    assert page.browser.inner_text(".detail .word") == "NG"
    assert page.browser.inner_text(".detail .name") == verdict["name"]
    polygons = page.browser.locator(".detail .outlines polygon.line").evaluate_all(
        "all => all.map(p => p.getAttribute('points'))"
    )
    assert polygons == [" ".join(f"{x + 0.5},{y + 0.5}" for x, y in one["polygon"]) for one in verdict["regions"]]
    page.browser.wait_for_function("() => document.querySelector('.detail canvas').width > 1")
    covered = page.browser.evaluate("""() => {
        const canvas = document.querySelector(".detail canvas");
        return [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 3);
    }""")
    assert 0 < np.mean(np.array(covered) == 255) < 1


def test_arrow_keys_walk_through_the_verdicts(open_studio: Open, judged: list[dict[str, Any]]) -> None:
    page = open_studio().open("history")
    wait_for(page, len(judged))
    page.browser.focus(".history table")
    for key, at in (("ArrowDown", 1), ("ArrowDown", 2), ("End", -1), ("ArrowUp", -2)):
        page.browser.keyboard.press(key)
        assert page.browser.inner_text(".detail .name") == judged[at]["name"]
        chosen = page.browser.get_attribute(".history table", "aria-activedescendant")
        assert page.browser.get_attribute(f"#{chosen}", "aria-selected") == "true"


def test_what_is_filtered_is_exported(open_studio: Open, judged: list[dict[str, Any]]) -> None:
    page = open_studio().open("history?verdict=ng&name=bent")
    wanted = [verdict["name"] for verdict in judged if verdict["isAnomalous"] and "bent" in verdict["name"]]
    wait_for(page, len(wanted))
    with page.browser.expect_download() as download:
        page.browser.click(".exports >> text=CSV")
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert sorted(row["name"] for row in csv.DictReader(io.StringIO(text))) == sorted(wanted)


def test_a_part_is_called_bad_and_drawn_on_by_keyboard_alone(open_studio: Open, studio: Any) -> None:
    page = open_studio("olga").open("history?name=good")
    browser = page.browser
    browser.wait_for_function("() => document.querySelector('.detail .frame img').naturalWidth > 0")
    name = browser.inner_text(".detail .name")
    browser.focus(".detail .say-bad")
    browser.keyboard.press("Enter")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown", "Shift+ArrowRight", "Enter"):
        browser.keyboard.press(key)
    assert "Kept" in browser.text_content(".drawing [role=status]")
    browser.focus(".detail .correcting .primary")
    browser.keyboard.press("Enter")
    browser.wait_for_selector(".correcting .said.bad")
    verdict = next(
        one
        for one in studio.client.get("/studio/verdicts", params={"name": name}).json()["verdicts"]
        if one["corrected"]
    )
    assert (verdict["corrected"], verdict["correctedBy"]) == ("bad", "olga")
    with studio.workspace.reading() as session:
        member = session.query(Member).filter_by(digest=verdict["digest"]).one()
    assert member.role == "challenge"
    assert member.where == [[[0.42, 0.42], [0.64, 0.42], [0.64, 0.62], [0.42, 0.62]]]
    assert browser.inner_text(".history tbody tr[aria-selected=true] .tag") == "bad"
    assert browser.locator(".detail .correcting button").count() == 0, "the challenge set is locked"
    page = open_studio("ada").open(f"history?name={name}")
    page.browser.click(".detail .correcting >> text=Undo")
    page.browser.wait_for_selector(".detail .say-good")
    with studio.workspace.reading() as session:
        assert session.get_one(Verdict, verdict["id"]).corrected == ""


def test_a_picture_that_is_not_kept_any_more_is_said_to_be_gone(
    open_studio: Open, studio: Any, judged: list[dict[str, Any]]
) -> None:
    gone = judged[-1]
    with studio.workspace.writing() as session:
        session.get_one(Verdict, gone["id"]).is_kept = False
    page = open_studio().open("history")
    wait_for(page, len(judged))
    row = page.browser.locator(".history tbody tr").last
    assert row.locator(".thumbnail").inner_text() == "not kept"
    row.click()
    assert "has been removed" in page.browser.inner_text(".detail .picture-note")
    assert page.browser.locator(".detail .correcting button").count() == 0
