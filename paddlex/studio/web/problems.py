"""What the studio cannot do, as answers."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from paddlex.errors import ImageReadError, PaddleXError
from paddlex.inference.serving.errors import RequestError, as_request_error, error_body, failure
from paddlex.studio.database.failures import DatabaseError
from paddlex.studio.pictures import PictureGoneError
from paddlex.utils.logging import logger

_STATUS = {ImageReadError: 415, PictureGoneError: 404, DatabaseError: 503}


def answer_problems(app: FastAPI) -> None:
    """Let errors that a user can put right be told: 415 for what is no picture, 404 for one that is not there, 503 while the
    database fails, 409 for whatever else cannot be done now.
    """
    app.add_exception_handler(PaddleXError, _problem)


def why_not_taken(error: Exception) -> RequestError:
    """Why one of several pictures was not taken; what is our own fault is in the log."""
    if isinstance(error, PaddleXError) and not isinstance(error, ImageReadError | RequestError):
        return RequestError(409, error.what, remedy=error.remedy)
    if (known := as_request_error(error)).status == 500:
        logger.error("A picture could not be taken.", exc_info=error)
        return failure()
    return known


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, PaddleXError)
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 409)
    said = "the database cannot be used. The server's log says why." if status == 503 else str(error)
    content = error_body(status, said, request.scope["log_id"])
    return Response(content, status, media_type="application/json")
