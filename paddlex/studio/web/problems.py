"""What the studio cannot do, as answers."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from paddlex.errors import ImageReadError, PaddleXError
from paddlex.inference.serving.errors import error_body
from paddlex.utils.logging import logger


def answer_problems(app: FastAPI) -> None:
    """Let errors that a user can put right be told: 415 for what is no picture, 409 for whatever else cannot be done now."""
    app.add_exception_handler(PaddleXError, _problem)


async def _problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, PaddleXError)
    logger.warning("%s %s: %s", request.method, request.url.path, error)
    status = 415 if isinstance(error, ImageReadError) else 409
    content = error_body(status, str(error), request.scope["log_id"])
    return Response(content, status, media_type="application/json")
