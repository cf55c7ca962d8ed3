"""A caller handed over by the keys of the operator's phone, with nothing but Asterisk alive: nobody stays alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import psutil
import pytest

from tests.acceptance.test_transfer_http import AMBULANCE, CALLER, OPERATOR, Scene, scene
from tests.support.centre import Centre, Record

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")


@contextlib.asynccontextmanager
async def nothing_but_asterisk(centre: Centre) -> AsyncIterator[None]:
    """The service (and with it FastAGI and AMI) and PostgreSQL stand still inside the block."""
    postgres = centre.child("postgres", "-D")
    stopped = [centre.child("pbx112", "serve"), postgres, *postgres.children(recursive=True)]
    for process in stopped:
        process.suspend()
    try:
        yield
    finally:
        for process in stopped:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()


async def press(at: Scene, keys: str) -> None:
    await at.phones[OPERATOR].dtmf(keys)


async def test_given_nothing_but_asterisk_when_keys_are_pressed_then_he_is_handed_over_and_recorded_later(
    centre: Centre,
) -> None:
    async with scene(centre) as at:
        async with nothing_but_asterisk(centre):
            await press(at, "*11")
            await at.lift(AMBULANCE)
            await at.hear(operator={AMBULANCE}, ambulans1={OPERATOR}, caller=set())
            await press(at, "*2")
            await at.hear(operator={AMBULANCE, CALLER}, ambulans1={OPERATOR, CALLER}, caller={OPERATOR, AMBULANCE})
            await press(at, "*3")
            await at.phones[OPERATOR].wait_for("disconnected", 3)
            await at.hear(caller={AMBULANCE}, ambulans1={CALLER})
            await at.phones[AMBULANCE].hangup()
            await at.phones[CALLER].wait_for("disconnected", 3)
        (transfer,) = (record := await ended(at))["transfers"]
        assert (record["outcome"], record["operator"], record["hangup_by"]) == ("answered", "op1", "agency")
        assert (transfer["agency"], transfer["line"], transfer["by"]) == ("ambulans", AMBULANCE, "phone")
        assert transfer["result"] == "completed"
        assert transfer["dispatch_ms"] > 0 < transfer["hold_ms"]


async def test_given_nothing_but_asterisk_when_the_operators_phone_ends_while_it_rings_then_he_is_at_the_queues_head(
    centre: Centre,
) -> None:
    async with scene(centre) as at:
        async with nothing_but_asterisk(centre):
            await press(at, "*11")
            await at.phones[AMBULANCE].wait_incoming(5)
            await at.phones[OPERATOR].hangup()
            await at.phones[OPERATOR].wait_incoming(2)  # the only one who is logged in
            await at.phones[OPERATOR].answer()
            await at.hear(operator={CALLER}, caller={OPERATOR})
            await at.phones[CALLER].hangup()
        (transfer,) = (record := await ended(at))["transfers"]
        assert (transfer["result"], transfer["returned"]) == ("returned", "operator")
        assert [offer["result"] for offer in record["offers"]] == ["answered", "answered"]


async def test_given_nothing_but_asterisk_when_the_agency_hangs_up_in_the_briefing_then_the_operator_has_his_caller(
    centre: Centre,
) -> None:
    async with scene(centre) as at:
        async with nothing_but_asterisk(centre):
            await press(at, "*11")
            await at.lift(AMBULANCE)
            await at.hear(operator={AMBULANCE}, ambulans1={OPERATOR})
            await at.phones[AMBULANCE].hangup()
            await at.hear(operator={CALLER}, caller={OPERATOR})
            await press(at, "*3")  # a moment too late: there is nobody to hand him over to
            await asyncio.sleep(0.7)
            await at.hear(operator={CALLER}, caller={OPERATOR})
            await at.phones[OPERATOR].hangup()
            await at.phones[CALLER].wait_for("disconnected", 3)
        (transfer,) = (record := await ended(at))["transfers"]
        assert (transfer["result"], record["hangup_by"]) == ("agency_left", "operator")


async def test_given_nothing_but_asterisk_when_no_line_answers_then_the_operator_hears_it_and_has_his_caller(
    centre: Centre,
) -> None:
    async with scene(centre) as at:
        await at.phones[AMBULANCE].on_incoming(ring=False, reject_code=486)  # the second line is not registered
        async with nothing_but_asterisk(centre):
            await press(at, "*11")
            await asyncio.sleep(2)
            await at.hear(operator={CALLER}, caller={OPERATOR})
            await at.phones[CALLER].hangup()
            await at.phones[OPERATOR].wait_for("disconnected", 3)
        (transfer,) = (await ended(at))["transfers"]
        assert transfer["result"] == "exhausted"
        assert next((one["line"], one["result"]) for one in transfer["attempts"]) == (AMBULANCE, "busy")


async def ended(at: Scene) -> Record:
    """The record, once everything is back."""
    return await at.centre.record(at.sip_call_id, deadline_s=15)
