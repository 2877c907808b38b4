"""Who asks, and whether they may: looked at before every request."""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from starlette.requests import HTTPConnection
from starlette.types import Scope

from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import Busy, RequestError
from paddlex.inference.serving.gate import came_through_proxy, check_key, has_key, is_safe
from paddlex.inference.serving.settings import ServerSettings
from paddlex.studio.passwords import Bench
from paddlex.studio.sessions import SignedIn
from paddlex.studio.sign_in import SignIn
from paddlex.studio.users import Users
from paddlex.studio.workspace import Workspace
from paddlex.utils.console import say
from paddlex.utils.logging import logger

OPERATOR, ENGINEER, API = "operator", "engineer", "api"

COOKIE = "studio_session"

#: What must be there before anyone is signed in. The page's own files have passed already.
_OPEN = frozenset(
    {("GET", "/studio/session"), ("POST", "/studio/session"), ("DELETE", "/studio/session"), ("POST", "/studio/setup")}
)

#: All that a client with the service's key may ask.
_FOR_PROGRAMS = frozenset(
    {
        ("POST", "/judge"),
        ("POST", "/image-anomaly-detection"),
        ("POST", "/image-anomaly-detection/batch"),
        ("GET", "/models"),
        ("GET", "/metrics"),
    }
)  # fmt: skip

#: Of the service's own routes, what only an engineer may do: below it, a model is loaded anew.
_FOR_ENGINEERS = "/models/"


def user_of(request: HTTPConnection) -> str:
    """Who asks: a user's name, ``api`` for a client with the service's key, empty for a stranger."""
    return cast(str, request.scope.get("user", ""))


def need_engineer(request: HTTPConnection) -> None:
    """Let engineers through.

    Raises:
        RequestError: 403.
    """
    if request.scope.get("role") != ENGINEER:
        raise RequestError(403, "this is for engineers", remedy="Ask one")


class Access:
    """Who may ask what of a studio.

    Args:
        workspace: whose users.
        settings: of the service.
        behind_proxy: whether every request comes through a proxy of ours, whose word of the client's address and of TLS counts.

    Attributes:
        users, sign_in: of the workspace.
        bench: where passwords are looked at.
    """

    def __init__(self, workspace: Workspace, settings: ServerSettings, *, behind_proxy: bool = False) -> None:
        self.users = Users(workspace)
        self.sign_in = SignIn(workspace, self.users)
        self.bench = Bench()
        self._settings = settings
        self._behind_proxy = behind_proxy
        self._setup_token = secrets.token_urlsafe(16)
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="sessions")  # its own: others may be long at work

    async def check(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """See that whoever asks may; note ``user``, ``role`` and ``signed_in`` in the scope.

        Raises:
            RequestError: 401 for a stranger; 403 for whoever may not, or has not sent the session's CSRF token.
        """
        scope["user"], scope["role"], scope["signed_in"] = "", "", None
        if "\x00" in scope["path"] or b"%00" in scope["query_string"]:
            raise RequestError(400, "the address has the character U+0000, which is of no text", remedy="Leave it out")
        asked = (scope["method"], scope["path"])
        if has_key(headers):
            if self._settings.api_key is None:
                raise RequestError(401, "this studio takes no API key", remedy="Start it with --api_key_file")
            check_key(headers, self._settings.api_key)
            if asked not in _FOR_PROGRAMS:
                raise RequestError(403, "the API key is for judging", remedy="Sign in")
            scope["user"] = scope["role"] = API
            return
        signed_in = await self._signed_in(scope)
        if signed_in is None:
            if asked in _OPEN:
                return
            raise RequestError(401, "nobody is signed in", remedy="Sign in", headers={"WWW-Authenticate": "Cookie"})
        if not is_safe(scope["method"]):
            _check_csrf(headers, signed_in, is_needed=asked not in _OPEN or asked[0] == "DELETE")
        if scope["path"].startswith(_FOR_ENGINEERS) and signed_in.role != ENGINEER:
            raise RequestError(403, "this is for engineers", remedy="Ask one")
        scope["user"], scope["role"], scope["signed_in"] = signed_in.name, signed_in.role, signed_in

    async def _signed_in(self, scope: Scope) -> SignedIn | None:
        tokens = cookies(scope).get(COOKIE, [])
        if len(tokens) != 1:  # of two, one was put there by somebody else
            return None
        found = self.users.sessions.remembered(tokens[0])
        if found is None:
            loop = asyncio.get_running_loop()
            try:
                found = await loop.run_in_executor(self._threads, self.users.sessions.find, tokens[0])
            except WorkspaceError as error:
                raise Busy(error.what) from error
        return found

    def address_of(self, request: HTTPConnection) -> str:
        """Of the client, as far as it can be believed."""
        forwarded = request.headers.get("x-forwarded-for")
        if self._behind_proxy and forwarded:
            return forwarded.rpartition(",")[2].strip()[:64]  # the last is what our proxy saw, the others are hearsay
        return "" if request.client is None else request.client.host

    def is_secure(self, request: HTTPConnection) -> bool:
        """Whether the browser speaks TLS."""
        said = request.headers.get("x-forwarded-proto", "") if self._behind_proxy else ""
        return request.url.scheme == "https" or said.rpartition(",")[2].strip().lower() == "https"

    def needs_token(self, request: HTTPConnection) -> bool:
        """Whether the first set-up needs the token: not where only this machine's own users can ask."""
        is_here = self._settings.is_loopback and not self._settings.allowed_hosts and not self._behind_proxy
        return not is_here or came_through_proxy(request.headers)

    def check_setup_token(self, request: HTTPConnection, token: str) -> None:
        """See that whoever makes the first engineer has seen the console.

        Raises:
            RequestError: 403.
        """
        if self.needs_token(request) and not hmac.compare_digest(token.encode(), self._setup_token.encode()):
            raise RequestError(
                403, "the set-up token is wrong", remedy="It is on the console on which the studio was started"
            )

    def say_what_to_know(self) -> None:
        """Tell whoever started a studio how its first user is made, and how it can be overheard."""
        if not self.users.are_there():
            say(f"Nobody can sign in yet. Open the page and make the first engineer; set-up token: {self._setup_token}")
        if not self._settings.is_loopback and not self._behind_proxy:
            logger.warning("Passwords come here unencrypted. Put a proxy with TLS in front, and say --behind_proxy.")

    def close(self) -> None:
        """Finish what is at work."""
        self.bench.close()
        self.sign_in.close()
        self.users.sessions.close()
        self._threads.shutdown()


def cookies(scope: Scope) -> dict[str, list[str]]:
    """Name -> every value that was sent for it, in however many headers."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, content = pair.partition("=")
                found.setdefault(key.strip(), []).append(content.strip())
    return found


def _check_csrf(headers: Mapping[bytes, bytes], signed_in: SignedIn, *, is_needed: bool) -> None:
    sent = headers.get(b"x-csrf-token", b"")
    if is_needed and not hmac.compare_digest(sent, signed_in.csrf.encode()):
        raise RequestError(
            403, "the CSRF token is missing or wrong", remedy="Send it as X-CSRF-Token; /studio/session has it"
        )
