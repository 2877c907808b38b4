"""Image URLs: what may be reached, with resolvers and servers that lie."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpcore
import pytest

from paddlex.inference.serving.addresses import is_public
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.fetching import ImageFetcher, PublicOnly
from paddlex.inference.serving.settings import ServerSettings

PUBLIC = "93.184.215.14"


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.3", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "100.100.100.200", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1",
        "fd00:ec2::254", "ff02::1", "2002:7f00:1::", "2002:a00:1::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a00:1", "fec0::1", "100::1", "5f00::1", "3fff::1",
        "localhost", "", "1", "127.1", "0x7f.0.0.1",
    ],
)  # fmt: skip
def test_everything_else_is_not(address: str) -> None:
    assert not is_public(address)


class WebServer:
    """Answers on 127.0.0.1 as it is told, and notes the Host headers."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, dict[str, str], bytes]] = {}
        self.hosts: list[str] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.hosts.append(self.headers["Host"])
                status, headers, content = outer.answers[self.path]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[WebServer]:
    server = WebServer()
    yield server
    server.close()


class Connects(httpcore.AsyncNetworkBackend):
    """Notes the addresses that are connected to; the public one is played by the web server on 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._backend = httpcore.AnyIOBackend()
        self._port = port
        self.addresses: list[str] = []

    async def connect_tcp(self, host, port, *arguments, **options):  # type: ignore[no-untyped-def]
        self.addresses.append(host)
        return await self._backend.connect_tcp("127.0.0.1", self._port, *arguments, **options)


@pytest.fixture
def fetch(web: WebServer, run_async: Callable[..., bytes]) -> Callable[..., bytes]:
    """Fetches with a resolver that gives each name the lists of addresses it is told, one at each call."""

    def run(url: str, names: dict[str, list[list[str]]], **settings: object) -> bytes:
        async def resolver(host: str, port: int) -> list[str]:
            return names[host].pop(0)

        async def go() -> bytes:
            run.connects = Connects(web.port)  # type: ignore[attr-defined]
            chosen = ServerSettings(**{"allow_urls": True, **settings})  # type: ignore[arg-type]
            return await ImageFetcher(chosen, PublicOnly(run.connects, resolver)).fetch(url)  # type: ignore[attr-defined]

        return run_async(go())

    return run


def status_of(call: Callable[[], object]) -> int:
    with pytest.raises(RequestError) as caught:
        call()
    return caught.value.status


def test_a_public_url_is_fetched_from_the_address_that_was_checked_under_its_own_name(web, fetch) -> None:
    web.answers["/part.jpg?x=1"] = (200, {}, b"image")
    assert fetch("http://photos.example:8000/part.jpg?x=1", {"photos.example": [[PUBLIC]]}) == b"image"
    assert fetch.connects.addresses == [PUBLIC]
    assert web.hosts == ["photos.example:8000"]


def test_urls_are_off_unless_allowed(fetch) -> None:
    assert status_of(lambda: fetch("http://photos.example/", {}, allow_urls=False)) == 403


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["10.0.0.5"], [PUBLIC, "::1"], ["169.254.169.254"], []])
def test_a_name_with_any_address_that_is_not_public_is_refused(fetch, addresses: list[str]) -> None:
    assert status_of(lambda: fetch("http://inside.example/", {"inside.example": [addresses]})) == 403
    assert fetch.connects.addresses == []


def test_a_name_that_changes_its_address_after_the_check_gains_nothing(web, fetch) -> None:
    """DNS rebinding: the second answer, the loopback one, is never asked for, because the connection goes to the first."""
    web.answers["/"] = (200, {}, b"image")
    answers = [[PUBLIC], ["127.0.0.1"]]
    assert fetch("http://rebinding.example/", {"rebinding.example": answers}) == b"image"
    assert fetch.connects.addresses == [PUBLIC]
    assert answers == [["127.0.0.1"]]


@pytest.mark.parametrize(
    "target", ["http://localhost/secret", "http://inside.example/", "//inside.example/secret", "http://[::1]/"]
)
def test_a_redirect_to_an_address_that_is_not_public_is_refused(web, fetch, target: str) -> None:
    web.answers["/"] = (302, {"Location": target}, b"")
    names = {
        "photos.example": [[PUBLIC]],
        "localhost": [["127.0.0.1"]],
        "inside.example": [["10.0.0.5"]],
        "::1": [["::1"]],
    }
    assert status_of(lambda: fetch("http://photos.example/", names)) == 403
    assert fetch.connects.addresses == [PUBLIC]


def test_a_name_is_checked_anew_at_each_redirect(web, fetch) -> None:
    web.answers["/"] = (301, {"Location": "/again"}, b"")
    answers = {"rebinding.example": [[PUBLIC], ["127.0.0.1"]]}
    assert status_of(lambda: fetch("http://rebinding.example/", answers)) == 403


def test_a_public_redirect_is_followed_but_not_for_ever(web, fetch) -> None:
    web.answers["/"] = (307, {"Location": "http://other.example/part.jpg"}, b"")
    web.answers["/part.jpg"] = (200, {}, b"image")
    assert fetch("http://photos.example/", {"photos.example": [[PUBLIC]], "other.example": [[PUBLIC]]}) == b"image"
    web.answers["/"] = (307, {"Location": "/"}, b"")
    assert status_of(lambda: fetch("http://photos.example/", {"photos.example": [[PUBLIC]] * 9})) == 400
    assert len(fetch.connects.addresses) == 4


@pytest.mark.parametrize(
    "url",
    ["http://", "http:///etc/passwd", "http://user:secret@photos.example/", "http://photos.example:99999/", "http://[::1/",
     "http://photos.example/a b", "http://photos.example/\r\nX-Injected: 1", "https://phötos.example/",
     "http://a.example/" + "x" * 3000],
)  # fmt: skip
def test_a_strange_url_is_refused(fetch, url: str) -> None:
    assert status_of(lambda: fetch(url, {})) == 400
    assert fetch.connects.addresses == []


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "ftp://photos.example/",
        "gopher://photos.example/",
        "data:,x",
        "http://[",
        "http://::1]:x/",
    ],
)
def test_a_redirect_to_another_scheme_or_to_no_url_is_refused(web, fetch, target: str) -> None:
    web.answers["/"] = (302, {"Location": target}, b"")
    assert status_of(lambda: fetch("http://photos.example/", {"photos.example": [[PUBLIC]] * 2})) == 400


def test_a_large_file_is_broken_off(web, fetch) -> None:
    web.answers["/"] = (200, {}, bytes(5000))
    assert (
        status_of(lambda: fetch("http://photos.example/", {"photos.example": [[PUBLIC]]}, max_body_bytes=4000)) == 413
    )


def test_an_error_or_a_name_that_does_not_exist_is_the_clients_fault(web, fetch) -> None:
    web.answers["/"] = (404, {}, b"")
    assert status_of(lambda: fetch("http://photos.example/", {"photos.example": [[PUBLIC]]})) == 400


def test_a_server_that_never_answers_is_not_waited_for(run_async: Callable[..., bytes]) -> None:
    async def go() -> bytes:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n")
            await asyncio.sleep(30)

        async def resolver(host: str, port: int) -> list[str]:
            return [PUBLIC]

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        settings = ServerSettings(allow_urls=True, url_timeout=0.2)
        backend = PublicOnly(Connects(server.sockets[0].getsockname()[1]), resolver)
        return await ImageFetcher(settings, backend).fetch("http://photos.example/")

    assert status_of(lambda: run_async(go())) == 400


def test_an_image_that_comes_in_crumbs_leaves_the_service_its_turns(run_async: Callable[..., bytes]) -> None:
    crumbs = 5000
    turns = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * crumbs + b"0\r\n\r\n")
        await writer.drain()
        writer.close()

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def resolver(host: str, port: int) -> list[str]:
        return [PUBLIC]

    async def go() -> bytes:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            backend = PublicOnly(Connects(server.sockets[0].getsockname()[1]), resolver)
            other = asyncio.create_task(take_turns())
            try:
                return await ImageFetcher(ServerSettings(allow_urls=True), backend).fetch("http://photos.example/")
            finally:
                other.cancel()

    assert run_async(go()) == b"x" * crumbs
    assert turns >= crumbs
