"""Requests that are made to cost much: each is answered with what is wrong, and costs little."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import httpx
import pytest

MILLIONS = 4_000_000


def resident_bytes(url: str) -> float:
    found = re.search(r"^process_resident_memory_bytes (\S+)$", httpx.get(f"{url}/metrics").text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.parametrize(
    "body",
    [
        b'{"images":[' + b"1," * MILLIONS + b"1]}",
        b'{"images":[' + b'"",' * MILLIONS + b'""]}',
        b'{"images":[' + b"[]," * MILLIONS + b"[]]}",
        b'{"images":["QUJD"],' + b",".join(b'"%x":1' % key for key in range(MILLIONS // 4)) + b"}",
        b'{"images":["QUJD"],"x":' + (b"[" * 150 + b"]" * 150 + b",") * 40_000 + b"1}",
    ],
    ids=["numbers", "strings", "lists", "keys", "nested"],
)
def test_millions_of_values_are_refused_before_they_are_looked_at(server, body: bytes) -> None:
    before = resident_bytes(server.url)
    response = httpx.post(f"{server.url}/image-anomaly-detection/batch", content=body, timeout=60)
    assert (response.status_code, response.json()["errorCode"]) == (413, 413)
    assert len(response.content) < 1000
    assert resident_bytes(server.url) - before < 150e6  # 2 GB and more before


@pytest.mark.parametrize(
    "body",
    [
        b'{"image":"QUJD","threshold":' + b"1" * MILLIONS + b"}",
        b'{"image":"QUJD","threshold":1e' + b"9" * MILLIONS + b"}",
        b'{"image":"QUJD","logId":"' + b"x" * MILLIONS + b'"}',
        b'{"image":"QUJD","' + b"x" * MILLIONS + b'":1}',
        b'{"image":' + b"[" * 4000,
        b'{"image":"\xff\xfe"}',
        b'{"image":"\\ud800"}',
        b'{"image":"QUJD","threshold":1,"threshold":NaN}',
        b'{"image":"QUJD","model":{"a":1}}',
    ],
    ids=["digits", "exponent", "long", "key", "deep", "no UTF-8", "half a pair", "NaN", "object"],
)
def test_values_that_are_out_of_all_bounds_are_named_in_a_few_words(client: httpx.Client, body: bytes) -> None:
    response = client.post("/image-anomaly-detection", content=body)
    assert (response.status_code, response.json()["errorCode"]) == (422, 422)
    assert len(response.content) < 1000


def test_all_that_is_wrong_with_a_request_is_named_at_once(client: httpx.Client) -> None:
    message = client.post("/image-anomaly-detection", json={"treshold": 2, "visualize": "yes"}).json()["errorMsg"]
    assert all(f"{key}: " in message for key in ("image", "treshold", "visualize"))
    many = client.post("/image-anomaly-detection", json={f"key{index}": 0 for index in range(100)}).json()["errorMsg"]
    assert "(and 96 more)" in many and len(many) < 500


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"--x\r\n" + b'Content-Disposition: form-data; name="a"\r\n\r\n\r\n--x\r\n' * 20_000, 400),
        (b"--x\r\n" + b'Content-Disposition: form-data; name="files"; filename="a"\r\n\r\n\r\n--x\r\n' * 20_000, 413),
        (b"--x\r\nContent-Disposition: " + b"a" * MILLIONS + b"\r\n\r\n", 400),
        (b"--x\r\n" + b"a: b\r\n" * 500_000 + b"\r\n", 400),
        (b"--x\r\n\r\n", 400),
        (b"\r\n" * 1_000_000, 422),
        (b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n' + b"\r" * MILLIONS + b"\r\n--x--", 415),
    ],
    ids=["fields", "files", "header", "headers", "nameless", "preamble", "returns"],
)  # fmt: skip
def test_a_form_of_very_many_or_very_large_parts_is_refused_and_fills_no_log(server, body: bytes, status: int) -> None:
    before, log = resident_bytes(server.url), len(server.log)
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    response = httpx.post(f"{server.url}/judge", content=body, headers=headers, timeout=60)
    assert (response.status_code, response.json()["errorCode"]) == (status, status)
    assert resident_bytes(server.url) - before < 150e6
    assert len(server.log) == log


def test_a_compressed_body_is_not_unpacked(client: httpx.Client) -> None:
    response = client.post("/image-anomaly-detection", content=b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 415
    assert "compressed" in response.json()["errorMsg"]


def exchange(url: str, sent: bytes) -> bytes:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(sent)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    return received


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 421),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
        (b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\n\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 400),
        (b"GET /%ff%00/../healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404),
    ],
)
def test_odd_requests_get_an_ordinary_answer(server, sent: bytes, status: int) -> None:
    log = len(server.log)
    answer = exchange(server.url, sent)
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    if sent.startswith(b"HEAD"):
        assert answer.endswith(b"\r\n\r\n")
    assert len(server.log) == log


def test_a_body_of_crumbs_is_refused_and_one_of_small_chunks_is_not(server) -> None:
    head = b"POST /image-anomaly-detection HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    assert exchange(server.url, head + b"1\r\n \r\n" * 100_000 + b"0\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert exchange(server.url, head + b"1\r\n \r\n" * 3_000 + b"0\r\n\r\n").startswith(b"HTTP/1.1 422 ")
    assert exchange(server.url, head + (b"64\r\n" + b" " * 100 + b"\r\n") * 20_000 + b"0\r\n\r\n").startswith(
        b"HTTP/1.1 422 "
    )


def test_a_body_is_asked_for_only_if_it_is_wanted(serve_here: Callable[..., str], photo_base64: str) -> None:
    parts = urlsplit(serve_here(max_body_bytes=1_000_000))
    body = json.dumps({"image": photo_base64, "visualize": False}).encode()
    head = b"POST /image-anomaly-detection HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nExpect: 100-continue\r\n"
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head + b"Content-Length: 9000000\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 413 ")
    with socket.create_connection((parts.hostname, parts.port), timeout=30) as connection:
        connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body))
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
