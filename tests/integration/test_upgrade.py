"""An upgrade while the old service still writes: what it wrote stays, what it writes is taken, and there is a way back.

"The old service" is one that knows only the columns of its own revision: it names them in each statement.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.demo import DEMO_CENTRE
from pbx112.services.records import rebuild
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.calls import get_call
from pbx112.storage.configuration import load_configuration, save_configuration
from pbx112.storage.engine import connect_arguments, make_engine, reading, transaction
from pbx112.storage.migrate import check_migrations, current_revision, migrate
from pbx112.storage.tables import metadata
from tests.integration.conftest import MIGRATIONS, Database
from tests.support.journal import Script, append
from tests.support.recorded import NODE, drained

REVISIONS = [script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()][::-1]
NEWEST, BEFORE = REVISIONS[-1], REVISIONS[:-1]
"""Every revision, the oldest first; an upgrade may come from any."""

CALLS = 3
Schema = dict[str, dict[str, tuple[str, bool, bool]]]
"""By table and column: its type, whether it may be null, whether it has a value when none is written."""

_COLUMNS = """
SELECT table_name, column_name, udt_name, is_nullable = 'YES' AS optional,
       column_default IS NOT NULL OR is_identity = 'YES' OR is_generated = 'ALWAYS' AS filled,
       is_identity = 'YES' AS identity
  FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position
"""
_RULES = """
SELECT conrelid::regclass::text AS of_table, conname AS name FROM pg_constraint
 WHERE contype IN ('c', 'u', 'f', 'x') AND connamespace = 'public'::regnamespace
 UNION SELECT indrelid::regclass::text, indexrelid::regclass::text FROM pg_index
   JOIN pg_class ON pg_class.oid = indrelid
 WHERE indisunique AND relnamespace = 'public'::regnamespace
"""


async def moved(url: str, revision: str, *, down: bool = False) -> None:
    """Bring a database to a revision, up or down."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))

    def move(connection: Connection) -> None:
        config.attributes["connection"] = connection
        (command.downgrade if down else command.upgrade)(config, revision)

    engine = make_engine(url, role=None, pool_size=1)
    async with transaction(engine) as conn:
        await conn.run_sync(move)
    await engine.dispose()


