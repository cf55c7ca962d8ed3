"""Call records for tests of what comes after the fold: one line each, minutes after a fixed start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.record import CallRecord, CallState, HangupBy, Intake, Outcome, call_id
from pbx112.storage.abandoned import keep_abandoned
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import transaction

START = datetime(2025, 1, 31, 10, 0, 0, tzinfo=UTC)
NUMBER = "+6281234567890"
IMEI = "35241009-031532-0"


def asserted(number: str = NUMBER, **more: Any) -> Caller:
    return Caller(CallerClass.ASSERTED, number, number, number, **more)


def device(imei: str = IMEI) -> Caller:
    return Caller(CallerClass.DEVICE_ONLY, imei=imei, warnings=("cannot_call_back",))


ANONYMOUS = Caller(CallerClass.ANONYMOUS, warnings=("cannot_call_back",))
PSEUDO = Caller(CallerClass.PSEUDO_ANI, "+621121234567", "+621121234567", warnings=("cannot_call_back",))
CLAIM = Caller(CallerClass.UNTRUSTED_CLAIM, NUMBER, NUMBER, warnings=("number_unverified",))


def left(minute: float, caller: Caller, **changes: Any) -> CallRecord:
    """A caller who gave up after four seconds."""
    at = START + timedelta(minutes=minute)
    linkedid = f"test-{minute:g}.{abs(hash((caller.number, caller.imei, caller.caller_class))) % 10**6}"
    made = CallRecord(
        id=call_id("node1", linkedid),
        node="node1",
        linkedid=linkedid,
        received_at=at,
        state=CallState.ENDED,
        caller=caller,
        intake=Intake.FASTAGI,
        trunk="carrier-a",
        queue="112",
        outcome=Outcome.ABANDONED,
        ended_at=at + timedelta(seconds=4),
        wait_ms=4000,
        hangup_by=HangupBy.CALLER,
    )
    return replace(made, **changes)


def talked(minute: float, caller: Caller, operator: str = "op1", **changes: Any) -> CallRecord:
    """A caller who spoke with an operator."""
    call = left(minute, caller)
    return replace(
        call,
        outcome=Outcome.ANSWERED,
        operator=operator,
        answered_at=call.received_at + timedelta(seconds=2),
        talk_ms=2000,
        **changes,
    )


async def stored(engine: AsyncEngine, *records: CallRecord) -> None:
    """Write the records as the journal's reader does, each in a transaction of its own."""
    for record in records:
        async with transaction(engine) as conn:
            await upsert_calls(conn, [record])
            await keep_abandoned(conn, [record])
