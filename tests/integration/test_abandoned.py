"""The abandoned list: one item a caller, gone when an operator reached him, and nobody lost or taken for another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.models import AbandonedList, ClosedCalls
from pbx112.domain.caller import Caller
from pbx112.domain.record import CallRecord, Outcome
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading
from tests.support.calls import ANONYMOUS, CLAIM, NUMBER, PSEUDO, asserted, device, left, stored, talked
from tests.support.web import bearer, client_of, make_parts

OTHER = "+628999999999"


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_parts(engine)) as made:
        yield made


async def listed(client: httpx.AsyncClient, query: str = "") -> AbandonedList:
    answer = await client.get(f"/v1/abandoned{query}", headers=bearer("operator", "op1"))
    assert answer.status_code == 200, answer.text
    return AbandonedList.model_validate(answer.json())


async def open_ids(client: httpx.AsyncClient) -> set[UUID]:
    found = await listed(client)
    items = [*found.items, *(item for group in found.groups for item in group.items)]
    return {call.id for item in items for call in item.calls}


async def close(client: httpx.AsyncClient, *calls: UUID, user: str = "op2", **more: Any) -> httpx.Response:
    body = {"call_ids": [str(call) for call in calls], "result": "unreachable", **more}
    return await client.post("/v1/abandoned/close", json=body, headers=bearer("operator", user, user))


async def test_given_a_caller_who_redials_then_he_is_one_item_with_all_his_calls(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    calls = [left(minute, asserted(), wait_ms=1000 * (minute + 1)) for minute in range(3)]
    await stored(engine, *calls, left(1, asserted(OTHER)))
    found = await listed(client)

    assert [(item.callback_number, item.count) for item in found.items] == [(NUMBER, 3), (OTHER, 1)]
    (first, _) = found.items
    assert [call.id for call in first.calls] == [call.id for call in reversed(calls)]
    assert (first.call_id, first.first_at, first.last_at) == (calls[2].id, calls[0].received_at, calls[2].received_at)
    assert first.longest_wait_ms == 3000
    assert (found.total, found.open_calls, found.complete) == (2, 4, True)


async def test_given_a_caller_who_reached_an_operator_since_then_he_is_gone_and_who_left_again_is_back(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, left(0, asserted()), left(1, asserted()), left(1, asserted(OTHER)), talked(2, asserted()))
    assert [item.callback_number for item in (await listed(client)).items] == [OTHER]

    again = left(3, asserted())
    await stored(engine, again)
    (item, _) = (await listed(client)).items
    assert [call.id for call in item.calls] == [again.id]


async def test_given_journals_that_come_in_another_order_then_the_answered_caller_is_not_listed(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, talked(2, asserted()), left(0, asserted()), talked(2, device()), left(1, device()))
    assert await open_ids(client) == set()


async def test_given_a_call_that_was_thought_lost_when_its_talk_turns_up_then_it_is_not_listed(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, left(0, ANONYMOUS, outcome=Outcome.LOST))
    assert len(await open_ids(client)) == 1
    await stored(engine, talked(0, ANONYMOUS))
    assert await open_ids(client) == set()


@pytest.mark.parametrize("caller", [ANONYMOUS, PSEUDO, CLAIM])
async def test_given_callers_who_are_no_known_person_then_each_call_stays_his_own(
    engine: AsyncEngine, client: httpx.AsyncClient, caller: Caller
) -> None:
    await stored(engine, left(0, caller), left(1, caller), talked(2, caller))
    (group,) = (await listed(client)).groups

    assert (group.caller_class, group.callers) == (caller.caller_class, 2)
    assert [item.count for item in group.items] == [1, 1]
    assert all(item.callback_number is None for item in group.items)


async def test_given_a_handset_without_sim_then_its_calls_are_one_caller_who_cannot_be_called_back(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, left(0, device()), left(1, device("352410090315327")))
    (group,) = (await listed(client)).groups
    assert (group.caller_class, group.callers, group.items[0].count) == ("device_only", 1, 2)


async def test_given_drills_and_answered_calls_then_nobody_is_listed(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, left(0, asserted(), drill=True), talked(1, asserted(OTHER)))
    found = await listed(client)
    assert (found.items, found.groups, found.open_calls) == ([], [], 0)


async def test_given_a_call_back_that_was_answered_then_the_caller_is_off_the_list_with_who_reached_him(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    call = left(0, asserted())
    failed = left(1, asserted(), direction="outbound", callback_of=call.id, outcome=Outcome.FAILED)
    await stored(engine, call, failed)
    assert await open_ids(client) == {call.id}

    await stored(engine, talked(2, asserted(), operator="op3", direction="outbound", callback_of=call.id))
    assert await open_ids(client) == set()
    closed = (await client.get("/v1/abandoned/closed", headers=bearer())).json()
    (item,) = ClosedCalls.model_validate(closed).items
    assert (item.id, item.closed_by, item.result) == (call.id, "op3", "reached")


async def test_given_callers_who_are_closed_then_all_their_calls_go_and_who_did_it_is_remembered(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    calls = [left(0, asserted()), left(1, asserted()), left(2, ANONYMOUS), left(3, ANONYMOUS)]
    await stored(engine, *calls)
    answer = await close(client, calls[0].id, calls[2].id, note="tiga kali")

    assert answer.status_code == 200
    assert set(answer.json()["closed"]) == {str(call.id) for call in calls[:3]}
    assert await open_ids(client) == {calls[3].id}
    (newest, *_) = (await client.get("/v1/abandoned/closed", headers=bearer())).json()["items"]
    assert (newest["closed_by"], newest["result"], newest["note"]) == ("op2", "unreachable", "tiga kali")
    async with reading(engine) as conn:
        audited = [entry for entry in await list_audit(conn) if entry["action"] == "abandoned.close"]
    assert {entry["subject"] for entry in audited} == {str(call.id) for call in calls[:3]}
    assert (await close(client, calls[0].id)).json() == {"closed": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"call_ids": [str(uuid4())], "result": "reached"}, 404),
        ({"call_ids": [], "result": "reached"}, 422),
        ({"call_ids": ["x"], "result": "reached"}, 422),
        ({"call_ids": [str(uuid4())], "result": "gone"}, 422),
        ({"call_ids": [str(uuid4())] * 501, "result": "reached"}, 422),
    ],
)
async def test_given_a_closing_that_cannot_be_then_nothing_is_closed(
    engine: AsyncEngine, client: httpx.AsyncClient, body: dict[str, Any], status: int
) -> None:
    call = left(0, asserted())
    await stored(engine, call)
    if status == 404:
        body["call_ids"].append(str(call.id))
    answer = await client.post("/v1/abandoned/close", json=body, headers=bearer("operator", "op1"))

    assert answer.status_code == status, answer.text
    assert await open_ids(client) == {call.id}


async def test_given_an_auditor_when_he_closes_then_it_is_refused(client: httpx.AsyncClient) -> None:
    body = {"call_ids": [str(uuid4())], "result": "reached"}
    assert (await client.post("/v1/abandoned/close", json=body, headers=bearer("auditor"))).status_code == 403
    assert (await client.get("/v1/abandoned", headers=bearer("auditor"))).status_code == 200


async def test_given_more_callers_than_the_limit_then_the_newest_are_shown_and_all_are_counted(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    calls: list[CallRecord] = [left(n, asserted(f"+6281100000{n:03d}")) for n in range(5)]
    await stored(engine, *calls, *(left(10 + n, ANONYMOUS) for n in range(4)))
    found = await listed(client, "?limit=2")

    assert [item.call_id for item in found.items] == [calls[4].id, calls[3].id]
    assert (found.total, found.groups[0].callers, len(found.groups[0].items)) == (5, 4, 2)
