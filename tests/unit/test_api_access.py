"""Who may do what: every route is in the table, and every role gets exactly what the table says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import jwt
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from pbx112.api.access import NOBODY
from pbx112.api.app import make_app
from pbx112.api.routes import ROUTES, access_of
from pbx112.api.tokens import make_token
from pbx112.services.users import Role
from tests.support.web import SECRET, bearer, client_of, make_parts

OPERATOR, SUPERVISOR, ADMIN, AUDITOR = Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR
CALL = "/v1/calls/36edacfc-7ad2-5a71-91a7-ce4f98554c44"
ALL = set(Role)

# What each door shall let in, written down a second time on purpose: a slip in the table fails here.
EXPECTED: list[tuple[str, str, set[Role]]] = [
    ("GET", "/v1/calls", ALL),
    ("GET", CALL, ALL),
    ("PATCH", CALL, {OPERATOR, SUPERVISOR, ADMIN}),
    ("GET", f"{CALL}/events", {SUPERVISOR, ADMIN, AUDITOR}),
    ("POST", f"{CALL}/silent-check", {OPERATOR, SUPERVISOR, ADMIN}),
    ("POST", f"{CALL}/callback", {OPERATOR, SUPERVISOR, ADMIN}),
    ("GET", "/v1/abandoned", ALL),
    ("GET", "/v1/abandoned/closed", ALL),
    ("POST", "/v1/abandoned/close", {OPERATOR, SUPERVISOR, ADMIN}),
    ("POST", "/v1/abandoned/reopen", {OPERATOR, SUPERVISOR, ADMIN}),
    ("GET", "/v1/gaps", ALL),
    ("GET", "/v1/rules", ALL),
    ("PUT", "/v1/rules", {ADMIN}),
    ("GET", "/v1/callers/+6281234567890/score", ALL),
    ("GET", "/v1/queues", ALL),
    ("GET", "/v1/queues/112", ALL),
    ("GET", "/v1/operators", ALL),
    ("GET", "/v1/operators/op1", ALL),
    ("POST", "/v1/operators/op1/login", {SUPERVISOR, ADMIN}),
    ("POST", "/v1/operators/op1/logout", {SUPERVISOR, ADMIN}),
    ("POST", "/v1/operators/op1/pause", {SUPERVISOR, ADMIN}),
    ("POST", "/v1/operators/op1/unpause", {SUPERVISOR, ADMIN}),
    ("GET", "/v1/agencies", ALL),
    ("GET", "/v1/agencies/damkar", ALL),
    ("GET", "/v1/trunks", {SUPERVISOR, ADMIN, AUDITOR}),
    ("GET", "/v1/trunks/carrier-a", {SUPERVISOR, ADMIN, AUDITOR}),
    ("GET", "/v1/live", ALL),
    ("GET", "/v1/alarms", ALL),
    ("GET", "/v1/users", {ADMIN, AUDITOR}),
    ("GET", "/v1/users/sari", {ADMIN, AUDITOR}),
    ("PUT", "/v1/users/sari", {ADMIN}),
    ("DELETE", "/v1/users/sari", {ADMIN}),
    ("POST", "/v1/users/sari/password", {ADMIN}),
    ("GET", "/v1/tokens", {ADMIN, AUDITOR}),
    ("POST", "/v1/tokens", {ADMIN}),
    ("DELETE", "/v1/tokens/7", {ADMIN}),
    ("GET", "/v1/audit", {ADMIN, AUDITOR}),
    ("GET", "/v1/audit/verify", {ADMIN, AUDITOR}),
]
PUBLIC_DOORS = {
    ("POST", "/v1/token"),
    *(("GET", prefix + path) for prefix in ("", "/v1") for path in ("/health/live", "/health/ready", "/metrics")),
    *(("GET", prefix + path) for prefix in ("", "/v1") for path in ("/docs", "/openapi.json")),
    ("GET", "/"),
}


def doors(app: FastAPI) -> Iterator[tuple[str, str]]:
    def walk(route: BaseRoute | Any) -> Iterator[tuple[str, str]]:
        for inner in getattr(route, "routes", None) or ():
            yield from walk(inner)
        path = getattr(route, "path", None)
        if path is not None:
            for method in getattr(route, "methods", None) or {"WEBSOCKET"}:
                yield method, path

    for route in app.routes:
        yield from walk(route)


async def test_given_the_app_when_its_routes_are_walked_then_each_is_in_the_table_and_no_other() -> None:
    found = set(doors(make_app(make_parts())))
    listed = {(route.method, path) for route in ROUTES for path in (route.path, *route.also)}
    assert found == listed
    assert len(found) > 25


def test_given_a_door_that_is_not_listed_then_nobody_may_use_it() -> None:
    assert access_of("DELETE", "/v1/calls/{id}") is NOBODY


def test_given_the_expectations_above_then_they_cover_every_route() -> None:
    closed = {(route.method, route.path) for route in ROUTES if not route.access.public and route.method != "WEBSOCKET"}
    assert len(closed) == len(EXPECTED)
    opened = {(route.method, path) for route in ROUTES if route.access.public for path in (route.path, *route.also)}
    assert opened == PUBLIC_DOORS


@pytest.mark.parametrize("role", list(Role))
@pytest.mark.parametrize(("method", "path", "allowed"), EXPECTED)
async def test_given_a_role_when_it_knocks_then_it_gets_what_the_table_says(
    method: str, path: str, allowed: set[Role], role: Role
) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.request(method, path, headers=bearer(role, "op2" if role is OPERATOR else None))
    assert (answer.status_code != 403) == (role in allowed), answer.text
    if role not in allowed:
        assert answer.json()["type"] == "urn:pbx112:problem:not-allowed"


@pytest.mark.parametrize(("method", "path", "allowed"), EXPECTED)
async def test_given_no_token_when_a_closed_door_is_tried_then_401_before_anything_is_read(
    method: str, path: str, allowed: set[Role]
) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.request(method, path, content=b"{broken", headers={"Content-Type": "application/json"})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:pbx112:problem:not-authenticated"


@pytest.mark.parametrize("command", ["login", "logout", "unpause"])
async def test_given_an_operator_when_he_commands_himself_then_it_is_done(command: str) -> None:
    async with client_of(make_parts()) as client:
        own = await client.post(f"/v1/operators/op1/{command}", headers=bearer("operator", "op1"))
        other = await client.post(f"/v1/operators/op2/{command}", headers=bearer("operator", "op1"))
        nobody = await client.post(f"/v1/operators/op1/{command}", headers=bearer("operator", None))
    assert (own.status_code, other.status_code, nobody.status_code) == (200, 403, 403)


def forged(claims: dict[str, Any], key: str = SECRET, algorithm: str = "HS256") -> str:
    base = {"iss": "pbx112", "sub": "admin", "role": "admin", "operator": None, "iat": 1, "exp": 9_999_999_999}
    return jwt.encode({**base, **claims}, key, algorithm=algorithm)


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "a.b.c",
        forged({}, "another secret that is long enough for HS256"),
        forged({}, SECRET * 2, "HS512"),
        forged({"iss": "somebody"}),
        forged({"role": "root"}),
        forged({"sub": 7}),
        forged({"exp": 1}),
        jwt.encode({"iss": "pbx112", "sub": "admin", "role": "admin", "iat": 1, "exp": 9_999_999_999}, "", "none"),
        make_token(SECRET, "admin", Role.ADMIN, lifetime=timedelta(seconds=-1)),
    ],
    ids=["empty", "word", "dots", "secret", "algorithm", "issuer", "role", "subject", "expired", "unsigned", "over"],
)
async def test_given_a_token_that_is_not_ours_then_401(token: str) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.get("/v1/queues", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 401
