"""A real PostgreSQL for every worker of the test run; each test gets its own database, cloned from a migrated one."""

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
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
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Database:
    """A database of a test's own: `owner_url` may change the tables, `service_url` is what the service gets."""

    name: str
    owner_url: str
    service_url: str


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


@pytest.fixture
async def empty_database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A database without any table."""
    async with _database(postgres, "template0") as made:
        yield made


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A migrated database without any row."""
    async with _database(postgres, TEMPLATE) as made:
        yield made


@asynccontextmanager
async def _database(postgres: EmbeddedPostgres, template: str) -> AsyncIterator[Database]:
    name = f"test_{next(_numbers)}"
    beside = _named(postgres.owner_url, "postgres")
    await as_owner(beside, f"CREATE DATABASE {name} TEMPLATE {template}")
    try:
        yield Database(name, _named(postgres.owner_url, name), _named(postgres.service_url, name))
    finally:
        await as_owner(beside, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    """The service's engine on the test's database."""
    made = make_engine(database.service_url)
    yield made
    await made.dispose()
