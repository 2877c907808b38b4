"""How a database gets the tables of this version: by Alembic's migrations, each of them whole or not at all.

A change of ``schema.py`` needs a migration: ``python -m paddlex.studio.database.upgrade "What changes"`` writes it down.
"""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine

from paddlex.errors import WorkspaceError
from paddlex.studio.database.engine import WRITES, make_engine
from paddlex.studio.database.failures import failures_in_one_line, where

_MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Bring a database up to date. Where this fails, or is killed, the database is that of one version or the other.

    Raises:
        WorkspaceError: it was used by a newer version, or cannot be written.
    """
    config = _config()
    with failures_in_one_line(engine.url), engine.connect() as connection:
        if _is_current(config, connection):
            return
    with failures_in_one_line(engine.url), engine.connect().execution_options(**{WRITES: True}) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_current(engine: Engine) -> None:
    """See that a database needs no migration, and change nothing.

    Raises:
        WorkspaceError: it does, or was used by a newer version.
    """
    with failures_in_one_line(engine.url), engine.connect() as connection:
        if _is_current(_config(), connection):
            return
    what = "the workspace was last used by an older version of the studio, or never"
    raise WorkspaceError(what, where=where(engine.url), remedy="Open it with paddlex --studio first")


def _is_current(config: Config, connection: Connection) -> bool:
    scripts = ScriptDirectory.from_config(config)
    found = set(MigrationContext.configure(connection).get_current_heads())
    if unknown := found - {script.revision for script in scripts.walk_revisions()}:
        what = f"the workspace was used by a newer version of the studio (its database is at {min(unknown)[:40]})"
        raise WorkspaceError(what, where=where(connection.engine.url), remedy="Install that version, or a newer one")
    return found == set(scripts.get_heads())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    return config


def _write_migration(words: str) -> None:
    """Write the migration from what all others make to what ``schema.py`` says."""
    import tempfile

    config = _config()
    number = len(list(ScriptDirectory.from_config(config).walk_revisions())) + 1
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(URL.create("sqlite", database=str(Path(folder) / "empty.db")))
        upgrade(engine)
        with engine.connect() as connection:
            config.attributes["connection"] = connection
            command.revision(config, words, autogenerate=True, rev_id=f"{number:04}")
        engine.dispose()


if __name__ == "__main__":
    _write_migration(" ".join(sys.argv[1:]))
