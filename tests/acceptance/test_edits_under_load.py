"""200 calls of SIPp wait and talk while 30 random edits are applied and rolled back: nobody notices."""

from __future__ import annotations

import random

import pytest

from tests.acceptance.test_configuring import Desk, desk, edited, until_waiting
from tests.acceptance.test_load import number, operators
from tests.support.centre import Centre
from tests.support.sipp import SCENARIOS, SippJob, running_sipp
from tests.support.tools import sipp_argv

__all__ = ["desk"]

# One event loop for all tests that share a centre.
pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(240)]

CALLS, TALKING, EDITS = 200, 4, 30
SEED = 112


async def test_given_200_calls_that_wait_and_talk_when_30_edits_are_applied_and_undone_then_none_is_dropped(
    desk: Desk, centre: Centre
) -> None:
    first = (await desk.draft())["applied_version"]
    await desk.put("queues", "112", answer_mode="immediate")
    base = (await desk.apply())["version"]
    dice = random.Random(SEED)
    job = SippJob(
        sipp_argv(),
        SCENARIOS / "carrier_talk.xml",
        "127.0.0.2",
        remote=centre.sip,
        calls=CALLS,
        rate=50,
        pause_ms=600_000,
        rows=[(number(n),) for n in range(CALLS)],
        deadline_s=200,
    )
    async with operators(centre), running_sipp(job) as sipp:
        try:
            await until_waiting(centre, CALLS - TALKING, deadline_s=30)
            for turn in range(EDITS):
                await edited(desk, dice)
                await desk.apply()
                if turn % 3 == 2:
                    await desk.done("POST", "/v1/config/rollback", {"version": base})
            queue = await centre.get("/v1/queues/112")
            assert len(queue["waiting"]) == CALLS - TALKING
            assert {member["operator"] for member in queue["members"]} == {f"op{n}" for n in range(1, 5)}
            assert await centre.channels() == CALLS + TALKING
            calls = sipp.calls()
            assert [call for call in calls if call.bye_at is not None] == []
            assert len(calls) == CALLS
        finally:
            await centre.cli("channel request hangup all")
    await desk.done("POST", "/v1/config/rollback", {"version": first})
