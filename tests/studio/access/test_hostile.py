"""What a studio answers to requests that nobody sends by mistake: a sentence and a status below 500, from either database."""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import cv2
import httpx
import numpy as np
import pytest
from sqlalchemy import URL, create_engine

from .conftest import PASSWORD, Browser, StudioProcess
from .test_access import ROUTES

#: In the place of a name, a number, a digest or a file.
PLACES = (
    "%00", "a%00b", "..", "%2e%2e", "..%5c..%5cx", "%ff", "%ed%a0%80", "%E2%80%AEx", "a%0d%0ab", "%25s", "x" * 5000,
    "-1", "0", "9223372036854775807", "9223372036854775808", "9" * 400, "1e9", "NaN", "parts", "f" * 64,
)  # fmt: skip

BODIES = (
    "[]", "null", "{", '"x"', "NaN", "[" * 100_000, '{"a":' * 100_000, '{"a": 1}', "\xff",
    json.dumps({f"key {number}": number for number in range(50_000)}),
    *(json.dumps(body) for body in (
        {"name": "\x00"}, {"version": 2**63}, {"version": -1}, {"version": 10**400}, {"threshold": 1e308},
        {"url": "http://\x00"},
        {"url": "file:///etc/passwd"}, {"url": "http://[::1"}, {"product": "a\x00"}, {"digests": ["\x00"], "role": "good"},
        {"picture": "../../x", "verdict": "good"}, {"picture": "\x00", "verdict": "good"}, {"settings": {"model": "\x00"}},
        {"settings": {"model": "../x"}}, {"settings": {"imageSize": 10**9}}, {"settings": {"imageSize": "\x00"}},
        {"starts": ["06:00"], "timeZone": "../../etc/passwd"}, {"starts": ["06:00"], "timeZone": "\x00"},
        {"how": "train", "start": "\x00"},
        {"how": "train", "start": "../../x"},
        {"zones": [{"name": "\x00", "polygon": [[0, 0], [1, 0], [0, 1]]}]},
        {"inspect": [[[2, 2]] * 1000] * 60}, {"label": "bad", "where": [[[2, 2]] * 1000] * 60}, {"pixelsPerMm": 1e-320},
    )),
    '{"threshold": NaN}', '{"threshold": 1e999}', '{"name": "\\ud800"}', '{"url": "rtsp://\\ud800/"}',
)  # fmt: skip

QUERIES = (
    "limit=-1", "limit=99999999999999999999", "limit=NaN", "after=-1", "after=9223372036854775808", "before=x", "before=%00",
    "before=99999999999999999999", "before=nan:1", "name=%00", "name=%25", "name=" + "x" * 8000, "problem=%00",
    "product=parts%00", "from=-1", "from=99999999999999999999", "to=1e400", "scoreFrom=NaN", "scoreTo=inf", "sort=x",
    "format=exe", "periods=99999999999", "product=parts&by=day&periods=400", "picture=..%2f..%2fetc%2fpasswd", "picture=%00",
    "part=%00", "part=..%2fx", "model=%00", "%ff=%ff", "&".join(f"a{number}=1" for number in range(2000)),
)  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def engineer(
    request: pytest.FixtureRequest,
    start_studio: Callable[..., StudioProcess],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Browser]:
    """Signed in, with the product parts."""
    environment = {}
    if request.param == "postgresql":
        server: URL = request.getfixturevalue("postgresql")
        with create_engine(
            server.set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
        ).connect() as connection:
            connection.exec_driver_sql("CREATE DATABASE hostile")
        url = server.set(database="hostile").render_as_string(hide_password=False)
        environment["PADDLEX_STUDIO_DATABASE"] = url
    studio = start_studio(tmp_path_factory.mktemp("hostile") / "workspace", **environment)
    with studio.client() as client:
        answer = client.post("/studio/setup", json={"name": "anna", "password": PASSWORD})
    browser = Browser(studio.url, re.search(r"studio_session=([^;]*)", answer.headers["set-cookie"])[1])  # type: ignore[index]
    browser.studio = studio  # type: ignore[attr-defined]
    assert browser.post("/studio/products", json={"name": "parts"}).status_code == 200
    yield browser
    browser.close()
    studio.stop()


def is_answered(answer: httpx.Response) -> bool:
    if answer.status_code >= 500:
        return False
    return answer.status_code < 400 or bool(answer.json().get("errorMsg"))


def filled(route: str, value: str = "") -> tuple[str, str]:
    method, path = route.split()
    path = re.sub(r"\{name\}", value or "parts", path)
    return method, re.sub(r"\{\w+\}", value or "1", path)


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
def test_what_stands_in_a_path_may_be_anything(engineer: Browser, route: str) -> None:
    for place in PLACES:
        answer = engineer.request(*filled(route, place))
        assert is_answered(answer), (place, answer.text)


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.split()[0] in ("POST", "PUT", "PATCH") and "/studio" in route]
)
def test_what_stands_in_a_body_may_be_anything(engineer: Browser, route: str) -> None:
    for body in BODIES:
        answer = engineer.request(*filled(route), content=body.encode("latin-1"))
        assert is_answered(answer), (body[:80], answer.text)


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith("GET") or "pictures" in route])
def test_what_stands_in_a_query_may_be_anything(engineer: Browser, route: str) -> None:
    for query in QUERIES:
        method, path = filled(route)
        answer = engineer.request(method, f"{path}?{query}")
        assert is_answered(answer), (query[:80], answer.text)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is large, and is as far as it goes."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", zlib.compress(bytes(10**6))) + _chunk(b"IEND", b"")


