"""Requests made up from the served OpenAPI document, by every role, against a real server with a real database.

Whatever is sent: no fault of ours, no role behind a door that is not its own, and each answer as the document says. The
requests are the same in every run.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.api.access import Access
from pbx112.api.routes import access_of
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.services.audit import verify
from pbx112.services.users import Role, ensure_users
from pbx112.storage.calls import upsert_calls
from pbx112.storage.configuration import save_configuration
from pbx112.storage.engine import transaction
from tests.integration.test_api_calls import CALLS
from tests.support.web import make_parts, served

TRIES = 2
"""Requests to each door that fit the document, and as many that do not; who may not get in sends one of each."""

ASKING: tuple[Role | None, ...] = (None, Role.OPERATOR, Role.AUDITOR, Role.SUPERVISOR, Role.ADMIN)


@dataclass
class Knocking:
    """Requests in the name of everybody; `faults` are what no answer may be."""

    address: str
    session: requests.Session = field(default_factory=requests.Session)
    faults: list[str] = field(default_factory=list)
    answered: Counter[tuple[Role | None, int]] = field(default_factory=Counter)
    tokens: dict[Role, dict[str, str]] = field(default_factory=dict)
    doors: int = 0

    def knock_everywhere(self) -> None:
        document = self.session.get(f"http://{self.address}/openapi.json", timeout=10).json()
        for found in schemathesis.openapi.from_dict(document).get_all_operations():
            assert isinstance(found, Ok), found
            operation = found.ok()
            self._try(operation, GenerationMode.POSITIVE)
            # To a path alone nothing can be sent that does not fit: it is any text.
            if operation.body or any(one.location is not ParameterLocation.PATH for one in operation.iter_parameters()):
                self._try(operation, GenerationMode.NEGATIVE)
            self.doors += 1

    def _try(self, operation: APIOperation[Any, Any, Any, Any], mode: GenerationMode) -> None:
        access = access_of(operation.method.upper(), operation.path)
        refused = set() if access.public else {role for role in ASKING if not may_get_in(access, role)}
        roles = [ASKING[0]] if access.public else list(ASKING)
        tried = 0

        @settings(
            max_examples=TRIES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def tries(case: Case[Any]) -> None:
            nonlocal tried
            for role in roles:
                if tried == 0 or role not in refused:
                    self._knock(case, role, (401 if role is None else 403) if role in refused else None)
            tried += 1

        tries()

    def _knock(self, case: Case[Any], role: Role | None, refusal: int | None) -> None:
        headers = {} if role is None else self._signed_in(role)
        answer = case.call(base_url=f"http://{self.address}", session=self.session, headers=headers, timeout=10)
        self.answered[role, answer.status_code] += 1
        told = f"{role} {case.method} {answer.request.url} {case.body!r:.200}: {answer.status_code} {answer.text:.300}"
        if answer.status_code >= 500 or (refusal is not None and answer.status_code != refusal):
            self.faults.append(told)
            return
        try:
            case.validate_response(answer, checks=CHECKS)
        except BaseExceptionGroup as group:
            self.faults.append(f"{told}: {[str(one)[:500] for one in group.exceptions]}")

    def _signed_in(self, role: Role) -> dict[str, str]:
        if role not in self.tokens:
            name = "op1" if role is Role.OPERATOR else role.value
            form = {"username": name, "password": f"{name}-password"}
            answer = self.session.post(f"http://{self.address}/v1/token", data=form, timeout=10)
            self.tokens[role] = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        return self.tokens[role]


def may_get_in(access: Access, role: Role | None) -> bool:
    """Whether anything that this role sends may be answered."""
    return role in access.roles | access.own | access.oneself


schemathesis.checks.load_all_checks()
CHECKS: list[Any] = [
    schemathesis.checks.CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    )
]


@pytest.fixture
async def address(engine: AsyncEngine) -> AsyncIterator[str]:
    async with transaction(engine) as connection:
        await save_configuration(connection, DEMO_CENTRE, who="test")
        await upsert_calls(connection, CALLS)
        await ensure_users(connection, DEMO_CENTRE, lambda name: f"{name}-password")
    async with served(make_parts(engine)) as made:
        yield made


async def test_given_requests_from_the_document_when_all_roles_send_them_then_no_fault_and_no_door_but_their_own(
    address: str, engine: AsyncEngine
) -> None:
    knocking = Knocking(address)
    await asyncio.to_thread(knocking.knock_everywhere)
    assert not knocking.faults, "\n".join(knocking.faults[:20])
    assert knocking.doors > 40
    for role in Role:
        assert knocking.answered[role, 200] > 10, knocking.answered
    assert (await verify(engine)).whole
