"""The service's side of call distribution, on a real Asterisk: missed offers, two who answer at once, entry rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from pbx112.domain.configuration import AnswerMode, Configuration, EntryRule, Membership, Queue, Strategy
from pbx112.host.softphone_client import Softphone
from tests.support.centre import Centre, Record, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBER = "+628123456789"
ASSERTED = {"P-Asserted-Identity": f"<sip:{NUMBER}@ims.example.id>"}
CALLS = 20
WRAP_UP = 2


def distribution(centre: Configuration) -> Configuration:
    """`112` rings op1 and op2 at once and pauses who misses two offers; fire calls go to `damkar`, where op3 is."""
    queue = replace(
        centre.queues[0],
        strategy=Strategy.RINGALL,
        ring_seconds=3,
        missed_offers=2,
        answer_mode=AnswerMode.OPERATOR,
    )
    fire = Queue("damkar", "Kebakaran", wrapup_seconds=WRAP_UP, answer_mode=AnswerMode.OPERATOR, priority=1)
    op1, op2, op3, op4 = centre.operators
    return replace(
        centre,
        queues=(queue, fire),
        operators=(op1, op2, replace(op3, memberships=(Membership("damkar"),)), op4),
        entry_rules=(EntryRule("damkar", service="sos.fire"),),
    )


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def distributed(running: Centre) -> AsyncIterator[None]:
    """The centre distributes so, for these tests; afterwards as before."""
    draft = await running.get("/v1/config")
    before = draft["applied_version"]
    wanted = distribution(Configuration.from_json(draft["configuration"])).to_json()
    await admin(running, "PUT", "/v1/config", wanted)
    await admin(running, "POST", "/v1/config/apply")
    yield
    await admin(running, "POST", "/v1/config/rollback", {"version": before})


async def admin(centre: Centre, method: str, path: str, body: Any = None) -> None:
    """An admin's request on the newest version."""
    version = (await centre.get("/v1/config"))["version"]
    answer = await centre.api(method, path, headers={"If-Match": f'"{version}"'}, json=body)
    assert answer.is_success, answer.text


async def ready(stack: AsyncExitStack, centre: Centre, *names: str) -> list[Softphone]:
    """Phones of these operators, logged in."""
    found = [await stack.enter_async_context(Softphone.start("127.0.0.1")) for _ in names]
    for phone, name in zip(found, names, strict=True):
        await centre.log_in(phone, name)
    return found


async def states(centre: Centre) -> dict[str, tuple[str, str | None]]:
    """What each operator does, and why he is paused."""
    operators = (await centre.get("/v1/operators"))["items"]
    return {operator["name"]: (operator["state"], operator["paused_reason"]) for operator in operators}


async def missed(centre: Centre) -> dict[str, str]:
    """The alarms of missed offers: operator and level."""
    alarms = (await centre.get("/v1/alarms"))["items"]
    return {a["key"].partition(":")[2]: a["level"] for a in alarms if a["key"].startswith("missed-offers:")}


async def test_given_two_who_miss_two_offers_when_they_ring_on_then_one_is_paused_and_the_last_is_not(
    distributed: None, centre: Centre
) -> None:
    async with AsyncExitStack() as stack:
        phones = dict(zip(("op1", "op2"), await ready(stack, centre, "op1", "op2"), strict=True))
        caller = await stack.enter_async_context(Softphone.start("127.0.0.2", user=NUMBER))
        call = await caller.call(centre.invite_uri, headers=ASSERTED)

        async def told() -> bool | None:
            return True if sorted((await missed(centre)).values()) == ["critical", "warning"] else None

        await until(told, 12, "an alarm of who is paused, and one of the last who is not")
        now = await states(centre)
        (away,) = [name for name in phones if now[name] == ("paused", "missed")]
        (last,) = phones.keys() - {away}
        assert (await missed(centre))[last] == "critical"
        await phones[last].on_incoming(answer_after_s=0.1)
        await caller.wait_for("confirmed", 5)
        await alarmed(centre, away)
        await centre.dial(phones[away], "*14")
        await alarmed(centre)
        await caller.hangup()
        record = await centre.record(call.sip_call_id)
    assert (record["outcome"], record["operator"]) == ("answered", last)
    rows = [row for row in await audit(centre) if row["action"].startswith("operator.") and row["who"] == "system"]
    assert [(row["action"], row["subject"]) for row in rows] == [("operator.pause", away)]


async def alarmed(centre: Centre, *names: str) -> None:
    """Wait until these have an alarm of missed offers, and nobody else."""

    async def so() -> bool | None:
        return True if set(await missed(centre)) == set(names) else None

    await until(so, 3, f"alarms of missed offers of {names}")


async def audit(centre: Centre) -> list[dict[str, Any]]:
    connection = await centre.database()
    try:
        return [dict(row) for row in await connection.fetch("SELECT who, action, subject FROM audit ORDER BY id")]
    finally:
        await connection.close()


