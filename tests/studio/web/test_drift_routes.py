"""Drift over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import numpy as np
import pytest
from sqlalchemy import insert, select, update
from starlette.types import Scope

from paddlex.inference.serving.app import create_app
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.registry import ModelRegistry
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio.database.schema import AuditEntry, DriftAlarm, Verdict, Version
from paddlex.studio.studio import Studio
from paddlex.studio.workspace import Workspace, now_ms

SHIFT = 28_800_000
DETAILS = {"quantity": "brightness", "is_sudden": True, "before": 120.0, "now": 96.0}


class OpenStudio(Studio):
    """Lets everyone in; the header X-Role says as whom."""

    async def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        scope["user"] = "ada"
        scope["role"] = headers.get(b"x-role", b"engineer").decode()


class Asking:
    """Asks a studio's application, without a server between."""

    def __init__(self, workspace: Workspace) -> None:
        settings, self.metrics = ServerSettings(), Metrics()
        self.studio = OpenStudio(workspace, "cpu")
        self.service = Service(settings, ModelRegistry({}, self.studio.load, settings, self.metrics), self.metrics)
        self._transport = httpx.ASGITransport(create_app(self.service, extension=self.studio), client=("127.0.0.1", 1))

    def __call__(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, f"/studio/{path}", **how)

        return asyncio.run(asked())


@pytest.fixture
def database_url() -> None:
    """SQLite alone: the queries are tested with both elsewhere."""


@pytest.fixture
def ask(workspace: Workspace) -> Iterator[Asking]:
    asking = Asking(workspace)
    yield asking
    asking.service.close()


