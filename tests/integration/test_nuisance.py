"""The nuisance book on a real database: it counts what operators wrote, and outlives the database."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.domain.nuisance import score
from pbx112.domain.record import CallRecord
from pbx112.domain.rules import DISPOSITIONS, NuisanceRules, Rules, Weights
from pbx112.services import nuisance
from pbx112.services.nuisance import NuisanceBook, NuisanceView, caller_score
from pbx112.services.rules import change_rules
from pbx112.storage.calls import annotate_call, upsert_calls
from pbx112.storage.engine import make_engine, reading, transaction
from pbx112.storage.scores import decayed_scores, marks_of
from tests.integration.conftest import Database, as_owner
from tests.integration.test_storage_calls import call
from tests.support.web import nowhere, until

NOW = datetime(2025, 3, 1, 10, 0, tzinfo=UTC)
KEY = "+6281234567890"
CALLER = Caller(CallerClass.ASSERTED, KEY, callback_number=KEY)
RULES = NuisanceRules()


def days(number: float) -> datetime:
    return NOW - timedelta(days=number)


async def marked(engine: AsyncEngine, *found: tuple[CallRecord, str | None]) -> None:
    """Store calls, and what operators found them to be."""
    async with transaction(engine) as conn:
        await upsert_calls(conn, [record for record, _ in found])
        for record, disposition in found:
            if disposition is not None:
                changes = {"disposition": disposition}
                await annotate_call(conn, record.id, expected_version=0, changes=changes, who="op1")


def by(caller: Caller, number: int, at: datetime, disposition: str | None = "prank", **changes: Any) -> Any:
    return call(number, caller=caller, received_at=at, **changes), disposition


async def scores(engine: AsyncEngine, rules: NuisanceRules = RULES, **limit: int) -> dict[str, float]:
    async with reading(engine) as conn:
        return dict(await decayed_scores(conn, rules, now=NOW, **limit))


async def test_given_marks_when_counted_by_the_database_then_as_the_domain_counts(engine: AsyncEngine) -> None:
    random = Random(112)
    rules = NuisanceRules(weights=Weights(ghost=1.3, real=-2), half_life_days=9.5)
    callers = [f"+62812000000{n:02d}" for n in range(12)]
    found = [
        (random.choice(callers), random.choice(DISPOSITIONS), NOW - random.random() * timedelta(days=75))
        for _ in range(120)
    ]
    found.append((callers[0], "prank", NOW + timedelta(hours=1)))
    calls = [
        by(Caller(CallerClass.ASSERTED, key, callback_number=key), n, at, disposition)
        for n, (key, disposition, at) in enumerate(found)
    ]
    await marked(engine, *calls)
    counted = await scores(engine, rules)
    expected = {key: score([(d, at) for k, d, at in found if k == key], NOW, rules) for key in callers}
    assert counted == pytest.approx({key: value for key, value in expected.items() if value >= 0.01})
    assert len(counted) > 3
    async with reading(engine) as conn:
        for key in callers:
            told = await caller_score(conn, key, NOW)
            marks = [(mark.disposition, mark.at) for mark in await marks_of(conn, key, RULES, now=NOW)]
            assert told["score"] == score(marks, NOW, RULES)


async def test_given_calls_that_stand_for_nobody_when_counted_then_left_out(engine: AsyncEngine) -> None:
    await marked(
        engine,
        by(Caller(CallerClass.PSEUDO_ANI, "+62911"), 1, NOW),
        by(Caller(CallerClass.UNTRUSTED_CLAIM, KEY), 2, NOW),
        by(Caller(CallerClass.DEVICE_ONLY, imei="35-209900-176148-0"), 3, NOW),
        by(Caller(CallerClass.ANONYMOUS), 4, NOW),
        by(CALLER, 5, NOW, drill=True),
        by(CALLER, 6, NOW, direction="outbound"),
        by(CALLER, 7, NOW, None),
        by(CALLER, 8, days(14 * 8 + 1)),
        by(CALLER, 9, NOW, "other"),
    )
    assert await scores(engine) == {}
    await marked(engine, by(CALLER, 10, days(14)), by(CALLER, 11, NOW, "ghost"))
    assert await scores(engine) == pytest.approx({KEY: 2.5})


async def test_given_more_callers_than_the_book_holds_then_the_highest_are_in_it(engine: AsyncEngine) -> None:
    await marked(
        engine,
        *(
            by(Caller(CallerClass.ASSERTED, f"+6281200{n}", callback_number=f"+6281200{n}"), n, days(n))
            for n in range(1, 6)
        ),
    )
    assert list(await scores(engine, limit=2)) == ["+62812001", "+62812002"]


async def test_given_scores_and_rules_when_refreshed_then_the_book_follows(engine: AsyncEngine) -> None:
    book = NuisanceBook(engine, clock=lambda: NOW)
    await book.refresh()
    assert book.view(CALLER, 0, NOW) == NuisanceView()
    await marked(engine, *(by(CALLER, n, NOW) for n in range(3)))
    await book.refresh()
    assert book.view(CALLER, 0, NOW) == NuisanceView(True, 9.0, None)
    assert book.lookup(KEY, NOW + timedelta(days=14)) == pytest.approx(4.5)
    async with transaction(engine) as conn:
        rules = Rules(nuisance=NuisanceRules(reorder=True, step=3, floor=-2))
        await change_rules(conn, rules, expected_version=0, who="admin")
    await book.refresh()
    found = book.view(CALLER, 0, NOW).reordered
    assert found is not None and (found.usual, found.given, found.score) == (0, -2, 9.0)
    async with transaction(engine) as conn:
        await annotate_call(conn, call(0).id, expected_version=1, changes={"disposition": "real"}, who="op1")
    await book.refresh()
    assert book.view(CALLER, 0, NOW) == NuisanceView()


@asynccontextmanager
async def running(book: NuisanceBook) -> AsyncIterator[None]:
    task = asyncio.create_task(book.run())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_given_a_running_book_when_woken_then_it_sees_the_change_at_once(engine: AsyncEngine) -> None:
    book = NuisanceBook(engine, refresh_seconds=600)
    async with running(book):
        await until(lambda: book._page.at.year > 1970)
        await marked(engine, *(by(CALLER, n, datetime.now(UTC)) for n in range(3)))
        book.wake()
        await until(lambda: book.view(CALLER, 0, datetime.now(UTC)).warning)


async def test_given_a_running_book_when_nobody_wakes_it_then_it_still_follows(engine: AsyncEngine) -> None:
    book = NuisanceBook(engine, refresh_seconds=0.1)
    async with running(book):
        await until(lambda: book._page.at.year > 1970)
        await marked(engine, *(by(CALLER, n, datetime.now(UTC)) for n in range(3)))
        await until(lambda: book.view(CALLER, 0, datetime.now(UTC)).warning)


async def test_given_the_database_away_when_the_book_runs_then_it_is_kept_decays_and_is_told_once(
    database: Database, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nuisance, "_GAP_SECONDS", 0.01)
    await marked(engine, *(by(CALLER, n, NOW) for n in range(3)))
    own = make_engine(database.service_url)
    book = NuisanceBook(own, refresh_seconds=0.02, clock=lambda: NOW)
    await book.refresh()
    await own.dispose()
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{0}' AND pid <> pg_backend_pid()"
    with capture_logs() as logs:
        book._engine = nowhere()
        async with running(book):
            await until(lambda: len(logs) > 0)
            await asyncio.sleep(0.3)
            assert [one["log_level"] for one in logs] == ["warning"]
            assert book.lookup(KEY, NOW + timedelta(days=14)) == pytest.approx(4.5)
            await as_owner(database.owner_url, others.format(database.name))
            book._engine = own
            await until(lambda: len(logs) > 1)
    assert [one["log_level"] for one in logs] == ["warning", "info"]
    await own.dispose()


async def test_given_a_database_without_tables_when_the_book_runs_then_it_waits(empty_database: Database) -> None:
    own = make_engine(empty_database.owner_url, role=None)
    book = NuisanceBook(own, refresh_seconds=0.02)
    with capture_logs() as logs:
        async with running(book):
            await until(lambda: len(logs) > 0)
            await asyncio.sleep(0.1)
    assert len(logs) == 1 and book.rules == Rules()
    await own.dispose()


async def test_given_no_database_when_refreshed_then_words_and_the_book_stays_empty() -> None:
    book = NuisanceBook(nowhere())
    with pytest.raises(DatabaseUnavailable):
        await book.refresh()
    assert book.view(CALLER, 0, NOW) == NuisanceView()
