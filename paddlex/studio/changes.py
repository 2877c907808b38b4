"""What people change about what judges: another version, one click back, another threshold, a shadow."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError
from paddlex.inference.serving.errors import RequestError
from paddlex.studio import audit
from paddlex.studio.database.schema import Product, Version
from paddlex.studio.gate import Gate, check_passed
from paddlex.studio.live import Live
from paddlex.studio.loading import Loader
from paddlex.studio.shadow import note_shadow
from paddlex.studio.versions import add_threshold, locked_product
from paddlex.studio.workspace import Workspace

#: In the audit trail.
ROLLBACK = "version.rollback"

#: Seconds in which a version to go back to is held against the challenge set: whoever goes back is in a hurry.
_SECONDS = 10.0


class Changes:
    """Changes that people ask for; each is in the audit trail.

    Args:
        workspace: of the products.
        loader: opens versions.
        live: lets them go live.
        gate: looks at them first.
    """

    def __init__(self, workspace: Workspace, loader: Loader, live: Live, gate: Gate) -> None:
        self._workspace = workspace
        self._loader = loader
        self._live = live
        self._gate = gate

    def go_live(self, version_id: int, by: str, *, by_itself: bool = False) -> Version:
        """Let a version that has passed the gate, as things are now, go live.

        Args:
            version_id: which.
            by: who wants it, or whose correction it comes from.
            by_itself: whether nobody has clicked.

        Raises:
            GateRefused: it has not.
            WorkspaceError, ModelError: it cannot judge.
        """
        with self._workspace.reading() as session:  # says no before a model is loaded
            version = _version(session, version_id)
            check_passed(session, session.get_one(Product, version.product_id), version)

        def allow(session: Session, product: Product, version: Version) -> dict[str, Any]:
            return {**check_passed(session, product, version), "byItself": by_itself}

        return self._live.go(version_id, by, "version.live", allow)

    def roll_back(self, product_id: int, version_id: int | None, by: str) -> tuple[Version, dict[str, Any]]:
        """Go back to a version that was live before, whatever the gate says of it; what it would miss is said and noted.

        Args:
            product_id: of which product.
            version_id: None for the latest that is older than what is live.
            by: who wants it.

        Returns:
            The version, and what it says of the challenge set.

        Raises:
            RequestError: 409, there is none that was live before.
            WorkspaceError, ModelError: it cannot judge.
        """
        with self._workspace.reading() as session:
            version = _was_live(session, session.get_one(Product, product_id), version_id)
        found = self._gate.challenge(self._loader.kept(version.id), _SECONDS)
        told = {
            "missed": [one["name"] for one in found["challenge"]["missed"]],
            **{key: found["challenge"][key] for key in ("found", "of", "notLookedAt")},
        }
        return self._live.go(version.id, by, ROLLBACK, lambda *_: {"challenge": told}), found

    def set_threshold(self, product_id: int, threshold: float, by: str, version_id: int | None = None) -> Version:
        """Make a version of another, or of what is live, with another threshold, raw. It judges only once it has gone live.

        Raises:
            WorkspaceError: nothing is live, or the threshold cannot be used.
        """
        with self._workspace.writing() as session:
            product = locked_product(session, product_id)
            parent = None if version_id is None else _version_of(session, product, version_id)
            return add_threshold(session, self._workspace, product, threshold, by, parent)

    def set_shadow(self, product_id: int, version_id: int | None, by: str) -> None:
        """Let a version judge beside the live one; None for no version.

        Raises:
            WorkspaceError: it is none of the product's.
        """
        with self._workspace.writing() as session:
            product = locked_product(session, product_id)
            version = None if version_id is None else _version_of(session, product, version_id)
            note_shadow(session, product, version_id)
            details = {"version": None if version is None else version.number}
            audit.append(session, by=by, action="version.shadow", product=product.name, details=details)


def _version(session: Session, version_id: int) -> Version:
    version = session.get(Version, version_id)
    if version is None:
        raise RequestError(404, f"there is no version {version_id}", remedy="Reload the page")
    return version


def _version_of(session: Session, product: Product, version_id: int) -> Version:
    version = _version(session, version_id)
    if version.product_id != product.id:
        raise WorkspaceError(f"that is no version of {product.name}", remedy="Choose one of its versions")
    return version


def _was_live(session: Session, product: Product, version_id: int | None) -> Version:
    if version_id is not None:
        version = _version(session, version_id)
        if version.product_id != product.id or version.live_at is None:
            what = f"version {version.number} has never been live: it goes live through the gate"
            raise RequestError(409, what, remedy="Choose one that was")
        return version
    live = None if product.live_id is None else session.get(Version, product.live_id)
    before = select(Version).where(
        Version.product_id == product.id, Version.live_at.is_not(None), Version.id != product.live_id
    )
    if live is not None:
        before = before.where(Version.number < live.number)
    found = session.scalar(before.order_by(Version.number.desc()).limit(1))
    if found is None:
        raise RequestError(409, f"no older version of {product.name} was ever live", remedy="Teach it anew")
    return found
