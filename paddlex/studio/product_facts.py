"""What is told of products: how many pictures they have, what judges, what is being done, and how far teaching has come."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from paddlex.studio.database.schema import Job, Member, Product, Version
from paddlex.studio.job_facts import job_json
from paddlex.studio.jobs import ANALYSE, CHECK, DONE, UNFINISHED
from paddlex.studio.products import FEWEST_GOOD, settings_of
from paddlex.studio.version_facts import version_json
from paddlex.studio.workspace import Workspace


def products_json(workspace: Workspace, products: Sequence[Product]) -> list[dict[str, Any]]:
    """Products as the page has them, all of them by the same few questions to the database.

    Called outside a session, because a thread takes one connection at a time.
    """
    ids = [product.id for product in products]
    shown = {number for product in products for number in (product.live_id, product.shadow_id) if number is not None}
    with workspace.reading() as session:
        counts, steps = counts_of(session, ids), _steps(session, ids)
        jobs = _jobs(session, ids)
        versions = {version.id: version for version in session.scalars(select(Version).where(Version.id.in_(shown)))}

    def version(product: Product, number: int | None) -> dict[str, Any] | None:
        found = versions.get(number or 0)
        return None if found is None else version_json(workspace, product, found)

    told = []
    for product in products:
        settings = settings_of(product).model_dump()
        job = jobs.get(product.id)
        told.append(
            {
                "name": product.name,
                "madeAt": product.made_at,
                "counts": counts[product.id],
                "live": version(product, product.live_id),
                "shadow": version(product, product.shadow_id),
                "targetFpr": product.target_fpr,
                "regions": settings.pop("regions"),
                "settings": settings,
                "job": None if job is None else job_json(workspace, job),
                "steps": steps[product.id].of(product, counts[product.id]),
            }
        )
    return told


def counts_of(session: Session, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Product -> how many pictures have which role."""
    by_role = (
        select(Member.product_id, Member.role, func.count())
        .where(Member.product_id.in_(ids))
        .group_by(Member.product_id, Member.role)
    )
    found = {number: dict.fromkeys(("good", "challenge", "aside"), 0) for number in ids}
    for number, role, count in session.execute(by_role).tuples():
        found[number][role] = count
    return found


class _Steps:
    """What has been done of teaching a product.

    Attributes:
        newest: when the last picture came.
        checked: when the last check that ended well was begun.
        hows: how its versions were made.
    """

    newest = checked = 0

    def __init__(self) -> None:
        self.hows: set[str] = set()

    def of(self, product: Product, counts: Mapping[str, int]) -> dict[str, str]:
        is_done = {
            "pictures": counts["good"] >= FEWEST_GOOD,
            "check": 0 < self.checked >= self.newest,
            "regions": product.settings.get("regions") is not None,
            "fit": bool(self.hows),
            "threshold": product.live_id is not None or "threshold" in self.hows,
            "live": product.live_id is not None,
        }
        return {step: "done" if done else "open" for step, done in is_done.items()}


def _steps(session: Session, ids: Iterable[int]) -> Mapping[int, _Steps]:
    found: defaultdict[int, _Steps] = defaultdict(_Steps)
    newest = select(Member.product_id, func.max(Member.added_at)).where(Member.product_id.in_(ids))
    for number, at in session.execute(newest.group_by(Member.product_id)).tuples():
        found[number].newest = at
    checked = select(Job.product_id, func.max(Job.made_at)).where(
        Job.product_id.in_(ids), Job.kind == CHECK, Job.state == DONE
    )
    for number, at in session.execute(checked.group_by(Job.product_id)).tuples():
        found[number].checked = at
    hows = select(Version.product_id, Version.how).where(Version.product_id.in_(ids)).distinct()
    for number, how in session.execute(hows).tuples():
        found[number].hows.add(how)
    return found


def _jobs(session: Session, ids: Sequence[int]) -> dict[int, Job]:
    """Product -> what is being done for it, or else was last; but for analyses, which nobody waits for."""
    latest = (
        select(Job.product_id, func.max(Job.id))
        .where(Job.product_id.in_(ids), Job.kind != ANALYSE)
        .group_by(Job.product_id)
    )
    chosen: dict[int, int] = {}
    for query in (latest, latest.where(Job.state.in_(UNFINISHED))):
        chosen |= dict(session.execute(query).tuples().all())
    return {job.product_id: job for job in session.scalars(select(Job).where(Job.id.in_(chosen.values())))}
