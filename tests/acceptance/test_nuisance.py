"""Nuisance callers on a real Asterisk: a warning, and a later place only when the admin wants it, and not for long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from pbx112.host.softphone_client import Softphone
from tests.support.centre import Centre, Record, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

PRANKSTER, BUSY, CITIZEN = "+628119990001", "+628119990002", "+628119990003"


def asserted(number: str) -> dict[str, str]:
    return {"P-Asserted-Identity": f"<sip:{number}@ims.example.id>"}


async def known_as_a_prankster(centre: Centre) -> None:
    """Three calls of this number that operators found to be pranks, once for all tests."""
    known = await centre.get(f"/v1/callers/{PRANKSTER}/score")
    for _ in range(3 - len(known["marks"])):
        async with Softphone.start("127.0.0.2", user=PRANKSTER) as caller:
            placed = await caller.call(centre.invite_uri, headers=asserted(PRANKSTER))
            await caller.wait_for("early", 3)
            await caller.hangup()
        record = await centre.record(placed.sip_call_id)
        edit = {"disposition": "prank"}
        answer = await centre.api(
            "PATCH", f"/v1/calls/{record['id']}", json=edit, headers={"If-Match": f'"{record["version"]}"'}
        )
        assert answer.status_code == 200, answer.text


@contextlib.asynccontextmanager
async def following(centre: Centre, **rules: Any) -> AsyncIterator[None]:
    """Nuisance rules while the block runs; a second later calls follow them."""
    before = (await centre.get("/v1/rules"))["nuisance"]
    await follow(centre, **rules)
    await asyncio.sleep(1)
    try:
        yield
    finally:
        await follow(centre, **before)


async def follow(centre: Centre, **rules: Any) -> None:
    answer = await centre.api("GET", "/v1/rules")
    body = answer.json()
    body.pop("version")
    body["nuisance"] |= rules
    changed = await centre.api("PUT", "/v1/rules", json=body, headers={"If-Match": answer.headers["ETag"]})
    assert changed.status_code == 200, changed.text


@contextlib.asynccontextmanager
async def busy_operator(centre: Centre) -> AsyncIterator[tuple[Softphone, Softphone]]:
    """op1 in a talk, so that who calls now waits; gives his phone and his caller's."""
    async with Softphone.start("127.0.0.1") as operator, Softphone.start("127.0.0.2", user=BUSY) as talking:
        await centre.log_in(operator, "op1")
        await talking.call(centre.invite_uri, headers=asserted(BUSY))
        await operator.wait_incoming(5)
        await operator.answer()
        await talking.wait_for("confirmed", 5)
        yield operator, talking


async def next_caller(operator: Softphone, *callers: Softphone) -> Softphone:
    """Who reaches the operator next."""
    await operator.wait_incoming(8)
    await operator.answer()

    async def talking() -> Softphone | None:
        for caller in callers:
            if any(event.facts.get("state") == "confirmed" for event in caller.events):
                return caller
        return None

    return await until(talking, 5, "a caller in a talk")


async def waiting(centre: Centre, callers: int) -> None:
    async def found() -> bool | None:
        queues = (await centre.get("/v1/live"))["queues"]
        return True if len(queues[0]["waiting"]) == callers else None

    await until(found, 5, f"{callers} callers wait")


async def rest(centre: Centre, *phones: Softphone) -> None:
    for phone in phones:
        with contextlib.suppress(Exception):
            await phone.hangup()


async def call_in_turn(centre: Centre, first: Softphone, second: Softphone, *, apart_s: float = 0.0) -> tuple[str, str]:
    one = await first.call(centre.invite_uri, headers=asserted(PRANKSTER))
    await waiting(centre, 1)
    await asyncio.sleep(apart_s)
    other = await second.call(centre.invite_uri, headers=asserted(CITIZEN))
    await waiting(centre, 2)
    return one.sip_call_id, other.sip_call_id


@pytest.mark.parametrize(
    ("reorder", "apart_s", "first"), [(False, 0, "prankster"), (True, 0, "citizen"), (True, 7, "prankster")]
)
async def test_given_a_known_prankster_who_called_first_when_an_operator_is_free_then_the_rules_decide(
    centre: Centre, reorder: bool, apart_s: float, first: str
) -> None:
    await known_as_a_prankster(centre)
    async with (
        following(centre, reorder=reorder, longest_seconds=5),
        busy_operator(centre) as (operator, talking),
        Softphone.start("127.0.0.2", user=PRANKSTER) as prankster,
        Softphone.start("127.0.0.2", user=CITIZEN) as citizen,
    ):
        calls = await call_in_turn(centre, prankster, citizen, apart_s=apart_s)
        await talking.hangup()
        answered = await next_caller(operator, prankster, citizen)
        assert answered is (prankster if first == "prankster" else citizen)
        await rest(centre, prankster, citizen)
        records: list[Record] = [await centre.record(call) for call in calls]
    prank, citizens = records
    assert "nuisance_likely" in prank["caller"]["warnings"]
    assert citizens["caller"]["warnings"] == []
    assert citizens["reordered"] is None
    if not reorder:
        assert (prank["reordered"], prank["priority"]) == (None, 0)
        return
    assert prank["reordered"]["score"] > 6
    assert {name: prank["reordered"][name] for name in ("usual", "given", "reason", "seconds")} == {
        "usual": 0,
        "given": -1,
        "reason": "nuisance",
        "seconds": 5,
    }
    assert prank["priority"] == (0 if apart_s else -1)
