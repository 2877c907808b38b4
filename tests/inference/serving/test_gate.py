"""Who gets in, and how much: servers with settings of their own, spoken to over real sockets."""

from __future__ import annotations

import base64
import json
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from paddlex.inference.predictor import AnomalyPredictor

KEY = "correct-horse-battery-staple"


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=120)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    try:
        while chunk := connection.recv(65536):
            received += chunk
    except ConnectionError:
        pass
    return received


# The API key


@pytest.fixture
def locked(serve_here: Callable[..., str]) -> str:
    return serve_here(api_key=KEY)


@pytest.mark.parametrize(
    "headers", [{}, {"X-API-Key": "wrong"}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}]
)
def test_without_the_key_nothing_is_told(locked: str, headers: dict[str, str]) -> None:
    for method, path in (("GET", "/models"), ("GET", "/metrics"), ("POST", "/judge"), ("POST", "/models/parts/reload")):
        response = httpx.request(method, locked + path, headers=headers)
        assert (response.status_code, response.json()["errorCode"]) == (401, 401)
        assert response.headers["www-authenticate"] == "Bearer"


def test_the_key_opens_in_either_header_and_health_needs_none(locked: str) -> None:
    for headers in ({"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}):
        assert httpx.get(f"{locked}/models", headers=headers).status_code == 200
    for path in ("/healthz", "/readyz", "/docs"):
        assert httpx.get(locked + path).status_code == 200
    assert httpx.get(f"{locked}/", follow_redirects=True).status_code == 200


def test_with_the_key_a_model_is_reloaded_from_anywhere(locked: str) -> None:
    headers = {"X-API-Key": KEY, "X-Forwarded-For": "192.0.2.7"}
    assert httpx.post(f"{locked}/models/parts/reload", headers=headers).status_code == 200


# Pages of other sites


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_can_neither_judge_nor_reload(server, headers: dict[str, str]) -> None:
    for path in ("/models/parts/reload", "/judge", "/image-anomaly-detection"):
        assert httpx.post(server.url + path, headers=headers).status_code == 403


def test_our_own_page_can(server, photo: bytes) -> None:
    headers = {"Origin": server.url, "Sec-Fetch-Site": "same-origin"}
    response = httpx.post(f"{server.url}/judge", headers=headers, files={"files": ("a.jpg", photo)})
    assert response.status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "evil.example:8080", "169.254.169.254", ""])
def test_a_name_that_was_made_to_lead_here_is_refused(server, host: str) -> None:
    for path in ("/", "/models", "/healthz"):
        assert httpx.get(server.url + path, headers={"Host": host}).status_code == 421


