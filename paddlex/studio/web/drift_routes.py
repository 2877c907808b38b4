"""Drift: how it stands with a product, what people say to it, and where alarms are sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import pydantic
from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from sqlalchemy.orm import Session
from starlette.responses import JSONResponse, Response

from paddlex.inference.serving.errors import RequestError
from paddlex.studio import audit
from paddlex.studio.access import need_engineer, user_of
from paddlex.studio.database.schema import DriftAlarm, Product
from paddlex.studio.drift import settings
from paddlex.studio.drift.answers import alarm_json, drift_json
from paddlex.studio.drift.ledger import corrections
from paddlex.studio.drift.shifts import Shifts
from paddlex.studio.web.bodies import Body, Number, answered, parsed
from paddlex.studio.web.version_routes import product_of
from paddlex.studio.workspace import now_ms
from paddlex.utils.posting import checked_url

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio


class _Asked(Body):
    product: str = pydantic.Field(max_length=100)
    by: Literal["shift", "day"] = "shift"
    periods: int = pydantic.Field(42, ge=1, le=400)


class _Rebase(Body):
    product: str = pydantic.Field(max_length=100)


class _Shifts(Body):
    starts: list[str]
    time_zone: str = pydantic.Field(max_length=64, alias="timeZone")


class _Webhook(Body):
    url: str | None


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    _add_drift(router, studio)
    _add_settings(router, studio)


def _add_drift(router: APIRouter, studio: Studio) -> None:
    @router.get("/drift")
    def drift(asked: Annotated[_Asked, Query()]) -> Response:
        with studio.workspace.reading() as session:
            product = product_of(session, asked.product)
        found = studio.drift.drift(product)
        since = int(found.verdicts.at[0]) if len(found.verdicts) else 0
        with studio.workspace.reading() as session:
            corrected_at = corrections(session, product.id, since)
        return JSONResponse(drift_json(found, corrected_at, asked.by == "day", asked.periods))

    @router.post("/drift/rebase")
    async def rebase(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Rebase)

        def work() -> dict[str, Any]:
            with studio.workspace.writing() as session:
                product, now = product_of(session, body.product), now_ms()
                before = settings.baseline(session, product.id)
                settings.set_baseline(session, product.id, now)
                query = select(DriftAlarm).where(DriftAlarm.product_id == product.id, DriftAlarm.closed_at.is_(None))
                closed = [_close(alarm, user_of(request), now) for alarm in session.scalars(query)]
                details = {"before": before, "after": now, "closed": closed}
                audit.append(session, by=user_of(request), action="drift.rebase", product=product.name, details=details)
            return {"baseline": now}

        return await answered(work)

    @router.post("/drift/alarms/{number}/close")
    def close(number: Number, request: Request) -> Response:
        need_engineer(request)
        with studio.workspace.writing() as session:
            alarm = session.get(DriftAlarm, number)
            if alarm is None:
                raise RequestError(404, f"there is no alarm {number}", remedy="Reload the page")
            if alarm.closed_at is None:
                _close(alarm, user_of(request), now_ms())
                product = session.get_one(Product, alarm.product_id)
                details = {"alarm": number, "cause": alarm.cause}
                audit.append(session, by=user_of(request), action="drift.close", product=product.name, details=details)
            return JSONResponse(alarm_json(alarm))


def _close(alarm: DriftAlarm, by: str, now: int) -> int:
    alarm.closed_at, alarm.closed_by = now, by
    return alarm.id


def _add_settings(router: APIRouter, studio: Studio) -> None:
    @router.get("/settings/shifts")
    def shifts() -> Response:
        with studio.workspace.reading() as session:
            return JSONResponse(_shifts_json(settings.shifts(session)))

    @router.put("/settings/shifts")
    async def set_shifts(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Shifts)
        try:
            new = Shifts(tuple(body.starts), body.time_zone)
        except ValueError as error:
            raise RequestError(422, str(error), remedy="Correct it") from None

        def work() -> dict[str, Any]:
            with studio.workspace.writing() as session:
                before = _shifts_json(settings.shifts(session))
                settings.set_shifts(session, new)
                details = {"before": before, "after": _shifts_json(new)}
                audit.append(session, by=user_of(request), action="shifts.change", details=details)
            return _shifts_json(new)

        return await answered(work)

    @router.get("/settings/webhook")
    def webhook(request: Request) -> Response:
        need_engineer(request)  # a URL may hold a token

        with studio.workspace.reading() as session:
            return JSONResponse(_webhook_json(session))

    @router.put("/settings/webhook")
    async def set_webhook(request: Request) -> Response:
        need_engineer(request)
        body = await parsed(request, _Webhook)
        try:
            new = settings.Webhook(None if body.url is None else checked_url(body.url), now_ms())
        except ValueError as error:
            raise RequestError(422, f"url: {error}", remedy="Correct it") from None

        def work() -> dict[str, Any]:
            with studio.workspace.writing() as session:
                before = settings.webhook(session)
                settings.set_webhook(session, new)
                details = {"before": before.place, "after": new.place}
                audit.append(session, by=user_of(request), action="webhook.change", details=details)
            studio.webhook.send_now()
            with studio.workspace.reading() as session:
                return _webhook_json(session)

        return await answered(work)


def _shifts_json(shifts: Shifts) -> dict[str, Any]:
    return {"starts": list(shifts.starts), "timeZone": shifts.time_zone}


def _webhook_json(session: Session) -> dict[str, Any]:
    webhook = settings.webhook(session)
    failed = (
        select(DriftAlarm).where(DriftAlarm.sent_at.is_(None), DriftAlarm.error != "", DriftAlarm.at >= webhook.since)
        .order_by(DriftAlarm.at.desc()).limit(1)
    )  # fmt: skip
    alarm = None if webhook.url is None else session.scalar(failed)
    return {"url": webhook.url, "error": "" if alarm is None else alarm.error}
