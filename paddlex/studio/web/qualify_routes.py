"""Qualifying: the study that a product is judged by, what people say of its pictures, and the reports."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from paddlex.inference.serving.routes import uploads
from paddlex.studio import audit
from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.database.schema import Product
from paddlex.studio.job_facts import job_json
from paddlex.studio.pictures import shown_picture
from paddlex.studio.qualifying import FILES
from paddlex.studio.studies import study_json
from paddlex.studio.web.bodies import Body, Number, answered, parsed
from paddlex.studio.web.problems import why_not_taken
from paddlex.studio.web.sent_pictures import taken
from paddlex.studio.web.version_routes import product_of

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio


class _Rating(Body):
    picture: str = Field(max_length=200)
    verdict: Literal["good", "bad"]


class _Wanted(Body):
    version: Number | None = None
    pixelsPerMm: float | None = Field(None, gt=0)  # noqa: N815


#: A report is a page of its own, which nothing may be loaded into.
_REPORT_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox allow-modals",
}


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    workspace, qualifying = studio.workspace, studio.qualifying
    studies = qualifying.studies

    def found(name: str) -> Product:
        with workspace.reading() as session:
            return product_of(session, name)

    @router.get("/products/{name}/study")
    def study(name: str, request: Request) -> Response:
        return JSONResponse(study_json(studies.contents(found(name)), user_of(request)))

    def added(product: Product, part: str | None, data: bytes, _: np.ndarray) -> str:
        return studies.add(product, part, data)

    @router.post("/products/{name}/study/pictures")
    async def add(name: str, request: Request, part: str | None = None) -> Response:
        need_engineer(request)
        product = await run_in_threadpool(found, name)
        entries: list[dict[str, Any]] = []
        for file, data in await uploads(request, studio.service):
            try:
                kept = await taken(request, studio.service, data, partial(added, product, part, data))
                entries.append({"name": file, "picture": kept})
            except Exception as error:
                known = why_not_taken(error)
                entries.append({"name": file, "errorCode": known.status, "errorMsg": str(known)})
        return JSONResponse({"pictures": entries})

    @router.delete("/products/{name}/study")
    def clear(name: str, request: Request) -> Response:
        need_engineer(request)
        product = found(name)
        studies.clear(product)
        with workspace.writing() as session:
            audit.append(session, by=user_of(request), action="study.clear", product=product.name, details={})
        return JSONResponse(study_json(studies.contents(product), user_of(request)))

    @router.get("/products/{name}/study/picture")
    def picture(name: str, picture: str) -> Response:
        content, media_type = shown_picture(studies.path(found(name), picture).read_bytes())
        return Response(content, media_type=media_type, headers={"Cache-Control": "private, max-age=3600"})

    @router.post("/products/{name}/study/rating")
    async def rate(name: str, request: Request) -> Response:
        body = await parsed(request, _Rating)

        def work() -> dict[str, Any]:
            product = found(name)
            studies.rate(product, body.picture, user_of(request), body.verdict == "bad")
            return study_json(studies.contents(product), user_of(request))

        return await answered(work)

    @router.post("/products/{name}/qualify")
    async def qualify(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Wanted)

        def work() -> dict[str, Any]:
            job = qualifying.start(found(name), body.version, body.pixelsPerMm, user_of(request))
            return job_json(workspace, job)

        return await answered(work)

    @router.get("/products/{name}/qualifications")
    def reports(name: str) -> Response:
        return JSONResponse({"reports": [job_json(workspace, job) for job in qualifying.reports(found(name))]})

    @router.get("/jobs/{number}/qualification/{file}")
    def report(number: Number, file: str) -> Response:
        path = qualifying.file(number, file)
        content = path.read_bytes()
        headers = (
            _REPORT_HEADERS if path.suffix == ".html" else {"Content-Disposition": f'attachment; filename="{file}"'}
        )
        return Response(content, media_type=FILES[file], headers=headers)
