"""The abandoned list: one item a caller, gone when an operator reached him, and nobody lost or taken for another."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.models import AbandonedList
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.record import CallRecord, Outcome
from pbx112.storage.abandoned import MOST_OPEN, keep_abandoned
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from tests.support.calls import ANONYMOUS, CLAIM, IMEI, NUMBER, PSEUDO, asserted, device, left, stored, talked
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

    assert [(item.caller.callback_number, item.count) for item in found.items] == [(NUMBER, 3), (OTHER, 1)]
    (first, _) = found.items
    assert [call.id for call in first.calls] == [call.id for call in reversed(calls)]
    assert (first.call_id, first.first_at, first.last_at) == (calls[2].id, calls[0].received_at, calls[2].received_at)
    assert first.longest_wait_ms == 3000
    assert (found.total, found.open_calls, found.complete) == (2, 4, True)


async def test_given_a_caller_who_reached_an_operator_since_then_he_is_gone_and_who_left_again_is_back(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    await stored(engine, left(0, asserted()), left(1, asserted()), left(1, asserted(OTHER)), talked(2, asserted()))
    assert [item.caller.callback_number for item in (await listed(client)).items] == [OTHER]

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
    assert all(item.cannot_call_back for item in group.items)


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


async def test_given_calls_back_when_listed_then_the_item_tells_what_came_of_them_until_somebody_closes_it(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    call = left(0, asserted())
    failed = left(1, asserted(), direction="outbound", callback_of=call.id, outcome=Outcome.FAILED, hangup_cause=17)
    machine = talked(2, asserted(), operator="op3", direction="outbound", callback_of=call.id)
    await stored(engine, call, failed, machine)
    (item,) = (await listed(client)).items

    assert [(back.id, back.outcome, back.operator) for back in item.callbacks] == [
        (machine.id, "answered", "op3"),
        (failed.id, "failed", None),
    ]
    assert (await close(client, call.id, result="reached")).json() == {"closed": [str(call.id)]}
    assert await open_ids(client) == set()


async def test_given_callers_whom_nobody_can_call_back_then_the_list_says_why(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    short = left(0, Caller(CallerClass.ASSERTED, "110", "110", "110"))
    no_way_out = left(1, asserted(), trunk="carrier-b")
    unchecked = left(2, Caller(CallerClass.ASSERTED, OTHER, OTHER))
    await stored(engine, short, no_way_out, unchecked)
    (group,) = (await listed(client)).groups

    told = {item.call_id: item.cannot_call_back or "" for item in group.items}
    assert "bukan nomor telepon lengkap" in told[short.id]
    assert "alamat keluar" in told[no_way_out.id]
    assert "tidak diperiksa" in told[unchecked.id]


@pytest.mark.parametrize(
    "caller",
    [
        Caller(CallerClass.ASSERTED, "112", "112", "112"),
        Caller(CallerClass.ASSERTED, "+62112", "112", "+62112"),
        Caller(CallerClass.ASSERTED, "+621121234567", "+621121234567", warnings=("number_unverified",)),
    ],
)
async def test_given_a_stand_in_for_many_callers_when_one_is_answered_then_the_others_stay(
    engine: AsyncEngine, client: httpx.AsyncClient, caller: Caller
) -> None:
    await stored(engine, left(0, caller), left(1, caller), talked(2, caller))
    assert len(await open_ids(client)) == 2


async def test_given_a_copied_imei_when_its_other_owner_is_answered_then_nobody_goes_off_the_list(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    with_number, without = left(0, asserted(imei=IMEI)), left(1, device())
    forged = talked(2, Caller(CallerClass.UNTRUSTED_CLAIM, OTHER, OTHER, imei=IMEI))
    await stored(engine, with_number, without, forged, talked(3, asserted(OTHER, imei=IMEI)))
    assert await open_ids(client) == {with_number.id, without.id}


async def test_given_a_flood_of_anonymous_callers_when_listed_then_who_can_be_called_back_is_there(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    call = left(0, asserted())
    await stored(engine, call)
    async with transaction(engine) as conn:
        flood = [left(n, ANONYMOUS) for n in range(1, MOST_OPEN + 2)]
        await upsert_calls(conn, flood)
        await keep_abandoned(conn, flood)
    found = await listed(client, "?limit=1")

    assert [item.call_id for item in found.items] == [call.id]
    assert found.complete is False


async def test_given_callers_who_are_closed_then_all_their_calls_go_and_who_did_it_is_remembered(
    engine: AsyncEngine, client: httpx.AsyncClient
) -> None:
    calls = [left(0, asserted()), left(1, asserted()), left(2, ANONYMOUS), left(3, ANONYMOUS)]
    later = left(4, asserted())
    await stored(engine, *calls, later)
    answer = await close(client, calls[1].id, calls[2].id, note="tiga kali")

    assert answer.status_code == 200
    assert set(answer.json()["closed"]) == {str(call.id) for call in calls[:3]}
    assert await open_ids(client) == {calls[3].id, later.id}
    (newest, *_) = (await client.get("/v1/abandoned/closed", headers=bearer())).json()["items"]
    assert (newest["closed_by"], newest["result"], newest["note"]) == ("op2", "unreachable", "tiga kali")
    async with reading(engine) as conn:
        audited = [entry for entry in await list_audit(conn) if entry["action"] == "abandoned.close"]
    assert [set(entry["after"]["calls"]) for entry in audited] == [{str(call.id) for call in calls[:3]}]
    assert (await close(client, calls[0].id)).json() == {"closed": []}
    body = {"call_ids": [str(calls[0].id)]}
    reopened = await client.post("/v1/abandoned/reopen", json=body, headers=bearer("operator", "op1"))
    assert reopened.json() == {"reopened": [str(calls[0].id)]}
    assert await open_ids(client) == {calls[0].id, calls[3].id, later.id}


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
