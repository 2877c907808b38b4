"""Who may ask what of a studio: every route, asked by everyone. A route that is not in the table fails the test."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from paddlex.inference.serving.app import create_app
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.metrics import Metrics
from paddlex.inference.serving.registry import ModelRegistry
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio.sessions import ABSOLUTE, IDLE
from paddlex.studio.studio import Studio
from paddlex.studio.users import Users, find
from paddlex.studio.workspace import Workspace

from .conftest import KEY, Browser, StudioProcess

#: Everyone; programs with the key and whoever is signed in; whoever is signed in; engineers.
OPEN, JUDGING, SIGNED_IN, ENGINEER = "open", "judging", "signed in", "engineer"

WHO_MAY = {
    "GET /": OPEN,
    "GET /docs": OPEN,
    "GET /docs/start.js": OPEN,
    "GET /health": OPEN,
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": JUDGING,
    "GET /models": JUDGING,
    "POST /image-anomaly-detection": JUDGING,
    "POST /image-anomaly-detection/batch": JUDGING,
    "POST /judge": JUDGING,
    "POST /models/{name}/reload": ENGINEER,
    "GET /studio/session": OPEN,
    "POST /studio/session": OPEN,
    "DELETE /studio/session": OPEN,
    "POST /studio/setup": OPEN,
    "POST /studio/password": SIGNED_IN,
    "GET /studio/users": ENGINEER,
    "POST /studio/users": ENGINEER,
    "PATCH /studio/users/{name}": ENGINEER,
    "GET /studio/audit": ENGINEER,
    "GET /studio/audit/verify": ENGINEER,
    "GET /studio/products/{name}/versions": SIGNED_IN,
    "POST /studio/versions/{number}/gate": ENGINEER,
    "POST /studio/versions/{number}/live": ENGINEER,
    "POST /studio/products/{name}/rollback": ENGINEER,
    "POST /studio/products/{name}/threshold": ENGINEER,
    "GET /studio/products/{name}/shadow": SIGNED_IN,
    "POST /studio/products/{name}/shadow": ENGINEER,
    "GET /studio/products/{name}/refit": SIGNED_IN,
    "GET /studio/verdicts": SIGNED_IN,
    "GET /studio/verdicts/figures": SIGNED_IN,
    "GET /studio/verdicts/export": SIGNED_IN,
    "GET /studio/verdicts/{number}": SIGNED_IN,
    "GET /studio/verdicts/{number}/heat": SIGNED_IN,
    "POST /studio/verdicts/{number}/correction": SIGNED_IN,
    "DELETE /studio/verdicts/{number}/correction": SIGNED_IN,
    "GET /studio/pictures/{digest}": SIGNED_IN,
    "GET /studio/pictures/{digest}/thumbnail": SIGNED_IN,
    "GET /studio/pictures/{digest}/shown": SIGNED_IN,
    "GET /studio/products": SIGNED_IN,
    "POST /studio/products": ENGINEER,
    "GET /studio/products/{name}": SIGNED_IN,
    "PATCH /studio/products/{name}": ENGINEER,
    "GET /studio/products/{name}/regions": SIGNED_IN,
    "PUT /studio/products/{name}/regions": ENGINEER,
    "GET /studio/products/{name}/pictures": SIGNED_IN,
    "POST /studio/products/{name}/pictures": ENGINEER,
    "PATCH /studio/products/{name}/pictures": ENGINEER,
    "POST /studio/products/{name}/frame": ENGINEER,
    "POST /studio/products/{name}/check": ENGINEER,
    "POST /studio/products/{name}/fit": ENGINEER,
    "POST /studio/grab": ENGINEER,
    "GET /studio/jobs/{number}": SIGNED_IN,
    "DELETE /studio/jobs/{number}": ENGINEER,
    "GET /studio/products/{name}/study": SIGNED_IN,
    "DELETE /studio/products/{name}/study": ENGINEER,
    "GET /studio/products/{name}/study/picture": SIGNED_IN,
    "POST /studio/products/{name}/study/pictures": ENGINEER,
    "POST /studio/products/{name}/study/rating": SIGNED_IN,
    "POST /studio/products/{name}/qualify": ENGINEER,
    "GET /studio/products/{name}/qualifications": SIGNED_IN,
    "GET /studio/jobs/{number}/qualification/{file}": SIGNED_IN,
    "GET /studio/settings/retention": SIGNED_IN,
    "PUT /studio/settings/retention": ENGINEER,
    "GET /studio/drift": SIGNED_IN,
    "POST /studio/drift/rebase": ENGINEER,
    "POST /studio/drift/alarms/{number}/close": ENGINEER,
    "GET /studio/settings/shifts": SIGNED_IN,
    "PUT /studio/settings/shifts": ENGINEER,
    "GET /studio/settings/webhook": ENGINEER,
    "PUT /studio/settings/webhook": ENGINEER,
}

ROUTES = sorted(WHO_MAY)
SAFE = ("GET",)


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Method and path of every route of a studio's application."""
    workspace = Workspace(tmp_path_factory.mktemp("routes") / "workspace")
    studio, metrics = Studio(workspace), Metrics()
    settings = ServerSettings()
    service = Service(settings, ModelRegistry({}, studio.load, settings, metrics), metrics, record=studio.record)
    app = create_app(service, extension=studio)._app  # type: ignore[attr-defined]
    found = sorted(set(routes_below(app)) - {"GET /openapi.json"})
    service.close()
    studio.close()
    return found


