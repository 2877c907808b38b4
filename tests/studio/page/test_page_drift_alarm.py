"""Drift from the verdicts on: the rule raises an alarm, the page says what changed, an engineer takes note, the trail knows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sqlalchemy import insert, select

from paddlex.studio.database.schema import AuditEntry, DriftAlarm, Product, Verdict, Version
from paddlex.studio.workspace import Workspace, now_ms

Open = Callable[..., Any]

SHIFT = 28_800_000


@pytest.fixture(scope="module")
def darkened(studio: Any) -> Workspace:
    """Fifteen whole shifts of 40 parts; from the middle of the twelfth on the light is a fifth less."""
    workspace: Workspace = studio.workspace
    rng, end = np.random.default_rng(0), (now_ms() + 7_200_000) // SHIFT * SHIFT - 7_200_000  # 06:00, 14:00 or 22:00
    with workspace.reading() as session:
        product = session.scalars(select(Product)).one()
        version = session.get_one(Version, product.live_id)
    rows = [
        {
            "at": end + (shift - 15) * SHIFT + part * SHIFT // 40, "product_id": product.id, "version_id": version.id,
            "model_digest": version.digest, "name": "", "digest": "0" * 64, "is_kept": False, "is_anomalous": part == 7,
            "score": 0.75 if part == 7 else 0.25, "raw_score": 1.0, "threshold": 2.0, "area": 0.0, "regions": [], "by": "api",
            "brightness": 120 + float(rng.normal()) - 24 * (40 * shift + part >= 460), "sharpness": float(rng.normal(-1, 0.1)),
            "corrected": "", "corrected_by": "",
        }
        for shift in range(15)
        for part in range(40)
    ]  # fmt: skip
    with workspace.writing() as session:
        session.execute(insert(Verdict), rows)
    studio.studio.drift.look()
    return workspace


def test_an_alarm_says_what_changed_and_an_engineer_takes_note_of_it(open_studio: Open, darkened: Workspace) -> None:
    page = open_studio().open("drift")
    browser = page.browser
    browser.wait_for_selector(".alarm:has-text('The pictures are darker: the mean grey value is 96, it was 120')")
    assert browser.locator(".cause.bad").count() == 1
    assert "does not look where the part lies" in browser.inner_text(".causes")
    assert browser.locator(".charts > *").count() == 5
    browser.click(".alarm button >> nth=0")
    browser.wait_for_selector(".alarm", state="detached")
    with darkened.reading() as session:
        assert session.scalars(select(DriftAlarm)).one().closed_by == "ada"
        actions = [entry.action for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]
    assert [action for action in actions if action.startswith("drift.")] == ["drift.alarm", "drift.close"]
