"""Signing in to a real studio, and the ways around it that are tried."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import HTTPConnection

from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio.access import Access
from paddlex.studio.workspace import Workspace

from .conftest import PASSWORD, ROOT, Browser, StudioProcess, with_users

NEW = "another good password"


def sign_in(client: httpx.Client, name: str = "anna", password: str = PASSWORD, **headers: str) -> httpx.Response:
    return client.post("/studio/session", json={"name": name, "password": password}, headers=headers)


def token_of(answer: httpx.Response) -> str:
    return re.search(r"studio_session=([^;]*)", answer.headers["set-cookie"])[1]  # type: ignore[index]


def is_signed_in(studio: StudioProcess, *cookies: str) -> bool:
    """Whether these Cookie headers are somebody's, as the door to what is for everyone who is signed in sees it."""
    headers = [("Cookie", cookie) for cookie in cookies]
    with httpx.Client(base_url=studio.url, headers=headers, timeout=240, verify=False) as client:
        told = client.get("/studio/session").json()["signedIn"]
        assert (client.get("/models").status_code == 200) == told
    return bool(told)


def entries(studio: StudioProcess) -> list[tuple[str, str, str]]:
    """By, action and details of the audit trail."""
    time.sleep(0.3)  # a failed sign-in is written down after its answer
    with contextlib.closing(sqlite3.connect(studio.workspace / "studio.db")) as database:
        return database.execute("SELECT by, action, details FROM audit ORDER BY number").fetchall()


# ---- the first set-up


def test_the_first_engineer_is_made_once_however_many_ask_at_once(
    start_studio: Callable[..., StudioProcess], tmp_path: Path
) -> None:
    studio = start_studio(tmp_path / "workspace")

    def set_up(number: int) -> tuple[int, dict]:
        with studio.client() as client:
            answer = client.post("/studio/setup", json={"name": f"user {number}", "password": PASSWORD})
            return answer.status_code, answer.json()

    with studio.client() as client:
        told = client.get("/studio/session").json()
        assert told["needsSetup"]
        assert not told["needsToken"]  # only this machine's own users reach it
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(set_up, range(8)))
    assert Counter(status == 200 for status, _ in answers) == {True: 1, False: 7}
    assert all(status in (200, 409, 422) for status, _ in answers)
    won = next(answer for status, answer in answers if status == 200)
    assert won["user"]["role"] == "engineer"
    with contextlib.closing(sqlite3.connect(studio.workspace / "studio.db")) as database:
        assert database.execute("SELECT name FROM users").fetchall() == [(won["user"]["name"],)]
    with studio.client() as client:
        assert not client.get("/studio/session").json()["needsSetup"]
        assert client.post("/studio/setup", json={"name": "late", "password": PASSWORD}).status_code == 409
    studio.stop()


def test_whoever_may_come_from_elsewhere_needs_the_token_of_the_console(
    start_studio: Callable[..., StudioProcess], tmp_path: Path
) -> None:
    studio = start_studio(tmp_path / "workspace")
    token = re.search(r"set-up token: (\S+)", studio.log)[1]  # type: ignore[index]
    with studio.client(**{"X-Forwarded-For": "192.0.2.7"}) as client:  # through a proxy that nobody told us of
        assert client.get("/studio/session").json()["needsToken"]
        body = {"name": "anna", "password": PASSWORD}
        assert client.post("/studio/setup", json=body).status_code == 403
        assert client.post("/studio/setup", json={**body, "token": token[:-1]}).status_code == 403
        assert client.post("/studio/setup", json={**body, "token": token}).status_code == 200
    studio.stop()


@pytest.mark.parametrize(
    ("settings", "behind_proxy", "is_needed"),
    [({}, False, False), ({}, True, True), ({"allowed_hosts": ("inspection.factory",)}, False, True),
     ({"host": "0.0.0.0"}, False, True), ({"host": "::1"}, False, False)],
)  # fmt: skip
def test_the_token_is_left_out_only_where_this_machine_alone_can_ask(
    tmp_path: Path, settings: dict[str, Any], behind_proxy: bool, is_needed: bool
) -> None:
    workspace = Workspace(tmp_path / "workspace")
    access = Access(workspace, ServerSettings(**settings), behind_proxy=behind_proxy)
    assert access.needs_token(HTTPConnection({"type": "http", "headers": []})) == is_needed
    access.close()
    workspace.close()


