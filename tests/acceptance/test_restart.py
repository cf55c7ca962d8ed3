"""Asterisk killed with calls up, and the service replaced under load: what stood before stands again, and no call is
missed.
"""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import httpx
import psutil
import pytest
import pytest_asyncio

from pbx112.host.softphone_client import Softphone, SoftphoneTimeout
from tests.acceptance.test_load import all_ended, number, operators, place_calls
from tests.support.centre import Centre, Record, running_centre, until
from tests.support.sipp_log import SippCall

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBER = "+628123456789"
BACK_SECONDS, LOST_SECONDS = 30.0, 10.0
MOST_SECONDS = 1.5
CALLS, BATCH, RATE, RESTARTS = 75, 25, 5.0, 3
"""At least so many calls, and as many more as the restarts take."""
Members = dict[str, list[tuple[str, bool, str | None]]]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """A centre whose parts these tests kill."""
    async with running_centre(tmp_path_factory.mktemp("restart"), worker=11) as centre:
        yield centre


async def members(centre: Centre) -> Members:
    """Who is logged in to each queue: account, paused, why."""
    live = await centre.get("/v1/live")
    return {
        queue["name"]: sorted((m["operator"], m["paused"], m["paused_reason"]) for m in queue["members"])
        for queue in live["queues"]
    }


async def what_asterisk_runs(centre: Centre) -> list[str]:
    """Its configuration by its own words."""
    asked = ("dialplan show from-trunk", "pjsip show identifies", "pjsip show auths", "queue show rules")
    return [await centre.cli(command) for command in asked]


async def greets(centre: Centre) -> bool | None:
    """True when Asterisk is up: it opens AMI once its modules are loaded."""
    try:
        async with asyncio.timeout(1):
            reader, writer = await asyncio.open_connection(*centre.settings.ami_bind)
            greeting = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return None
    return True if greeting.startswith(b"Asterisk") else None


async def ready(centre: Centre) -> bool | None:
    """True when the service says that it is."""
    try:
        return True if (await centre.api("GET", "/v1/health/ready")).is_success else None
    except httpx.TransportError:
        return None


async def test_given_two_calls_and_a_pause_when_asterisk_is_killed_then_all_but_the_calls_is_as_before(
    own: Centre,
) -> None:
    async with AsyncExitStack() as stack:
        talking, waiting, later = [
            await stack.enter_async_context(Softphone.start("127.0.0.2", user=f"{NUMBER}{n}")) for n in range(3)
        ]
        first, paused = [await stack.enter_async_context(Softphone.start("127.0.0.1")) for _ in range(2)]
        await own.log_in(first, "op1")
        await own.log_in(paused, "op2")
        assert (await own.api("POST", "/v1/operators/op2/pause", json={"reason": "salat dzuhur"})).is_success
        up = [await talking.call(own.invite_uri)]
        await first.wait_incoming(5)
        await first.answer()
        await talking.wait_for("confirmed", 5)
        up.append(await waiting.call(own.invite_uri))
        await own.record(up[1].sip_call_id, state="queued")
        before, ran = await members(own), await what_asterisk_runs(own)
        assert before["112"] == [("op1", False, None), ("op2", True, "salat dzuhur")]
        await own.on_disk()

        own.child("sbin/asterisk").kill()
        killed = time.monotonic()
        await until(lambda: greets(own), BACK_SECONDS, "Asterisk is back")
        back = time.monotonic()
        for placed in up:
            record = await own.record(placed.sip_call_id, deadline_s=LOST_SECONDS)
            assert (record["outcome"], record["hangup_by"]) == ("lost", "system")
            assert record["received_at"] <= record["queued_at"] <= record["ended_at"]
        lost = time.monotonic()
        await until(lambda: same_members(own, before), LOST_SECONDS, f"the members are again {before}")
        print(f"back {back - killed:.1f} s after the kill, calls lost {lost - back:.1f} s after that")
        assert lost - back < LOST_SECONDS
        assert await what_asterisk_runs(own) == ran

        # Nobody registers anew or logs in anew: the phone only puts down its dead call.
        await first.hangup()
        placed = await later.call(own.invite_uri)
        await first.wait_incoming(5)
        with pytest.raises(SoftphoneTimeout):
            await paused.wait_incoming(0.5)
        await first.answer()
        await later.wait_for("confirmed", 5)
        await later.hangup()
        record = await own.record(placed.sip_call_id)
        assert (record["outcome"], record["operator"]) == ("answered", "op1")
        for name in ("op1", "op2"):
            assert (await own.api("POST", f"/v1/operators/{name}/logout")).is_success