def states_since(phone: Softphone, number: int) -> list[str]:
    """What the phone's calls went through since its event of this number."""
    return [str(e.facts["state"]) for e in list(phone.events)[number:] if e.name == "call_state"]


async def one_talks(centre: Centre, phones: dict[str, Softphone], since: dict[str, int]) -> dict[str, list[str]]:
    """Wait until one phone talks, the other's call is over, and Asterisk has the channels of one talk only."""

    async def settled() -> dict[str, list[str]] | None:
        seen = {name: states_since(phone, since[name]) for name, phone in phones.items()}
        last = sorted(states[-1] for states in seen.values() if states)
        return seen if last == ["confirmed", "disconnected"] and await centre.channels() == 2 else None

    return await until(settled, 3, "one operator and the caller, and no other channel")


async def all_free(centre: Centre, phones: dict[str, Softphone]) -> None:
    async def quiet() -> bool | None:
        now = await states(centre)
        return True if all(now[name] == ("free", None) for name in phones) else None

    await until(quiet, 3, "both operators free again")


async def test_given_two_who_answer_in_the_same_moment_when_all_ring_then_exactly_one_has_the_caller(
    distributed: None, centre: Centre
) -> None:
    both = 0
    winners: dict[str, str] = {}
    async with AsyncExitStack() as stack:
        phones = dict(zip(("op1", "op2"), await ready(stack, centre, "op1", "op2"), strict=True))
        caller = await stack.enter_async_context(Softphone.start("127.0.0.2", user=NUMBER))
        for phone in phones.values():
            await phone.on_incoming(answer_after_s=0.1)
        for _ in range(CALLS):
            since = {name: len(phone.events) for name, phone in phones.items()}
            placed = await caller.call(centre.invite_uri, headers=ASSERTED)
            await caller.wait_for("confirmed", 5, placed.call)
            seen = await one_talks(centre, phones, since)
            (winners[placed.sip_call_id],) = [name for name, went in seen.items() if went[-1] == "confirmed"]
            both += all({"connecting", "confirmed"} & set(went) for went in seen.values())
            await caller.hangup()
            await all_free(centre, phones)
        records = [await centre.record(call) for call in winners]
    print(f"in {both} of {CALLS} calls both phones had answered")
    assert both  # or nothing was tested
    for record in records:
        answered = [offer["operator"] for offer in record["offers"] if offer["result"] == "answered"]
        assert (record["outcome"], answered) == ("answered", [record["operator"]])
        assert record["operator"] == winners[record["sip_call_id"]]
    assert await missed(centre) == {}


async def test_given_a_fire_call_when_it_arrives_then_the_rules_queue_has_it_and_its_operator_wraps_up(
    distributed: None, centre: Centre
) -> None:
    async with AsyncExitStack() as stack:
        other, fire = await ready(stack, centre, "op1", "op3")
        caller = await stack.enter_async_context(Softphone.start("127.0.0.2", user=NUMBER))
        urn = {"X-Service-URN": "urn:service:sos.fire"}
        placed = await caller.call(centre.invite_uri, headers=ASSERTED | urn)
        await fire.wait_incoming(5)
        await fire.answer()
        await caller.wait_for("confirmed", 3)
        async with connect(f"ws://{centre.settings.http_bind}/v1/events?token={centre.tokens['admin']}") as feed:
            ended = datetime.now(UTC)
            await caller.hangup()
            doings = await op3_until_free(feed)
        record = await centre.record(placed.sip_call_id)
        assert not any(event.name == "incoming" for event in other.events)
    assert (record["queue"], record["priority"], record["service"]) == ("damkar", 1, "sos.fire")
    assert (record["outcome"], record["operator"]) == ("answered", "op3")
    (wrapping, _), (free, told_at) = doings
    assert abs(moment(wrapping["since"]) - ended) < timedelta(seconds=0.5)
    assert moment(wrapping["until"]) - moment(wrapping["since"]) == timedelta(seconds=WRAP_UP)
    assert free["since"] == wrapping["until"]
    late = told_at - moment(wrapping["until"])
    print(f"the end of the wrap-up was on the live feed after {late.total_seconds() * 1000:.0f} ms")
    assert timedelta() <= late < timedelta(seconds=1)


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def op3_until_free(feed: Any) -> list[tuple[Record, datetime]]:
    """What the feed says op3 does from his wrap-up on, each state once and when it was told."""
    found: list[tuple[Record, datetime]] = []
    async with asyncio.timeout(10):
        while not found or found[-1][0]["state"] != "free":
            event = json.loads(await feed.recv())
            if event["type"] not in ("live", "snapshot"):
                continue
            doing = next(operator for operator in event["live"]["operators"] if operator["name"] == "op3")
            if doing["state"] in ("wrap-up", "free") and (not found or doing["state"] != found[-1][0]["state"]):
                found.append((doing, datetime.now(UTC)))
    return found
