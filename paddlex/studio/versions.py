"""The versions of a product's model: made once, never changed. Another threshold is another version of the same folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from paddlex.errors import ModelError, WorkspaceError
from paddlex.inference.model_folder import open_model_folder
from paddlex.studio import audit
from paddlex.studio.database.schema import Product, Version
from paddlex.studio.workspace import Workspace, now_ms
from paddlex.utils.files import atomic_directory, copy_files, folder_digest, move_folder
from paddlex.utils.leftovers import tidy_up


@dataclass(frozen=True)
class Staged:
    """A model's folder that is on the disk, and not a version yet.

    Attributes:
        folder: below the workspace's models.
        digest: of its files.
    """

    folder: Path
    digest: str


@contextmanager
def staged(workspace: Workspace, source: Path) -> Iterator[Staged]:
    """Copy a model to where ``add`` only has to rename it; what ``add`` has not taken is removed after the block.

    Args:
        workspace: that gets a version.
        source: an inference folder, or a training's output.

    Raises:
        ModelError: it is no model.
        OSError: it cannot be copied.
    """
    inference = open_model_folder(source).path
    incoming = workspace.models / f".incoming-{now_ms()}-{id(source):x}"
    try:
        with atomic_directory(incoming) as temporary:
            copy_files(inference, temporary)
        yield Staged(incoming, folder_digest(incoming))
    finally:
        shutil.rmtree(incoming, ignore_errors=True)


def add(
    session: Session,
    workspace: Workspace,
    product: Product,
    model: Staged,
    *,
    how: str,
    by: str,
    pictures: int,
    learnt_at: int,
    parent_id: int | None = None,
    threshold: float | None = None,
) -> Version:
    """Make a version of a model in the caller's transaction. The folder has its place before the row is committed; should the
    transaction fail, the next version of the product takes the same place.

    Args:
        session: that writes.
        workspace: of the session.
        product: whose version it is.
        model: see ``staged``.
        how: ``train`` or ``refit``.
        by: who asked for it.
        pictures: good ones that it has learnt from.
        learnt_at: when they were read, in milliseconds since 1970.
        parent_id: the version that it was made from.
        threshold: raw; None for the model's own, or, for a refit, whatever an engineer has set for its parent.
    """
    parent = None if parent_id is None else session.get(Version, parent_id)
    if threshold is None and how == "refit" and parent is not None:
        threshold = parent.threshold
    number = next_number(session, product)
    folder = workspace.models / product.name / str(number)
    if folder.exists():  # of a transaction that was never committed
        shutil.rmtree(folder)
    move_folder(model.folder, folder)
    version = Version(
        product_id=product.id, number=number, folder=folder.relative_to(workspace.path).as_posix(), digest=model.digest,
        threshold=threshold, parent_id=parent_id, how=how, pictures=pictures, learnt_at=learnt_at, gate={},
        made_at=now_ms(), made_by=by,
    )  # fmt: skip
    return _added(session, product, version)


def add_threshold(
    session: Session, workspace: Workspace, product: Product, threshold: float, by: str, parent: Version | None = None
) -> Version:
    """Make a version of another's folder with another threshold.

    Args:
        session: that writes.
        workspace: of the session.
        product: whose version it is.
        threshold: raw.
        by: who asked for it.
        parent: whose folder; None for the live one's.

    Raises:
        WorkspaceError: nothing is live, or the threshold cannot be used.
    """
    if parent is None and product.live_id is not None:
        parent = session.get(Version, product.live_id)
    if parent is None:
        raise WorkspaceError(f"no version of {product.name} is live", remedy="Let one go live first")
    try:
        open_model_folder(workspace.path / parent.folder).limits_at(threshold=threshold)
    except ModelError as error:
        raise WorkspaceError(f"the threshold cannot be used: {error.what}", remedy="Change it") from error
    version = Version(
        product_id=product.id, number=next_number(session, product), folder=parent.folder, digest=parent.digest,
        threshold=threshold, parent_id=parent.id, how="threshold", pictures=parent.pictures,
        learnt_at=parent.learnt_at, gate={},
        made_at=now_ms(), made_by=by,
    )  # fmt: skip
    return _added(session, product, version)


def _added(session: Session, product: Product, version: Version) -> Version:
    session.add(version)
    session.flush()
    details = {"version": version.number, "how": version.how, "digest": version.digest, "threshold": version.threshold}
    audit.append(session, by=version.made_by, action="version.make", product=product.name, details=details)
    return version


def next_number(session: Session, product: Product) -> int:
    """The number that the product's next version gets."""
    highest = session.scalar(select(func.max(Version.number)).where(Version.product_id == product.id))
    return (highest or 0) + 1


def locked_product(session: Session, product_id: int) -> Product:
    """A product that no other transaction changes until this one ends.

    Raises:
        WorkspaceError: there is none.
    """
    product = session.get(Product, product_id, with_for_update=True)
    if product is None:
        raise WorkspaceError("there is no such product", remedy="Reload the page")
    return product


def tidy(workspace: Workspace) -> None:
    """Remove what a killed process has left of models that never became versions."""
    tidy_up(workspace.models)
    for path in workspace.models.glob(".*incoming-*"):  # however young: no other studio is here
        shutil.rmtree(path, ignore_errors=True)
