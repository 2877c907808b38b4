"""A picture is POSTed, and its answer is the response."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from paddlex.line.contract import State, Trigger
from paddlex.line.ports.http import HttpOptions, HttpPort
from tests.line.conftest import made_answer, until


class Station:
    """Answers at once, or as it is told."""

    def __init__(self, **options: Any) -> None:
        self.port = HttpPort("web", HttpOptions(port=0, **options))
        self.triggers: list[Trigger] = []
        self.answers = True
        self.port.start(self.take)

    def take(self, trigger: Trigger) -> None:
        self.triggers.append(trigger)
        if self.answers:
            threading.Thread(target=self.port.deliver, args=(made_answer(trigger.id, sequence=1),)).start()

    def ask(self, method: str = "POST", path: str = "/trigger", body: bytes = b"", **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(*self.port.address, timeout=60)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            content = response.read()
            is_json = response.headers.get_content_type() == "application/json"
            return response.status, json.loads(content) if is_json else content.decode()
        finally:
            connection.close()


@pytest.fixture
def make_station() -> Iterator[Callable[..., Station]]:
    stations = []

    def make(**options: Any) -> Station:
        stations.append(Station(**options))
        return stations[-1]

    yield make
    for station in stations:
        station.port.close()


@pytest.fixture
def station(make_station: Callable[..., Station]) -> Station:
    return make_station()


def test_a_picture_comes_as_the_body_or_in_json_and_a_trigger_without_one(station: Station) -> None:
    status, content = station.ask(path="/trigger?id=17&product=lid", body=b"\x89PNG", Content_Type="image/png")
    answer = made_answer("17", sequence=1)
    assert (status, content) == (
        200,
        {"logId": "17", "errorCode": 0, "errorMsg": "Success", "result": answer.to_json()},
    )
    body = json.dumps({"id": "18", "image": base64.b64encode(b"\xff\xd8").decode()}).encode()
    assert station.ask(body=body, Content_Type="application/json")[0] == 200
    assert station.ask()[0] == 200
    given = [(trigger.id, trigger.product, trigger.picture, trigger.port) for trigger in station.triggers]
    assert given[:2] == [("17", "lid", b"\x89PNG", "web"), ("18", None, b"\xff\xd8", "web")]
    assert given[2][1:] == (None, None, "web")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({"path": "/trigger?nr=1"}, 422),
        ({"path": "/trigger?id=%0A"}, 422),
        ({"path": "/judge"}, 404),
        ({"method": "GET", "path": "/trigger"}, 404),
        ({"body": b"{", "Content_Type": "application/json"}, 400),
        ({"body": b"[]", "Content_Type": "application/json"}, 422),
        ({"body": b'{"image": "?"}', "Content_Type": "application/json"}, 422),
        ({"body": b'{"id": 1}', "Content_Type": "application/json"}, 422),
        ({"body": b"x" * 2**20}, 413),
        ({"Origin": "http://evil.example"}, 403),
        ({"Content_Length": "-1"}, 411),
    ],
)
def test_what_is_no_trigger_is_refused(make_station: Callable[..., Station], request_: dict, status: int) -> None:
    station = make_station(max_body_mb=0.5)
    got, content = station.ask(**request_)
    assert (got, content["errorCode"]) == (status, status)
    assert station.triggers == []
    assert station.ask()[0] == 200


def test_only_who_has_the_token_is_answered(make_station: Callable[..., Station], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret")
    station = make_station(token_file=str(tmp_path / "token"))
    assert station.ask()[0] == station.ask(X_API_Key="wrong")[0] == 401
    assert station.ask(X_API_Key="s3cret")[0] == station.ask(Authorization="Bearer s3cret")[0] == 200


def test_without_an_answer_the_client_is_told_to_ask_again(make_station: Callable[..., Station]) -> None:
    station = make_station(answer_s=0.1)
    station.answers = False
    status, content = station.ask(path="/trigger?id=17")
    assert (status, content["logId"]) == (504, "17")
    assert "ask again with the id 17, and take the part for NG" in content["errorMsg"]


def test_all_who_ask_by_one_id_get_its_answer(station: Station) -> None:
    station.answers = False
    got: list[int] = []
    clients = [threading.Thread(target=lambda: got.append(station.ask(path="/trigger?id=17")[0])) for _ in range(3)]
    for client in clients:
        client.start()
    until(lambda: len(station.triggers) == 3)
    station.port.deliver(made_answer("17", sequence=1))
    for client in clients:
        client.join()
    assert got == [200] * 3


def test_an_orchestrator_sees_whether_it_is_ready(station: Station) -> None:
    assert station.ask("GET", "/healthz") == (200, "ok\n")
    assert station.ask("GET", "/readyz")[0] == 503
    station.port.beat(State("ready", 1, "", 0, {}, b"paddlex_line_answers 1\n"))
    assert station.ask("GET", "/readyz") == (200, "ready\n")
    assert station.ask("GET", "/metrics") == (200, "paddlex_line_answers 1\n")
    station.port.beat(State("fault", 2, "the camera has been lost", 0, {}))
    assert station.ask("GET", "/readyz") == (503, "the camera has been lost\n")


def test_connections_are_bounded(make_station: Callable[..., Station]) -> None:
    station = make_station(max_connections=1)
    with socket.create_connection(station.port.address, timeout=60) as silent:
        silent.sendall(b"POST")
        until(lambda: station.port._server is not None and station.port._server._places._value == 0)  # type: ignore[attr-defined]
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            station.ask()