# ---- cookies and tokens


def test_the_cookie_is_kept_from_scripts_and_other_sites(studio: StudioProcess) -> None:
    with studio.client() as client:
        for cookie in sign_in(client).headers.get_list("set-cookie"):
            assert "; HttpOnly" in cookie
            assert "; Path=/;" in cookie
            assert "; SameSite=strict" in cookie
            assert "; Secure" not in cookie


def test_tls_is_believed_of_our_own_proxy_alone(studio: StudioProcess, proxied: StudioProcess) -> None:
    for where, proto, is_secure in (
        (studio, "https", False), (proxied, "https", True), (proxied, "http", False), (proxied, "https, http", False),
    ):  # fmt: skip
        with where.client() as client:
            cookies = sign_in(client, **{"X-Forwarded-Proto": proto}).headers.get_list("set-cookie")
            assert len(cookies) == 2
            assert all(("; Secure" in cookie) == is_secure for cookie in cookies)


def test_a_sign_in_begins_a_session_of_its_own_and_ends_the_one_before(studio: StudioProcess) -> None:
    planted = "A" * 43
    with studio.client(Cookie=f"studio_session={planted}") as client:
        first = token_of(sign_in(client))
    assert first != planted
    assert not is_signed_in(studio, f"studio_session={planted}")
    with Browser(studio.url, first) as browser:
        second = token_of(sign_in(browser))
    assert second != first
    assert is_signed_in(studio, f"studio_session={second}")
    assert not is_signed_in(studio, f"studio_session={first}")


def test_a_token_is_worth_nothing_after_its_session_was_ended(studio: StudioProcess) -> None:
    with studio.signed_in("bert") as browser, studio.signed_in("bert") as elsewhere:
        assert browser.get("/models").status_code == 200  # and now it is remembered
        answer = browser.delete("/studio/session")
        assert not answer.json()["signedIn"]
        assert 'studio_session=""' in answer.headers["set-cookie"]
        assert browser.get("/models").status_code == 401
        assert elsewhere.get("/models").status_code == 200
        assert elsewhere.delete("/studio/session?everywhere=true").status_code == 200


def test_signing_out_everywhere_ends_all_of_ones_sessions(studio: StudioProcess) -> None:
    with studio.signed_in("bert") as browser, studio.signed_in("bert") as elsewhere, studio.signed_in("anna") as other:
        for client in (browser, elsewhere, other):
            assert client.get("/models").status_code == 200
        browser.delete("/studio/session?everywhere=true")
        assert elsewhere.get("/models").status_code == 401
        assert other.get("/models").status_code == 200


def test_a_cookie_that_was_tampered_with_is_nobodys(studio: StudioProcess) -> None:
    token = studio.signed_in("anna").token
    assert is_signed_in(studio, f"studio_session={token}")
    for wrong in (
        token[:-1], token + "a", token.upper(), token[:-1] + ("b" if token[-1] == "a" else "a"), "", "'", f"{token}\x00",
        f'"{token}"', "%00", "A" * 20_000, "é", "..", "' OR 1=1 --", f"{token},{token}",
    ):  # fmt: skip
        with contextlib.suppress(httpx.LocalProtocolError, ValueError, UnicodeEncodeError):
            assert not is_signed_in(studio, f"studio_session={wrong}"), wrong


def test_of_two_cookies_none_counts(studio: StudioProcess) -> None:
    token = studio.signed_in("anna").token
    for cookies in (
        [f"studio_session={token}; studio_session={'A' * 43}"], [f"studio_session={token}; studio_session={token}"],
        [f"studio_session={token}", f"studio_session={'A' * 43}"], [f"studio_session={'A' * 43}", f"studio_session={token}"],
    ):  # fmt: skip
        assert not is_signed_in(studio, *cookies)


