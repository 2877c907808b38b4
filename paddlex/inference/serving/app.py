"""The application: routes, pages, errors, behind the gate."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from fastapi import FastAPI, Security
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

import paddlex
from paddlex.inference.serving.errors import RequestError, error_body, explain, failure
from paddlex.inference.serving.extension import Extension
from paddlex.inference.serving.gate import Gate
from paddlex.inference.serving.judging import Service
from paddlex.inference.serving.routes import add_routes
from paddlex.inference.serving.web_pages import PAGE, add_docs, add_page

_DESCRIPTION = (
    "Judges photos of parts: is this one anomalous, how much, and where. "
    "`POST /image-anomaly-detection` is PaddleX's endpoint."
)


def create_app(
    service: Service,
    *,
    page: Path = PAGE,
    on_failure: Callable[[BaseException], None] = lambda error: None,
    extension: Extension | None = None,
) -> ASGIApp:
    """The ASGI application of a service. Models are loaded in the background; until then ``/readyz`` says 503.

    Args:
        service: what the routes work with.
        page: the folder of the page.
        on_failure: called if the models cannot be loaded.
        extension: what is added to the service.
    """

    async def load() -> None:
        try:
            await service.load(extension.start if extension is not None else lambda: None)
        except Exception as error:
            on_failure(error)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        loading = asyncio.create_task(load())
        yield
        await loading
        await asyncio.to_thread(service.close)
        if extension is not None:
            await asyncio.to_thread(extension.close)

    has_key = service.settings.api_key is not None  # checked by the gate; here it is only described
    app = FastAPI(
        dependencies=[Security(APIKeyHeader(name="X-API-Key", auto_error=False))] if has_key else None,
        title="Image anomaly detection",
        version=paddlex.__version__,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        exception_handlers={
            RequestError: _on_request_error,
            HTTPException: _on_http_error,
            RequestValidationError: _on_validation_error,
            Exception: _on_failure,
        },
    )
    add_routes(app.router, service)
    if extension is not None:
        extension.add_routes(app, service)
    add_docs(app)
    add_page(app, page, None if extension is None else extension.page)
    return Gate(
        app,
        settings=service.settings,
        metrics=service.metrics,
        bodies=service.budgets.bodies,
        is_draining=lambda: service.is_draining,
        check_access=None if extension is None else extension.check_access,
    )


async def _on_request_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return _problem(request, error.status, str(error), error.headers)


async def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(request, error.status_code, str(error.detail), dict(error.headers or {}))


async def _on_validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return _problem(request, 422, explain(error.errors()), {})


async def _on_failure(request: Request, _: Exception) -> Response:
    failed = failure()  # what failed is raised again, and the gate logs it
    return _problem(request, failed.status, str(failed), {})


def _problem(request: Request, status: int, message: str, headers: dict[str, str]) -> Response:
    content = error_body(status, message, request.scope["log_id"])
    return Response(content, status, headers, "application/json")
