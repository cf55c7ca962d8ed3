"""A database that is slow, silent, away or stopped under the reader: every wait ends, and the rows are right after."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.host.postgres import EmbeddedPostgres
from pbx112.storage.engine import check, make_engine, reading, transaction
from pbx112.storage.faults import RowsRefused
from pbx112.storage.listen import MISSED, listening
from pbx112.storage.migrate import migrate
from tests.integration.conftest import MIGRATIONS, Database, as_owner
from tests.support.journal import append
from tests.support.recorded import assert_recorded, drained, interleaved, running, until_count

KICK = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}' AND pid <> pg_backend_pid()"


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """A port where somebody accepts and never says a word."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            pass
        writer.close()

    server = await asyncio.start_server(say_nothing, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.fixture
async def own_server() -> AsyncIterator[EmbeddedPostgres]:
    """A server of this test's own, to be stopped and started."""
    home = Path(tempfile.mkdtemp(prefix="pbx112-test-"))
    server = EmbeddedPostgres(home)
    try:
        await server.start()
        await migrate(server.owner_url, migrations=MIGRATIONS)
        yield server
    finally:
        await server.stop()
        shutil.rmtree(home, ignore_errors=True)


async def test_given_nobody_at_the_address_when_read_then_unavailable_at_once() -> None:
    engine = make_engine("postgresql://x@127.0.0.1:1/x")
    with pytest.raises(DatabaseUnavailable):
        await check(engine)
    await engine.dispose()


async def test_given_a_server_that_says_nothing_when_read_then_unavailable_after_three_seconds(silent: int) -> None:
    engine = make_engine(f"postgresql://x@127.0.0.1:{silent}/x?sslmode=disable")
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await check(engine)
    assert time.monotonic() - began < 5
    await engine.dispose()


async def test_given_a_database_that_is_not_migrated_when_read_then_the_remedy_is_told(database: Database) -> None:
    engine = make_engine(database.owner_url, role="no_such_role")
    with pytest.raises(DatabaseUnavailable, match="pbx112 migrate"):
        await check(engine)
    await engine.dispose()


async def test_given_a_statement_that_takes_too_long_when_run_then_unavailable_and_the_pool_lives(
    database: Database,
) -> None:
    engine = make_engine(database.service_url, pool_size=1, statement_timeout_ms=200)
    with pytest.raises(DatabaseUnavailable, match="statement timeout"):
        async with reading(engine) as conn:
            await conn.execute(text("SELECT pg_sleep(5)"))
    await check(engine)
    await engine.dispose()


async def test_given_a_server_that_freezes_in_a_statement_when_waited_for_then_the_wait_ends(
    database: Database,
) -> None:
    engine = make_engine(database.service_url, pool_size=1, statement_timeout_ms=100)
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        async with transaction(engine) as conn:
            await conn.execute(text("SET statement_timeout = 0"))  # so that only our own deadline is left
            await conn.execute(text("SELECT pg_sleep(30)"))
    assert time.monotonic() - began < 8
    await check(engine)
    await engine.dispose()


async def test_given_a_pool_in_use_when_asked_then_unavailable_in_two_seconds(database: Database) -> None:
    engine = make_engine(database.service_url, pool_size=1)
    async with reading(engine):
        began = time.monotonic()
        with pytest.raises(DatabaseUnavailable, match="in use"):
            await check(engine)
        assert 1.5 < time.monotonic() - began < 4
    await check(engine)
    await engine.dispose()


async def test_given_connections_that_were_ended_when_used_next_then_new_ones_are_made(
    database: Database, engine: AsyncEngine
) -> None:
    await check(engine)
    await as_owner(database.owner_url, KICK.format(database.name))
    await check(engine)


async def test_given_a_connection_ended_in_a_transaction_when_used_then_unavailable(
    database: Database, engine: AsyncEngine
) -> None:
    with pytest.raises(DatabaseUnavailable):
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT 1"))
            await as_owner(database.owner_url, KICK.format(database.name))
            await conn.execute(text("SELECT 1"))


async def test_given_a_fault_of_our_own_when_run_then_it_is_not_called_unavailable(engine: AsyncEngine) -> None:
    with pytest.raises(ProgrammingError):
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT no_such_column"))
    with pytest.raises(RowsRefused):
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT 1 / 0"))
    with pytest.raises(RowsRefused):
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT CAST(:x AS int)"), {"x": 10**12})


async def test_given_a_cancelled_transaction_when_the_pool_is_used_then_no_connection_is_missing(
    database: Database,
) -> None:
    engine = make_engine(database.service_url, pool_size=2)

    async def slow() -> None:
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT pg_sleep(2)"))

    for _ in range(4):
        task = asyncio.create_task(slow())
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with reading(engine), reading(engine):
        pass
    await engine.dispose()


async def test_given_connections_ended_under_a_reader_when_it_goes_on_then_each_line_counts_once(
    database: Database, engine: AsyncEngine, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.csv"
    lines = interleaved(80)
    async with running(engine, journal):
        for start in range(0, len(lines), 100):
            append(journal, lines[start : start + 100])
            await asyncio.sleep(0.03)
            await as_owner(database.owner_url, KICK.format(database.name))
        await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)


async def test_given_a_database_that_is_stopped_under_a_reader_when_it_is_back_then_the_lines_are_there(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.csv"
    lines = interleaved(40)
    engine = make_engine(own_server.service_url)
    with capture_logs() as logs:
        async with running(engine, journal) as reader:
            append(journal, lines[:200])
            await until_count(engine, "events", 200)
            await own_server.stop()
            append(journal, lines[200:])
            await asyncio.sleep(1.5)
            lag = reader.lag()
            assert not lag.healthy
            assert "database is away" in (lag.problem or "")
            assert lag.bytes_behind == sum(map(len, lines[200:]))
            await own_server.start()
            await until_count(engine, "events", len(lines))
            assert reader.lag().healthy
    await assert_recorded(engine, lines)
    await engine.dispose()
    assert len([entry for entry in logs if entry["log_level"] == "warning"]) == 1
    assert [entry["event"] for entry in logs if entry["log_level"] == "info"] == ["The journal's reader works again."]


async def test_given_a_stopped_database_when_drained_then_it_is_not_and_the_lines_wait(
    own_server: EmbeddedPostgres, tmp_path: Path
) -> None:
    journal = tmp_path / "journal.csv"
    lines = interleaved(5)
    engine = make_engine(own_server.service_url)
    append(journal, lines)
    await own_server.stop()
    async with running(engine, journal) as reader:
        assert not await reader.drain(0.5)
    await own_server.start()
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    await engine.dispose()


async def test_given_a_listener_when_notified_and_cut_off_then_it_wakes_and_says_what_it_missed(
    database: Database, engine: AsyncEngine
) -> None:
    async def notify(payload: str) -> None:
        async with transaction(engine) as conn:
            await conn.execute(text("SELECT pg_notify('calls_test', :payload)"), {"payload": payload})

    async with asyncio.timeout(20), listening(database.service_url, "calls_test", size=4) as heard:
        assert await heard.get() == MISSED
        await notify("one")
        assert await heard.get() == "one"
        await as_owner(database.owner_url, KICK.format(database.name))
        assert await heard.get() == MISSED
        await notify("two")
        assert await heard.get() == "two"
        for number in range(5):
            await notify(str(number))
        await asyncio.sleep(0.2)
        assert heard.get_nowait() == MISSED  # those that were lost come before those that are there


async def test_given_no_database_when_listening_then_nothing_is_raised() -> None:
    async with listening("postgresql://x@127.0.0.1:1/x", "calls_test") as heard:
        await asyncio.sleep(0.3)
        assert heard.empty()
