"""What alembic does for `migrate`. It is a large library, so it is imported only when there is something to do."""

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection

from pbx112.domain.errors import MigrationFailed
from pbx112.storage.tables import metadata


def upgrade(connection: Connection, migrations: Path) -> None:
    """Run what the database lacks of the migrations. Raises MigrationFailed when they cannot be used."""
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise MigrationFailed(
            f"The migrations in {migrations} cannot be used: {error}. Nothing was changed."
        ) from error


def newest(migrations: Path) -> str | None:
    """The revision that the migrations lead to."""
    return ScriptDirectory(migrations).get_current_head()


def current(connection: Connection) -> str | None:
    """The revision the database is at; None for an empty one."""
    return _context(connection).get_current_revision()


def differences(connection: Connection) -> list[Any]:
    """What the database's tables are not as the code's."""
    return list(compare_metadata(_context(connection), metadata))


def _context(connection: Connection) -> MigrationContext:
    return MigrationContext.configure(connection, opts={"compare_type": True, "target_metadata": metadata})
