"""How calls are distributed, on a real Asterisk: skills and widening, pauses, deleted queues, strategies, a surge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime

import pytest

from pbx112.domain.configuration import AnswerMode, Membership, Queue, Strategy, Widening
from pbx112.host.softphone_client import Softphone, State
from tests.acceptance.test_main_job import ASSERTED, NUMBER
from tests.support.centre import SECRET, Centre, Record
from tests.support.configured import configured, reload, running_with

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

EARLY, LATE = 1.1, 1.1
"""Seconds: app_queue and the dialplan count whole ones, and Asterisk looks once a second."""


def queue(**changes: object) -> Queue:
    return Queue("112", "Darurat", **{"answer_mode": AnswerMode.OPERATOR, **changes})  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def phones(centre: Centre, *names: str, dial: str = "*11") -> AsyncIterator[list[Softphone]]:
    """These operators' phones, logged in (or as they are after what they dial)."""
    async with contextlib.AsyncExitStack() as stack:
        found = [await stack.enter_async_context(Softphone.start("127.0.0.1")) for _ in names]
        await asyncio.gather(*(_ready(centre, *both, dial) for both in zip(found, names, strict=True)))
        yield found


async def _ready(centre: Centre, phone: Softphone, name: str, dial: str) -> None:
    await phone.register(name, SECRET, centre.sip)
    if dial:
        await centre.dial(phone, dial)


@contextlib.asynccontextmanager
async def caller(
    centre: Centre, hears: State = "early", *, source: str = "127.0.0.2"
) -> AsyncIterator[tuple[Softphone, str]]:
    """A caller who has called 112 and hears it ring (or is answered by the comfort prompt); his SIP Call-ID."""
    async with Softphone.start(source, user=NUMBER) as phone:
        placed = await phone.call(centre.invite_uri, headers=ASSERTED)
        await phone.wait_for(hears, 3)
        yield phone, placed.sip_call_id


async def talk(phone: Softphone, operator: Softphone) -> None:
    """The operator lifts, they talk for a moment, the caller hangs up."""
    await operator.answer()
    await phone.wait_for("confirmed", 3)
    await operator.wait_for("confirmed", 3)
    await phone.hangup()
    await operator.wait_for("disconnected", 3)


async def talk_and_end(centre: Centre, phone: Softphone, operator: Softphone, sip_call_id: str) -> Record:
    """The same, and the record."""
    await talk(phone, operator)
    return await centre.record(sip_call_id)


def offered(record: Record) -> list[tuple[str, float]]:
    """Who was rung, and how many seconds after the caller joined his first queue."""
    since = datetime.fromisoformat(record["queued_at"])
    return [(o["operator"], (datetime.fromisoformat(o["at"]) - since).total_seconds()) for o in record["offers"]]


def within(seconds: float, expected: float) -> None:
    assert expected - EARLY <= seconds <= expected + LATE, f"{seconds:.2f} s instead of {expected}"


async def test_given_skills_when_a_caller_waits_then_the_best_ring_first_and_others_as_the_steps_say(
    centre: Centre,
) -> None:
    """op1 has the skill best but refuses; op2 is allowed from the second step on, op3 in the end."""
    steps = (Widening(0, 7), Widening(3, 3), Widening(6, 0))
    wanted = configured(queue(skill="english", widening=steps), english=(9, 5, 0))
    async with running_with(centre, wanted), phones(centre, "op1", "op2", "op3") as (best, second, none):
        for phone in (best, second):
            await phone.on_incoming(reject_code=486)
        async with caller(centre) as (phone, call):
            await none.wait_incoming(9)
            record = await talk_and_end(centre, phone, none, call)
    first = dict(reversed(offered(record)))
    assert list(dict.fromkeys(operator for operator, _ in offered(record))) == ["op1", "op2", "op3"]
    assert first["op1"] < 1
    within(first["op2"], 3)
    within(first["op3"], 6)
    assert (record["outcome"], record["operator"]) == ("answered", "op3")


async def test_given_only_an_unskilled_operator_when_112_is_called_then_he_rings_at_once(centre: Centre) -> None:
    wanted = configured(queue(skill="english", widening=(Widening(0, 9), Widening(40, 4))), english=(0,))
    async with running_with(centre, wanted), phones(centre, "op1") as (operator,), caller(centre) as (phone, call):
        await operator.wait_incoming(3)
        record = await talk_and_end(centre, phone, operator, call)
    assert [name for name, _ in offered(record)] == ["op1"]
    assert offered(record)[0][1] < 0.5