async def same_members(centre: Centre, before: Members) -> bool | None:
    return True if await members(centre) == before else None


@pytest.mark.alone
@pytest.mark.timeout(120)
async def test_given_five_calls_a_second_when_the_service_is_replaced_three_times_then_each_has_one_whole_record(
    own: Centre,
) -> None:
    started = datetime.now(UTC)
    async with operators(own):
        before = await members(own)
        replacing = asyncio.create_task(replace_services(own))
        calls: dict[str, SippCall] = {}
        while not replacing.done() or len(calls) < CALLS:
            placed = await place_calls(own, "carrier_talk.xml", BATCH, RATE, 150, len(calls))
            calls |= {number(len(calls) + n): call for n, call in enumerate(by_turn(placed))}
        away = await replacing
        records = await all_ended(own, started, len(calls))
        assert await members(own) == before
    took_in = {by: sum(record["intake"] == by for record in records) for by in ("fastagi", "classic", "none")}
    slowest = max(seconds_to_queue(record) for record in records)
    print(
        f"without a service for {[round(s, 1) for s in away]} s; taken in {took_in}; slowest to queue {slowest:.2f} s"
    )
    by_call_id = {record["sip_call_id"]: record for record in records}
    assert len(by_call_id) == len(records) == len(calls)  # none missing, none twice
    for caller, call in calls.items():
        record = by_call_id[call.call_id]
        assert record["outcome"] == "answered", record
        assert record["caller"]["number"] == caller
    assert slowest < MOST_SECONDS
    assert took_in["fastagi"] < len(calls)  # else nothing was tried here
    checked = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "pbx112", "calls", "--rebuild", "--check", env=own.environment
    )
    assert await asyncio.wait_for(checked.wait(), 60) == 0


def seconds_to_queue(record: Record) -> float:
    """From the INVITE's arrival to the queue."""
    queued, received = (datetime.fromisoformat(record[name]) for name in ("queued_at", "received_at"))
    return (queued - received).total_seconds()


def by_turn(calls: list[SippCall]) -> list[SippCall]:
    """In the order of SIPp's rows, by the turn that each Call-ID holds."""
    return sorted(calls, key=lambda call: int(call.call_id.split("-")[1]))


async def replace_services(centre: Centre) -> list[float]:
    """One after the other, with some calls taken in by each."""
    away = []
    for _ in range(RESTARTS):
        await asyncio.sleep(2)
        away.append(await replace_service(centre))
    return away


async def replace_service(centre: Centre) -> float:
    """Stop the service as an upgrade does; its supervisor starts the next one. Seconds until that one is ready."""
    service = centre.child("pbx112", "serve")
    began = time.monotonic()
    service.send_signal(signal.SIGTERM)
    await asyncio.to_thread(service.wait, 10)  # as long as systemd gives it
    await until(lambda: another(centre, service), 10, "the next service has started")
    await until(lambda: ready(centre), 20, "the next service is ready")
    return time.monotonic() - began


async def another(centre: Centre, service: psutil.Process) -> bool | None:
    try:
        return True if centre.child("pbx112", "serve").pid != service.pid else None
    except AssertionError:
        return None
