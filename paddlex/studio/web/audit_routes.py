"""The audit trail, for engineers."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Query, Request
from sqlalchemy import select
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from paddlex.studio import audit
from paddlex.studio.access import need_engineer
from paddlex.studio.database.schema import AuditEntry

if TYPE_CHECKING:
    from paddlex.studio.studio import Studio

_MOST = 500


def add_routes(router: APIRouter, studio: Studio) -> None:
    """Add them."""
    one_at_a_time = asyncio.Semaphore(1)  # a long trail takes seconds

    @router.get("/audit")
    def entries(
        request: Request, before: int | None = Query(None, ge=0, le=2**62), limit: int = Query(100, ge=1, le=_MOST)
    ) -> Response:
        need_engineer(request)
        found = _latest(studio, before, limit)
        following = found[-1].number if len(found) == limit and found[-1].number > 1 else None
        return JSONResponse({"entries": [_described(entry) for entry in found], "next": following})

    @router.get("/audit/verify")
    async def verify(request: Request) -> Response:
        need_engineer(request)
        async with one_at_a_time:
            found = await run_in_threadpool(_verified, studio)
        return JSONResponse(
            {"isIntact": found.is_intact, "entries": found.entries, "head": found.head, "error": found.error}
        )


def _latest(studio: Studio, before: int | None, limit: int) -> list[AuditEntry]:
    query = select(AuditEntry).order_by(AuditEntry.number.desc()).limit(limit)
    with studio.workspace.reading() as session:
        return list(session.scalars(query if before is None else query.where(AuditEntry.number < before)))


def _verified(studio: Studio) -> audit.Verification:
    with studio.workspace.reading() as session:
        return audit.verify(session)


def _described(entry: AuditEntry) -> dict[str, Any]:
    try:
        details = json.loads(entry.details)
    except ValueError:  # somebody has changed it
        details = {"": entry.details}
    return {
        "number": entry.number,
        "at": entry.at,
        "by": entry.by,
        "action": entry.action,
        "product": entry.product,
        "details": details,
        "hash": entry.hash,
    }
