"""The page for people, and the API's documentation; both come from this machine alone, so that they work offline."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

#: The page's files.
PAGE = Path(__file__).parent / "page"

_PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "font-src 'self'; connect-src 'self'; manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-cache",  # asked for anew each time, and answered with 304 as long as it is the same
}

_MAIN = '<script type="module" src="page/main.js"></script>'
_STUDIO = """<link rel="stylesheet" href="page/studio/studio.css">
<script type="module" src="page/studio/studio.js"></script>
"""

#: Swagger UI puts style attributes into its page, and its icons are data URLs.
_DOCS_HEADERS = {
    **_PAGE_HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
}

_DOCS = """<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Image anomaly detection: the API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/swagger-ui.css">
<div id="docs">This needs JavaScript; <a href="openapi.json">openapi.json</a> says the same.</div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</html>
"""

_START = 'SwaggerUIBundle({ url: "openapi.json", dom_id: "#docs", deepLinking: true, validatorUrl: null });\n'


class _Files(StaticFiles):
    """Static files with further headers."""

    def __init__(self, folder: Path, headers: dict[str, str]) -> None:
        super().__init__(directory=folder)
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *self._headers]}
            await send(message)

        await super().__call__(scope, receive, send_with_headers)


def add_page(app: FastAPI, folder: Path = PAGE, studio: Path | None = None) -> None:
    """Serve index.html at ``/`` and the other files below ``/page/``; without them ``/`` leads to the documentation.

    Args:
        app: that serves them.
        folder: of the page.
        studio: of what a larger application adds to the page; its files are served below ``/page/studio/``, and its
            studio.js runs before the page's own main.js.
    """
    if not folder.is_dir():

        @app.get("/", include_in_schema=False)
        async def documentation() -> Response:
            return RedirectResponse("docs")

        return
    files = _Files(folder, _PAGE_HEADERS)
    if studio is not None:
        app.mount("/page/studio", _Files(studio, _PAGE_HEADERS), name="studio page")
    app.mount("/page", files, name="page")

    grown = "" if studio is None else (folder / "index.html").read_text("utf-8").replace(_MAIN, _STUDIO + _MAIN)

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        if studio is not None:
            return HTMLResponse(grown, headers=_PAGE_HEADERS)
        response = await files.get_response("index.html", request.scope)
        response.headers.update(_PAGE_HEADERS)
        return response


def add_docs(app: FastAPI) -> None:
    """Serve Swagger UI at ``/docs``, from the copy that the package fastapi-offline brings along."""
    package = importlib.util.find_spec("fastapi_offline")
    folder = Path(package.origin).parent / "static" if package and package.origin else None

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        if folder is None:
            return RedirectResponse("openapi.json")
        return HTMLResponse(_DOCS, headers=_DOCS_HEADERS)

    @app.get("/docs/start.js", include_in_schema=False)
    async def start() -> Response:
        return Response(_START, media_type="text/javascript", headers=_DOCS_HEADERS)

    if folder is not None:
        app.mount("/docs", _Files(folder, _DOCS_HEADERS), name="docs")
