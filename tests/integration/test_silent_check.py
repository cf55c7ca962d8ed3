"""Having a silent caller asked over HTTP: who may, when, what Asterisk is told, and what the audit keeps."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.silent import SilentAsked
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.errors import AsteriskUnavailable, CallNotTalking, OutcomeUnknown, Pbx112Error
from pbx112.domain.record import CallRecord, CallState, Intake, call_id
from pbx112.services.users import Role
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.engine import reading, transaction
from tests.support.web import FakeTelephone, bearer, client_of, make_parts

START = datetime(2025, 1, 31, 10, 0, 0, tzinfo=UTC)
TALKING = CallRecord(
    id=call_id("node1", "node1-1738317600.1"),
    node="node1",
    linkedid="node1-1738317600.1",
    received_at=START,
    state=CallState.TALKING,
    caller=Caller(CallerClass.ASSERTED, "+6281234567890", "081234567890", "+6281234567890"),
    intake=Intake.FASTAGI,
    queue="112",
    operator="op1",
    queued_at=START,
    answered_at=START + timedelta(seconds=4),
)
PRESSED = [("press", "op1", "node1-1738317600.1", "*5")]


async def asked(
    engine: AsyncEngine, telephone: FakeTelephone, headers: dict[str, str], record: CallRecord = TALKING
) -> httpx.Response:
    """Store the call and ask for the check."""
    async with transaction(engine) as connection:
        await upsert_calls(connection, [record])
    async with client_of(make_parts(engine, telephone=telephone)) as client:
        return await client.post(f"/v1/calls/{record.id}/silent-check", headers=headers)


async def audited(engine: AsyncEngine) -> list[dict[str, Any]]:
    async with reading(engine) as connection:
        return await list_audit(connection)


@pytest.mark.parametrize(
    ("role", "operator"), [(Role.OPERATOR, "op1"), (Role.SUPERVISOR, None), (Role.ADMIN, None), (Role.ADMIN, "op2")]
)
async def test_given_a_talk_when_asked_by_who_may_then_his_phone_presses_the_code_and_it_is_audited(
    engine: AsyncEngine, role: Role, operator: str | None
) -> None:
    telephone = FakeTelephone()
    answer = await asked(engine, telephone, bearer(role, operator, name="sari"))
    assert answer.status_code == httpx.codes.ACCEPTED
    assert answer.json() == {"call_id": str(TALKING.id), "operator": "op1", "state": "asked"}
    SilentAsked.model_validate_json(answer.content)
    assert telephone.commands == PRESSED
    (act,) = await audited(engine)
    assert (act["who"], act["action"], act["subject"]) == ("sari", "call.silent_check", str(TALKING.id))
    assert act["after"] == {"result": "asked", "operator": "op1"}


@pytest.mark.parametrize(("role", "operator"), [(Role.OPERATOR, "op2"), (Role.OPERATOR, None), (Role.AUDITOR, None)])
async def test_given_a_talk_of_somebody_else_when_asked_then_it_is_forbidden_and_asterisk_hears_nothing(
    engine: AsyncEngine, role: Role, operator: str | None
) -> None:
    telephone = FakeTelephone()
    assert (await asked(engine, telephone, bearer(role, operator))).status_code == httpx.codes.FORBIDDEN
    assert telephone.commands == []


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"state": CallState.QUEUED, "operator": None, "answered_at": None}, "call-not-talking"),
        ({"node": "node2", "id": call_id("node2", TALKING.linkedid)}, "call-of-another-node"),
    ],
)
async def test_given_no_talk_here_when_asked_then_the_refusal_says_why(
    engine: AsyncEngine, change: dict[str, Any], slug: str
) -> None:
    telephone = FakeTelephone()
    answer = await asked(engine, telephone, bearer(), replace(TALKING, **change))
    assert answer.status_code == httpx.codes.CONFLICT
    assert answer.json()["type"] == f"urn:pbx112:problem:{slug}"
    assert telephone.commands == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CallNotTalking("He has just hung up."), httpx.codes.CONFLICT),
        (AsteriskUnavailable("The AMI link is down."), httpx.codes.SERVICE_UNAVAILABLE),
        (OutcomeUnknown("No answer."), httpx.codes.GATEWAY_TIMEOUT),
    ],
)
async def test_given_a_failing_asterisk_when_asked_then_it_is_told_and_audited_and_not_tried_again(
    engine: AsyncEngine, error: Pbx112Error, code: int
) -> None:
    telephone = FakeTelephone(error=error)
    assert (await asked(engine, telephone, bearer())).status_code == code
    assert telephone.commands == PRESSED
    assert [act["after"]["result"] for act in await audited(engine)] == [error.slug]


@pytest.mark.parametrize("id_", ["nonsense", str(TALKING.id)])
async def test_given_an_unknown_call_when_asked_then_not_found(engine: AsyncEngine, id_: str) -> None:
    async with client_of(make_parts(engine)) as client:
        answer = await client.post(f"/v1/calls/{id_}/silent-check", headers=bearer())
    assert answer.status_code == httpx.codes.NOT_FOUND


async def test_given_no_database_when_asked_then_unavailable_and_asterisk_hears_nothing() -> None:
    telephone = FakeTelephone()
    async with client_of(make_parts(telephone=telephone)) as client:
        answer = await client.post(f"/v1/calls/{TALKING.id}/silent-check", headers=bearer())
    assert answer.status_code == httpx.codes.SERVICE_UNAVAILABLE
    assert telephone.commands == []