def test_names_of_this_machine_and_those_allowed_are_served(serve_here: Callable[..., str]) -> None:
    url = serve_here(allowed_hosts=("inspection.factory",))
    for host in ("localhost", "LOCALHOST:80", "127.0.0.1:9", "[::1]:8080", "inspection.factory:80"):
        assert httpx.get(f"{url}/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
def test_without_a_key_a_reload_does_not_come_through_a_proxy(server, name: str) -> None:
    assert httpx.post(f"{server.url}/models/parts/reload", headers={name: "for=127.0.0.1"}).status_code == 403


# Size and speed


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(serve_here: Callable[..., str]) -> None:
    url = serve_here(max_body_bytes=10_000)
    with connect(url) as connection:
        connection.sendall(b"POST /judge HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n"
                           b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x")  # fmt: skip
        assert read_all(connection).startswith(b"HTTP/1.1 413 ")


def test_a_body_that_does_not_tell_its_size_is_cut_off(serve_here: Callable[..., str]) -> None:
    url = serve_here(max_body_bytes=10_000)
    response = httpx.post(f"{url}/image-anomaly-detection", content=iter([b"x" * 1000] * 20))
    assert (response.status_code, response.json()["errorCode"]) == (413, 413)


def test_a_client_that_still_sends_gets_to_read_that_it_is_too_much(serve_here: Callable[..., str]) -> None:
    url = serve_here(max_body_bytes=1_000_000)
    body = json.dumps({"image": "A" * 3_000_000})
    assert httpx.post(f"{url}/image-anomaly-detection", content=body).status_code == 413


@pytest.mark.parametrize("sent", [b"G", b"GET /healthz HTTP/1.1\r\nHost: local"])
def test_a_head_that_does_not_arrive_is_not_waited_for(serve_here: Callable[..., str], sent: bytes) -> None:
    with connect(serve_here(header_timeout=0.3)) as connection:
        connection.sendall(sent)
        assert read_all(connection) == b""


def test_a_head_that_drips_is_cut_off_also_as_the_second_of_a_connection(serve_here: Callable[..., str]) -> None:
    with connect(serve_here(header_timeout=0.3)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        with pytest.raises(ConnectionError):
            for byte in b"GET /healthz HTTP/1.1\r\nX-Header: a very long one, sent slowly, byte by byte" * 2:
                connection.sendall(bytes([byte]))
                time.sleep(0.02)
            raise AssertionError("the connection is still open")


def test_a_body_that_drips_is_cut_off(serve_here: Callable[..., str]) -> None:
    with connect(serve_here(body_grace=0.3, body_rate=1e6)) as connection:
        connection.sendall(
            b"POST /image-anomaly-detection HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{"
        )
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")


def test_a_client_that_does_not_read_its_answer_is_cut_off(serve_here: Callable[..., str], make_png) -> None:
    url = serve_here(write_timeout=0.5)
    text = base64.b64encode(make_png(2000, 2000))
    body = b'{"visualize": false, "image": "' + text + b'"}'
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    parts = urlsplit(url)
    connection.connect((parts.hostname, parts.port))
    with connection:
        connection.sendall(
            b"POST /image-anomaly-detection HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
            + body
        )
        deadline = time.monotonic() + 30
        while connection.fileno() >= 0 and time.monotonic() < deadline:
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error or in_flight(url) == 1:  # this very question is the one in flight
                break
            time.sleep(0.1)
        connection.settimeout(20)
        assert len(read_all(connection)) < 14_000_000  # not the whole label map, which is 16 MB; buffers hold a part


def in_flight(url: str) -> float:
    text = httpx.get(f"{url}/metrics").text
    return float(
        next(line for line in text.splitlines() if line.startswith("paddlex_http_requests_in_flight ")).split()[1]
    )


# Load


class Slow:
    """A real predictor that waits for an event first."""

    def __init__(self, predictor: AnomalyPredictor) -> None:
        self._predictor = predictor
        for name in ("limits", "folder", "device", "backend", "tiling", "preparation", "reading"):
            setattr(self, name, getattr(predictor, name))
        self.go = threading.Event()
        self.go.set()

    def judge(self, images: list[np.ndarray]) -> list:
        assert self.go.wait(240)
        return self._predictor.judge(images)


def test_a_full_queue_answers_503_with_retry_after_and_loses_nothing(
    serve_here: Callable[..., str], predictor: AnomalyPredictor, photo: bytes
) -> None:
    slow = Slow(predictor)
    at_work = 2 if predictor.backend.is_concurrent else 1
    url = serve_here(slow, queue_size=2, max_batch=1)
    slow.go.clear()
    with ThreadPoolExecutor(8) as pool, httpx.Client(base_url=url) as client:
        futures = [pool.submit(client.post, "/judge", files={"files": ("a.jpg", photo)}) for _ in range(8)]
        while sum(future.done() for future in futures) < 6 - at_work:
            time.sleep(0.02)
        slow.go.set()
        responses = [future.result() for future in futures]
    answered = sum(response.status_code == 200 for response in responses)
    assert 2 <= answered <= 2 + at_work  # two that waited, and those that were at work before the others came
    assert sum(response.status_code == 503 for response in responses) == 8 - answered
    refused = [response for response in responses if response.status_code == 503]
    assert all(int(response.headers["retry-after"]) >= 1 for response in refused)
    assert refused[0].json()["errorMsg"].startswith("2 images are waiting already")


def test_many_images_of_one_request_wait_for_places_instead(
    serve_here: Callable[..., str], photos: list[bytes]
) -> None:
    url = serve_here(queue_size=1, max_batch=2, max_pixels=40_000)
    files = [("files", (str(index), data)) for index, data in enumerate(photos * 4)]
    results = httpx.post(f"{url}/judge", files=files).json()["results"]
    assert [(entry["name"], entry["errorCode"]) for entry in results] == [(str(index), 0) for index in range(20)]


def test_too_many_requests_at_once_are_refused_but_health_is_not(
    serve_here: Callable[..., str], predictor: AnomalyPredictor, photo: bytes
) -> None:
    slow = Slow(predictor)
    url = serve_here(slow, max_requests=3)
    slow.go.clear()
    with ThreadPoolExecutor(6) as pool, httpx.Client(base_url=url) as client:
        futures = [pool.submit(client.post, "/judge", files={"files": ("a.jpg", photo)}) for _ in range(6)]
        while sum(future.done() for future in futures) < 3:
            time.sleep(0.02)
        assert client.get("/healthz").status_code == 200
        slow.go.set()
        assert sorted(future.result().status_code for future in futures) == [200] * 3 + [503] * 3


def test_an_image_that_takes_too_long_is_given_up(
    serve_here: Callable[..., str], predictor: AnomalyPredictor, photo: bytes
) -> None:
    slow = Slow(predictor)
    url = serve_here(slow, request_timeout=0.3)
    slow.go.clear()
    response = httpx.post(f"{url}/judge", files={"files": ("a.jpg", photo)})
    assert response.status_code == 503
    slow.go.set()


def test_too_many_images_in_a_request_are_refused(serve_here: Callable[..., str]) -> None:
    url = serve_here(max_images=3)
    assert httpx.post(f"{url}/image-anomaly-detection/batch", json={"images": ["QUJD"] * 4}).status_code == 413
    files = [("files", ("a.jpg", b"x"))] * 4
    assert httpx.post(f"{url}/judge", files=files).status_code == 413


def test_the_page_is_served_from_its_folder(tmp_path: Path, serve_here: Callable[..., str]) -> None:
    (tmp_path / "index.html").write_text("<title>page</title>", encoding="utf-8")
    (tmp_path / "page.js").write_text("1", encoding="utf-8")
    url = serve_here(page=tmp_path)
    page, script = httpx.get(url), httpx.get(f"{url}/page/page.js")
    assert (page.text, page.headers["content-type"]) == ("<title>page</title>", "text/html; charset=utf-8")
    assert script.headers["content-type"].startswith("text/javascript")
    for path, response in (("/", page), ("/page/page.js", script)):
        assert "script-src 'self';" in response.headers["content-security-policy"]
        assert response.headers["cache-control"] == "no-cache"
        again = httpx.get(url + path, headers={"If-None-Match": response.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
