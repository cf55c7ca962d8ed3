"""Forty INVITEs as carriers send them, by SIPp to a real Asterisk: each record shows what the INVITE says."""

import asyncio
from datetime import UTC, datetime

import pytest

from tests.support.callers import CARRIER_CALLS, PAUSE_MS, CarrierCall, differences, scenario_of
from tests.support.centre import Centre, Record, until
from tests.support.sipp import SippJob, run_sipp
from tests.support.tools import sipp_argv

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

AT_ONCE = 4


async def test_given_forty_invites_of_carriers_when_the_callers_give_up_then_each_record_shows_what_was_sent(
    centre: Centre,
) -> None:
    assert len(CARRIER_CALLS) == len({call.name for call in CARRIER_CALLS}) == 40
    started = datetime.now(UTC)
    places = asyncio.Semaphore(AT_ONCE)
    async with asyncio.TaskGroup() as group:
        placed = [(call, group.create_task(place(centre, call, places))) for call in CARRIER_CALLS]
    records = await ended_records(centre, started, {task.result() for _, task in placed})
    wrong = [
        f"{call.name}\n    {difference}"
        for call, task in placed
        for difference in differences(call.expected, records[task.result()])
    ]
    assert not wrong, f"{len(wrong)} facts differ:\n" + "\n".join(wrong)


async def place(centre: Centre, call: CarrierCall, places: asyncio.Semaphore) -> str:
    """Send the INVITE, ring a little, cancel; the call's SIP Call-ID."""
    job = SippJob(
        sipp_argv(),
        scenario_of(call),
        call.source,
        remote=centre.sip,
        pause_ms=PAUSE_MS,
        rows=[(" ",)],
        deadline_s=15,
    )
    async with places:
        result = await run_sipp(job)
    assert (result.exit_code, result.failed) == (0, 0), f"{call.name}: {result.complaints}"
    (sent,) = result.calls
    return sent.call_id


async def ended_records(centre: Centre, started: datetime, wanted: set[str]) -> dict[str, Record]:
    """The records of these SIP Call-IDs, once all have ended."""

    async def ended() -> dict[str, Record] | None:
        items = (await centre.get("/v1/calls", since=started.isoformat(), limit=200))["items"]
        found = {item["sip_call_id"]: item for item in items if item["state"] == "ended"}
        return found if wanted <= found.keys() else None

    return await until(ended, 10, f"{len(wanted)} records, all ended")