def test_a_head_full_of_cookies_is_nobodys(studio: StudioProcess) -> None:
    with studio.client() as client:
        answer = client.get("/studio/session", headers={"Cookie": "; ".join(f"a{n}=b" for n in range(7000))})
        assert answer.status_code == 431 or answer.json()["signedIn"] is False


# ---- users


def test_a_new_password_ends_the_other_sessions_of_its_user(proxied: StudioProcess) -> None:
    name = proxied.add_user()
    with proxied.signed_in(name) as here, proxied.signed_in(name) as elsewhere, proxied.client() as client:
        assert here.get("/models").status_code == elsewhere.get("/models").status_code == 200
        assert here.post("/studio/password", json={"old": "wrong password", "new": NEW}).status_code == 403
        assert here.post("/studio/password", json={"old": PASSWORD, "new": "too short"}).status_code == 422
        assert here.post("/studio/password", json={"old": PASSWORD, "new": NEW}).status_code == 200
        assert here.get("/models").status_code == 200
        assert elsewhere.get("/models").status_code == 401
        assert sign_in(client, name).status_code == 401
        assert sign_in(client, name, NEW).status_code == 200


@pytest.mark.parametrize("change", [{"role": "engineer"}, {"password": NEW}, {"isActive": False}])
def test_what_an_engineer_changes_of_a_user_ends_that_users_sessions(
    proxied: StudioProcess, change: dict[str, object]
) -> None:
    name = proxied.add_user()
    with proxied.signed_in(name) as operator, proxied.signed_in("anna") as engineer:
        assert operator.get("/models").status_code == 200
        assert engineer.patch(f"/studio/users/{name}", json=change).status_code == 200
        assert operator.get("/models").status_code == 401
        assert engineer.get("/studio/users").status_code == 200
        assert entries(proxied)[-1][:2] == ("anna", "user.change")


def test_whoever_was_let_go_cannot_sign_in_and_is_told_no_more_than_a_stranger(proxied: StudioProcess) -> None:
    name = proxied.add_user()
    with proxied.signed_in("anna") as engineer, proxied.client() as client:
        engineer.patch(f"/studio/users/{name}", json={"isActive": False})
        gone, stranger = sign_in(client, name), sign_in(client, "nobody")
        assert gone.status_code == stranger.status_code == 401
        assert gone.json()["errorMsg"] == stranger.json()["errorMsg"]
        engineer.patch(f"/studio/users/{name}", json={"isActive": True})
        assert sign_in(client, name).status_code == 200


def test_a_session_cannot_change_its_own_password_without_the_old_one(proxied: StudioProcess) -> None:
    name = proxied.add_user("engineer")
    with proxied.signed_in(name) as engineer:
        for spelled in (name, name.upper(), f" {name}", f"ｅ{name[1:]}"):
            assert engineer.patch(f"/studio/users/{spelled}", json={"password": NEW}).status_code == 409
        for _ in range(5):
            assert engineer.post("/studio/password", json={"old": "a guess or two", "new": NEW}).status_code == 403
        assert engineer.post("/studio/password", json={"old": PASSWORD, "new": NEW}).status_code == 429


_CARL = {"name": "carl", "role": "operator", "password": PASSWORD}


@pytest.mark.parametrize(
    "body",
    ["[]", "", "{", "null", "NaN", "[" * 100_000, '{"a":' * 100_000, '{"name": "\\ud800", "role": "operator", "password": "x"}']
    + [json.dumps({**_CARL, "name": wrong})
       for wrong in (["carl"], "a/b", "", "x" * 65, "console", "API", "Anna", "ａnna", "\u202eanna", "an\x00na")]
    + [json.dumps({**_CARL, "password": wrong}) for wrong in ("ü" * 600, "password123", "carl123456", "short")]
    + [json.dumps({**_CARL, **wrong}) for wrong in ({"role": "root"}, {"role": None}, {"isActive": True})],
)  # fmt: skip
def test_what_is_no_user_is_refused_in_a_sentence(studio: StudioProcess, body: str) -> None:
    with studio.signed_in("anna") as engineer:
        answer = engineer.post("/studio/users", content=body.encode())
        assert answer.status_code == 422, answer.text
        assert answer.json()["errorMsg"]
        assert PASSWORD not in answer.text
        assert len(engineer.get("/studio/users").json()["users"]) == 2


