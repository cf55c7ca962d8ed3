"""The overflow chain on a real Asterisk: each kind of step within a second of its time, and never a lost caller."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest

from pbx112.domain.configuration import Configuration, Queue, Tier, TierKind
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.host.softphone_client import Softphone
from tests.acceptance.test_acd import caller, music_of_who_waits, offered, phones, queue, talk, talk_and_end
from tests.acceptance.test_main_job import NUMBER
from tests.support.centre import Centre, Record
from tests.support.configured import configured, running_with

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

NEIGHBOUR = "+62215550112"


def at_second(seconds: int, kind: TierKind, target: str = "") -> Tier:
    return Tier(kind, seconds, target, "carrier-a" if kind is TierKind.NUMBER else "")


def steps(record: Record) -> list[tuple[str, str | None, float]]:
    """Kind, target, and seconds after the caller joined his first queue."""
    since = datetime.fromisoformat(record["queued_at"])
    return [
        (step["kind"], step["target"], (datetime.fromisoformat(step["at"]) - since).total_seconds())
        for step in record["overflows"]
    ]


def on_time(record: Record, *expected: tuple[TierKind, str | None, float]) -> None:
    """These steps and no others, each within a second of its time."""
    found = steps(record)
    assert [step[:2] for step in found] == [step[:2] for step in expected], found
    for (_, _, at), (kind, _, wanted) in zip(found, expected, strict=True):
        assert abs(at - wanted) < 1, f"{kind} came at {at:.2f} s instead of {wanted}"


@contextlib.asynccontextmanager
async def neighbour() -> AsyncIterator[tuple[Softphone, Configuration]]:
    """The neighbour centre's phone behind carrier-a, and a centre that reaches it there (queues are still to come)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.2", 0))
        port = probe.getsockname()[1]
    first, *others = DEMO_CENTRE.trunks
    async with Softphone.start("127.0.0.2", port, user="neighbour") as phone:
        yield phone, replace(DEMO_CENTRE, trunks=(replace(first, outbound=f"127.0.0.2:{port}"), *others))


async def paused(centre: Centre, command: str = "pause") -> None:
    """Pause op1, or bring him back, by Asterisk's console: dialling a code takes a second."""
    said = await centre.cli(f"queue {command} member PJSIP/op1")
    assert f"{command}d" in said, said


def chain(*tiers: Tier, **changes: object) -> Queue:
    return queue(tiers=tiers, **changes)


@pytest.mark.alone  # for the classic script, which has half a second
async def test_given_nobody_answers_when_the_next_queues_time_comes_then_its_operators_ring_and_it_has_its_own_chain(
    centre: Centre,
) -> None:
    first = chain(at_second(2, TierKind.QUEUE, "113"))
    second = Queue("113", "Kota", answer_after_seconds=60, tiers=(at_second(2, TierKind.ANNOUNCEMENT),))
    wanted = configured(first, second)
    members = tuple(replace(o, memberships=(replace(o.memberships[0], queue="113"),)) for o in wanted.operators[1:2])
    wanted = replace(wanted, operators=(wanted.operators[0], *members, *wanted.operators[2:]))
    service = centre.child("pbx112", "serve")
    async with running_with(centre, wanted), phones(centre, "op1", "op2") as (_, other):
        await paused(centre)
        service.suspend()  # Asterisk does all this by itself
        try:
            async with caller(centre) as (phone, call):
                await other.wait_incoming(5)
                await phone.wait_for("confirmed", 5)
                assert await music_of_who_waits(centre) == "busy-id"
                await other.wait_incoming(3)  # the announcement answered the caller; he joined anew, and it rings anew
                await talk(phone, other)
        finally:
            service.resume()
        record = await centre.record(call)
    assert record["intake"] == "classic"
    on_time(record, (TierKind.QUEUE, "113", 2), (TierKind.ANNOUNCEMENT, None, 4))
    assert (record["outcome"], record["queue"], record["operator"]) == ("answered", "113", "op2")


async def test_given_supervisors_when_their_time_comes_then_those_who_can_be_rung_ring_beside_the_queue(
    centre: Centre,
) -> None:
    """op1 waits paused in the queue; op4 is a supervisor with a phone, logged in nowhere."""
    wanted = configured(chain(at_second(2, TierKind.SUPERVISORS)), supervisor="op4")
    async with running_with(centre, wanted), phones(centre, "op1"), phones(centre, "op4", dial="") as (s,):
        await paused(centre)
        async with caller(centre) as (phone, call):
            await s.wait_incoming(4)
            await s.reject(486)
            await s.wait_incoming(3)
            record = await talk_and_end(centre, phone, s, call)
    on_time(record, (TierKind.SUPERVISORS, None, 2))
    assert [name for name, _ in offered(record)] == ["op4", "op4"]
    assert (record["outcome"], record["operator"]) == ("answered", "op4")


