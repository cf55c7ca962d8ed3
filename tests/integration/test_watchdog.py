"""The watchdog over a real PostgreSQL: it learns from it, goes on without it, and nothing it meets stops it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from pbx112.domain import watch
from pbx112.domain.configuration import Configuration, Membership
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.live import LiveState
from pbx112.domain.record import CallState
from pbx112.services.alarms import Alarms
from pbx112.services.canary import Canary
from pbx112.services.feed import Feed
from pbx112.services.metrics import Metrics
from pbx112.services.ports import JournalLagView
from pbx112.services.watchdog import Watchdog, Watched
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from pbx112.storage.traffic import last_calls, trunk_traffic, waiting_calls
from tests.integration.conftest import Database, as_owner
from tests.support.calls import asserted, left
from tests.support.watch import board, caller, member
from tests.support.web import FakeLag, FakeLive, nowhere, until

ZONES = ["Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"]
START = datetime(2025, 1, 31, 10, 0, 0, tzinfo=UTC)
NODE = "node1"


async def lay_history(engine: AsyncEngine, moments: dict[str, list[datetime]], **more: Any) -> None:
    """Calls of these trunks at these moments."""
    records = [
        replace(
            left((at - START) / timedelta(minutes=1), asserted(), trunk=trunk, **more),
            linkedid=f"{trunk}-{uuid4()}",
            id=uuid4(),
        )
        for trunk, several in moments.items()
        for at in several
    ]
    async with transaction(engine) as connection:
        await upsert_calls(connection, records)


def daily(zone: ZoneInfo, hours: range, calls: int, days: int = 28, until_: datetime = START) -> list[datetime]:
    """So many calls in each of these local hours, on each of the days before the day of `until_`."""
    chance = random.Random(112)
    midnight = until_.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
    return [
        midnight - timedelta(days=day) + timedelta(hours=hour, seconds=chance.uniform(0, 3599))
        for day in range(1, days)
        for hour in hours
        for _ in range(calls)
    ]


@pytest.mark.parametrize("name", ZONES)
async def test_given_history_when_it_is_learnt_then_the_hours_are_those_of_the_centres_clock(
    engine: AsyncEngine, name: str
) -> None:
    zone = ZoneInfo(name)
    today = [START - timedelta(minutes=5)]
    await lay_history(
        engine, {"carrier-a": daily(zone, range(7, 14), 6) + today, "carrier-b": daily(zone, range(0), 0)}
    )
    async with reading(engine) as connection:
        traffic = await trunk_traffic(connection, NODE, zone, START)
    usual = traffic.usual["carrier-a"]
    assert usual.days == 27 - 1 + 0  # whole days after the first one
    assert [hour for hour, rate in enumerate(usual.working_day) if rate] == list(range(7, 14))
    assert usual.working_day[7] == usual.weekend[7] == 6.0
    assert traffic.last_call == {"carrier-a": today[0]}


async def test_given_drills_other_nodes_calls_back_and_old_calls_when_it_is_learnt_then_they_do_not_count(
    engine: AsyncEngine,
) -> None:
    zone = ZoneInfo("Asia/Jayapura")
    hours = daily(zone, range(8, 10), 2)
    await lay_history(engine, {"drill": hours}, drill=True)
    await lay_history(engine, {"other-node": hours}, node="node2")
    await lay_history(engine, {"outbound": hours}, direction="outbound")
    await lay_history(engine, {"old": [at - timedelta(weeks=4) for at in hours]})
    async with reading(engine) as connection:
        traffic = await trunk_traffic(connection, NODE, zone, START)
        assert await last_calls(connection, NODE, since=START - timedelta(weeks=1), now=START) == {}
    assert (traffic.usual, traffic.last_call) == ({}, {})


async def test_given_calls_in_every_state_when_it_is_asked_who_waits_then_only_those_in_the_queue(
    engine: AsyncEngine,
) -> None:
    open_ = {"outcome": None, "ended_at": None, "hangup_by": None, "wait_ms": None}
    at = START - timedelta(minutes=3)
    for number, (state, more) in enumerate(
        [
            (CallState.QUEUED, {"queued_at": at}),
            (CallState.QUEUED, {"drill": True}),
            (CallState.QUEUED, {"node": "node2"}),
            (CallState.TALKING, {}),
            (CallState.RINGING, {}),
        ]
    ):
        record = replace(left(number, asserted(), **open_), state=state, **more)  # type: ignore[arg-type]
        async with transaction(engine) as connection:
            await upsert_calls(connection, [record])
    async with reading(engine) as connection:
        waiting = await waiting_calls(connection, NODE)
    assert [(one.queue, one.since) for one in waiting] == [("112", at)]


@dataclass
class Bench:
    """A watchdog with parts and clocks to set."""

    engine: AsyncEngine
    live: FakeLive = field(default_factory=lambda: FakeLive(board(member())))
    lag: JournalLagView = field(default_factory=FakeLag)
    agi: bool = True
    second: float = 1000.0
    began: datetime = START
    zone: str = "Asia/Jayapura"
    configuration: Configuration = DEMO_CENTRE
    metrics: Metrics = field(default_factory=Metrics)
    dog: Watchdog = field(init=False)

    def __post_init__(self) -> None:
        self.feed = Feed()
        self.alarms = Alarms(self.feed, NODE)
        self.canary = Canary(self._call, 0, self.metrics)
        watched = Watched(self.live, lambda: self.configuration, lambda: self.lag, lambda: self.agi, self.canary)
        self.dog = Watchdog(
            self.engine,
            NODE,
            ZoneInfo(self.zone),
            "en",
            watched,
            self.alarms,
            self.metrics,
            clock=lambda: self.began + timedelta(seconds=self.second - 1000),
            monotonic=lambda: self.second,
        )

    async def _call(self) -> None:
        return

    @property
    def keys(self) -> list[str]:
        return [alarm.key for alarm in self.alarms.current]

    async def on(self, seconds: int, *, ask: bool = True) -> list[str]:
        """So many looks, a second apart; the alarms after them."""
        for _ in range(seconds):
            self.second += 1
            if ask and self.second % 2 == 0:
                await self.dog.ask()
            self.dog.look()
        return self.keys


async def test_given_a_trunk_that_falls_silent_when_it_calls_again_then_the_alarm_ends(engine: AsyncEngine) -> None:
    zone = ZoneInfo("Asia/Jayapura")  # START is 19:00 there
    fell_silent = START - timedelta(hours=2)
    await lay_history(engine, {"carrier-a": [*daily(zone, range(12, 22), 20), fell_silent]})
    bench = Bench(engine)
    assert await bench.on(50) == []  # the journal may still hold its calls
    assert await bench.on(60) == ["trunk-silent:carrier-a"]
    (alarm,) = bench.alarms.current
    assert "2025-01-31 17:00" in alarm.text and alarm.level == "critical"
    bench.configuration = replace(DEMO_CENTRE, trunks=DEMO_CENTRE.trunks[1:])
    assert await bench.on(31) == []  # nobody misses the calls of a carrier that was taken out
    bench.configuration = DEMO_CENTRE
    assert await bench.on(31) == ["trunk-silent:carrier-a"]
    await lay_history(engine, {"carrier-a": [START + timedelta(seconds=160)]})
    assert await bench.on(40) == []


async def test_given_a_database_that_goes_and_comes_when_the_watchdog_looks_then_it_says_so_and_goes_on(
    engine: AsyncEngine, database: Database
) -> None:
    bench = Bench(engine)
    assert await bench.on(20) == []
    bench.dog.engine = nowhere()
    assert await bench.on(14) == []
    assert await bench.on(4) == ["database-away"]
    bench.dog.engine = engine
    assert await bench.on(2) == []
    await as_owner(database.owner_url, "ALTER TABLE calls RENAME TO gone")
    with capture_logs() as logs:
        assert await bench.on(20) == ["database-away"]
    assert sum(line["log_level"] == "error" and "rule" in line["event"] for line in logs) <= 1


async def test_given_parts_that_fail_when_they_come_back_then_their_alarms_come_and_go(engine: AsyncEngine) -> None:
    bench = Bench(engine)
    await bench.on(2)
    bench.live.state, bench.agi = replace(bench.live.state, connected=False), False
    bench.lag = FakeLag(10, 6000)
    bench.canary.failures, bench.canary.problem = 2, "The phone never rang."
    assert set(await bench.on(20)) == {"ami-down", "agi-down", "journal-late", "canary"}
    bench.live.state, bench.agi, bench.lag = replace(bench.live.state, connected=True), True, FakeLag()
    bench.canary.failures = 0
    assert await bench.on(1) == []


async def test_given_a_broken_link_when_a_queue_had_an_alarm_then_it_stays_until_the_board_is_known(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine)
    bench.live.state = board(waiting=(caller(since=START),))
    assert await bench.on(5) == ["queue-nobody:112"]
    bench.live.state = replace(bench.live.state, connected=False)
    assert set(await bench.on(20)) == {"ami-down", "queue-nobody:112"}
    bench.live.state = board(member())
    assert await bench.on(1) == []


async def test_given_another_configuration_when_queues_come_and_go_then_alarms_do_too(
    engine: AsyncEngine,
) -> None:
    bench = Bench(engine)
    bench.live.state = board(waiting=(caller(since=START - timedelta(seconds=70)),))
    assert set(await bench.on(5)) == {"queue-nobody:112", "caller-waiting:112"}
    other = replace(DEMO_CENTRE.queues[0], name="113")
    operators = (replace(DEMO_CENTRE.operators[0], memberships=(Membership("113"),)),)
    bench.configuration = replace(DEMO_CENTRE, queues=(other,), operators=operators, default_queue="113")
    assert await bench.on(1) == []
    assert await bench.on(70) == ["queue-nobody:113"]  # nobody is there, and nobody waits
    (alarm,) = bench.alarms.current
    assert alarm.level == "warning"
    bench.live.state = replace(bench.live.state, queues=(replace(bench.live.state.queues[0], name="113"),))
    assert set(await bench.on(3)) == {"queue-nobody:113", "caller-waiting:113"}


async def test_given_a_rule_that_fails_when_it_is_asked_each_second_then_the_others_go_on_and_the_log_is_short(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: watch.Facts) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("pbx112.services.watchdog.RULES", {"broken": broken, **watch.RULES})
    bench = Bench(engine)
    bench.agi = False
    with capture_logs() as logs:
        assert await bench.on(10, ask=False) == ["agi-down"]
    assert [line["rule"] for line in logs if "failed" in line["event"]] == ["broken"]
    value = bench.metrics.registry.get_sample_value("pbx112_watchdog_faults_total")
    assert value == 10


async def test_given_parts_that_raise_when_they_are_looked_at_then_the_watchdog_lives(engine: AsyncEngine) -> None:
    def raises() -> Any:
        raise RuntimeError("gone")

    bench = Bench(engine)
    bench.dog.watched = replace(bench.dog.watched, journal=raises)
    assert await bench.on(70) == []  # longer than trunks are left alone after a start
    bench.dog.watched = replace(bench.dog.watched, journal=FakeLag)
    bench.dog.alarms.settle = raises  # type: ignore[method-assign]
    assert await bench.on(2) == []


async def test_given_a_locked_table_when_it_is_asked_then_the_looks_do_not_wait(
    engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx112.services.watchdog._ASK_DEADLINE", 0.3)
    bench = Bench(engine)
    async with transaction(engine) as connection:
        await connection.execute(text("SELECT 1"))
    locker = engine.connect()
    async with locker as held, held.begin():
        await held.execute(text("SET LOCAL ROLE NONE"))
        await held.execute(text("LOCK TABLE calls IN ACCESS EXCLUSIVE MODE"))
        asking = asyncio.create_task(bench.dog.ask())
        await asyncio.sleep(0.05)
        bench.agi = False
        assert await bench.on(10, ask=False) == ["agi-down"]
        assert not asking.done()
        await asyncio.wait_for(asking, 2)


async def test_given_the_tasks_when_they_run_and_are_cancelled_then_they_look_and_end(engine: AsyncEngine) -> None:
    bench = Bench(engine)
    bench.dog.monotonic = time.monotonic
    bench.live.state = LiveState()
    tasks = [asyncio.create_task(work) for work in (bench.dog.look_for_ever(), bench.dog.ask_for_ever())]
    looked: Callable[[], float] = lambda: (  # noqa: E731
        bench.metrics.registry.get_sample_value("pbx112_watchdog_look_seconds_count") or 0
    )
    await until(lambda: looked() >= 2)
    for task in tasks:
        task.cancel()
    assert all(isinstance(end, asyncio.CancelledError) for end in await asyncio.gather(*tasks, return_exceptions=True))
