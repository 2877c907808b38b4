"""Corrections of verdicts, and what comes of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from sqlalchemy import select
from starlette.responses import JSONResponse, Response

from paddlex.studio import searching
from paddlex.studio.access import ENGINEER, user_of
from paddlex.studio.corrections import MOST_CORNERS, MOST_POLYGONS, Corrected
from paddlex.studio.database.schema import Job, Version
from paddlex.studio.gate import is_fresh
from paddlex.studio.gate_jobs import KIND
from paddlex.studio.job_facts import job_json
from paddlex.studio.jobs import FITS, UNFINISHED
from paddlex.studio.refitting import is_wanted
from paddlex.studio.version_facts import version_json
from paddlex.studio.web.bodies import Body, Number, answered, parsed
from paddlex.studio.web.version_routes import product_of

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio

_Share = Annotated[float, Field(ge=0, le=1)]
_Point = Annotated[list[_Share], Field(min_length=2, max_length=2)]
_Polygon = Annotated[list[_Point], Field(min_length=3, max_length=MOST_CORNERS)]


class _Correction(Body):
    label: Literal["good", "bad"]
    where: Annotated[list[_Polygon], Field(max_length=MOST_POLYGONS, default_factory=list)]


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""

    @router.post("/verdicts/{number}/correction")
    async def correct(number: Number, request: Request) -> Response:
        body = await parsed(request, _Correction)
        where = body.where if body.label == "bad" else []

        def work() -> dict[str, Any]:
            said = studio.corrections.correct(number, body.label, where, user_of(request), _is_engineer(request))
            return _told(studio, said)

        return await answered(work)

    @router.delete("/verdicts/{number}/correction")
    def take_back(number: Number, request: Request) -> Response:
        return JSONResponse(
            _told(studio, studio.corrections.take_back(number, user_of(request), _is_engineer(request)))
        )

    @router.get("/verdicts/{number}/heat")
    def heat(number: Number) -> Response:
        return Response(studio.heat.png(number), media_type="image/png")

    @router.get("/products/{name}/refit")
    def refit(name: str) -> Response:
        return JSONResponse(_refit(studio, name))


def _is_engineer(request: Request) -> bool:
    return request.scope.get("role") == ENGINEER


def _told(studio: Studio, said: Corrected) -> dict[str, Any]:
    with studio.workspace.reading() as session:
        verdict = searching.to_json(said.verdict, searching.names(session, [said.verdict]))
        at_work = select(Job).where(
            Job.product_id == said.verdict.product_id,
            Job.kind.in_(FITS),
            Job.state.in_(UNFINISHED),
        )
        job = session.scalar(at_work.order_by(Job.id.desc()).limit(1))
    refit = "soon" if said.wants_refit else "none"
    return {
        "verdict": verdict,
        "job": None if job is None else job_json(studio.workspace, job),
        "refit": refit,
        "note": said.note,
    }


def _refit(studio: Studio, name: str) -> dict[str, Any]:
    """How far a product's model is in learning from corrections, and what waits for one click."""
    with studio.workspace.reading() as session:
        product = product_of(session, name)
        jobs = select(Job).where(Job.product_id == product.id, Job.kind.in_((*FITS, KIND)))
        job = session.scalar(jobs.order_by(Job.id.desc()).limit(1))
        latest = session.scalar(
            select(Version).where(Version.product_id == product.id).order_by(Version.number.desc()).limit(1)
        )
        is_offered = (
            latest is not None
            and latest.id != product.live_id
            and latest.live_at is None
            and bool(latest.gate.get("passed"))
            and is_fresh(session, product, latest)
        )
        is_due = is_wanted(session, product)
    return {
        "isDue": is_due,
        "job": None if job is None else job_json(studio.workspace, job),
        "offered": version_json(studio.workspace, product, latest) if latest is not None and is_offered else None,
    }