@pytest.fixture
def judged(workspace: Workspace, add_version: Callable[..., Version]) -> Version:
    """A product with 40 verdicts in each of the last twelve shifts: ten of the first shift are anomalous, two corrected."""
    version = add_version(workspace)
    rng, edge = np.random.default_rng(0), (now_ms() // SHIFT) * SHIFT - 7_200_000  # shifts begin at 06:00, 14:00, 22:00
    rows = [
        {
            "at": edge + (shift - 12) * SHIFT + 1000 * part, "product_id": version.product_id, "version_id": version.id,
            "model_digest": version.digest, "name": "", "digest": "0" * 64, "is_kept": False,
            "is_anomalous": shift == 0 and part < 10, "score": 0.25, "raw_score": 1.0, "threshold": 2.0, "area": 0.0,
            "brightness": 120 + float(rng.normal()), "sharpness": -1.0, "offset_x": None, "offset_y": None, "angle": None,
            "regions": [], "by": "api", "corrected": "good" if shift == 0 and part < 2 else "", "corrected_by": "",
        }
        for shift in range(12)
        for part in range(40)
    ]  # fmt: skip
    with workspace.writing() as session:
        session.execute(insert(Verdict), rows)
    return version


@pytest.fixture
def alarm(workspace: Workspace, judged: Version) -> int:
    with workspace.writing() as session:
        row = DriftAlarm(product_id=judged.product_id, at=now_ms(), cause="light", details=DETAILS)
        session.add(row)
        session.flush()
        return row.id


def audited(workspace: Workspace) -> list[str]:
    with workspace.reading() as session:
        return [entry.action for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]


@pytest.mark.usefixtures("judged")
def test_figures_come_by_shift_and_by_day(ask: Asking) -> None:
    by_shift = ask("GET", "drift?product=grid&by=shift&periods=100").json()
    by_day = ask("GET", "drift?product=grid&by=day").json()

    assert [period["n"] for period in by_shift["periods"]] == [40] * 12
    first = by_shift["periods"][0]
    assert first["alarmRate"]["share"] == 0.25
    assert (first["alarmRate"]["low"], first["alarmRate"]["high"]) == pytest.approx(
        (0.1419, 0.4019), abs=1e-4
    )  # Wilson
    assert first["correctionRate"] == 0.05
    assert first["to"] - first["from"] == SHIFT
    assert (first["medianScore"], first["sharpness"], first["offsetX"]) == (0.25, -1, None)
    assert sum(period["n"] for period in by_day["periods"]) == 480
    assert by_shift["state"]["light"]["learnt"] == by_shift["state"]["light"]["toLearn"] == 6
    assert not by_shift["state"]["position"]["isWatched"]
    assert not by_shift["state"]["parts"]["isWatched"]  # the version has no folder, and so no calibration scores


def test_an_open_alarm_is_told_until_it_is_closed(ask: Asking, workspace: Workspace, alarm: int) -> None:
    before = ask("GET", "drift?product=grid").json()
    closed = ask("POST", f"drift/alarms/{alarm}/close")
    again = ask("POST", f"drift/alarms/{alarm}/close")
    after = ask("GET", "drift?product=grid").json()

    assert before["state"]["light"]["isAlarm"]
    assert before["state"]["light"]["words"]["en"].startswith("The pictures are darker")
    assert closed.json() == again.json()
    assert closed.json()["closedBy"] == "ada"
    assert not after["state"]["light"]["isAlarm"]
    assert after["alarms"][0]["closedAt"] is not None
    assert audited(workspace) == ["drift.close"]


@pytest.mark.usefixtures("alarm")
def test_this_is_how_it_is_now_closes_alarms_and_begins_anew(ask: Asking, workspace: Workspace) -> None:
    answer = ask("POST", "drift/rebase", json={"product": "grid"})
    after = ask("GET", "drift?product=grid").json()

    assert answer.status_code == 200
    assert after["baseline"] == answer.json()["baseline"]
    assert after["state"]["light"] | {"words": {}} == {
        "isWatched": False, "isAlarm": False, "value": 0, "limit": 1, "since": None, "learnt": 0, "toLearn": 6, "words": {},
    }  # fmt: skip
    assert len(after["periods"]) == 12
    assert audited(workspace) == ["drift.rebase"]


def test_shifts_and_webhook_are_set_by_engineers_and_audited_without_secrets(ask: Asking, workspace: Workspace) -> None:
    shifts = {"starts": ["05:30", "13:30"], "timeZone": "Europe/Berlin"}
    assert ask("PUT", "settings/shifts", json=shifts).json() == shifts
    assert ask("GET", "settings/shifts").json() == shifts
    url = "https://mes.example:8443/hook?token=secret"
    assert ask("PUT", "settings/webhook", json={"url": url}).json() == {"url": url, "error": ""}
    assert ask("PUT", "settings/webhook", json={"url": None}).json() == {"url": None, "error": ""}

    assert audited(workspace) == ["shifts.change", "webhook.change", "webhook.change"]
    with workspace.reading() as session:
        details = [entry.details for entry in session.scalars(select(AuditEntry).order_by(AuditEntry.number))]
    assert '"after":"https://mes.example:8443"' in details[1]
    assert "secret" not in "".join(details)


def test_an_operator_changes_nothing(ask: Asking, workspace: Workspace, add_version: Callable[..., Version]) -> None:
    add_version(workspace)
    for method, path, body in (
        ("POST", "drift/rebase", {"product": "grid"}),
        ("POST", "drift/alarms/1/close", {}),
        ("PUT", "settings/shifts", {"starts": ["06:00"], "timeZone": "UTC"}),
        ("GET", "settings/webhook", None),
        ("PUT", "settings/webhook", {"url": "http://host/"}),
    ):
        assert ask(method, path, json=body, headers={"X-Role": "operator"}).status_code == 403, path
    assert audited(workspace) == []


def test_what_makes_no_sense_is_refused_in_a_sentence(
    ask: Asking, workspace: Workspace, add_version: Callable[..., Version]
) -> None:
    add_version(workspace)
    for method, path, body, status, words in (
        ("GET", "drift", None, 422, "product: "),
        ("GET", "drift?product=none", None, 404, "no product 'none'"),
        ("GET", "drift?product=grid&by=week", None, 422, "by: "),
        ("GET", "drift?product=grid&periods=0", None, 422, "periods: "),
        ("POST", "drift/rebase", {"product": "none"}, 404, "no product"),
        ("POST", "drift/alarms/99/close", {}, 404, "there is no alarm 99"),
        ("PUT", "settings/shifts", {"starts": ["26:00"], "timeZone": "UTC"}, 422, "not '26:00'"),
        ("PUT", "settings/shifts", {"starts": ["06:00"], "timeZone": "Mars"}, 422, "not 'Mars'"),
        ("PUT", "settings/webhook", {"url": "ftp://host/"}, 422, "url: it is no http(s) URL"),
        ("PUT", "settings/webhook", {}, 422, "url: Field required"),
    ):
        answer = ask(method, path, json=body)
        assert answer.status_code == answer.json()["errorCode"] == status, path
        assert words in answer.json()["errorMsg"]


@pytest.mark.usefixtures("alarm")
def test_prometheus_is_told_after_each_look(ask: Asking, workspace: Workspace) -> None:
    with workspace.writing() as session:
        session.execute(update(Verdict).values(score=0.3))

    ask.studio.drift.look()

    text = ask.metrics.text().decode()
    for line in (
        'paddlex_drift_alarm_rate{model="grid"} 0.0', 'paddlex_drift_score_median{model="grid"} 0.3',
        'paddlex_drift_sharpness{model="grid"} -1.0', 'paddlex_drift_alarm{cause="light",model="grid"} 1.0',
        'paddlex_drift_alarm{cause="parts",model="grid"} 0.0', 'paddlex_drift_level{cause="focus",model="grid"} 0.0',
    ):  # fmt: skip
        assert line in text
