"""A real PostgreSQL for every worker of the test run; each test has a database of its own, migrated and without a row.

It is cloned from a migrated one, or emptied after a test that could only write rows: that takes a tenth of the time.
"""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.host.postgres import EmbeddedPostgres
from pbx112.storage.engine import connect_arguments, make_engine
from pbx112.storage.migrate import migrate

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
TEMPLATE = "pbx112"
_EMPTY = """
DO $$
DECLARE
    one record;
    used boolean;
BEGIN
    SET LOCAL session_replication_role = replica;  -- some tables refuse to be emptied
    PERFORM pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid();
    FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version' LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', one.tablename) INTO used;
        IF used THEN
            EXECUTE format('TRUNCATE %I CASCADE', one.tablename);
        END IF;
    END LOOP;
    FOR one IN SELECT sequencename FROM pg_sequences WHERE last_value IS NOT NULL LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', one.sequencename);
    END LOOP;
END $$
"""


@dataclass
class Database:
    """A database of a test's own: `owner_url` may change the tables, `service_url` is what the service gets."""

    name: str
    server: EmbeddedPostgres
    altered: bool = False

    @property
    def service_url(self) -> str:
        """With the service's rights: rows only."""
        return _named(self.server.service_url, self.name)

    @property
    def owner_url(self) -> str:
        """With the owner's rights. Who asks for it may change the tables, so nobody gets this database after him."""
        self.altered = True
        return _named(self.server.owner_url, self.name)


class Databases:
    """Clones databases, and keeps those that can be emptied for the next test."""

    def __init__(self, server: EmbeddedPostgres) -> None:
        self._server = server
        self._beside = _named(server.owner_url, "postgres")
        self._numbers = itertools.count(1)
        self._empty: list[Database] = []

    async def take(self, template: str = TEMPLATE) -> Database:
        """A database as the template is."""
        if template == TEMPLATE and self._empty:
            return self._empty.pop()
        made = Database(f"test_{next(self._numbers)}", self._server, altered=template != TEMPLATE)
        await as_owner(self._beside, f"CREATE DATABASE {made.name} TEMPLATE {template}")
        return made

    async def give_back(self, used: Database) -> None:
        """Take it from a test that is over, with whatever is connected to it."""
        if used.altered:
            await as_owner(self._beside, f"DROP DATABASE {used.name} WITH (FORCE)")
            return
        await as_owner(_named(self._server.owner_url, used.name), _EMPTY)
        self._empty.append(used)


def _named(url: str, database: str) -> str:
    return url.replace(f"/{TEMPLATE}?", f"/{database}?")


async def as_owner(url: str, *statements: str) -> None:
    """Run statements with the owner's rights, outside of any transaction."""
    connection = await asyncpg.connect(**connect_arguments(url), timeout=10)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close(timeout=5)


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """The worker's server, with a migrated database `pbx112` that nobody may connect to while tests clone it."""
    home = Path(tempfile.mkdtemp(prefix="pbx112-test-"))
    server = EmbeddedPostgres(home)
    with asyncio.Runner() as runner:
        try:
            runner.run(server.start())
            runner.run(migrate(server.owner_url, migrations=MIGRATIONS))
            yield server
        finally:
            runner.run(server.stop())
            shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def databases(postgres: EmbeddedPostgres) -> Databases:
    """The worker's databases."""
    return Databases(postgres)


@pytest.fixture
async def empty_database(databases: Databases) -> AsyncIterator[Database]:
    """A database without any table."""
    made = await databases.take("template0")
    yield made
    await databases.give_back(made)


@pytest.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A migrated database without any row."""
    made = await databases.take()
    yield made
    await databases.give_back(made)


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """The service's engine on the test's database."""
    made = make_engine(database.service_url)
    yield made
    await made.dispose()
