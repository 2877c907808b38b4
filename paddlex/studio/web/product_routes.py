"""Products, and the pictures that teach them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import Field
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from paddlex.inference.serving.routes import uploads
from paddlex.studio import audit, intake, products
from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.database.schema import Product
from paddlex.studio.grabbing import grab
from paddlex.studio.product_facts import counts_of, products_json
from paddlex.studio.products import Changes
from paddlex.studio.regions import Regions
from paddlex.studio.web.bodies import Body, answered, parsed
from paddlex.studio.web.problems import why_not_taken
from paddlex.studio.web.sent_pictures import taken
from paddlex.studio.web.version_routes import product_of

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio

_MOST_AT_ONCE = 500


class _New(Body):
    name: str
    model: str | None = None


class _Roles(Body):
    digests: Annotated[list[str], Field(min_length=1, max_length=10_000)]
    role: Literal["good", "challenge", "aside"]


class _Camera(Body):
    url: str


class _Painted(Regions):
    picture: str | None = None


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    _add_products(router, studio)
    _add_pictures(router, studio)
    _add_cameras(router, studio)


def _add_products(router: APIRouter, studio: Studio) -> None:
    workspace = studio.workspace

    def told(name: str) -> dict[str, Any]:
        [product] = products_json(workspace, [_found(studio, name)])
        return product

    def changed(name: str, work: Callable[[Session, Product], None]) -> dict[str, Any]:
        with workspace.writing() as session:
            work(session, product_of(session, name))
        return told(name)

    @router.get("/products")
    def all_products() -> Response:
        with workspace.reading() as session:
            rows = session.scalars(select(Product).order_by(Product.id)).all()
        found = products_json(workspace, rows)
        templates, start = products.templates(), studio.fitting.start_models()
        return JSONResponse(
            {"products": found, "templates": templates, "template": products.defaults()["model"], "startModels": start}
        )

    @router.post("/products")
    async def add_product(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _New)

        def work() -> dict[str, Any]:
            with workspace.writing() as session:
                product = products.add(session, body.name, body.model, user_of(request))
            return told(product.name)

        return await answered(work)

    @router.get("/products/{name}")
    def one_product(name: str) -> Response:
        return JSONResponse(told(name))

    @router.patch("/products/{name}")
    async def change_product(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, Changes)

        def work(session: Session, product: Product) -> None:
            products.change(session, product, body, user_of(request))

        return await answered(changed, name, work)

    @router.get("/products/{name}/regions")
    def regions(name: str) -> Response:
        with workspace.reading() as session:
            return JSONResponse(_regions_json(session, product_of(session, name)))

    @router.put("/products/{name}/regions")
    async def set_regions(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Painted)

        def work() -> dict[str, Any]:
            with workspace.writing() as session:
                product = product_of(session, name)
                painted = Regions.model_validate(body.model_dump(exclude={"picture"}))
                products.set_regions(session, product, painted, user_of(request))
                return _regions_json(session, product)

        return await answered(work)


def _regions_json(session: Session, product: Product) -> dict[str, Any]:
    regions = products.settings_of(product).regions or Regions()
    good = products.good_digests(session, product)
    return {**regions.model_dump(), "picture": good[0] if good else None}


def _add_pictures(router: APIRouter, studio: Studio) -> None:
    workspace = studio.workspace

    @router.post("/products/{name}/pictures")
    async def add_pictures(
        name: str,
        request: Request,
        role: Literal["good", "challenge"] = "good",
        source: Literal["import", "camera"] = "import",
    ) -> Response:
        need_engineer(request)
        by = user_of(request)
        product = await run_in_threadpool(_found, studio, name)
        entries: list[dict[str, Any]] = []
        for file, data in await uploads(request, studio.service):
            add = partial(studio.intake.add, product.id, data, name=file, role=role, source=source, by=by)
            try:
                entries.append(await taken(request, studio.service, data, add))
            except Exception as error:
                known = why_not_taken(error)
                entries.append({"name": file, "errorCode": known.status, "errorMsg": str(known)})
        return JSONResponse({"pictures": entries})

    @router.get("/products/{name}/pictures")
    def pictures(
        name: str,
        role: Literal["good", "challenge", "aside"] | None = None,
        problem: str | None = None,
        after: Annotated[int, Query(ge=0, lt=2**62)] = 0,
        limit: int = Query(200, ge=1, le=_MOST_AT_ONCE),
    ) -> Response:
        with workspace.reading() as session:
            product = product_of(session, name)
            return JSONResponse(intake.members(session, product, role=role, problem=problem, after=after, limit=limit))

    @router.patch("/products/{name}/pictures")
    async def set_roles(name: str, request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Roles)

        def work() -> dict[str, Any]:
            with workspace.writing() as session:
                product = product_of(session, name)
                before = intake.set_role(session, product, body.digests, body.role)
                details = {"role": body.role, "before": before}
                audit.append(session, by=user_of(request), action="pictures.role", product=name, details=details)
                return {"counts": counts_of(session, [product.id])[product.id]}

        return await answered(work)

    @router.post("/products/{name}/frame")
    async def frame(name: str, request: Request) -> Response:
        need_engineer(request)
        product = await run_in_threadpool(_found, studio, name)
        ((_, data),) = await uploads(request, studio.service, field="file", most=1)
        try:
            return JSONResponse(await taken(request, studio.service, data, partial(studio.intake.frame, product.id)))
        except Exception as error:
            raise why_not_taken(error) from error


def _add_cameras(router: APIRouter, studio: Studio) -> None:
    @router.post("/grab")
    async def grab_frame(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Camera)
        return Response(await run_in_threadpool(grab, body.url), media_type="image/jpeg")


def _found(studio: Studio, name: str) -> Product:
    with studio.workspace.reading() as session:
        return product_of(session, name)
