"""Call records over HTTP on a real database: list, read, annotate; and users signing in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.models import Call, CallPage
from pbx112.domain import events as kinds
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.events import TRUNK_CONTEXT, JournalEvent
from pbx112.domain.record import CallRecord, CallState, HangupBy, Intake, Offer, OfferResult, Outcome, call_id
from pbx112.services.feed import CallPublisher, Feed
from pbx112.services.metrics import Metrics
from pbx112.services.records import notify
from pbx112.services.sign_in import SignIn
from pbx112.services.users import Role, change_password, create_user, ensure_users
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import JournalRow, insert_events
from pbx112.storage.listen import listening
from pbx112.storage.tables import CALLS_CHANNEL
from pbx112.storage.users import get_user
from tests.integration.conftest import Database
from tests.support.web import bearer, client_of, make_parts

START = datetime(2025, 1, 31, 10, 0, 0, tzinfo=UTC)
HOSTILE = '"><script>alert(1)</script>\x1b[2J\u202e\r\nEvent: Fake'


def record(number: int, **changes: Any) -> CallRecord:
    linkedid = f"node1-17383176{number:02d}.1"
    at = START + timedelta(minutes=number)
    made = CallRecord(
        id=call_id("node1", linkedid),
        node="node1",
        linkedid=linkedid,
        received_at=at,
        state=CallState.ENDED,
        caller=Caller(CallerClass.ASSERTED, "+6281234567890", "081234567890", "+6281234567890"),
        intake=Intake.FASTAGI,
        sip_call_id=f"call-{number}@carrier",
        trunk="carrier-a",
        queue="112",
        outcome=Outcome.ANSWERED,
        operator="op1",
        queued_at=at,
        answered_at=at + timedelta(seconds=4),
        ended_at=at + timedelta(seconds=64),
        wait_ms=4000,
        talk_ms=60_000,
        hangup_cause=16,
        hangup_by=HangupBy.CALLER,
        offers=(Offer("op1", at, OfferResult.ANSWERED, 3900),),
    )
    return replace(made, **changes)


ANSWERED = record(1)
HOSTILE_CALL = record(2, caller=Caller(CallerClass.UNPARSEABLE, raw_number=HOSTILE), operator="op2", drill=True)
OPEN = record(
    3,
    state=CallState.TALKING,
    outcome=None,
    ended_at=None,
    talk_ms=None,
    hangup_by=None,
    hangup_cause=None,
    queue="113",
)
CALLS = [ANSWERED, HOSTILE_CALL, OPEN]


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with transaction(engine) as connection:
        await upsert_calls(connection, CALLS)
    async with client_of(make_parts(engine)) as made:
        yield made


async def ids(client: httpx.AsyncClient, query: str) -> list[str]:
    answer = await client.get(f"/v1/calls{query}", headers=bearer("auditor"))
    assert answer.status_code == 200, answer.text
    CallPage.model_validate(answer.json())
    return [call["id"] for call in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [OPEN, HOSTILE_CALL, ANSWERED]),
        ("?state=talking", [OPEN]),
        ("?outcome=answered", [HOSTILE_CALL, ANSWERED]),
        ("?queue=113", [OPEN]),
        ("?operator=op2", [HOSTILE_CALL]),
        ("?caller_class=unparseable", [HOSTILE_CALL]),
        ("?number=%2B6281234567890", [OPEN, ANSWERED]),
        ("?q=call-2", [HOSTILE_CALL]),
        ("?q=%25", []),
        ("?drill=true", [HOSTILE_CALL]),
        ("?drill=false&outcome=answered", [ANSWERED]),
        ("?since=2025-01-31T17:02:00%2B07:00", [OPEN, HOSTILE_CALL]),
        ("?until=2025-01-31T10:02:00Z", [ANSWERED]),
        ("?since=2025-01-31T10:02:00.000001Z&until=2025-01-31T10:03:00.5z", [OPEN]),
    ],
)
async def test_given_calls_when_they_are_filtered_then_those_that_fit_newest_first(
    client: httpx.AsyncClient, query: str, expected: list[CallRecord]
) -> None:
    assert await ids(client, query) == [str(call.id) for call in expected]


async def test_given_pages_when_they_are_turned_then_every_call_comes_once(client: httpx.AsyncClient) -> None:
    found, cursor = [], ""
    for _ in range(4):
        page = (await client.get(f"/v1/calls?limit=1{cursor}", headers=bearer())).json()
        found += [call["id"] for call in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [str(call.id) for call in (OPEN, HOSTILE_CALL, ANSWERED)]


@pytest.mark.parametrize("cursor", ["x", "AAAA", "%00", "MjAyNS0wMS0zMSB4", "%F0%9F%98%80"])
async def test_given_a_broken_cursor_then_422(client: httpx.AsyncClient, cursor: str) -> None:
    assert (await client.get(f"/v1/calls?cursor={cursor}", headers=bearer())).status_code == 422


async def test_given_a_call_when_it_is_read_then_every_public_name_is_there(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/calls/{ANSWERED.id}", headers=bearer("operator", "op1"))
    body = answer.json()
    Call.model_validate(body)
    assert answer.headers["etag"] == '"0"'
    assert body["received_at"] == "2025-01-31T10:01:00.000000Z"
    assert body["offers"] == [
        {"operator": "op1", "at": "2025-01-31T10:01:00.000000Z", "result": "answered", "ring_ms": 3900}
    ]
    assert (body["location"], body["transfers"], body["category"], body["priority"]) == ([], [], None, None)


async def test_given_hostile_text_when_the_call_is_read_then_it_is_kept_and_inert(client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/calls/{HOSTILE_CALL.id}", headers=bearer())
    assert answer.headers["content-type"] == "application/json"
    assert b"\x1b" not in answer.content and b"\r" not in answer.content
    assert answer.json()["caller"]["raw_number"] == HOSTILE


async def test_given_the_journal_of_a_call_when_it_is_read_then_its_events_in_order(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    linked = ANSWERED.linkedid
    rows = [
        JournalRow(JournalEvent(kind, START + timedelta(seconds=n), linked, linked, context=TRUNK_CONTEXT), "file", n)
        for n, kind in enumerate(("CHAN_START", kinds.ARRIVAL))
    ]
    async with transaction(engine) as connection:
        await insert_events(connection, "node1", rows)
    answer = await client.get(f"/v1/calls/{ANSWERED.id}/events", headers=bearer("auditor"))
    assert [event["kind"] for event in answer.json()["items"]] == ["CHAN_START", kinds.ARRIVAL]
    assert answer.json()["items"][0]["at"] == "2025-01-31T10:00:00.000000Z"
    missing = await client.get("/v1/calls/00000000-0000-0000-0000-000000000000/events", headers=bearer("auditor"))
    assert (missing.status_code, missing.json()["type"]) == (404, "urn:pbx112:problem:no-such-call")


async def test_given_an_edit_when_it_names_the_version_then_it_is_kept_and_audited(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    url, headers = f"/v1/calls/{ANSWERED.id}", bearer("operator", "op1", name="op1")
    first = await client.patch(
        url, headers={**headers, "If-Match": '"0"'}, json={"category": "kebakaran", "disposition": "real"}
    )
    second = await client.patch(
        url, headers={**headers, "If-Match": first.headers["etag"]}, json={"notes": "Jl. Merdeka", "category": None}
    )
    assert (first.status_code, second.status_code) == (200, 200), second.text
    assert {name: second.json()[name] for name in ("category", "notes", "disposition", "version")} == {
        "category": None,
        "notes": "Jl. Merdeka",
        "disposition": "real",
        "version": 2,
    }
    async with reading(engine) as connection:
        audit = await list_audit(connection)
    assert [(act["who"], act["action"], act["subject"]) for act in audit] == [
        ("op1", "call.annotate", str(ANSWERED.id))
    ] * 2
    assert audit[0]["before"] == {"category": "kebakaran", "notes": None}
    assert audit[0]["after"] == {"category": None, "notes": "Jl. Merdeka"}


@pytest.mark.parametrize(
    ("if_match", "body", "status", "slug"),
    [
        (None, {"notes": "x"}, 428, "version-required"),
        ('"7"', {"notes": "x"}, 412, "edit-conflict"),
        ('W/"0"', {"notes": "x"}, 412, "edit-conflict"),
        ("*", {"notes": "x"}, 412, "edit-conflict"),
        ('"0"', {}, 422, "bad-input"),
        ('"0"', {"operator": "op2"}, 422, "bad-input"),
        ('"0"', {"disposition": "boring"}, 422, "bad-input"),
        ('"0"', {"notes": "x" * 4001}, 422, "bad-input"),
        ('"0"', {"category": "x" * 65}, 422, "bad-input"),
        ('"0"', {"notes": "a\x00b"}, 422, "bad-input"),
    ],
)
async def test_given_an_edit_that_cannot_be_then_it_is_refused_and_nothing_changes(
    client: httpx.AsyncClient, if_match: str | None, body: dict[str, Any], status: int, slug: str
) -> None:
    url, headers = f"/v1/calls/{ANSWERED.id}", bearer()
    answer = await client.patch(url, headers={**headers, **({"If-Match": if_match} if if_match else {})}, json=body)
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{slug}")
    assert (await client.get(url, headers=headers)).json()["version"] == 0


async def test_given_half_a_surrogate_when_it_is_sent_then_422(client: httpx.AsyncClient) -> None:
    headers = {**bearer(), "If-Match": '"0"', "Content-Type": "application/json"}
    answer = await client.patch(f"/v1/calls/{ANSWERED.id}", headers=headers, content=b'{"notes": "\\ud800"}')
    assert answer.status_code == 422


async def test_given_two_edits_at_once_when_both_name_the_same_version_then_one_is_told(
    client: httpx.AsyncClient,
) -> None:
    headers = {**bearer(), "If-Match": '"0"'}
    answers = await asyncio.gather(
        *(client.patch(f"/v1/calls/{ANSWERED.id}", headers=headers, json={"notes": str(n)}) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]


@pytest.mark.alone
async def test_given_a_call_when_it_is_read_often_then_each_answer_is_quick(client: httpx.AsyncClient) -> None:
    headers = bearer()
    times = []
    for _ in range(100):
        began = time.perf_counter()
        await client.get(f"/v1/calls/{ANSWERED.id}", headers=headers)
        times.append(time.perf_counter() - began)
    times.sort()
    assert times[50] < 0.05, f"median {times[50] * 1000:.1f} ms"


async def test_given_a_changed_call_when_postgres_notifies_then_the_feed_carries_the_whole_call(
    client: httpx.AsyncClient, engine: AsyncEngine, database: Database
) -> None:
    feed, metrics = Feed(), Metrics()
    publisher = CallPublisher(engine, feed, metrics)
    async with listening(database.service_url, CALLS_CHANNEL) as payloads, asyncio.timeout(10):
        await payloads.get()  # the new connection says that anything may have happened
        async with transaction(engine) as connection:
            await notify(connection, "node1", [ANSWERED.id])
        with feed.subscribe() as subscription:
            await publisher.notified(await payloads.get())
            event = await subscription.next(1.0)
    assert event is not None
    assert (event["type"], event["call"]["id"]) == ("call", ANSWERED.id)
    assert metrics.registry.get_sample_value("pbx112_calls_total", {"outcome": "answered", "drill": "no"}) == 1


async def test_given_every_part_when_readiness_is_asked_then_200(engine: AsyncEngine) -> None:
    async with client_of(make_parts(engine)) as client:
        answer = await client.get("/v1/health/ready")
    assert (answer.status_code, answer.json()["status"]) == (200, "ready")


async def test_given_an_operator_command_when_it_is_done_then_the_audit_says_who(engine: AsyncEngine) -> None:
    async with client_of(make_parts(engine)) as client:
        await client.post("/v1/operators/op1/pause", headers=bearer("supervisor", name="sup"), json={"reason": "makan"})
    async with reading(engine) as connection:
        [act] = await list_audit(connection)
    assert (act["who"], act["action"], act["subject"]) == ("sup", "operator.pause", "op1")
    assert act["after"] == {"result": "done", "reason": "makan"}


async def test_given_the_first_users_when_they_sign_in_then_each_has_his_role(engine: AsyncEngine) -> None:
    parts = make_parts(engine)
    async with transaction(engine) as connection:
        added = await ensure_users(connection, parts.configuration(), lambda name: f"{name}-password")
    async with transaction(engine) as connection:
        again = await ensure_users(connection, parts.configuration(), lambda name: "another password")
    assert (added, again) == (["admin", "supervisor", "auditor", "op1", "op2", "op3", "op4"], [])
    async with client_of(parts) as client:
        for name in added:
            form = {"username": name, "password": f"{name}-password", "grant_type": "password"}
            answer = await client.post("/v1/token", data=form)
            body = answer.json()
            assert (answer.status_code, body["token_type"], body["expires_in"]) == (200, "bearer", 43200), body
            assert body["role"] == ("operator" if name.startswith("op") else name)
            assert body["operator"] == (name if name.startswith("op") else None)
            headers = {"Authorization": f"Bearer {body['access_token']}"}
            assert (await client.get("/v1/queues", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"username": "admin", "password": "wrong"}, 401),
        ({"username": "nobody", "password": "wrong"}, 401),
        ({"username": "a\x00b", "password": "wrong"}, 401),
        ({"username": "admin", "password": "x" * 5000}, 401),
        ({"username": "x" * 5000, "password": "x"}, 401),
        ({"username": "admin"}, 422),
        ({}, 422),
    ],
)
async def test_given_wrong_credentials_then_the_same_answer_for_all(
    engine: AsyncEngine, form: dict[str, str], status: int
) -> None:
    async with transaction(engine) as connection:
        await create_user(connection, "admin", "a good password", role=Role.ADMIN, operator=None, who="test")
    async with client_of(make_parts(engine)) as client:
        answer = await client.post("/v1/token", data=form)
    assert answer.status_code == status, answer.text
    if status == 401:
        assert answer.json()["detail"] == "The name or the password is wrong."


async def test_given_failures_when_a_name_is_tried_again_then_slower_but_never_locked(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await create_user(connection, "admin", "a good password", role=Role.ADMIN, operator=None, who="test")
    sign_in = SignIn(engine, first_delay=0.001, most=0.004)
    delays = []
    for _ in range(4):
        delays.append(sign_in.delay_for("admin"))
        with pytest.raises(Exception, match="wrong"):
            await sign_in.check("admin", "wrong")
    assert delays == [0.0, 0.001, 0.002, 0.004]
    assert sign_in.delay_for("supervisor") == 0.0
    assert (await sign_in.check("admin", "a good password")).name == "admin"
    assert sign_in.delay_for("admin") == 0.0


async def test_given_a_flood_of_one_name_when_others_sign_in_then_they_are_let_in(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await create_user(connection, "admin", "a good password", role=Role.ADMIN, operator=None, who="test")
        await create_user(connection, "boss", "a good password", role=Role.SUPERVISOR, operator=None, who="test")
    async with client_of(make_parts(engine)) as client:
        flood = [client.post("/v1/token", data={"username": "admin", "password": "wrong"}) for _ in range(20)]
        answers = await asyncio.gather(
            *flood, client.post("/v1/token", data={"username": "boss", "password": "a good password"})
        )
    assert answers[-1].status_code == 200
    assert {answer.status_code for answer in answers[:-1]} == {401, 429}


async def test_given_a_changed_password_when_the_old_one_is_tried_then_it_is_wrong(engine: AsyncEngine) -> None:
    async with transaction(engine) as connection:
        await create_user(connection, "admin", "a good password", role=Role.ADMIN, operator=None, who="test")
        await change_password(connection, "admin", "a better password", who="test")
        user = await get_user(connection, "admin")
        audit = await list_audit(connection)
    assert user is not None and user.password_hash.startswith("$argon2id$")
    assert [act["action"] for act in audit] == ["user.password", "user.add"]
    assert "password" not in json.dumps([act["after"] for act in audit])
    sign_in = SignIn(engine)
    with pytest.raises(Exception, match="wrong"):
        await sign_in.check("admin", "a good password")
    assert (await sign_in.check("admin", "a better password")).role == "admin"
