"""What was judged: searched, exported, looked at; and how long it is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from fastapi import APIRouter, Query, Request
from sqlalchemy.orm import Session
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import audit, export, retention, searching
from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.database.schema import Verdict
from paddlex.studio.pictures import MEDIA_TYPES
from paddlex.studio.web.bodies import Body, answered, parsed
from paddlex.studio.web.version_routes import product_of

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio

#: What is at an address that names the content never changes; only this browser may keep it, because not everyone may see it.
_FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}

_LAST_MS = 10**14

_Moment = Annotated[int, pydantic.Field(ge=0, le=_LAST_MS)]
_Score = Annotated[float, pydantic.Field(ge=0, le=1)]


class _Filters(pydantic.BaseModel):
    """Which verdicts, see ``searching.Wanted``."""

    model_config = pydantic.ConfigDict(extra="forbid", allow_inf_nan=False)

    product: str | None = None
    verdict: Literal["ok", "ng"] | None = None
    corrected: Literal["any", "good", "bad", "none"] | None = None
    name: str = pydantic.Field("", max_length=255)
    since: _Moment | None = pydantic.Field(None, alias="from")
    until: _Moment | None = pydantic.Field(None, alias="to")
    scoreFrom: _Score | None = None  # noqa: N815
    scoreTo: _Score | None = None  # noqa: N815

    def wanted(self, session: Session) -> searching.Wanted:
        """The same, checked.

        Raises:
            RequestError: 422, nothing can be in a range that ends before it begins; 404, there is no such product.
        """
        for start, end, words in (
            (self.since, self.until, "to: it is before from"),
            (self.scoreFrom, self.scoreTo, "scoreTo: it is below scoreFrom"),
        ):
            if start is not None and end is not None and end < start:
                raise RequestError(422, words, remedy="Correct one of them")
        return searching.Wanted(
            product_id=None if self.product is None else product_of(session, self.product).id,
            is_anomalous=None if self.verdict is None else self.verdict == "ng",
            corrected=self.corrected,
            name=self.name,
            since=self.since,
            until=self.until,
            score_from=self.scoreFrom,
            score_to=self.scoreTo,
        )


class _Search(_Filters):
    sort: searching.Sort = "at"
    before: str | None = pydantic.Field(None, max_length=60)
    limit: int = pydantic.Field(50, ge=1, le=200)


class _Export(_Filters):
    format: Literal["csv", "parquet"] = "csv"


class _Limits(Body):
    days: float | None = pydantic.Field(None, ge=1, le=36_500, strict=True)
    gigabytes: float | None = pydantic.Field(None, ge=0.1, le=1_000_000, strict=True)


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    _add_verdicts(router, studio)
    _add_pictures(router, studio)
    _add_settings(router, studio)


def _add_verdicts(router: APIRouter, studio: Studio) -> None:
    @router.get("/verdicts")
    def search(asked: Annotated[_Search, Query()]) -> Response:
        with studio.workspace.reading() as session:
            wanted = asked.wanted(session)
            page = searching.page(session, wanted, asked.sort, asked.before, asked.limit)
            total = searching.count(session, wanted, page if asked.before is None else None)
            known = searching.names(session, page.verdicts)
        verdicts = [searching.to_json(verdict, known) for verdict in page.verdicts]
        return JSONResponse({"verdicts": verdicts, "next": page.following, "total": total, "more": total is None})

    @router.get("/verdicts/figures")
    def figures(asked: Annotated[_Filters, Query()]) -> Response:
        with studio.workspace.reading() as session:
            return JSONResponse({"products": searching.figures(session, asked.wanted(session))})

    @router.get("/verdicts/export")
    def exported(asked: Annotated[_Export, Query()]) -> Response:
        with studio.workspace.reading() as session:
            wanted = asked.wanted(session)
        pieces = export.FORMATS[asked.format].pieces(studio.workspace, wanted)
        headers = {"Content-Disposition": f'attachment; filename="verdicts.{asked.format}"'}
        return StreamingResponse(pieces, media_type=export.FORMATS[asked.format].media_type, headers=headers)

    @router.get("/verdicts/{number}")
    def verdict(number: int) -> Response:
        with studio.workspace.reading() as session:
            found = session.get(Verdict, number) if abs(number) < 2**62 else None
            if found is None:
                raise RequestError(404, f"there is no verdict {number}", remedy="It may be older than is kept")
            return JSONResponse(searching.to_json(found, searching.names(session, [found])))


def _add_pictures(router: APIRouter, studio: Studio) -> None:
    pictures = studio.workspace.pictures

    @router.get("/pictures/{digest}")
    def picture(digest: str) -> Response:
        path = pictures.path(digest)
        headers = {**_FOR_EVER, "Content-Disposition": f'inline; filename="{digest[:12]}{path.suffix}"'}
        return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=headers)

    @router.get("/pictures/{digest}/thumbnail")
    def thumbnail(digest: str) -> Response:
        data = pictures.thumbnail(digest)
        return Response(data, media_type="image/jpeg", headers=_FOR_EVER)

    @router.get("/pictures/{digest}/shown")
    def shown(digest: str) -> Response:
        data, media_type = pictures.shown(digest)
        return Response(data, media_type=media_type, headers=_FOR_EVER)


def _add_settings(router: APIRouter, studio: Studio) -> None:
    @router.get("/settings/retention")
    def limits() -> Response:
        with studio.workspace.reading() as session:
            return JSONResponse(retention.limits(session).to_json())

    @router.put("/settings/retention")
    async def set_limits(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Limits)
        new = retention.Limits(body.days, body.gigabytes)

        def work() -> dict[str, Any]:
            with studio.workspace.writing() as session:
                before = retention.limits(session).to_json()
                retention.set_limits(session, new)
                details = {"before": before, "after": new.to_json()}
                audit.append(session, by=user_of(request), action="retention.change", details=details)
            studio.retention.look_now()
            return new.to_json()

        return await answered(work)
