"""Connections end so that no answer and no request is lost, and those that do nothing make room for others."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n"


def connect(url: str, receive_buffer: int | None = None) -> socket.socket:
    parts = urlsplit(url)
    connection = socket.socket()
    if receive_buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(30)
    connection.connect((parts.hostname, parts.port))
    return connection


def read_all(connection: socket.socket, piece: int = 65536, pause: float = 0.0) -> bytes:
    """Everything until the server ends the connection; a reset is an error."""
    received = bytearray()
    while chunk := connection.recv(piece):
        received += chunk
        time.sleep(pause)
    return bytes(received)


def read_answer(connection: socket.socket) -> bytes:
    """One answer with a Content-Length; the connection may go on."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answer_waits(connection: socket.socket) -> bool:
    return connection.recv(1, socket.MSG_PEEK) != b""


# Nothing is lost


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (b"/judge?model=none", b"Content-Length: 200000\r\n", 404),
        (b"/judge", b"Content-Length: 200000\r\nContent-Type: text/plain\r\n", 415),
        (b"/models", b"Content-Length: 200000\r\n", 405),
        (b"/judge", b"Content-Length: 200000\r\nOrigin: http://evil.example\r\n", 403),
        (b"/judge", b"Content-Length: 200000\r\nContent-Encoding: gzip\r\n", 415),
        (b"/image-anomaly-detection", b"Content-Length: 2000000\r\n", 413),
    ],
)
def test_a_client_that_is_answered_before_it_has_sent_its_body_gets_to_read_the_answer(
    serve_here: Callable[..., str], path: bytes, headers: bytes, status: int
) -> None:
    with connect(serve_here(max_body_bytes=1_000_000)) as connection:
        connection.sendall(POST % (path, headers))
        assert answer_waits(connection)
        for _ in range(20):
            connection.sendall(b"x" * 10_000)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert b"connection: close" in head.lower()
        assert json.loads(body)["errorCode"] == status


def test_a_body_far_beyond_the_limit_is_sent_to_its_end_and_answered_with_413(serve_here: Callable[..., str]) -> None:
    with connect(serve_here(max_body_bytes=1_000_000)) as connection:
        connection.sendall(POST % (b"/image-anomaly-detection", b"Content-Length: 12000000\r\n"))
        for _ in range(12):
            connection.sendall(b"x" * 1_000_000)
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_client_that_closes_its_own_side_after_the_request_gets_its_answer(
    serve_here: Callable[..., str], photo_base64: str
) -> None:
    body = json.dumps({"image": photo_base64}).encode()
    with connect(serve_here()) as connection:
        connection.sendall(POST % (b"/image-anomaly-detection", b"Content-Length: %d\r\n" % len(body)) + body)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["errorCode"] == 0


def test_requests_sent_at_once_are_answered_in_their_order(serve_here: Callable[..., str]) -> None:
    with connect(serve_here()) as connection:
        connection.sendall(HEALTH * 50 + HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert read_all(connection).count(b"HTTP/1.1 200 ") == 51


@pytest.mark.parametrize(
    "rest", [b"", b"POST /judge HT", b"POST /judge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf"]
)
def test_requests_sent_at_once_by_a_client_that_then_closes_its_own_side_are_all_answered(
    server, photo_base64: str, rest: bytes
) -> None:
    body = json.dumps({"image": photo_base64, "visualize": False}).encode()
    request = POST % (b"/image-anomaly-detection", b"Content-Length: %d\r\n" % len(body)) + body
    with contextlib.closing(connect(server.url)) as connection:
        connection.sendall(3 * request + rest)
        connection.shutdown(socket.SHUT_WR)
        assert read_all(connection).count(b"HTTP/1.1 200 OK") == 3


def test_clients_are_told_how_long_a_connection_is_kept_and_a_little_less_than_that(
    serve_here: Callable[..., str],
) -> None:
    with httpx.Client(base_url=serve_here(idle_timeout=60.0)) as client:
        assert client.get("/healthz").headers["keep-alive"] == "timeout=54"
        assert "keep-alive" not in client.get("/healthz", headers={"Connection": "close"}).headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 70_000, 431),
        (POST % (b"/image-anomaly-detection", b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\nZZ\r\n", 400),
        (POST % (b"/judge?model=none", b"Transfer-Encoding: chunked\r\n") + b"5\r\nhello\r\nZZ\r\n", None),
        (POST % (b"/image-anomaly-detection", b"Content-Length: 1\r\nContent-Length: 2\r\n"), 400),
        (POST % (b"/healthz", b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n" + HEALTH, 400),
    ],
)
def test_what_is_no_http_is_answered_in_a_word_and_fills_no_log(server, sent: bytes, status: int | None) -> None:
    before = len(server.log)
    with connect(server.url) as connection:
        connection.sendall(sent)
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    if status is not None:
        assert head.startswith(b"HTTP/1.1 %d " % status)
        assert json.loads(body)["errorCode"] == status
    assert server.log[before:].count("\n") <= 1


# Slow readers


def test_a_client_that_reads_slowly_but_steadily_gets_the_whole_answer(
    serve_here: Callable[..., str], make_png: Callable[..., bytes]
) -> None:
    image = base64.b64encode(make_png(1500, 2000)).decode()
    body = json.dumps({"image": image, "visualize": False}).encode()
    with connect(serve_here(write_timeout=2.5), receive_buffer=2**16) as connection:
        connection.sendall(
            POST % (b"/image-anomaly-detection", b"Connection: close\r\nContent-Length: %d\r\n" % len(body)) + body
        )
        start = time.monotonic()
        answer = read_all(connection, piece=50_000, pause=0.02)
        assert time.monotonic() - start > 2.5  # else it would show nothing
    assert len(json.loads(answer.partition(b"\r\n\r\n")[2])["result"]["labelMap"]) == 3_000_000


# Idle clients


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: loc"])
def test_clients_that_do_nothing_make_room_for_those_that_ask(serve_here: Callable[..., str], begun: bytes) -> None:
    url = serve_here(max_connections=10, header_timeout=600.0, idle_timeout=600.0)
    idle = []
    with connect(url) as kept:
        kept.sendall(HEALTH)
        read_answer(kept)
        for _ in range(30):
            idle.append(connect(url))
            idle[-1].sendall(begun)
        assert httpx.get(f"{url}/healthz").status_code == 200
        assert httpx.post(f"{url}/judge?model=none").status_code == 404
        with contextlib.suppress(ConnectionResetError):
            assert read_all(idle[0]) == b""  # the oldest went first
        kept.sendall(HEALTH)  # who had asked before was not the first to go
        assert read_answer(kept).startswith(b"HTTP/1.1 200 ")
    for connection in idle:
        connection.close()


def test_a_connection_without_a_request_is_closed_in_the_end(serve_here: Callable[..., str]) -> None:
    with connect(serve_here(idle_timeout=0.3)) as connection:
        assert read_all(connection) == b""