async def test_given_a_paused_supervisor_when_their_time_comes_then_his_phone_is_silent_and_the_caller_waits_on(
    centre: Centre,
) -> None:
    wanted = configured(chain(at_second(1, TierKind.SUPERVISORS)), supervisor="op1")
    async with running_with(centre, wanted), phones(centre, "op1") as (operator,):
        await paused(centre)
        async with caller(centre) as (phone, call):
            await asyncio.sleep(2.5)
            await paused(centre, "unpause")
            await operator.wait_incoming(3)
            record = await talk_and_end(centre, phone, operator, call)
    on_time(record, (TierKind.SUPERVISORS, None, 1))
    assert [name for name, _ in offered(record)] == ["op1"]
    assert offered(record)[0][1] > 2.5


async def test_given_a_neighbour_centre_when_it_answers_then_the_call_is_handled_outside(centre: Centre) -> None:
    async with neighbour() as (far, place), phones(centre, "op1"):
        await paused(centre)
        wanted = replace(place, queues=(chain(at_second(2, TierKind.NUMBER, NEIGHBOUR)),))
        async with running_with(centre, wanted), caller(centre) as (phone, call):
            invite = str((await far.wait_incoming(5)).facts["message"])
            assert invite.startswith(f"INVITE sip:{NEIGHBOUR}@127.0.0.2:")
            assert re.search(rf"(?m)^From: <sip:{re.escape(NUMBER)}@[^>]*>;tag=", invite), invite
            record = await talk_and_end(centre, phone, far, call)
    on_time(record, (TierKind.NUMBER, NEIGHBOUR, 2))
    assert (record["outcome"], record["operator"], record["offers"]) == ("overflowed_out", None, [])
    assert record["hangup_by"] == "caller"
    assert record["wait_ms"] >= 1000


async def test_given_a_busy_neighbour_when_called_then_the_caller_is_back_at_once_and_an_operator_answers(
    centre: Centre,
) -> None:
    async with neighbour() as (far, place), phones(centre, "op1") as (operator,):
        await paused(centre)
        await far.on_incoming(reject_code=486)
        wanted = replace(place, queues=(chain(at_second(2, TierKind.NUMBER, NEIGHBOUR)),))
        async with running_with(centre, wanted), caller(centre, source="127.0.0.3") as (phone, call):
            invite = str((await far.wait_incoming(5)).facts["message"])
            assert re.search(r"(?m)^From: <sip:112@[^>]*>;tag=", invite), "an untrusted trunk's claim is passed on"
            await asyncio.sleep(0.3)
            assert "112 has 1 calls" in await centre.cli("queue show 112")
            await paused(centre, "unpause")
            await operator.wait_incoming(3)
            record = await talk_and_end(centre, phone, operator, call)
    on_time(record, (TierKind.NUMBER, NEIGHBOUR, 2))
    assert (record["outcome"], record["operator"]) == ("answered", "op1")
    assert [offer["operator"] for offer in record["offers"]] == ["op1"]


async def test_given_a_next_queue_that_asterisk_does_not_know_when_its_time_comes_then_the_default_queue_has_him(
    centre: Centre,
) -> None:
    """The dialplan still leads to it, app_queue has it no more."""
    wanted = configured(chain(at_second(2, TierKind.QUEUE, "113"), overflow=("op1",)), Queue("113", "Kota"))
    async with running_with(centre, wanted), caller(centre) as (phone, call):
        file = centre.settings.asterisk_dir / "etc/queues.conf"
        file.write_text(file.read_text().split("[113]", 1)[0])
        await centre.cli("module reload app_queue.so")
        await asyncio.sleep(2)
        async with phones(centre, "op1", dial="") as (operator,):
            await operator.wait_incoming(5)
            record = await talk_and_end(centre, phone, operator, call)
    on_time(record, (TierKind.QUEUE, "113", 2))
    assert (record["outcome"], record["queue"], record["operator"]) == ("answered", "112", "op1")


async def test_given_who_overflowed_when_he_is_back_then_he_is_before_who_came_later(centre: Centre) -> None:
    wanted = configured(chain(at_second(1, TierKind.SUPERVISORS)))
    async with running_with(centre, wanted), phones(centre, "op1") as (operator,):
        await paused(centre)
        async with caller(centre) as (first, call):
            await asyncio.sleep(0.7)
            async with caller(centre) as (second, _):
                await asyncio.sleep(0.8)  # the first has overflowed and is back, the second has not
                await paused(centre, "unpause")
                await operator.wait_incoming(3)
                record = await talk_and_end(centre, first, operator, call)
                await second.hangup()
    assert record["operator"] == "op1"