@asynccontextmanager
async def plain(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(**connect_arguments(url), timeout=10)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


@dataclass(slots=True)
class OldService:
    """A service that knows the tables as they were when it started, and writes on while they change."""

    connection: asyncpg.Connection[asyncpg.Record]
    columns: dict[str, list[str]]
    writes: int = 0

    async def write(self, table: str, rows: Sequence[dict[str, Any]], *, key: str | None = None) -> None:
        """Add rows; with a key, rows that are there are written anew."""
        names = self.columns[table]
        listed = ", ".join(f'"{name}"' for name in names)
        again = ", ".join(f'"{name}" = EXCLUDED."{name}"' for name in names)
        conflict = f"ON CONFLICT ({key}) DO UPDATE SET {again}" if key else ""
        await self.connection.execute(
            f'INSERT INTO "{table}" ({listed}) '  # noqa: S608  # names of our own tables
            f'SELECT {listed} FROM jsonb_populate_recordset(NULL::"{table}", $1) {conflict}',
            json.dumps(rows),
        )
        self.writes += 1

    async def write_for_ever(self, row: dict[str, Any]) -> None:
        """The same call again and again, as a reader of its journal does."""
        while True:
            await self.write("calls", [row], key="id")


@asynccontextmanager
async def old_service(database: Database) -> AsyncIterator[OldService]:
    """It works as the service's role does."""
    async with plain(database.owner_url) as connection:
        known: dict[str, list[str]] = {}
        for row in await connection.fetch(_COLUMNS):
            known.setdefault(row["table_name"], [])
            if not row["identity"]:
                known[row["table_name"]].append(row["column_name"])
        await connection.execute("SET ROLE pbx112_service")
        yield OldService(connection, known)


async def contents(engine: AsyncEngine) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    async with reading(engine) as conn:
        found = {}
        for table in metadata.sorted_tables:
            rows = await conn.exec_driver_sql(f'SELECT to_jsonb(t) FROM "{table.name}" t')  # noqa: S608
            found[table.name] = [dict(row[0]) for row in rows]
    return found


async def records(engine: AsyncEngine) -> dict[str, dict[str, Any]]:
    """Every call as the web door shows it, by its linked id."""
    async with reading(engine) as conn:
        items = (await list_calls(conn, CallFilter(), limit=100)).items
        found = [await get_call(conn, item["id"]) for item in items]
    return {record["linkedid"]: record for record in found if record is not None}


@pytest.fixture
async def filled(engine: AsyncEngine, tmp_path: Path) -> AsyncEngine:
    """A database of today with a configuration and calls, which the code of today wrote."""
    async with transaction(engine) as conn:
        await save_configuration(conn, DEMO_CENTRE, who="test")
    calls = [Script(1).answered_call(), Script(2, start=20).answered_call(), Script(3, start=40).abandoned_call()]
    append(tmp_path / "journal.csv", [line for call in calls for line in call])
    await drained(engine, tmp_path / "journal.csv")
    assert len(await records(engine)) == CALLS
    return engine


@pytest.mark.parametrize("revision", BEFORE)
async def test_given_a_service_of_before_when_the_tables_change_under_it_then_both_go_on_and_nothing_is_lost(
    revision: str, filled: AsyncEngine, empty_database: Database, tmp_path: Path
) -> None:
    rows, whole = await contents(filled), await records(filled)
    last = rows["calls"].pop()
    assert last["outcome"] == "abandoned"  # whom nobody may forget, and whom old code puts on no list
    await moved(empty_database.owner_url, revision)
    async with old_service(empty_database) as old:
        for table in (table.name for table in metadata.sorted_tables if table.name in old.columns):
            if table == "audit_chain":  # written by the database itself
                continue
            await old.write(table, [row for row in rows[table] if row.get("call_id") != last["id"]])
        writing = asyncio.create_task(old.write_for_ever(rows["calls"][0]))
        await asyncio.sleep(0.1)
        before = old.writes
        await migrate(empty_database.owner_url, migrations=MIGRATIONS)
        during = old.writes
        await asyncio.sleep(0.1)
        assert not writing.done()  # no write has failed
        assert before < old.writes > during
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

    async with old_service_as_it_was(empty_database, old) as still:
        await still.write("calls", [last])
        await still.write("calls", rows["calls"], key="id")
    engine = make_engine(empty_database.service_url)
    try:
        await the_new_service_goes_on(engine, tmp_path / "journal.csv", whole)
        assert [row["call_id"] for row in (await contents(engine))["abandoned"]] == [last["id"]]
    finally:
        await engine.dispose()
    assert await check_migrations(empty_database.owner_url, migrations=MIGRATIONS) == []


@asynccontextmanager
async def old_service_as_it_was(database: Database, old: OldService) -> AsyncIterator[OldService]:
    """The old service connects anew, and still knows nothing of what has changed."""
    async with plain(database.owner_url) as connection:
        await connection.execute("SET ROLE pbx112_service")
        yield OldService(connection, old.columns)


async def the_new_service_goes_on(engine: AsyncEngine, journal: Path, whole: dict[str, dict[str, Any]]) -> None:
    """It reads what the old one wrote, writes beside it, and can make every record as if it had always been there."""
    async with reading(engine) as conn:
        configuration = await load_configuration(conn)
    assert configuration is not None
    assert [queue.name for queue in configuration.queues] == [queue.name for queue in DEMO_CENTRE.queues]
    assert (await records(engine)).keys() == whole.keys()
    append(journal, Script(9, start=90).answered_call())
    await drained(engine, journal)
    added = (await records(engine)).keys() - whole.keys()
    assert len(added) == 1
    rebuilt = await rebuild(engine, NODE, check=False)
    assert (rebuilt.calls, rebuilt.orphans) == (CALLS + 1, [])
    assert (await rebuild(engine, NODE, check=True)).equal
    found = await records(engine)
    assert {linked: without_related(found[linked]) for linked in whole} == {
        linked: without_related(record) for linked, record in whole.items()
    }


def without_related(record: dict[str, Any]) -> dict[str, Any]:
    """The later call of the same number is related, of course."""
    return {name: value for name, value in record.items() if name != "related"}


@pytest.mark.parametrize("revision", BEFORE)
async def test_given_an_upgrade_that_is_taken_back_when_it_is_made_again_then_every_call_is_there(
    revision: str, filled: AsyncEngine, database: Database
) -> None:
    whole = await records(filled)
    await filled.dispose()  # a downgrade is made with the new service stopped
    await moved(database.owner_url, revision, down=True)
    assert await current_revision(database.owner_url) == revision
    async with old_service(database) as old:
        (row,) = await old.connection.fetch("SELECT count(*) AS calls FROM calls")
        assert row["calls"] == CALLS
    await migrate(database.owner_url, migrations=MIGRATIONS)
    assert await check_migrations(database.owner_url, migrations=MIGRATIONS) == []
    await rebuild(filled, NODE, check=False)
    assert await records(filled) == whole


async def schema(connection: asyncpg.Connection[asyncpg.Record]) -> Schema:
    found: Schema = {}
    for row in await connection.fetch(_COLUMNS):
        found.setdefault(row["table_name"], {})[row["column_name"]] = (row["udt_name"], row["optional"], row["filled"])
    return found


async def rules(connection: asyncpg.Connection[asyncpg.Record]) -> set[tuple[str, str]]:
    return {(row["of_table"], row["name"]) for row in await connection.fetch(_RULES)}


async def test_given_every_migration_when_made_then_it_takes_nothing_away_and_asks_nothing_of_the_code_of_before(
    empty_database: Database,
) -> None:
    """A column that goes, changes its type or must be filled, or a new rule on an old table, would stop old code."""
    for old_revision, new_revision in pairwise(REVISIONS):
        await moved(empty_database.owner_url, old_revision)
        async with plain(empty_database.owner_url) as connection:
            before, rules_before = await schema(connection), await rules(connection)
        await moved(empty_database.owner_url, new_revision)
        async with plain(empty_database.owner_url) as connection:
            after, rules_after = await schema(connection), await rules(connection)
        for table, columns in before.items():
            assert table in after, f"{new_revision} drops {table}"
            for name, (kind, optional, filled_) in columns.items():
                assert name in after[table], f"{new_revision} drops {table}.{name}"
                now_kind, now_optional, now_filled = after[table][name]
                assert now_kind == kind, f"{new_revision} changes the type of {table}.{name}"
                assert now_optional or now_filled or not (optional or filled_), (
                    f"{new_revision} asks for {table}.{name}"
                )
            for name in after[table].keys() - columns.keys():
                _, optional, filled_ = after[table][name]
                assert optional or filled_, f"{new_revision} adds {table}.{name} without a default"
        new_rules = {rule for rule in rules_after - rules_before if rule[0] in before}
        assert not new_rules, f"{new_revision} puts rules on tables that old code writes: {new_rules}"
