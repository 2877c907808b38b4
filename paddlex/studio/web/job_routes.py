"""What takes its time: checks, trainings and refits, and how far they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.job_facts import job_json
from paddlex.studio.web.bodies import Body, Number, answered, parsed
from paddlex.studio.web.version_routes import product_of

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio


class _Fit(Body):
    how: Literal["train", "refit"] = "train"
    start: str | None = None


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    workspace = studio.workspace

    def product_id(name: str) -> int:
        with workspace.reading() as session:
            return product_of(session, name).id

    @router.post("/products/{name}/check")
    def check(name: str, request: Request) -> Response:
        need_engineer(request)
        return JSONResponse(job_json(workspace, studio.checking.start(product_id(name), user_of(request))))

    @router.post("/products/{name}/fit")
    async def fit(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Fit)

        def work() -> dict[str, Any]:
            job = studio.fitting.start(product_id(name), body.how, user_of(request), body.start)
            return job_json(workspace, job)

        return await answered(work)

    @router.get("/jobs/{number}")
    def one(number: Number) -> Response:
        return JSONResponse(job_json(workspace, studio.jobs.get(number)))

    @router.delete("/jobs/{number}")
    def cancel(number: Number, request: Request) -> Response:
        need_engineer(request)
        return JSONResponse(job_json(workspace, studio.jobs.cancel(number)))