# ---- lock-out


def test_after_five_wrong_passwords_the_right_one_has_to_wait_too(proxied: StudioProcess) -> None:
    name = proxied.add_user()
    with proxied.client() as client:
        for _ in range(5):
            assert sign_in(client, name, "a guess or two").status_code == 401
        locked = sign_in(client, name)
        assert locked.status_code == 429
        assert 1 <= int(locked.headers["Retry-After"]) <= 30
        assert sign_in(client, "bert").status_code == 429  # the address has to wait as well
    with proxied.signed_in("anna") as engineer:
        users = {user["name"]: user["lockedUntil"] for user in engineer.get("/studio/users").json()["users"]}
        assert users["bert"] is None
        assert users[name] > 1000 * time.time()
    assert entries(proxied)[-1][:2] == ("studio", "session.lock")


def test_a_name_that_is_nobodys_is_locked_as_any_other(proxied: StudioProcess) -> None:
    def told(name: str) -> tuple[int, str]:
        with proxied.client() as client:
            answer = sign_in(client, name, "a guess or two")
        return answer.status_code, re.sub(r"\d+ s", "N s", answer.json()["errorMsg"])

    somebody, nobody = ([told(name) for _ in range(7)] for name in (proxied.add_user(), "nobody at all"))
    assert somebody == nobody
    assert [status for status, _ in somebody] == 5 * [401] + 2 * [429]


def test_a_stranger_cannot_lock_out_whoever_has_signed_in_before(proxied: StudioProcess) -> None:
    name = proxied.add_user("engineer")
    with proxied.client() as known:
        assert sign_in(known, name).status_code == 200
        for _ in range(6):
            with proxied.client() as stranger:
                last = sign_in(stranger, name, "a guess or two")
        assert last.status_code == 429
        with proxied.client() as elsewhere:
            assert sign_in(elsewhere, name).status_code == 429  # a browser that is not known has to wait
        assert sign_in(known, name).status_code == 200
        for _ in range(5):
            assert sign_in(known, name, "a guess or two").status_code == 401
        assert sign_in(known, name).status_code == 429  # nor does a known browser guess for ever


def test_a_lock_outlives_a_restart_and_ends_with_a_password_from_the_console(
    start_studio: Callable[..., StudioProcess], tmp_path: Path
) -> None:
    studio = start_studio(with_users(tmp_path / "workspace"))
    assert "set-up token" not in studio.log
    with studio.client() as client:
        for number in range(5):  # where no proxy is known of, what a client says of its address is nothing
            sign_in(client, "bert", "a guess or two", **{"X-Forwarded-For": f"192.0.2.{number}"})
        assert sign_in(client, "anna").status_code == 429
    entries(studio)
    studio.stop()
    with closing(sqlite3.connect(studio.workspace / "studio.db")) as database, database:
        longer = "UPDATE users SET locked_until = locked_until + 600000 WHERE name = 'bert' AND failures = 5"
        assert database.execute(longer).rowcount == 1  # however long the restart takes
    again = start_studio(studio.workspace)
    with again.client() as client, again.signed_in("bert") as browser:
        assert sign_in(client, "bert").status_code == 429
        assert browser.get("/models").status_code == 200
        done = set_password(again.workspace, "bert", NEW)
        assert done.returncode == 0, done.stderr
        assert sign_in(client, "bert", NEW).status_code == 200
        deadline = time.monotonic() + 60
        while browser.get("/models").status_code == 200:  # a running studio notices within seconds
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert entries(again)[-2] == ("console", "user.change", '{"name":"bert","password":"new"}')
    again.stop()


def set_password(workspace: Path, name: str, password: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "paddlex", "--studio", str(workspace), "--set_password", name]
    return subprocess.run(command, input=f"{password}\n", capture_output=True, text=True, cwd=ROOT, timeout=240)


