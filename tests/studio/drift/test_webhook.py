"""Alarms are sent to a URL: at least once, and nowhere else."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from paddlex.studio.database.schema import DriftAlarm, Version
from paddlex.studio.drift import settings
from paddlex.studio.drift.webhook import MOST_ATTEMPTS, Sender, deliver
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.posting import checked_url


class Receiver(ThreadingHTTPServer):
    """Answers what it is told to, in turn, and remembers what it got."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[int] = []
        self.got: list[tuple[str, Any]] = []
        self.is_slow = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}/hook?token=secret"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, content))
        if self.server.is_slow.is_set():
            for byte in b"HTTP/1.1 200 OK\r\n":  # each within any timeout of a single read
                self.wfile.write(bytes([byte]))
                time.sleep(0.2)
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def database_url() -> None:
    """SQLite alone: what is tested is the sending."""


@pytest.fixture
def raise_alarm(workspace: Workspace, add_version: Callable[..., Version]) -> Callable[..., int]:
    version = add_version(workspace)

    def raised(at: int | None = None) -> int:
        details = {"quantity": "brightness", "is_sudden": True, "before": 120.0, "now": 96.0}
        with workspace.writing() as session:
            alarm = DriftAlarm(
                product_id=version.product_id, at=now_ms() if at is None else at, cause="light", details=details
            )
            session.add(alarm)
            session.flush()
            return alarm.id

    return raised


def point_to(workspace: Workspace, url: str | None, since: int = 0) -> None:
    with workspace.writing() as session:
        settings.set_webhook(session, settings.Webhook(url, since))


def row(workspace: Workspace, number: int) -> DriftAlarm:
    with workspace.reading() as session:
        return session.get_one(DriftAlarm, number)


def test_an_alarm_is_sent_once_and_says_what_changed(
    workspace: Workspace, raise_alarm: Callable[..., int], receiver: Receiver
) -> None:
    point_to(workspace, receiver.url)
    number, sender = raise_alarm(), Sender(workspace)

    sender.send()
    sender.send()

    ((path, content),) = receiver.got
    assert path == "/hook?token=secret"
    assert (content["event"], content["id"], content["product"], content["cause"]) == ("drift", number, "grid", "light")
    assert content["words"]["en"].startswith("The pictures are darker: the mean grey value is 96, it was 120")
    assert row(workspace, number).sent_at is not None


def test_what_was_not_taken_is_tried_again_also_by_the_next_service(
    workspace: Workspace, raise_alarm: Callable[..., int], receiver: Receiver
) -> None:
    point_to(workspace, receiver.url)
    receiver.answers = [500, 429]
    number, sender = raise_alarm(), Sender(workspace)

    pause = sender.send()
    assert (row(workspace, number).attempts, row(workspace, number).error) == (1, "it answers 500")
    assert 0 < pause <= 5
    sender.send()  # not yet
    assert len(receiver.got) == 1
    Sender(workspace).send()
    assert (row(workspace, number).attempts, row(workspace, number).error) == (2, "it answers 429")
    Sender(workspace).send()

    assert len(receiver.got) == 3
    assert row(workspace, number).sent_at is not None
    assert row(workspace, number).error == ""


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [307]

    assert deliver(receiver.url, {}) == "it answers 307, a redirect, which is not followed"
    assert [path for path, _ in receiver.got] == ["/hook?token=secret"]


def test_whoever_answers_byte_by_byte_is_left_after_the_time(receiver: Receiver) -> None:
    receiver.is_slow.set()

    assert deliver(receiver.url, {}, timeout=0.5) == "it took longer than 0.5 s"


def test_where_nobody_listens_the_error_says_so_without_the_url() -> None:
    server = Receiver()
    server.server_close()

    assert deliver(server.url, {}) == "it cannot be reached (ConnectError)"
    assert "secret" not in deliver("http://nowhere.invalid/?token=secret", {})


def test_alarms_of_before_the_url_was_set_are_not_sent(
    workspace: Workspace, raise_alarm: Callable[..., int], receiver: Receiver
) -> None:
    old = raise_alarm(at=now_ms() - 1000)
    point_to(workspace, receiver.url, since=now_ms())
    new = raise_alarm(at=now_ms() + 1000)

    Sender(workspace).send()

    assert [content["id"] for _, content in receiver.got] == [new]
    assert row(workspace, old).sent_at is None


def test_without_a_url_nothing_is_sent_and_what_fails_for_days_is_given_up(
    workspace: Workspace, raise_alarm: Callable[..., int], receiver: Receiver
) -> None:
    number = raise_alarm()
    Sender(workspace).send()
    assert row(workspace, number).attempts == 0
    with workspace.writing() as session:
        session.get_one(DriftAlarm, number).attempts = MOST_ATTEMPTS
    point_to(workspace, receiver.url)

    Sender(workspace).send()

    assert receiver.got == []


def test_the_thread_sends_as_soon_as_it_is_told(
    workspace: Workspace, raise_alarm: Callable[..., int], receiver: Receiver
) -> None:
    point_to(workspace, receiver.url)
    sender = Sender(workspace)
    sender.start()
    number = raise_alarm()
    sender.send_now()
    deadline = time.monotonic() + 60
    while row(workspace, number).sent_at is None and time.monotonic() < deadline:
        time.sleep(0.02)
    sender.close()

    assert row(workspace, number).sent_at is not None


@pytest.mark.parametrize(
    "url",
    ["ftp://host/", "host/path", "http://", "http://user:password@host/", "http://höst/", "http://host/\n", "http://host:0/",
     "http://[::1/", "file:///etc/passwd", "http://host/" + "x" * 2048],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="it "):
        checked_url(url)


def test_the_audit_trail_is_told_no_more_of_a_url_than_its_host() -> None:
    assert settings.Webhook(checked_url("https://[::1]:8443/hook?token=secret#x")).place == "https://[::1]:8443"
