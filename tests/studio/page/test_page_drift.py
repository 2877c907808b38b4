"""Drift on the page: what has changed, by cause; figures by shift and day as charts and as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from paddlex.studio.database.schema import DriftAlarm, Product, Verdict
from paddlex.studio.workspace import now_ms

Open = Callable[..., Any]
DAY = 86_400_000


@pytest.fixture(scope="module")
def days(studio: Any) -> int:
    """Verdicts on so many days, in the place of those of now; and an alarm about the light."""
    with studio.workspace.writing() as session:
        verdicts = session.query(Verdict).all()
        product = session.query(Product).one()
        for i, verdict in enumerate(verdicts):
            verdict.at = now_ms() - (1 + i % 5) * DAY
        details = {"quantity": "brightness", "before": 120.0, "now": 90.0, "is_sudden": True}
        session.add(DriftAlarm(product_id=product.id, at=now_ms() - DAY, cause="light", details=details))
    return 5


def test_every_figure_has_a_chart_and_a_row_of_the_table(open_studio: Open, studio: Any, days: int) -> None:
    page = open_studio("olga").open("drift")
    browser = page.browser
    browser.check("input[name=by][value=day]")
    browser.wait_for_selector(".chart .point")
    answer = studio.client.get("/studio/drift", params={"product": "grid", "by": "day"}).json()
    assert len(answer["periods"]) == days
    charts = browser.locator(".chart-card")
    assert charts.locator("figcaption > span:first-child").all_inner_texts()[:5] == [
        "Alarm rate", "Median score", "Corrections", "Brightness", "Sharpness",
    ]  # fmt: skip
    assert charts.nth(0).locator(".point").count() == days
    browser.click(".figures-table summary")
    rates = browser.locator(".figures-table tbody tr td:nth-child(3)").all_inner_texts()
    wanted = [f"{100 * period['alarmRate']['share']:.1f}%" for period in reversed(answer["periods"])]
    assert [rate.split(" ")[0] for rate in rates] == wanted
    assert browser.locator(".cause").count() == 4
    assert browser.locator("main.view button:visible").count() == 0, "an operator changes nothing"


def test_an_engineer_takes_note_of_an_alarm(open_studio: Open, studio: Any, days: int) -> None:
    page = open_studio().open("drift")
    page.browser.click(".alarm:has-text('Light') >> text=Noted")
    page.toast("Noted")
    page.browser.wait_for_selector(".alarm", state="detached")
    assert "Earlier: 1" in page.browser.inner_text(".drift-alarms")
    with studio.workspace.reading() as session:
        assert session.query(DriftAlarm).one().closed_by == "ada"
