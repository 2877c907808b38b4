"""Which version of each product judges. The database is the truth: a version is opened and tried first, then the change is
committed, then the service takes it up, which cannot fail; a studio that is killed in between serves what was committed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import PaddleXError, WorkspaceError, in_one_line
from paddlex.inference.serving.errors import RequestError
from paddlex.inference.serving.registry import ModelRegistry
from paddlex.studio import audit
from paddlex.studio.database.schema import Product, Version
from paddlex.studio.versions import locked_product
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.logging import logger

#: Called in the transaction that lets a version go live; may forbid it, and returns what the audit trail tells besides.
Allow = Callable[[Session, Product, Version], Mapping[str, Any]]


def pipeline_of(version_id: int) -> str:
    """What the service's registry is told to load."""
    return f"version {version_id}"


def version_of(pipeline: str) -> int:
    """The version that ``pipeline_of`` named."""
    return int(pipeline.removeprefix("version "))


class Live:
    """Lets versions go live, one after the other.

    Args:
        workspace: of the products.
        registry: of the service.
    """

    def __init__(self, workspace: Workspace, registry: ModelRegistry) -> None:
        self._workspace = workspace
        self._registry = registry
        self._lock = threading.Lock()

    def start(self) -> None:
        """Serve the live version of every product; one that cannot judge is not served, and whoever asks is told why."""
        with self._lock:
            with self._workspace.reading() as session:
                live = session.execute(select(Product.name, Product.live_id).order_by(Product.id)).all()
            for name, version_id in live:
                if version_id is not None:
                    self._serve(name, version_id)

    def go(self, version_id: int, by: str, action: str, allow: Allow) -> Version:
        """Let a version go live.

        Args:
            version_id: which.
            by: who wants it.
            action: what the audit trail calls it.
            allow: asked in the transaction.

        Raises:
            PaddleXError: it cannot judge, or ``allow`` forbids it, or the database cannot be written: all stays as it was.
        """
        with self._lock:
            product_id = self._product_of(version_id)
            loaded = self._registry.opened(pipeline_of(version_id))
            try:
                with self._workspace.writing() as session:
                    product = locked_product(session, product_id)
                    version = session.get_one(Version, version_id)
                    _change(session, product, version, by, action, allow(session, product, version))
                    name = product.name
            except RequestError:  # it was refused
                raise
            except Exception:  # a database that is lost while it commits does not say whether it has
                self._agree(product_id)
                raise
            self._registry.put(name, pipeline_of(version_id), loaded)
        logger.info("Version %d of %s is live.", version.number, name)
        return version

    def _product_of(self, version_id: int) -> int:
        with self._workspace.reading() as session:
            version = session.get(Version, version_id)
        if version is None:
            raise WorkspaceError(f"there is no version {version_id}", remedy="Reload the page")
        return version.product_id

    def _agree(self, product_id: int) -> None:
        """Serve what the database says, whatever that is."""
        try:
            with self._workspace.reading() as session:
                product = session.get_one(Product, product_id)
        except Exception as error:
            logger.error("What is live cannot be read: %s", in_one_line(error))
            return
        if product.live_id is not None and not self._registry.serves(product.name, pipeline_of(product.live_id)):
            self._serve(product.name, product.live_id)

    def _serve(self, name: str, version_id: int) -> None:
        pipeline = pipeline_of(version_id)
        try:
            self._registry.put(name, pipeline, self._registry.opened(pipeline))
        except (PaddleXError, OSError, MemoryError) as error:
            self._registry.withdraw(name, in_one_line(error))
            logger.error("%s is not served: %s", name, in_one_line(error))


def _change(
    session: Session, product: Product, version: Version, by: str, action: str, more: Mapping[str, Any]
) -> None:
    before = None if product.live_id is None else session.get(Version, product.live_id)
    product.live_id, version.live_at = version.id, now_ms()
    if product.shadow_id == version.id:  # it has stepped out of the shadow
        product.shadow_id = None
    details = {
        "version": version.number,
        "before": None if before is None else before.number,
        "digest": version.digest,
        "threshold": version.threshold,
        **more,
    }
    audit.append(session, by=by, action=action, product=product.name, details=details)