def routes_below(router: Any) -> Iterator[str]:
    """Also of the routers that are included; what is mounted are the files of the page and the docs."""
    for route in router.routes:
        if (included := getattr(route, "original_router", None)) is not None:  # of FastAPI from 0.140 on
            yield from routes_below(included)
        for method in getattr(route, "methods", None) or ():
            if method != "HEAD":
                yield f"{method} {route.path}"


def ask(client: httpx.Client, route: str, **options: object) -> httpx.Response:
    """With parameters that name nothing, and a body that asks for nothing."""
    method, path = route.split()
    return client.request(method, re.sub(r"\{\w+\}", "999999", path), **options)  # type: ignore[arg-type]


def is_let_through(answer: httpx.Response) -> bool:
    return answer.status_code not in (401, 403)


@pytest.fixture(scope="module")
def stranger(studio: StudioProcess) -> Iterator[httpx.Client]:
    with studio.client() as client:
        yield client


@pytest.fixture(scope="module")
def signed_in(studio: StudioProcess) -> Iterator[Callable[[str], Browser]]:
    """Name -> a browser of that user, the same as long as its session lasts."""
    browsers: dict[str, Browser] = {}

    def browser(name: str) -> Browser:
        if name not in browsers or browsers[name].get("/models").status_code == 401:
            browsers[name] = studio.signed_in(name)
        return browsers[name]

    yield browser
    for opened in browsers.values():
        opened.close()


def test_every_route_has_a_row_in_the_table(routes: list[str]) -> None:
    assert routes == ROUTES


@pytest.mark.parametrize("route", ROUTES)
def test_everyone_may_what_the_table_says(
    stranger: httpx.Client, signed_in: Callable[[str], Browser], route: str
) -> None:
    allowed = WHO_MAY[route]
    answers = {
        "stranger": ask(stranger, route),
        "program": ask(stranger, route, headers={"X-API-Key": KEY}),
        "operator": ask(signed_in("bert"), route),
        "engineer": ask(signed_in("anna"), route),
    }
    refusals = {who: answer.status_code for who, answer in answers.items() if answer.status_code in (401, 403)}
    expected = {
        OPEN: {"program": 403} if "/studio/" in route else {},  # who judges by the key has no session
        JUDGING: {"stranger": 401},
        SIGNED_IN: {"stranger": 401, "program": 403},
        ENGINEER: {"stranger": 401, "program": 403, "operator": 403},
    }
    assert refusals == expected[allowed]
    assert all(answer.status_code < 500 for answer in answers.values()), {who: one.text for who, one in answers.items()}