# ---- load, and what is left behind


@pytest.mark.slow
def test_a_thousand_sign_ins_at_once_are_answered_within_bounds(proxied: StudioProcess) -> None:
    def peak() -> int:
        status = Path(f"/proc/{proxied.process.pid}/status")
        if not status.exists():
            pytest.skip("no /proc")
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) // 1024  # type: ignore[index]

    def attempt(number: int) -> int:
        try:
            with proxied.client() as client:
                return sign_in(client, f"nobody {number}", "a guess or two").status_code
        except httpx.TransportError:
            return 0  # more connections than it takes

    before = peak()
    told_before = len(entries(proxied))
    with ThreadPoolExecutor(200) as pool:
        statuses = Counter(pool.map(attempt, range(1000)))
    assert set(statuses) <= {0, 401, 503}, statuses
    assert statuses[401] > 0
    assert peak() - before < 400  # MB: two hashes of 64 MB at once, bodies and threads
    assert httpx.get(f"{proxied.url}/healthz").status_code == 200
    assert len(entries(proxied)) - told_before <= 30  # nor do they fill the audit trail


def test_no_password_and_no_token_is_kept_or_told_anywhere(
    start_studio: Callable[..., StudioProcess], tmp_path: Path
) -> None:
    studio = start_studio(tmp_path / "workspace")
    setup_token = re.search(r"set-up token: (\S+)", studio.log)[1]  # type: ignore[index]
    with studio.client() as client:
        first = client.post("/studio/setup", json={"name": "anna", "password": PASSWORD, "token": setup_token})
        secrets = [PASSWORD, NEW, token_of(first), first.json()["csrf"]]
        sign_in(client, PASSWORD, PASSWORD)  # typed into the wrong field
        sign_in(client, "anna", NEW)
        client.post("/studio/session", content=f'{{"name": "anna", "password": "{PASSWORD}", "more": 1}}'.encode())
        client.post(
            "/studio/password", json={"old": PASSWORD, "new": NEW}, headers={"X-CSRF-Token": first.json()["csrf"]}
        )
        client.get(f"/studio/audit?limit={PASSWORD}")
        sign_in(client, "anna", NEW)
    actions = [action for _, action, _ in entries(studio)]
    assert Counter(actions)["session.fail"] == 2
    studio.stop()
    kept = b"".join(path.read_bytes() for path in studio.workspace.rglob("*") if path.is_file())
    for secret in secrets:
        assert secret.encode() not in kept
        assert secret not in studio.log
    assert setup_token.encode() not in kept


def test_the_console_verifies_the_trail_of_a_studio_at_work(studio: StudioProcess) -> None:
    def verify(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "paddlex", "--studio", str(studio.workspace), "--verify_audit", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=240)

    with studio.signed_in("anna") as engineer:
        told = engineer.get("/studio/audit/verify").json()
        listed = engineer.get("/studio/audit?limit=1").json()
    assert told["isIntact"]
    assert listed["entries"][0]["hash"] == told["head"]
    done = verify("--expect", told["head"])
    assert done.returncode == 0, done.stderr
    assert f"{told['entries']} entries" in done.stdout
    assert told["head"] in done.stdout
    wrong = verify("--expect", "0" * 63 + "1")
    assert wrong.returncode == 1
    assert "no entry has the expected hash" in wrong.stdout


def test_the_trail_is_read_page_by_page(studio: StudioProcess) -> None:
    with studio.signed_in("anna") as engineer:
        seen, before = [], None
        while True:
            answer = engineer.get("/studio/audit", params={"limit": 2, **({"before": before} if before else {})}).json()
            seen += [entry["number"] for entry in answer["entries"]]
            if (before := answer["next"]) is None:
                break
        assert seen == list(range(len(seen), 0, -1))
        assert len(seen) >= 2
        for wrong in ("limit=0", "limit=501", "before=x", "before=-1", f"before={2**70}"):
            assert engineer.get(f"/studio/audit?{wrong}").status_code == 422