async def test_given_a_change_of_stage_when_it_comes_then_the_widening_goes_on_from_the_time_waited(
    centre: Centre,
) -> None:
    """app_queue's own clock begins anew with the comfort stage: without a rule for the time waited he came at 10 s."""
    after = queue(
        answer_mode=AnswerMode.AFTER, answer_after_seconds=2, skill="english", widening=(Widening(0, 9), Widening(8, 0))
    )
    wanted = configured(after, english=(9, 0))
    async with running_with(centre, wanted), phones(centre, "op1", "op2") as (best, none):
        await best.on_incoming(reject_code=486)
        async with caller(centre) as (phone, call):
            await none.wait_incoming(10)
            record = await talk_and_end(centre, phone, none, call)
    at = next(at for name, at in offered(record) if name == "op2")
    # He joined anew after 2 s, which count as 5.
    within(at, 5)


async def test_given_a_paused_operator_when_112_is_called_then_only_the_others_ring(centre: Centre) -> None:
    async with running_with(centre, configured(queue())), phones(centre, "op1", "op2") as (paused, ready):
        await centre.dial(paused, "*130")
        for _ in range(2):
            async with caller(centre) as (phone, call):
                await ready.wait_incoming(3)
                record = await talk_and_end(centre, phone, ready, call)
            assert [name for name, _ in offered(record)] == ["op2"]


async def test_given_a_queue_deleted_under_a_caller_when_he_joins_again_then_the_default_queue_has_him(
    centre: Centre,
) -> None:
    short = queue(answer_mode=AnswerMode.AFTER, answer_after_seconds=2)
    other = Queue("113", "Kota", overflow=("op1",))
    async with running_with(centre, configured(short, other)), caller(centre) as (phone, call):
        gone = configured(other, default_queue="113")
        await reload(centre, replace(gone, operators=tuple(replace(o, memberships=()) for o in gone.operators)))
        async with phones(centre, "op1", dial="") as (operator,):
            await operator.wait_incoming(5)
            record = await talk_and_end(centre, phone, operator, call)
    assert (record["outcome"], record["queue"], record["operator"]) == ("answered", "113", "op1")


async def test_given_each_strategy_when_asterisk_reloads_then_it_has_it_and_a_call_is_answered(centre: Centre) -> None:
    try:
        async with phones(centre, "op1") as (operator,):
            for strategy in Strategy:
                await reload(centre, configured(queue(strategy=strategy)))
                assert f"in '{strategy.value}' strategy" in await centre.cli("queue show 112")
                async with caller(centre) as (phone, call):
                    await operator.wait_incoming(3)
                    record = await talk_and_end(centre, phone, operator, call)
                assert record["operator"] == "op1", strategy
    finally:
        await reload(centre, configured(queue()))


async def test_given_a_surge_when_operators_of_another_queue_log_in_then_they_take_the_default_queues_calls(
    centre: Centre,
) -> None:
    queues = (queue(answer_mode=AnswerMode.IMMEDIATE, wrapup_seconds=60), Queue("113", "Kota"))
    wanted = configured(*queues, surge=True)
    wanted = replace(wanted, operators=tuple(replace(o, memberships=(Membership("113"),)) for o in wanted.operators))
    async with running_with(centre, wanted), phones(centre, "op1") as (operator,):
        for _ in range(2):  # without wrap-up he can be rung again at once
            async with caller(centre, "confirmed") as (phone, call):
                assert await music_of_who_waits(centre) == "surge-id"
                await operator.wait_incoming(3)
                record = await talk_and_end(centre, phone, operator, call)
            assert (record["operator"], record["queue"]) == ("op1", "112")
            assert offered(record)[0][1] < 0.5


async def music_of_who_waits(centre: Centre) -> str:
    """The music class of the caller in a queue, by Asterisk's console."""
    channels = (await centre.cli("core show channels concise")).splitlines()
    waiting = next(line.split("!", 1)[0] for line in channels if "!Queue!" in line)
    shown = await centre.cli(f"core show channel {waiting}")
    return next(line.split("=", 1)[1].strip() for line in shown.splitlines() if line.strip().startswith("COMFORT="))
