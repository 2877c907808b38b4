"""Models: what is live, what the gate says before another version becomes it, one click back, and the shadow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paddlex.studio.database.schema import AuditEntry

Open = Callable[..., Any]


@pytest.fixture
def versions(studio: Any) -> Callable[[], list[dict[str, Any]]]:
    """What the studio itself says of them."""
    return lambda: studio.client.get("/studio/products/grid/versions").json()["versions"]


def choose(page: Any, number: int) -> Any:
    page.browser.click(f".list tbody tr:has(.row-name:text('Version {number}'))")
    page.browser.wait_for_selector(f".detail h3:has-text('Version {number}')")
    return page


def test_a_version_with_a_threshold_that_misses_known_bad_parts_is_refused(
    open_studio: Open, studio: Any, versions: Callable[..., list[dict[str, Any]]], parts: list[Any]
) -> None:
    page = open_studio().open("models")
    browser = page.browser
    choose(page, 1)
    browser.click(".detail summary:has-text('Another threshold')")
    browser.fill(".retune input", str(100 * versions()[0]["threshold"]))
    assert "0.0%" in browser.inner_text(".retune [role=status]")
    browser.click("text=Make this version")
    page.toast("not live yet")
    browser.wait_for_selector(".detail h3:has-text('Version 3')")
    browser.click(".detail >> text=Go live")
    browser.wait_for_selector("dialog.asking .gate-word.bad")
    bad = [part.name for part in parts if part.name.startswith("glue")]
    reasons = browser.locator("dialog.asking .reasons li").all_inner_texts()
    assert all(any(name in reason and "miss" in reason for reason in reasons) for name in bad)
    assert browser.is_disabled("dialog.asking .primary")
    browser.click("dialog.asking >> text=Cancel")
    assert [one["number"] for one in versions() if one["isLive"]] == [1]


def test_a_version_goes_live_through_the_gate_and_one_click_leads_back(
    open_studio: Open, studio: Any, versions: Callable[..., list[dict[str, Any]]]
) -> None:
    page = open_studio().open("models")
    browser = page.browser
    choose(page, 2)
    browser.click(".detail >> text=Try at the gate")
    browser.wait_for_selector(".detail .gate .gate-word")
    assert "verdicts change against version 1" in browser.inner_text(".detail .changes summary")
    assert browser.locator(".detail .changes tbody tr").count() == versions()[-2]["gate"]["judged"]
    browser.click(".detail >> text=Go live")
    browser.wait_for_selector("dialog.asking .gate-word.good")
    browser.click("dialog.asking .primary")
    page.toast("Version 2 is live")
    browser.wait_for_selector(".now:has-text('Version 2 is live')")
    browser.click("text=Back to version 1")
    browser.wait_for_selector("dialog.asking .gate-word")
    browser.click("dialog.asking .primary")
    page.toast("Version 1 is live again")
    assert [one["number"] for one in versions() if one["isLive"]] == [1]
    with studio.workspace.reading() as session:
        actions = [entry.action for entry in session.query(AuditEntry).order_by(AuditEntry.number)]
    assert [action for action in actions if action in ("version.live", "version.rollback")] == [
        "version.live", "version.rollback",
    ]  # fmt: skip


def test_a_shadow_judges_beside_the_live_version_and_is_compared(
    open_studio: Open, studio: Any, versions: Callable[..., list[dict[str, Any]]], parts: list[Any]
) -> None:
    page = choose(open_studio().open("models"), 2)
    page.browser.click("text=Run as shadow")
    page.toast("judges beside the live one")
    assert [one["number"] for one in versions() if one["isShadow"]] == [2]
    page.browser.wait_for_selector(".detail .shadow:has-text('Nothing has been judged by both')")
    page.browser.click("text=End the shadow")
    page.toast("no longer")
    assert not any(one["isShadow"] for one in versions())


def test_the_challenge_set_is_shown_with_what_was_drawn(open_studio: Open) -> None:
    page = open_studio("olga").open("models/challenge")
    page.browser.wait_for_selector(".gallery li")
    assert page.browser.inner_text(".tab [role=status]") == "Bad parts: 2"
    points = page.browser.locator(".gallery polygon.line").evaluate_all("all => all.map(p => p.getAttribute('points'))")
    assert points == ["0.05,0.05 0.95,0.05 0.95,0.95 0.05,0.95"] * 2
    page.browser.click(".gallery button >> nth=0")
    page.browser.wait_for_function("() => document.querySelector('dialog.asking img').naturalWidth === 128")


def test_an_operator_sees_the_versions_and_changes_none(open_studio: Open) -> None:
    page = choose(open_studio("olga").open("models"), 2)
    assert page.browser.locator("main.view button:visible").count() == 0
    page.open("settings/users")
    assert page.browser.locator("main.view h3").all_inner_texts() == ["Change your password"]