@pytest.mark.parametrize("route", [route for route in ROUTES if WHO_MAY[route] != OPEN])
def test_what_is_no_session_opens_nothing(
    studio: StudioProcess, signed_in: Callable[[str], Browser], worthless: dict[str, Browser], route: str
) -> None:
    assert {why: ask(browser, route).status_code for why, browser in worthless.items()} == dict.fromkeys(worthless, 401)
    for wrong in (
        {"X-API-Key": "wrong"},
        {"Authorization": f"Bearer {KEY[:-1]}"},
    ):  # nor does a session mend a wrong key
        assert ask(signed_in("anna"), route, headers=wrong).status_code == 401


@pytest.mark.parametrize("route", [route for route in ROUTES if not route.startswith(SAFE)])
def test_what_changes_something_needs_the_csrf_token_of_this_session(
    studio: StudioProcess, stranger: httpx.Client, signed_in: Callable[[str], Browser], route: str
) -> None:
    others = studio.signed_in("anna").headers["X-CSRF-Token"]
    for csrf in ("", "0" * 64, others, signed_in("bert").headers["X-CSRF-Token"], None):
        engineer = signed_in("anna")
        headers = httpx.Headers(
            {"Cookie": engineer.headers["Cookie"]} | ({} if csrf is None else {"X-CSRF-Token": csrf})
        )
        answer = ask(stranger, route, headers=headers)
        is_needed = WHO_MAY[route] != OPEN or route.startswith("DELETE")  # nobody is signed in at a sign-in
        assert (answer.status_code == 403) == is_needed, answer.text
        assert engineer.get("/studio/session").json()["signedIn"]


@pytest.mark.parametrize("route", [route for route in ROUTES if route.startswith(SAFE)])
def test_what_changes_nothing_needs_no_csrf_token(
    stranger: httpx.Client, signed_in: Callable[[str], Browser], route: str
) -> None:
    assert is_let_through(ask(stranger, route, headers={"Cookie": signed_in("anna").headers["Cookie"]}))


@pytest.fixture(scope="module")
def worthless(studio: StudioProcess, other: str) -> Iterator[dict[str, Browser]]:
    browsers = {
        "idle": studio.signed_in("anna", seen_ago=IDLE + 1000),
        "old": studio.signed_in("anna", made_ago=ABSOLUTE + 1000),
        "another workspace's": Browser(studio.url, other),
    }
    yield browsers
    for browser in browsers.values():
        browser.close()


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A token that is good elsewhere."""
    workspace = Workspace(tmp_path_factory.mktemp("other") / "workspace")
    users = Users(workspace)
    users.set_up("anna", "correct horse battery staple")
    with workspace.writing() as session:
        user = find(session, "anna")
        assert user is not None
        token = users.sessions.begin(session, user)
    assert users.sessions.find(token) is not None
    users.sessions.close()
    workspace.close()
    return token


@pytest.mark.parametrize("path", ["/page/main.js", "/docs/swagger-ui.css", "/openapi.json"])
def test_the_page_opens_before_anyone_is_signed_in(stranger: httpx.Client, path: str) -> None:
    assert stranger.get(path).status_code == 200


@pytest.mark.parametrize(
    "path", ["/page/../studio/users", "/page/%2e%2e/studio/users", "//studio/users", "/studio/users/", "/STUDIO/users",
             "/docs/..%2fstudio/users", "/studio/session/../users", "/studio/session%2f..%2fusers", "/studio//users"]
)  # fmt: skip
def test_no_spelling_of_a_path_leads_past_the_door(studio: StudioProcess, path: str) -> None:
    connection = http.client.HTTPConnection(studio.url.removeprefix("http://"), timeout=60)
    connection.request("GET", path)  # as it is: httpx would tidy it up
    answer = connection.getresponse()
    assert answer.status in (401, 404)
    assert b"anna" not in answer.read()
    connection.close()


def test_another_sites_page_can_ask_nothing_even_with_the_cookie(studio: StudioProcess) -> None:
    with studio.signed_in("anna") as engineer:
        for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
            answer = engineer.post("/studio/users", headers=headers, json={})
            assert answer.status_code == 403
            assert "another site" in answer.text


def test_the_docs_of_the_api_say_nothing_of_the_studio(stranger: httpx.Client) -> None:
    assert "/studio" not in stranger.get("/openapi.json").text


def test_a_workspace_is_for_its_owner_alone(studio: StudioProcess) -> None:
    assert studio.workspace.stat().st_mode & 0o077 == 0
