"""The audit's chain on a real PostgreSQL: no fork, no change unseen, whoever makes it and however."""

# ruff: noqa: S608  # statements are made of this file's own words

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import BadInput
from pbx112.services.audit import Head, verify
from pbx112.storage import audit
from pbx112.storage.engine import make_engine, reading, transaction
from pbx112.storage.migrate import migrate
from tests.integration.conftest import MIGRATIONS, Database, as_owner
from tests.integration.test_upgrade import moved, plain

HOSTILE = "5:a-'\"; \u202e é 😀"


async def act(engine: AsyncEngine, number: int, *, after: Any = None) -> None:
    async with transaction(engine) as conn:
        await audit.append(conn, who=f"u{number}", action="x.y", subject=HOSTILE, after=after)


@pytest.fixture
async def five(engine: AsyncEngine) -> AsyncEngine:
    """Five acts."""
    facts: list[Any] = [{"b": 1.50, "aa": [None, 1e3, "ü"]}, None, "text", 7, []]
    for number, after in enumerate(facts):
        await act(engine, number, after=after)
    return engine


async def tampered(url: str, *statements: str) -> None:
    """What only the owner of the database can do."""
    await as_owner(url, "SET session_replication_role = replica", *statements)


async def test_given_acts_when_the_chain_is_read_then_it_is_whole_and_its_head_is_listed(five: AsyncEngine) -> None:
    verdict = await verify(five)
    assert (verdict.rows, verdict.before, verdict.fault) == (5, 0, None)
    async with reading(five) as conn:
        newest, *_ = await audit.list_audit(conn)
    assert (newest["position"], newest["hash"]) == (5, verdict.head.hash)
    assert (await verify(five, expect=Head.of(str(verdict.head)))).whole


async def test_given_no_act_when_the_chain_is_read_then_it_is_whole(engine: AsyncEngine) -> None:
    assert (await verify(engine)).whole


async def test_given_two_nodes_that_write_at_once_then_the_chain_has_no_fork(
    database: Database, engine: AsyncEngine
) -> None:
    other = make_engine(database.service_url)

    async def several(of: AsyncEngine, start: int) -> None:
        async with transaction(of) as conn:
            for number in range(start, start + 3):
                await audit.append(conn, who="u", action="x", subject=str(number))
                await asyncio.sleep(0)

    try:
        async with asyncio.TaskGroup() as group:
            for start in range(0, 120, 3):
                group.create_task(several(engine if start % 2 else other, start))
        verdict = await verify(engine)
        assert (verdict.rows, verdict.fault) == (120, None)
    finally:
        await other.dispose()


async def test_given_a_client_that_thinks_inside_its_transaction_then_others_write_on(
    database: Database, engine: AsyncEngine
) -> None:
    async with transaction(engine) as slow:
        await audit.append(slow, who="slow", action="x", subject="y")
        async with asyncio.timeout(2):
            await act(engine, 1)
    async with reading(engine) as conn:
        assert [row["who"] for row in await audit.list_audit(conn)] == ["u1", "slow"]
        assert [row["position"] for row in await audit.list_audit(conn)] == [1, 2]
    assert (await verify(engine)).whole


async def test_given_an_act_that_is_rolled_back_then_the_chain_does_not_have_it(five: AsyncEngine) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(five) as conn:
            await audit.append(conn, who="u", action="x", subject="y")
            raise ZeroDivisionError
    await act(five, 6)
    assert (await verify(five)).rows == 6


