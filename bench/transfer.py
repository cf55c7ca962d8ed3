"""From the desk's command to the agency's phone ringing, on the real Asterisk: warm transfers, one after another."""

from __future__ import annotations

import asyncio
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.support.centre import SECRET, Centre, running_centre, until

from bench.report import Outcome, figures, percentile
from pbx112.host.softphone_client import Softphone

TRANSFERS = 30
LIMIT_MS = 150.0
NUMBER = "+628123456789"


async def run() -> Outcome:
    """Start a centre, bring a caller and an operator together, and call an agency again and again."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        async with running_centre(Path(name), worker=9) as centre, AsyncExitStack() as stack:
            caller = await stack.enter_async_context(Softphone.start("127.0.0.2", user=NUMBER))
            operator = await stack.enter_async_context(Softphone.start("127.0.0.1"))
            agency = await stack.enter_async_context(Softphone.start("127.0.0.1"))
            await agency.register("damkar1", SECRET, centre.sip)
            await centre.log_in(operator, "op1")
            await centre.api("GET", "/v1/queues", user="op1")  # his token is there
            ringing, answered = [], []
            for _ in range(TRANSFERS):
                rang_ms, answered_ms = await _one(centre, caller, operator, agency)
                ringing.append(rang_ms)
                answered.append(answered_ms)
    return outcome(ringing, answered)


def outcome(ringing: list[float], answered: list[float]) -> Outcome:
    """The figures and the verdict."""
    p95 = percentile(ringing, 95)
    facts: dict[str, Any] = {
        "transfers": len(ringing),
        "limit_ms": LIMIT_MS,
        "p95_ms": round(p95, 1),
        "ringing_ms": figures(ringing),
        "answered_ms": figures(answered),
    }
    lines = [
        f"transfer: {len(ringing)} warm transfers from the desk (limit {LIMIT_MS:g} ms, p95)",
        f"  command to the agency's ringing   p50 {percentile(ringing, 50):6.1f} ms  p95 {p95:6.1f} ms  "
        f"max {max(ringing):6.1f} ms",
        f"  command to the answer by HTTP     p50 {percentile(answered, 50):6.1f} ms  max {max(answered):6.1f} ms",
        "kept" if p95 <= LIMIT_MS else "LIMIT PASSED",
    ]
    return Outcome("transfer", p95 <= LIMIT_MS, "\n".join(lines), facts)


async def _one(centre: Centre, caller: Softphone, operator: Softphone, agency: Softphone) -> tuple[float, float]:
    """One call until the agency's phone rings: milliseconds from the command to that, and to the answer by HTTP."""
    placed = await caller.call(centre.invite_uri, headers={"P-Asserted-Identity": f"<sip:{NUMBER}@ims.example.id>"})
    rung = await operator.wait_incoming(10)
    await operator.answer(call=rung.call)
    await caller.wait_for("confirmed", 5)
    call = (await centre.record(placed.sip_call_id, state="talking"))["id"]
    began, began_us = time.monotonic(), time.time_ns() // 1000
    wish = {"agency": "damkar", "mode": "warm"}
    answer = await centre.api("POST", f"/v1/calls/{call}/transfers", user="op1", json=wish)
    answered_ms = (time.monotonic() - began) * 1000
    assert answer.is_success, answer.text
    invited = await agency.wait_incoming(5)
    await caller.hangup()
    await operator.hangup()

    async def quiet() -> bool | None:
        return True if await centre.channels() == 0 else None

    await until(quiet, 10, "no channel left")
    await asyncio.sleep(0.1)
    return (invited.wall_us - began_us) / 1000, answered_ms