def picture(number: int = 0) -> bytes:
    return cv2.imencode(".png", np.random.default_rng(number).integers(0, 255, (64, 64, 3), np.uint8))[1].tobytes()


UPLOADS = {
    "a page": b"<html><script>alert(1)</script>",
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "nothing": b"",
    "a bomb of pixels": png_bomb(60_000, 60_000),
    "no pixels": png_bomb(0, 0),
    "cut off": picture()[:200],
    "a zip": b"PK\x03\x04" + bytes(100),
    "gif": b"GIF89a\xff\xff\xff\xff\x00\x00\x00",
    "tiff": b"II*\x00\x08\x00\x00\x00\xff\xff" + bytes(20),
    "heic": b"\x00\x00\x00\x18ftypheic" + bytes(40),
}


@pytest.mark.parametrize("content", UPLOADS.values(), ids=UPLOADS)
@pytest.mark.parametrize(
    "path", ["products/parts/pictures", "products/parts/study/pictures?part=1", "products/parts/frame"]
)
def test_what_is_no_picture_is_not_kept(engineer: Browser, path: str, content: bytes) -> None:
    field = "file" if path.endswith("frame") else "files"
    answer = engineer.post(f"/studio/{path}", files={field: ("part.png", content)})
    assert answer.status_code < 500, answer.text
    if answer.status_code == 200:
        [entry] = answer.json()["pictures"]
        assert entry["errorCode"] in (413, 415, 422)
    assert engineer.get("/studio/products/parts/pictures").json()["total"] == 0
    assert not list((engineer.studio.workspace / "studies").rglob("*.*"))  # type: ignore[attr-defined]


NAMES = [
    "../../x.png",
    "/etc/passwd",
    "a\x00b.png",
    "C:\\x.png",
    "x" * 5000,
    "<img src=x>.png",
    "\u202egnp.exe",
    "",
    "🔥.png",
    "a\r\nb",
]


def test_the_name_of_a_file_names_no_file_of_the_server(engineer: Browser) -> None:
    folder = engineer.studio.workspace  # type: ignore[attr-defined]
    for number, name in enumerate(NAMES):
        boundary = "b"
        plain = name.encode().replace(b"\r\n", b"%0D%0A")
        body = b'--b\r\nContent-Disposition: form-data; name="files"; filename="%s"\r\n\r\n%s\r\n--b--\r\n' % (
            plain, picture(100 + number),
        )  # fmt: skip
        answer = engineer.post(
            "/studio/products/named/pictures",
            content=body,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        assert answer.status_code == 404
        answer = engineer.post(
            "/studio/products/parts/pictures?role=challenge",
            content=body,
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
        )
        assert answer.status_code < 500, (name, answer.text)
        for entry in answer.json().get("pictures", []):
            assert "errorCode" not in entry, entry
    assert {path.relative_to(folder).parts[0] for path in folder.rglob("*.png")} == {"pictures"}
    listed = engineer.get("/studio/products/parts/pictures?role=challenge").json()["pictures"]
    assert all(engineer.get(f"/studio/pictures/{entry['digest']}/thumbnail").status_code == 200 for entry in listed)
    answer = engineer.get(f"/studio/pictures/{listed[0]['digest']}")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"] == "image/png"
    digests = [entry["digest"] for entry in listed]
    assert (
        engineer.patch("/studio/products/parts/pictures", json={"digests": digests, "role": "aside"}).status_code == 200
    )


@pytest.mark.parametrize(
    "name", ["..", ".", "../x", "a/b", "a\\b", "", " ", "CON", "nul.txt", "auto", "a\x00", "x" * 65, "\u202ea", "-x", "a\nb",
             "%2e%2e", "~", "$HOME", "*", "<b>", "a:b", "a|b"]
)  # fmt: skip
def test_the_name_of_a_product_names_nothing_else(engineer: Browser, name: str) -> None:
    folder: Path = engineer.studio.workspace  # type: ignore[attr-defined]
    before = sorted(path for path in folder.rglob("*") if path.is_dir())
    answer = engineer.post("/studio/products", json={"name": name})
    assert answer.status_code == 422, answer.text
    assert engineer.get(f"/studio/products/{quote(name, safe='')}").status_code in (
        400,
        404,
        405,
        422,
    ) or not name.strip("./ ")
    assert sorted(path for path in folder.rglob("*") if path.is_dir()) == before


def test_one_of_two_products_of_a_name_at_once_is_made(engineer: Browser) -> None:
    def add(name: str) -> int:
        return engineer.post("/studio/products", json={"name": name}).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(add, ["twice", "Twice", "TWICE"] * 2))
    assert sorted(statuses) == [200] + 5 * [409]


def test_the_same_picture_at_once_is_kept_once(engineer: Browser) -> None:
    assert engineer.post("/studio/products", json={"name": "racing"}).status_code == 200

    def add(_: int) -> dict:
        answer = engineer.post("/studio/products/racing/pictures", files={"files": ("a.png", picture(7))})
        return answer.json()["pictures"][0]

    with ThreadPoolExecutor(6) as pool:
        entries = list(pool.map(add, range(6)))
    assert sorted(entry.get("errorCode", 0) for entry in entries) == [0] + 5 * [409]
    assert engineer.get("/studio/products/racing/pictures").json()["total"] == 1


def test_the_trail_is_whole_after_all_of_it(engineer: Browser) -> None:
    assert engineer.get("/studio/audit/verify").json()["isIntact"]
    assert "Traceback" not in engineer.studio.log  # type: ignore[attr-defined]
