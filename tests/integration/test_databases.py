"""The tests' own databases: what one test left is not there for the next."""

from __future__ import annotations

import asyncpg
import pytest

from pbx112.host.postgres import EmbeddedPostgres
from pbx112.storage.engine import connect_arguments, make_engine, transaction
from pbx112.storage.events import insert_gap
from tests.integration.conftest import Databases, as_owner


async def rows(url: str) -> dict[str, int]:
    """How many rows each table has, and how often each sequence was asked."""
    connection = await asyncpg.connect(**connect_arguments(url))
    tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = {name: await connection.fetchval(f"SELECT count(*) FROM {name}") for (name,) in tables}  # noqa: S608
    found |= dict(await connection.fetch("SELECT sequencename, coalesce(last_value, 0) FROM pg_sequences"))
    await connection.close()
    return found


async def test_given_a_database_with_rows_when_it_is_given_back_then_the_next_finds_none_and_counts_from_one(
    databases: Databases,
) -> None:
    first = await databases.take()
    engine = make_engine(first.service_url)
    for _ in range(3):
        async with transaction(engine) as connection:
            await insert_gap(connection, "node1", since=None, until=None, reason="a")
    await engine.dispose()
    left_open = await asyncpg.connect(**connect_arguments(first.service_url))
    assert (await rows(first.service_url))["journal_gaps_id_seq"] == 3
    await databases.give_back(first)
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await left_open.fetch("SELECT 1")

    second = await databases.take()
    assert second.name == first.name
    found = await rows(second.service_url)
    assert len(found) > 20
    assert {name for name, count in found.items() if count} == {"alembic_version"}
    await databases.give_back(second)


async def test_given_a_database_whose_tables_may_be_changed_when_it_is_given_back_then_nobody_gets_it(
    databases: Databases,
) -> None:
    first = await databases.take()
    await as_owner(first.owner_url, "DROP TABLE journal_gaps")
    await databases.give_back(first)
    second = await databases.take()
    assert second.name != first.name
    await databases.give_back(second)


async def test_given_the_migrated_database_then_it_holds_no_row_that_emptying_it_would_lose(
    postgres: EmbeddedPostgres,
) -> None:
    assert {name for name, count in (await rows(postgres.owner_url)).items() if count} == {"alembic_version"}
