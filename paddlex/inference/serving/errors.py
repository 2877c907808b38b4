"""What a client did wrong, or must wait for: each error knows its HTTP status."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from paddlex.errors import DownloadError, ImageReadError, NotFiniteError, PaddleXError, PhotoError

#: Of many problems of a request, so many are told.
_TOLD = 5


class RequestError(PaddleXError):
    """A request that gets another answer than 200.

    Args:
        status: the HTTP status, which is the answer's ``errorCode`` too.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: object = None,
        remedy: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.headers = dict(headers or {})
        super().__init__(what, where=where, remedy=remedy)


class Busy(RequestError):
    """The service has as much to do as it may take on: try again."""

    def __init__(self, what: str, retry_after: int = 1) -> None:
        super().__init__(503, what, remedy="Try again later", headers={"Retry-After": str(retry_after)})


class QueueFull(Busy):
    """No further image may wait for this model."""


def failure() -> RequestError:
    """What a client is told of our own fault."""
    return RequestError(500, "the service failed", remedy="The server's log says why")


def as_request_error(error: Exception) -> RequestError:
    """Any error of a single image as one with a status: 415 for what is no image, 422 for a photo that the model is not for,
    500 for what is our own fault.
    """
    if isinstance(error, RequestError):
        return error
    if isinstance(error, ImageReadError):
        return RequestError(415, error.what, remedy=error.remedy)
    if isinstance(error, PhotoError):
        return RequestError(422, error.what, remedy=error.remedy)
    if isinstance(error, NotFiniteError):
        return RequestError(500, error.what, remedy=error.remedy)
    if isinstance(error, DownloadError):
        return RequestError(400, error.what, remedy=error.remedy)
    return RequestError(500, "the image could not be judged", remedy="The server's log says why")


def explain(problems: Sequence[Mapping[str, Any]]) -> str:
    """What is wrong with a request, key by key; never the values, which may be megabytes of base64.

    Args:
        problems: pydantic's, each with ``loc`` and ``msg``.
    """
    told = []
    for problem in problems[:_TOLD]:
        key = ".".join(str(part)[:40] for part in problem["loc"][:4])
        told.append(f"{key}: {problem['msg'][:200]}" if key else problem["msg"][:200])
    more = f" (and {len(problems) - _TOLD} more)" if len(problems) > _TOLD else ""
    return "; ".join(told) + more


def new_log_id() -> str:
    """A UUID, as PaddleX's ``logId`` is."""
    return str(uuid.uuid4())


def error_body(status: int, message: str, log_id: str, **more: Any) -> bytes:
    """The JSON of an error, as PaddleX has it."""
    return json.dumps(
        {"logId": log_id, "errorCode": status, "errorMsg": message, **more}, separators=(",", ":"), allow_nan=False
    ).encode()
