"""Versions: which there are, which is live, and how another becomes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from paddlex.inference.serving.errors import RequestError, error_body
from paddlex.studio import searching
from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.database.schema import Product, Version
from paddlex.studio.gate import GateRefused
from paddlex.studio.job_facts import job_json
from paddlex.studio.version_facts import version_json
from paddlex.studio.web.bodies import Body, Number, answered, parsed

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio


class _Back(Body):
    version: Number | None = None


class _Shadow(Body):
    version: Number | None


class _Threshold(Body):
    threshold: float
    version: Number | None = None


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""

    @router.get("/products/{name}/versions")
    def versions(name: str) -> Response:
        return JSONResponse({"versions": _all(studio, name)})

    @router.post("/versions/{number}/gate")
    async def gate(number: Number, request: Request) -> Response:
        need_engineer(request)
        job = await run_in_threadpool(studio.gate_jobs.start, number, user_of(request))
        return await answered(job_json, studio.workspace, job)

    @router.post("/versions/{number}/live")
    async def go_live(number: Number, request: Request) -> Response:
        need_engineer(request)
        try:
            version = await run_in_threadpool(studio.changes.go_live, number, user_of(request))
        except GateRefused as refused:
            content = error_body(409, str(refused), request.scope["log_id"], gate=refused.gate or None)
            return Response(content, 409, media_type="application/json")
        return await answered(_one, studio, version.id)

    @router.post("/products/{name}/rollback")
    async def rollback(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Back)

        def work() -> dict[str, Any]:
            version, found = studio.changes.roll_back(_id_of(studio, name), body.version, user_of(request))
            return {**_one(studio, version.id), "gate": found}

        return await answered(work)

    @router.post("/products/{name}/threshold")
    async def threshold(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Threshold)

        def work() -> dict[str, Any]:
            version = studio.changes.set_threshold(_id_of(studio, name), body.threshold, user_of(request), body.version)
            return _one(studio, version.id)

        return await answered(work)

    @router.post("/products/{name}/shadow")
    async def set_shadow(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Shadow)

        def work() -> dict[str, Any]:
            studio.changes.set_shadow(_id_of(studio, name), body.version, user_of(request))
            studio.shadow.refresh()
            return _compared(studio, name)

        return await answered(work)

    @router.get("/products/{name}/shadow")
    def shadow(name: str) -> Response:
        return JSONResponse(_compared(studio, name))


def product_of(session: Session, name: str) -> Product:
    """A product by its name.

    Raises:
        RequestError: 404, there is none.
    """
    product = session.scalar(select(Product).where(Product.name == name))
    if product is None:
        raise RequestError(404, f"there is no product {name[:80]!r}", remedy="Reload the page")
    return product


def _id_of(studio: Studio, name: str) -> int:
    with studio.workspace.reading() as session:
        return product_of(session, name).id


def _all(studio: Studio, name: str) -> list[dict[str, Any]]:
    with studio.workspace.reading() as session:
        product = product_of(session, name)
        chosen = select(Version).where(Version.product_id == product.id).order_by(Version.number.desc())
        versions = list(session.scalars(chosen))
    return [version_json(studio.workspace, product, version) for version in versions]


def _one(studio: Studio, version_id: int) -> dict[str, Any]:
    with studio.workspace.reading() as session:
        version = session.get_one(Version, version_id)
        product = session.get_one(Product, version.product_id)
    return version_json(studio.workspace, product, version)


def _compared(studio: Studio, name: str) -> dict[str, Any]:
    compared = studio.shadow.compare(_id_of(studio, name))
    with studio.workspace.reading() as session:
        version = None if compared.version_id is None else session.get_one(Version, compared.version_id)
        known = searching.names(session, compared.examples)
        examples = [searching.to_json(verdict, known) for verdict in compared.examples]
        product = product_of(session, name)
    return {
        "version": None if version is None else version_json(studio.workspace, product, version),
        "of": compared.of,
        "agree": compared.agree,
        "onlyLive": compared.only_live,
        "onlyShadow": compared.only_shadow,
        "dropped": compared.dropped,
        "error": compared.error,
        "examples": examples,
    }
