"""An answer is at the other side when that has said so."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from paddlex.errors import ConfigError, LineError
from paddlex.line.contract import DeliveryError
from paddlex.line.ports.webhook import WebhookOptions, WebhookPort
from tests.line.conftest import made_answer


class Receiver(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.posted: list[tuple[str | None, dict]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/answers?token=secret"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posted.append((self.headers["Authorization"], body))  # type: ignore[attr-defined]
        self.send_response(self.server.status)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_an_answer_is_posted_as_json_with_the_token(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    port = WebhookPort("mes", WebhookOptions(url=receiver.url, token_file=str(tmp_path / "token")))
    answer = made_answer("17", sequence=3)
    port.deliver(answer)
    assert receiver.posted == [("Bearer abc", answer.to_json())]
    assert receiver.posted[0][1]["verdict"] == "OK"


@pytest.mark.parametrize("status", [302, 400, 503])
def test_anything_but_2xx_is_no_delivery_and_the_message_holds_no_token(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(DeliveryError, match=f"it answers {status}.*http://127.0.0.1") as caught:
        WebhookPort("mes", WebhookOptions(url=receiver.url)).deliver(made_answer())
    assert caught.value.may_have_arrived
    assert "secret" not in str(caught.value)


def test_where_nobody_listens_nothing_has_arrived(receiver: Receiver) -> None:
    port = WebhookPort("mes", WebhookOptions(url=receiver.url))
    assert port.check().startswith("http://127.0.0.1:")
    receiver.shutdown()
    receiver.server_close()
    with pytest.raises(DeliveryError, match="cannot be reached") as caught:
        port.deliver(made_answer())
    assert not caught.value.may_have_arrived
    with pytest.raises(LineError, match="cannot be reached") as shown:
        port.check()
    assert "secret" not in str(shown.value) + str(caught.value)


def test_what_is_no_url_or_no_file_is_an_error_of_the_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Ports\.mes\.url") as caught:
        WebhookPort("mes", WebhookOptions(url="https://anna:secret@mes.example"))
    assert "secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="no_such_file"):
        WebhookPort("mes", WebhookOptions(url="https://mes.example", ca_file=str(tmp_path / "no_such_file")))
