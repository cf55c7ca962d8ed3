"""Alembic's entry: it works on the connection that `pbx112.storage.migrate` gives it, inside its lock."""

from alembic import context

from pbx112.domain.errors import MigrationFailed
from pbx112.storage.tables import metadata

connection = context.config.attributes.get("connection")
if connection is None:
    raise MigrationFailed("Use `pbx112 migrate`: alembic alone would work without the lock and the role.")

context.configure(connection=connection, target_metadata=metadata, compare_type=True, transactional_ddl=True)
context.run_migrations()
