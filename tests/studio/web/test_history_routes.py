"""The history over HTTP: what is asked for is checked, and pictures come as nothing but pictures."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import cv2
import httpx
import numpy as np
import pyarrow.parquet
import pytest
from sqlalchemy import select
from starlette.types import Scope

from paddlex.inference.serving.app import create_app
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.registry import ModelRegistry
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio import history
from paddlex.studio.database.schema import AuditEntry, Verdict, Version
from paddlex.studio.studio import Studio
from paddlex.studio.workspace import Workspace

RESULT = {"is_anomalous": True, "score": 0.75, "raw_score": 3.0, "threshold": 2.0, "anomalous_area": 0.1, "regions": []}


class OpenStudio(Studio):
    """Lets everyone in; the header X-Role says as whom."""

    async def check_access(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        scope["user"] = "ada"
        scope["role"] = headers.get(b"x-role", b"operator").decode()


class Client:
    """Asks an application, without a server between."""

    def __init__(self, app: Any) -> None:
        self._transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))

    def request(self, method: str, path: str, **how: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://127.0.0.1") as client:
                return await client.request(method, path, **how)

        return asyncio.run(asked())

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.request("GET", path, **how)

    def put(self, path: str, **how: Any) -> httpx.Response:
        return self.request("PUT", path, **how)


@pytest.fixture
def client(workspace: Workspace) -> Iterator[Client]:
    settings, metrics = ServerSettings(), Metrics()
    studio = OpenStudio(workspace, "cpu")
    service = Service(settings, ModelRegistry({}, studio.load, settings, metrics), metrics)
    yield Client(create_app(service, extension=studio))
    service.close()


def told(client: Client, path: str, **query: Any) -> Any:
    answer = client.get(f"/studio/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_history_is_told_page_by_page(client: Client, workspace: Workspace, fill: Callable[..., Any]) -> None:
    verdicts = sorted(fill(workspace, 120), key=lambda one: (one.at, one.id), reverse=True)
    seen, before = [], None
    while True:
        page = told(client, "verdicts", limit=50, **({} if before is None else {"before": before}))
        assert (page["total"], page["more"]) == (120, False)
        seen += page["verdicts"]
        if (before := page["next"]) is None:
            break
    assert [one["id"] for one in seen] == [one.id for one in verdicts]
    first, expected = seen[0], verdicts[0]
    assert (first["at"], first["name"], first["isAnomalous"], first["rawScore"]) == (
        expected.at, expected.name, expected.is_anomalous, expected.raw_score,
    )  # fmt: skip
    assert (first["product"], first["version"], first["shadow"]) in [
        (name, 1, None) for name in ("grid", "网格", "screw")
    ]
    assert told(client, f"verdicts/{first['id']}") == first


def test_filters_and_order_come_with_the_address(
    client: Client, workspace: Workspace, fill: Callable[..., Any]
) -> None:
    verdicts = fill(workspace, 200)
    page = told(
        client, "verdicts", product="网格", verdict="ng", corrected="none", scoreFrom=0.6, scoreTo=0.9, sort="score",
        limit=200, **{"from": 1_700_000_000_010, "to": 1_700_000_000_090},
    )  # fmt: skip
    expected = [
        one.id for one in sorted(verdicts, key=lambda one: (one.score, one.id), reverse=True)
        if one.product_id == 2 and one.is_anomalous and not one.corrected and 0.6 <= one.score <= 0.9
        and 1_700_000_000_010 <= one.at < 1_700_000_000_090
    ]  # fmt: skip
    assert [one["id"] for one in page["verdicts"]] == expected
    assert page["total"] == len(expected) > 0
    figures = told(client, "verdicts/figures", product="网格")["products"]
    assert [(row["product"], row["judged"]) for row in figures] == [
        ("网格", sum(one.product_id == 2 for one in verdicts))
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("verdict=maybe", "verdict: Input should be 'ok' or 'ng'"),
        ("corrected=perhaps", "corrected: Input should be"),
        ("scoreFrom=NaN", "scoreFrom: "),
        ("scoreTo=inf", "scoreTo: "),
        ("scoreFrom=0.9&scoreTo=0.1", "scoreTo: it is below scoreFrom"),
        ("from=20&to=10", "to: it is before from"),
        ("from=yesterday", "from: Input should be a valid integer"),
        ("from=-1", "from: "),
        ("to=99999999999999999999999", "to: "),
        ("limit=0", "limit: "),
        ("limit=100000", "limit: "),
        ("sort=name", "sort: "),
        ("before=next", "before: that is not where a page ends"),
        ("before=" + "9" * 100, "before: "),
        ("name=" + "x" * 256, "name: "),
        ("nmae=x", "nmae: Extra inputs are not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(client: Client, query: str, words: str) -> None:
    answer = client.get(f"/studio/verdicts?{query}")
    assert answer.status_code == answer.json()["errorCode"] == 422
    assert words in answer.json()["errorMsg"]
    assert "\n" not in answer.json()["errorMsg"]


def test_what_is_not_there_is_404(client: Client) -> None:
    for path in ("verdicts?product=none", "verdicts/1", f"verdicts/{'9' * 30}", f"pictures/{'0' * 64}",
                 f"pictures/{'0' * 64}/thumbnail", "pictures/..%2F..%2Fstudio.db", "pictures/studio.db"):  # fmt: skip
        assert client.get(f"/studio/{path}").status_code == 404, path


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_the_export_is_what_was_searched_for(
    client: Client, workspace: Workspace, fill: Callable[..., Any], format: str
) -> None:
    expected = sum(one.is_anomalous for one in fill(workspace, 150))
    answer = client.get("/studio/verdicts/export", params={"format": format, "verdict": "ng"})
    assert answer.headers["content-disposition"] == f'attachment; filename="verdicts.{format}"'
    if format == "csv":
        assert len(list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))) == expected
    else:
        assert pyarrow.parquet.read_table(io.BytesIO(answer.content)).num_rows == expected
    assert client.get(f"/studio/verdicts/export?format={format}&from=2&to=1").status_code == 422
    assert client.get("/studio/verdicts/export?format=xlsx").status_code == 422


def test_a_picture_comes_as_what_it_is_and_may_be_kept_for_ever(client: Client, workspace: Workspace) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (300, 400, 3), np.uint8)
    files = {kind: cv2.imencode(f".{kind}", photo)[1].tobytes() for kind in ("png", "tiff")}
    for kind, media_type, shown_as in (("png", "image/png", "image/png"), ("tiff", "image/tiff", "image/jpeg")):
        with workspace.writing() as session:
            digest = workspace.pictures.add(session, files[kind]).digest
        whole, small, shown = (client.get(f"/studio/pictures/{digest}{end}") for end in ("", "/thumbnail", "/shown"))
        assert whole.content == files[kind]
        assert [answer.headers["content-type"] for answer in (whole, small, shown)] == [
            media_type,
            "image/jpeg",
            shown_as,
        ]
        assert whole.headers["content-disposition"] == f'inline; filename="{digest[:12]}.{kind}"'
        for answer in (whole, small, shown):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
            assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
        assert max(cv2.imdecode(np.frombuffer(small.content, np.uint8), cv2.IMREAD_COLOR).shape) == 192
        half = client.get(f"/studio/pictures/{digest}", headers={"Range": "bytes=10-19"})
        assert (half.status_code, half.content) == (206, files[kind][10:20])


def test_a_picture_that_was_removed_is_404(
    client: Client, workspace: Workspace, png: Callable[[int], bytes], add_version: Callable[..., Version]
) -> None:
    version = add_version(workspace)
    with workspace.writing() as session:
        picture = workspace.pictures.add(session, png(0))
        number = history.record(session, picture, version, RESULT, name="a", by="api").id
    workspace.pictures.remove_file(picture.digest, picture.suffix)
    assert client.get(f"/studio/pictures/{picture.digest}").status_code == 404
    assert client.get(f"/studio/pictures/{picture.digest}/thumbnail").status_code == 404
    assert told(client, f"verdicts/{number}")["digest"] == picture.digest


def test_engineers_set_the_limits_and_it_is_on_record(client: Client, workspace: Workspace) -> None:
    assert told(client, "settings/retention") == {"days": None, "gigabytes": None}
    new = {"days": 30, "gigabytes": 2.5}
    assert client.put("/studio/settings/retention", json=new).status_code == 403
    engineer = {"X-Role": "engineer"}
    assert client.put("/studio/settings/retention", json=new, headers=engineer).json() == new
    assert told(client, "settings/retention") == new
    for wrong in (
        {"days": 0},
        {"days": 1e-300},
        {"gigabytes": 1e-300},
        {"days": -1},
        {"gigabytes": "x"},
        {"weeks": 1},
        {"days": True},
        [],
    ):
        assert client.put("/studio/settings/retention", json=wrong, headers=engineer).status_code == 422, wrong
    assert client.put("/studio/settings/retention", content='{"days": NaN}', headers=engineer).status_code == 422
    assert told(client, "settings/retention") == new
    with workspace.reading() as session:
        entry = session.scalars(select(AuditEntry)).one()
    assert (entry.by, entry.action) == ("ada", "retention.change")


def test_a_database_that_fails_is_503_and_says_nothing_of_where_it_is(client: Client, workspace: Workspace) -> None:
    with workspace.engine.begin() as connection:
        connection.exec_driver_sql(f"ALTER TABLE {Verdict.__tablename__} RENAME TO gone")
    answer = client.get("/studio/verdicts")
    assert answer.status_code == 503
    assert answer.json()["errorMsg"] == "the database cannot be used. The server's log says why."
