"""The alarm board: what is a change, who is told of it, and how often."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from pbx112.api.models import AlarmList, Ready
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.host.drill import DrillFailed
from pbx112.services.alarms import Alarms, Notice
from pbx112.services.canary import Canary, DrillUnderWay
from pbx112.services.feed import Feed
from pbx112.services.metrics import Metrics
from pbx112.services.ports import AlarmBoard
from pbx112.services.users import Role
from pbx112.settings import Settings
from tests.support.web import NOW, bearer, client_of, make_parts


class Bench:
    """An alarm board with clocks to set, and everything it told."""

    def __init__(self) -> None:
        self.second = 0.0
        self.notices: list[Notice] = []
        self.changes = 0
        self.feed = Feed()
        self.alarms = Alarms(
            self.feed,
            "node1",
            tell=self.notices.append,
            changed=self._changed,
            clock=lambda: NOW + timedelta(seconds=self.second),
            monotonic=lambda: self.second,
        )

    def _changed(self) -> None:
        self.changes += 1

    @property
    def told(self) -> list[tuple[float, str, str]]:
        return [((one.at - NOW).total_seconds(), one.level, one.state) for one in self.notices]

    def at(self, second: float) -> Alarms:
        """The board, at that second; what it had put off until then is told."""
        while self.second < second:
            self.second = min(self.second + 1, second)
            self.alarms.settle()
        return self.alarms


def test_given_an_alarm_when_it_is_said_again_and_again_then_it_is_one_change() -> None:
    bench = Bench()
    board: AlarmBoard = bench.alarms
    for second in range(5):
        bench.at(second)
        board.set("queue-nobody:112", "critical", f"text {second}")
    (alarm,) = bench.alarms.current
    assert (alarm.text, alarm.count, alarm.level) == ("text 4", 1, "critical")
    assert (alarm.since, alarm.last_at) == (NOW, NOW + timedelta(seconds=4))
    assert (bench.changes, bench.told) == (1, [(0.0, "critical", "raised")])


async def test_given_changes_when_they_happen_then_log_and_feed_tell_each() -> None:
    bench = Bench()
    with bench.feed.subscribe() as subscription, capture_logs() as logs:
        bench.at(1).set("disk", "warning", "a")
        bench.at(2).set("disk", "critical", "b")
        bench.at(3).set("disk", "warning", "c")
        bench.at(4).clear("disk")
        bench.at(5).clear("disk")
        bench.at(6).clear("never was")
        events: list[Any] = [await subscription.next(0.1) for _ in range(4)]
        assert await subscription.next(0.01) is None
    assert [(event["type"], event["state"], event["level"], event["text"]) for event in events] == [
        ("alarm", "raised", "warning", "a"),
        ("alarm", "raised", "critical", "b"),
        ("alarm", "raised", "warning", "c"),
        ("alarm", "cleared", "warning", "c"),
    ]
    assert events[0]["since"] == NOW + timedelta(seconds=1)
    assert [(line["log_level"], line["alarm"], line["state"]) for line in logs] == [
        ("warning", "disk", "raised"),
        ("error", "disk", "raised"),
        ("warning", "disk", "raised"),
        ("info", "disk", "cleared"),
    ]
    assert {line["event"] for line in logs} == {"An alarm changed."}
    assert bench.alarms.current == ()


def test_given_several_alarms_then_critical_ones_stand_first_and_the_oldest_first() -> None:
    bench = Bench()
    for second, (key, level) in enumerate([("a", "warning"), ("b", "critical"), ("c", "warning"), ("d", "critical")]):
        bench.at(second).set(key, level, "x")  # type: ignore[arg-type]
    assert [alarm.key for alarm in bench.alarms.current] == ["b", "d", "a", "c"]


def test_given_a_flapping_alarm_when_it_comes_back_then_the_webhook_is_told_once_a_minute() -> None:
    bench = Bench()
    for second in range(0, 180, 2):
        bench.at(second).set("x", "warning", "t")
        bench.at(second + 1).clear("x")
    assert bench.told[:2] == [(0.0, "warning", "raised"), (1.0, "warning", "cleared")]
    raised = [at for at, _, state in bench.told if state == "raised"]
    assert raised == [0.0, 60.0, 120.0]
    assert bench.changes == 180
    assert [state for _, _, state in bench.told] == ["raised", "cleared"] * 3


def test_given_an_alarm_that_came_back_and_stays_when_the_minute_is_over_then_the_webhook_hears_of_it() -> None:
    bench = Bench()
    bench.at(0).set("x", "warning", "t")
    bench.at(5).clear("x")
    bench.at(10).set("x", "warning", "again")
    bench.at(59)
    assert len(bench.told) == 2
    bench.at(61)
    assert bench.told[2:] == [(60.0, "warning", "raised")]
    assert bench.notices[-1].text == "again"


def test_given_an_alarm_that_worsens_when_it_was_just_told_then_the_webhook_hears_at_once() -> None:
    bench = Bench()
    for second in range(0, 40, 2):
        bench.at(second).set("x", "warning", "t")
        bench.at(second + 1).set("x", "critical", "t")
    assert bench.told == [(0.0, "warning", "raised"), (1.0, "critical", "raised")]


def test_given_an_alarm_that_comes_again_later_then_it_counts() -> None:
    bench = Bench()
    for second in (0, 100, 200):
        bench.at(second).set("x", "warning", "t")
        bench.at(second + 1).clear("x")
    bench.at(300).set("x", "warning", "t")
    assert bench.alarms.current[0].count == 4
    assert len(bench.told) == 7


def test_given_a_fault_that_makes_up_keys_when_there_are_too_many_then_memory_is_bounded() -> None:
    bench = Bench()
    for number in range(1000):
        bench.alarms.set(f"up-{number}", "warning", "t")
    for number in range(1000):
        bench.alarms.clear(f"up-{number}")
        bench.alarms.set(f"more-{number}", "warning", "t")
        bench.alarms.clear(f"more-{number}")
    assert (len(bench.alarms.current), bench.alarms.refused) == (0, 800)
    assert len(bench.alarms._past) <= 400


@pytest.mark.parametrize("role", list(Role))
async def test_given_alarms_when_staff_asks_then_they_are_everywhere_they_should_be(role: Role) -> None:
    bench = Bench()
    bench.alarms.set("trunk-silent:carrier-a", "warning", "Trunk carrier-a: no call.")
    bench.alarms.set("ami-down", "critical", "Down.")
    async with client_of(make_parts(alarms=lambda: bench.alarms.current)) as client:
        listed = (await client.get("/v1/alarms", headers=bearer(role))).json()
        live = (await client.get("/v1/live", headers=bearer(role))).json()
        ready = (await client.get("/v1/health/ready")).json()
        metrics = (await client.get("/metrics")).text
        refused = await client.get("/v1/alarms")
    AlarmList.model_validate(listed)
    Ready.model_validate(ready)
    assert [item["key"] for item in listed["items"]] == ["ami-down", "trunk-silent:carrier-a"]
    assert listed["items"][0]["since"] == "2025-01-31T10:00:00.000005Z"
    assert live["warnings"] == ["Down.", "Trunk carrier-a: no call."]
    assert ready["alarms"] == listed["items"]
    assert 'pbx112_alarm{key="ami-down",level="critical"} 1.0' in metrics
    assert refused.status_code == 401


class Calls:
    """Drill calls that end as told, and the sleeps between them."""

    def __init__(self, *ends: Exception | None) -> None:
        self.ends = list(ends)
        self.slept: list[float] = []
        self.busy = False

    async def place(self) -> None:
        end = self.ends.pop(0)
        if end is not None:
            raise end

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self.ends or len(self.slept) > 20:
            raise asyncio.CancelledError
        await asyncio.sleep(0)


FAILED = DrillFailed("the caller waited", "the phone never rang", "the queue")


async def run(calls: Calls, minutes: float = 15) -> Canary:
    canary = Canary(calls.place, minutes, Metrics(), busy=lambda: calls.busy, sleep=calls.sleep)
    with pytest.raises(asyncio.CancelledError):
        await canary.run()
    return canary


async def test_given_drill_calls_that_fail_when_they_follow_each_other_then_they_are_counted() -> None:
    calls = Calls(None, FAILED, ZeroDivisionError("a secret"), DatabaseUnavailable("Gone."))
    canary = await run(calls)
    assert (canary.failures, canary.problem) == (3, "Gone.")
    assert calls.slept == [900, 900, 60, 60, 60]  # a failed call is tried again after a minute


async def test_given_a_drill_call_that_comes_through_when_others_failed_then_all_is_well() -> None:
    canary = await run(Calls(FAILED, FAILED, None))
    assert (canary.failures, canary.problem) == (0, None)


async def test_given_a_busy_machine_when_a_drill_call_is_due_then_it_is_put_off() -> None:
    calls = Calls(FAILED)
    calls.busy = True
    canary = await run(calls)
    assert canary.failures == 0
    assert set(calls.slept) == {60}


async def test_given_a_drill_by_hand_when_the_canarys_is_due_then_it_is_put_off_and_nothing_failed() -> None:
    calls = Calls(None, DrillUnderWay(), DrillUnderWay(), None)
    canary = await run(calls)
    assert (canary.failures, canary.problem) == (0, None)
    assert calls.slept == [900, 900, 60, 60, 900]


async def test_given_a_drill_call_that_hangs_when_its_time_is_over_then_it_failed() -> None:
    async def for_ever() -> None:
        await asyncio.Event().wait()

    canary = Canary(for_ever, 15, Metrics(), deadline=0.01)
    await canary.once()
    assert canary.failures == 1


async def test_given_no_minutes_when_it_runs_then_no_call_is_ever_placed() -> None:
    canary = Canary(Calls().place, 0, Metrics())
    await asyncio.wait_for(canary.run(), 1)


@pytest.mark.parametrize("value", ["nowhere", "ftp://x/y", "https://", "file:///etc/passwd"])
def test_given_a_webhook_that_is_no_web_address_then_it_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PBX112_ALARM_WEBHOOK", value)
    with pytest.raises(ValidationError, match="not a web address"):
        Settings()


def test_given_webhook_settings_when_they_are_shown_then_nothing_secret_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PBX112_ALARM_WEBHOOK", "https://hooks.example/T0KEN")
    monkeypatch.setenv("PBX112_ALARM_WEBHOOK_SECRET", "")
    found = Settings()
    assert "T0KEN" not in repr(found)
    assert found.alarm_webhook is not None
    assert found.alarm_webhook.get_secret_value() == "https://hooks.example/T0KEN"
    assert found.alarm_webhook_secret is None


def test_given_the_clock_of_the_service_then_times_are_utc() -> None:
    alarms = Alarms(Feed(), "node1")
    alarms.set("x", "warning", "t")
    assert alarms.current[0].since.tzinfo is UTC
    assert datetime.now(UTC) - alarms.current[0].since < timedelta(minutes=1)
