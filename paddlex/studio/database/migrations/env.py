"""What Alembic runs for every command: the connection is given by ``upgrade.py``."""

from alembic import context

from paddlex.studio.database.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    transaction_per_migration=True,
    transactional_ddl=True,  # SQLite's too, because its transactions begin when they are told to
    render_as_batch=True,  # SQLite alters a table by writing it anew
)
with context.begin_transaction():
    context.run_migrations()
