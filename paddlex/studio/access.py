"""Who asks, and whether they may: looked at before every request."""

from __future__ import annotations

from typing import cast

from starlette.requests import HTTPConnection

from paddlex.inference.serving.errors import RequestError

OPERATOR, ENGINEER, API = "operator", "engineer", "api"


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