CHANGED = [
    *[
        (f"UPDATE audit SET {column} = {value} WHERE id = 3", 3)
        for column, value in {
            "at": "at + interval '1 microsecond'",
            "who": "who || ' '",
            "action": "'x.z'",
            "subject": "overlay(subject placing '6' from 1)",
            "before": "'null'",
            "after": "'\"Text\"'",
        }.items()
    ],
    ("UPDATE audit SET after = 'null' WHERE id = 2", 2),
    ("UPDATE audit SET id = DEFAULT WHERE id = 3", 3),
    ("UPDATE audit_chain SET hash = set_byte(hash, 31, get_byte(hash, 31) # 1) WHERE position = 3", 3),
    ("UPDATE audit_chain SET prev_hash = set_byte(prev_hash, 0, get_byte(prev_hash, 0) # 1) WHERE position = 3", 3),
    ("UPDATE audit_chain SET position = 9 WHERE position = 3", 3),
    ("UPDATE audit_chain SET audit_id = 99 WHERE position = 3", 3),
    ("DELETE FROM audit WHERE id = 3", 3),
    ("DELETE FROM audit_chain WHERE position = 3", 3),
    ("DELETE FROM audit_chain WHERE position = 1", 1),
    ("UPDATE audit_chain SET hash = set_byte(hash, 31, get_byte(hash, 31) # 1) WHERE position = 5", 5),
]


@pytest.mark.parametrize(("statement", "row"), CHANGED)
async def test_given_one_row_that_was_changed_or_removed_then_it_is_named(
    statement: str, row: int, five: AsyncEngine, database: Database
) -> None:
    await tampered(database.owner_url, statement)
    verdict = await verify(five)
    assert verdict.fault is not None
    assert f"Row {row}" in verdict.fault
    assert verdict.head.position == row - 1


async def test_given_a_removed_row_and_its_link_when_those_behind_move_up_then_it_is_told(
    five: AsyncEngine, database: Database
) -> None:
    await tampered(
        database.owner_url,
        "DELETE FROM audit WHERE id = 3",
        "DELETE FROM audit_chain WHERE position = 3",
        "UPDATE audit_chain SET position = 3 WHERE position = 4",
        "UPDATE audit_chain SET position = 4 WHERE position = 5",
    )
    fault = (await verify(five)).fault
    assert fault is not None and "Row 3" in fault and "does not continue row 2" in fault


async def test_given_a_row_that_was_added_past_the_trigger_then_it_is_told(
    five: AsyncEngine, database: Database
) -> None:
    await tampered(
        database.owner_url, "INSERT INTO audit (who, action, subject) VALUES ('nobody', 'user.add', 'ghost')"
    )
    fault = (await verify(five)).fault
    assert fault is not None and "user.add ghost" in fault and "not in the chain" in fault


async def test_given_a_row_that_was_pressed_into_the_middle_then_it_is_told(
    five: AsyncEngine, database: Database
) -> None:
    await tampered(
        database.owner_url,
        "UPDATE audit_chain SET position = 6 WHERE position = 5",
        "UPDATE audit_chain SET position = 5 WHERE position = 4",
        "INSERT INTO audit (who, action, subject) VALUES ('nobody', 'user.add', 'ghost')",
        "INSERT INTO audit_chain SELECT 4, max(id), (SELECT hash FROM audit_chain WHERE position = 3),"
        " sha256('forged') FROM audit",
    )
    fault = (await verify(five)).fault
    assert fault is not None and "Row 4" in fault


async def test_given_the_newest_rows_cut_off_then_only_a_head_that_was_written_down_tells(
    five: AsyncEngine, database: Database
) -> None:
    head = (await verify(five)).head
    await tampered(database.owner_url, "DELETE FROM audit WHERE id > 3", "DELETE FROM audit_chain WHERE position > 3")
    assert (await verify(five)).whole
    fault = (await verify(five, expect=head)).fault
    assert fault is not None and "ends at row 3" in fault
    for number in range(3):
        await act(five, number)
    fault = (await verify(five, expect=head)).fault
    assert fault is not None and "Row 5 has another hash" in fault


@pytest.mark.parametrize("words", ["", "x", "1", "1:zz", f"-1:{'0' * 64}", f"9{'9' * 30}:{'0' * 64}"])
def test_given_a_head_that_is_none_then_it_says_how_one_is_written(words: str) -> None:
    with pytest.raises(BadInput, match="POSITION:HASH"):
        Head.of(words)


