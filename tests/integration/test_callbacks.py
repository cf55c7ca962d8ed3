"""Calls back over HTTP on a real database: the intent first, one operator at a time, and refusals in words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.models import Attempt, Callback
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.errors import AsteriskUnavailable, DatabaseUnavailable
from pbx112.domain.live import LiveMember, LiveQueue, LiveState
from pbx112.domain.outbound import account_of
from pbx112.domain.record import CallRecord, CallState, HangupBy, Offer, OfferResult, Outcome, call_id
from pbx112.services.ports import CallbackOrder
from pbx112.storage import callbacks
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from tests.support.web import FakeLive, FakePlacer, FakeTelephone, bearer, client_of, make_parts

NUMBER = "+6281234567890"


def call(number: int, **changes: Any) -> CallRecord:
    linkedid = f"node1-17383176{number:02d}.1"
    at = datetime.now(UTC) - timedelta(minutes=30 - number)
    made = CallRecord(
        id=call_id("node1", linkedid),
        node="node1",
        linkedid=linkedid,
        received_at=at,
        state=CallState.ENDED,
        caller=Caller(CallerClass.ASSERTED, NUMBER, "081234567890", NUMBER),
        trunk="carrier-a",
        outcome=Outcome.ABANDONED,
        ended_at=at + timedelta(seconds=4),
        hangup_by=HangupBy.CALLER,
    )
    return replace(made, **changes)


ABANDONED = call(1)
AGAIN = call(2)
OTHER = call(3, caller=Caller(CallerClass.ASSERTED_WITHHELD, "+62211234567", None, "+62211234567", withheld=True))
ANONYMOUS = call(4, caller=Caller(CallerClass.ANONYMOUS))
NO_SIM = call(5, caller=Caller(CallerClass.DEVICE_ONLY, imei="35209900-176148-1"))
CLAIM = call(6, caller=Caller(CallerClass.UNTRUSTED_CLAIM, NUMBER, "0812", None), trunk="carrier-b")
UNTRUSTED = call(7, trunk="carrier-b")
DRILL = call(8, drill=True)
SECOND_NUMBER = "+6281234567899"
GOING_ON = call(
    9,
    caller=Caller(CallerClass.ASSERTED, SECOND_NUMBER, None, SECOND_NUMBER),
    state=CallState.QUEUED,
    outcome=None,
    ended_at=None,
    hangup_by=None,
)
ITS_OLD_CALL = call(11, caller=Caller(CallerClass.ASSERTED, SECOND_NUMBER, None, SECOND_NUMBER))
GONE = call(10, trunk="carrier-z")
CALLS = [ABANDONED, AGAIN, OTHER, ANONYMOUS, NO_SIM, CLAIM, UNTRUSTED, DRILL, GOING_ON, ITS_OLD_CALL, GONE]
IDLE = LiveState(connected=True, queues=(LiveQueue("112", (LiveMember("op2", "not_inuse", paused=True),)),))


@dataclass
class Bench:
    """The web door, its fake Asterisk, and the database behind it."""

    client: httpx.AsyncClient
    engine: AsyncEngine
    placer: FakePlacer = field(default_factory=FakePlacer)
    telephone: FakeTelephone = field(default_factory=FakeTelephone)
    live: FakeLive = field(default_factory=lambda: FakeLive(IDLE))

    async def post(self, record: CallRecord, operator: str = "op1", **more: Any) -> httpx.Response:
        headers = more.pop("headers", None) or bearer("operator", operator, name=f"user-{operator}")
        return await self.client.post(f"/v1/calls/{record.id}/callback", headers=headers, **more)

    async def states(self) -> list[tuple[str, str]]:
        async with reading(self.engine) as conn:
            rows = await conn.execute(text("SELECT operator, state FROM callbacks ORDER BY requested_at"))
            return [(row.operator, row.state) for row in rows]

    async def later(self, seconds: int) -> None:
        """Let so much time have passed since the attempts."""
        moved = (
            f"requested_at = requested_at - interval '{seconds} s', lease_until = lease_until - interval '{seconds} s'"
        )
        async with transaction(self.engine) as conn:
            await conn.execute(text(f"UPDATE callbacks SET {moved}"))  # noqa: S608

    async def recorded(
        self,
        number: int,
        operator: str,
        *,
        up: bool,
        seconds_ago: int = 0,
        result: OfferResult = OfferResult.ANSWERED,
    ) -> None:
        """The journal tells of a call back of ABANDONED."""
        over = {} if up else {"state": CallState.ENDED, "outcome": Outcome.FAILED, "hangup_by": HangupBy.SYSTEM}
        rung = (Offer(operator, datetime.now(UTC), result, 1000),)
        begun = {"state": CallState.RINGING, "outcome": None, "ended_at": None, "hangup_by": None, **over}
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        ended = {} if up else {"ended_at": at}
        facts = {**begun, **ended, "direction": "outbound", "operator": operator, "callback_of": ABANDONED.id}
        async with transaction(self.engine) as conn:
            await upsert_calls(
                conn,
                [replace(call(number, received_at=at, caller=Caller(CallerClass.ANONYMOUS), **facts), offers=rung)],
            )


@pytest.fixture
async def bench(engine: AsyncEngine) -> AsyncIterator[Bench]:
    async with transaction(engine) as connection:
        await upsert_calls(connection, CALLS)
    placer, telephone, live = FakePlacer(), FakeTelephone(), FakeLive(IDLE)
    async with client_of(make_parts(engine, placer=placer, telephone=telephone, live=live)) as client:
        yield Bench(client, engine, placer, telephone, live)


def refused(answer: httpx.Response, status: int, slug: str) -> str:
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{slug}"), answer.text
    return str(answer.json()["detail"])


async def test_given_an_abandoned_caller_when_called_back_then_asterisk_is_asked_once_and_it_is_audited(
    bench: Bench,
) -> None:
    answer = await bench.post(ABANDONED)
    assert answer.status_code == 202, answer.text
    placed = Callback.model_validate(answer.json())
    assert (placed.call_id, placed.operator, placed.number) == (ABANDONED.id, "op1", NUMBER)
    assert (placed.trunk, placed.state) == ("carrier-a", "placed")
    assert placed.lease_until - placed.requested_at == timedelta(seconds=180)
    assert bench.placer.orders == [
        CallbackOrder(account_of(ABANDONED.id, placed.id), "op1", NUMBER, "carrier-a", "Telepon balik", 25)
    ]
    assert await bench.states() == [("op1", "placed")]
    async with reading(bench.engine) as conn:
        (act,) = await list_audit(conn)
        attempts = await callbacks.attempts_of(conn, [ABANDONED.id, OTHER.id])
    assert (act["who"], act["action"], act["subject"]) == ("user-op1", "call.callback", str(ABANDONED.id))
    assert act["after"] == {"id": str(placed.id), "operator": "op1", "number": NUMBER, "trunk": "carrier-a"}
    assert list(attempts) == [ABANDONED.id]
    (attempt,) = attempts[ABANDONED.id]
    shown = Attempt.model_validate(attempt)
    assert (shown.id, shown.operator, shown.requested_by, shown.state) == (placed.id, "op1", "user-op1", "placed")


async def test_given_the_moment_asterisk_is_asked_when_looked_at_then_the_intent_stands_already(bench: Bench) -> None:
    seen: list[list[tuple[str, str]]] = []

    async def place(order: CallbackOrder) -> None:
        seen.append(await bench.states())

    bench.placer.place = place  # type: ignore[method-assign]
    assert (await bench.post(ABANDONED)).status_code == 202
    assert seen == [[("op1", "requested")]]


async def test_given_asterisk_that_does_not_take_it_when_asked_then_503_and_others_may_try(bench: Bench) -> None:
    bench.placer.error = AsteriskUnavailable("The call was not placed: Asterisk did not take it.")
    assert "not placed" in refused(await bench.post(ABANDONED), 503, "asterisk-unavailable")
    assert await bench.states() == [("op1", "not_placed")]
    assert len(bench.placer.orders) == 1
    bench.placer.error = None
    assert (await bench.post(ABANDONED, "op2")).status_code == 202


async def test_given_another_operators_lease_when_asked_then_409_says_who_and_until_when(bench: Bench) -> None:
    placed = Callback.model_validate((await bench.post(ABANDONED)).json())
    detail = refused(await bench.post(ABANDONED, "op2"), 409, "callback-taken")
    until = placed.lease_until.astimezone(UTC) + timedelta(hours=7)
    assert "op1" in detail
    assert f"{until:%H:%M:%S} WIB" in detail
    assert refused(await bench.post(AGAIN, "op2"), 409, "callback-taken") == detail  # another call, the same caller
    assert (await bench.post(OTHER, "op2")).status_code == 202
    await bench.later(181)
    assert (await bench.post(ABANDONED, "op2")).status_code == 202


async def test_given_a_call_back_that_goes_on_when_the_lease_is_over_then_nobody_else_may(bench: Bench) -> None:
    await bench.post(ABANDONED)
    await bench.recorded(40, "op1", up=True)
    await bench.later(181)
    assert "belum berakhir" in refused(await bench.post(ABANDONED, "op2"), 409, "callback-taken")
    assert "op1" in refused(await bench.post(ABANDONED, "op1"), 409, "callback-taken")
    await bench.recorded(40, "op1", up=False)
    assert (await bench.post(ABANDONED, "op2")).status_code == 202


async def test_given_his_own_call_back_when_it_rings_then_no_second_and_when_it_is_over_he_may_repeat(
    bench: Bench,
) -> None:
    await bench.post(ABANDONED)
    refused(await bench.post(ABANDONED), 409, "callback-taken")  # a double click
    await bench.later(5)
    await bench.recorded(40, "op1", up=False, seconds_ago=5)
    assert (await bench.post(ABANDONED)).status_code == 202
    refused(await bench.post(ABANDONED), 409, "callback-taken")
    await bench.later(31)  # no record came of it: his phone rings no more
    assert (await bench.post(ABANDONED)).status_code == 202
    assert await bench.states() == [("op1", "placed")] * 3


async def test_given_many_operators_at_once_when_they_ask_then_one_phone_rings(bench: Bench) -> None:
    wanted = [(ABANDONED, "op1"), (AGAIN, "op2"), (ABANDONED, "op3"), (AGAIN, "op4"), (ABANDONED, "op1")]
    answers = await asyncio.gather(*(bench.post(record, operator) for record, operator in wanted))
    assert sorted(answer.status_code for answer in answers) == [202, 409, 409, 409, 409]
    assert len(bench.placer.orders) == 1


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (ANONYMOUS, "tidak memberi nomor"),
        (NO_SIM, "tanpa kartu SIM"),
        (CLAIM, "pengakuan"),
        (UNTRUSTED, "carrier-b tidak punya alamat keluar"),
        (DRILL, "latihan"),
        (GOING_ON, "masih berlangsung"),
        (GONE, "carrier-z sudah tidak ada"),
    ],
)
async def test_given_a_caller_who_cannot_be_called_when_asked_then_409_in_words(
    bench: Bench, record: CallRecord, words: str
) -> None:
    assert words in refused(await bench.post(record), 409, "cannot-call-back")
    assert bench.placer.orders == []
    assert await bench.states() == []


async def test_given_a_call_back_when_it_is_to_be_called_back_then_the_first_call_is_named(bench: Bench) -> None:
    await bench.recorded(40, "op1", up=False)
    assert str(ABANDONED.id) in refused(await bench.post(call(40)), 409, "cannot-call-back")


@pytest.mark.parametrize(
    ("device", "words"), [("inuse", "bicara"), ("ringing", "berdering"), ("unavailable", "tidak terdaftar")]
)
async def test_given_a_phone_that_cannot_be_rung_when_asked_then_409_and_nothing_is_tried(
    bench: Bench, device: str, words: str
) -> None:
    bench.live.state = LiveState(connected=True, queues=(LiveQueue("112", (LiveMember("op1", device),)),))
    assert words in refused(await bench.post(ABANDONED), 409, "operator-not-ready")
    assert await bench.states() == []


async def test_given_no_link_to_asterisk_when_asked_then_503_and_nothing_is_tried(bench: Bench) -> None:
    bench.telephone.connected = False
    assert "not placed" in refused(await bench.post(ABANDONED), 503, "asterisk-unavailable")
    assert (bench.placer.orders, await bench.states()) == ([], [])


async def test_given_an_operator_when_he_names_another_then_403_and_a_lead_must_name_one(bench: Bench) -> None:
    refused(await bench.post(ABANDONED, "op1", json={"operator": "op2"}), 403, "not-allowed")
    lead = bearer("supervisor", None, name="sup")
    assert "name the operator" in refused(await bench.post(ABANDONED, headers=lead), 422, "bad-input")
    refused(await bench.post(ABANDONED, headers=lead, json={"operator": "op9"}), 404, "no-such-operator")
    refused(await bench.post(ABANDONED, headers=lead, json={"phone": "op1"}), 422, "bad-input")
    answer = await bench.post(ABANDONED, headers=lead, json={"operator": "op2"})
    assert (answer.status_code, answer.json()["operator"]) == (202, "op2")
    refused(await bench.post(ABANDONED, headers=bearer("auditor"), json={"operator": "op2"}), 403, "not-allowed")


async def test_given_no_such_call_when_asked_then_404(bench: Bench) -> None:
    refused(await bench.post(replace(ABANDONED, id=UUID(int=7))), 404, "no-such-call")


async def test_given_a_database_that_goes_away_behind_the_call_when_placed_then_the_operator_still_hears_so(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(*_: object) -> None:
        raise DatabaseUnavailable("PostgreSQL does not answer.")

    monkeypatch.setattr(callbacks, "settle", gone)
    answer = await bench.post(ABANDONED)
    assert (answer.status_code, answer.json()["state"]) == (202, "placed")
    refused(await bench.post(ABANDONED, "op2"), 409, "callback-taken")  # `requested` holds the lease too


async def test_given_no_database_when_asked_then_503_and_asterisk_is_not_asked() -> None:
    placer = FakePlacer()
    async with client_of(make_parts(placer=placer, live=FakeLive(IDLE))) as client:
        answer = await client.post(f"/v1/calls/{ABANDONED.id}/callback", headers=bearer("operator", "op1"))
    refused(answer, 503, "database-unavailable")
    assert placer.orders == []


async def test_given_a_caller_who_calls_just_now_when_called_back_then_refused_with_that_call(bench: Bench) -> None:
    words = refused(await bench.post(ITS_OLD_CALL), 409, "cannot-call-back")
    assert str(GOING_ON.id) in words
    assert await bench.states() == []


async def test_given_an_operator_who_did_not_lift_his_phone_when_another_tries_then_he_may(bench: Bench) -> None:
    assert (await bench.post(ABANDONED, "op1")).status_code == 202
    refused(await bench.post(ABANDONED, "op2"), 409, "callback-taken")
    await bench.recorded(20, "op1", up=False, result=OfferResult.NO_ANSWER)
    assert (await bench.post(ABANDONED, "op2")).status_code == 202


async def test_given_an_operator_whose_callee_did_not_lift_when_another_tries_then_the_lease_stands(
    bench: Bench,
) -> None:
    assert (await bench.post(ABANDONED, "op1")).status_code == 202
    await bench.recorded(20, "op1", up=False, result=OfferResult.ANSWERED)
    refused(await bench.post(ABANDONED, "op2"), 409, "callback-taken")
