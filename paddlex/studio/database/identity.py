"""That a folder and a database belong together: what is in one means nothing with another."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from paddlex.errors import WorkspaceError
from paddlex.studio.database.schema import Picture, Setting
from paddlex.utils.files import write_json

_NAME = "workspace"
_FILE = "workspace.json"


def check_identity(session: Session, folder: Path) -> None:
    """See that a folder goes with a database; where both are new, note in both that they belong together.

    Args:
        session: that writes.
        folder: of the workspace.

    Raises:
        WorkspaceError: one of them is another workspace's.
    """
    noted, row = _noted(folder / _FILE), session.get(Setting, _NAME)
    kept = None if row is None else str(row.value.get("id"))
    if noted is not None and noted != kept:
        what = "the database has nothing of this workspace, or is another's"
        raise WorkspaceError(
            what, where=folder, remedy="Give the workspace's own: --database, or studio.db in the folder"
        )
    if noted is not None:
        return
    if kept is not None and session.scalar(select(Picture.digest).limit(1)) is not None:
        url = session.get_bind().engine.url
        if url.get_backend_name() != "sqlite" or Path(url.database or "").resolve().parent != folder:
            what = "the database is that of another workspace, whose pictures are not in this folder"
            raise WorkspaceError(what, where=folder, remedy="Give the folder of that workspace, or another database")
    if kept is None:
        kept = str(uuid.uuid4())
        session.add(Setting(name=_NAME, value={"id": kept}))
    session.commit()
    write_json(folder / _FILE, {"id": kept})


def _noted(path: Path) -> str | None:
    try:
        return str(json.loads(path.read_text(encoding="utf-8"))["id"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise WorkspaceError("the file cannot be read", where=path, remedy="Put a copy in its place") from None