def test_given_a_verdict_when_it_is_written_then_programs_find_the_head() -> None:
    head = Head(7, "ab" * 32)
    assert Head.of(str(head)) == head
    assert replace(head, position=8) != head


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO audit_chain VALUES (99, 99, '', '')",
        "UPDATE audit_chain SET hash = ''",
        "DELETE FROM audit_chain",
        "TRUNCATE audit_chain",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "DROP TRIGGER audit_is_chained ON audit",
        "CREATE OR REPLACE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
        "DROP FUNCTION audit_link() CASCADE",
        "SET session_replication_role = replica",
        "CREATE TEMP TABLE audit_chain (position int); CREATE TEMP TABLE audit (id int);"
        " CREATE TRIGGER t AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION public.audit_link()",
    ],
)
async def test_given_the_services_role_when_it_touches_the_chain_then_it_is_refused(
    statement: str, engine: AsyncEngine
) -> None:
    with pytest.raises(ProgrammingError):
        async with transaction(engine) as conn:
            for part in statement.split(";"):
                await conn.execute(text(part))


async def test_given_a_temporary_table_of_the_same_name_then_the_chain_goes_on_where_it_belongs(
    five: AsyncEngine,
) -> None:
    async with transaction(five) as conn:
        await conn.execute(text("CREATE TEMP TABLE audit_chain (position bigint, audit_id bigint, hash bytea)"))
        await audit.append(conn, who="u", action="x", subject="y")
        await conn.execute(text("SET LOCAL datestyle = 'German'"))
        await conn.execute(text("SET LOCAL timezone = 'Asia/Jakarta'"))
        await conn.execute(text("DROP TABLE pg_temp.audit_chain"))
    assert (await verify(five)).rows == 6


@pytest.mark.parametrize("count", [0, 1, 1203])
async def test_given_an_audit_of_before_when_it_is_chained_then_the_first_row_covers_it(
    count: int, empty_database: Database
) -> None:
    await moved(empty_database.owner_url, "0005")
    async with plain(empty_database.owner_url) as connection:
        await connection.execute(
            "INSERT INTO audit (who, action, subject, after) SELECT 'old', 'a', n, to_jsonb(n)"
            f" FROM generate_series(1, {count}) n"
        )
    await migrate(empty_database.owner_url, migrations=MIGRATIONS)
    engine = make_engine(empty_database.service_url)
    try:
        await act(engine, 1)
        verdict = await verify(engine)
        assert (verdict.rows, verdict.before, verdict.fault) == (2 if count else 1, count, None)
        if count:
            await tampered(empty_database.owner_url, f"UPDATE audit SET subject = 'z' WHERE id = {count}")
            fault = (await verify(engine)).fault
            assert fault is not None and "before the chain" in fault and "changed" in fault
            await tampered(empty_database.owner_url, f"DELETE FROM audit WHERE id = {count}")
            fault = (await verify(engine)).fault
            assert fault is not None and f"there were {count} rows" in fault
    finally:
        await engine.dispose()


async def test_given_a_chain_when_it_is_taken_back_and_made_again_then_it_begins_anew_over_all_rows(
    five: AsyncEngine, database: Database
) -> None:
    await five.dispose()
    await moved(database.owner_url, "0005", down=True)
    await migrate(database.owner_url, migrations=MIGRATIONS)
    verdict = await verify(five)
    assert (verdict.rows, verdict.before, verdict.fault) == (1, 5, None)


async def test_given_a_service_of_before_when_it_writes_its_audit_then_that_is_chained_too(
    five: AsyncEngine, database: Database
) -> None:
    async with plain(database.owner_url) as old:
        await old.execute("SET ROLE pbx112_service")
        await old.execute("INSERT INTO audit (who, action, subject, before, after) VALUES ('o', 'a', 's', NULL, '{}')")
    assert (await verify(five)).rows == 6
