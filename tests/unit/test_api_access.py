"""Who may do what: every route is in the table, and every role gets exactly what the table says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from pbx112.api.access import NOBODY
from pbx112.api.app import make_app
from pbx112.api.parts import ApiParts
from pbx112.api.routes import PAGES, ROUTES, Route, access_of
from pbx112.api.tokens import make_token
from pbx112.services.api_tokens import PREFIX, token_hash
from pbx112.services.credentials import CredentialBook
from pbx112.services.users import Role
from pbx112.storage.api_tokens import StoredToken
from pbx112.storage.users import StoredUser
from tests.support.web import SECRET, bearer, client_of, make_parts

PROGRAM = PREFIX + "a-program-of-these-tests"
OPERATOR, SUPERVISOR, ADMIN, AUDITOR = Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR
ALL = set(Role)
LOOK = {SUPERVISOR, ADMIN, AUDITOR}
DESK = {OPERATOR, SUPERVISOR, ADMIN}
CHECK = {ADMIN, AUDITOR}

# What each door shall let in, written down a second time on purpose: a slip in the table fails here, and so does a
# route that is not written down.
EXPECTED: dict[tuple[str, str], set[Role]] = {
    ("GET", "/v1/calls"): ALL,
    ("GET", "/v1/calls/{id}"): ALL,
    ("PATCH", "/v1/calls/{id}"): DESK,
    ("GET", "/v1/calls/{id}/events"): LOOK,
    ("POST", "/v1/calls/{id}/silent-check"): DESK,
    ("POST", "/v1/calls/{id}/callback"): DESK,
    ("POST", "/v1/calls/{id}/transfers"): DESK,
    **{("POST", f"/v1/calls/{{id}}/transfers/{{tid}}/{move}"): DESK for move in ("conference", "complete", "cancel")},
    ("GET", "/v1/abandoned"): ALL,
    ("GET", "/v1/abandoned/closed"): ALL,
    ("POST", "/v1/abandoned/close"): DESK,
    ("POST", "/v1/abandoned/reopen"): DESK,
    ("GET", "/v1/gaps"): ALL,
    ("GET", "/v1/rules"): ALL,
    ("PUT", "/v1/rules"): {ADMIN},
    ("GET", "/v1/callers/{number}/score"): ALL,
    ("GET", "/v1/queues"): ALL,
    ("GET", "/v1/queues/{name}"): ALL,
    ("GET", "/v1/operators"): ALL,
    ("GET", "/v1/operators/{name}"): ALL,
    ("POST", "/v1/operators/{name}/login"): {SUPERVISOR, ADMIN},
    ("POST", "/v1/operators/{name}/logout"): {SUPERVISOR, ADMIN},
    ("POST", "/v1/operators/{name}/pause"): {SUPERVISOR, ADMIN},
    ("POST", "/v1/operators/{name}/unpause"): {SUPERVISOR, ADMIN},
    ("GET", "/v1/agencies"): ALL,
    ("GET", "/v1/agencies/{name}"): ALL,
    ("GET", "/v1/trunks"): LOOK,
    ("GET", "/v1/trunks/{name}"): LOOK,
    ("GET", "/v1/calendars"): ALL,
    ("GET", "/v1/entry-rules"): LOOK,
    ("PUT", "/v1/entry-rules"): {ADMIN},
    ("GET", "/v1/phones/{name}"): {ADMIN},
    ("GET", "/v1/config"): LOOK,
    ("PUT", "/v1/config"): {ADMIN},
    ("GET", "/v1/config/plan"): LOOK,
    ("GET", "/v1/config/versions"): LOOK,
    ("GET", "/v1/config/diff/{before}/{after}"): LOOK,
    ("GET", "/v1/config/progress"): LOOK,
    ("POST", "/v1/config/validate"): LOOK,
    ("POST", "/v1/config/apply"): {ADMIN},
    ("POST", "/v1/config/rollback"): {ADMIN},
    ("POST", "/v1/surge"): {SUPERVISOR, ADMIN},
    **{
        (method, f"/v1/{kind}/{{name}}"): {ADMIN}
        for kind in ("queues", "operators", "agencies", "trunks", "calendars")
        for method in ("PUT", "DELETE")
    },
    ("GET", "/v1/prompts"): ALL,
    ("PUT", "/v1/prompts/{name}/{language}"): {ADMIN},
    ("GET", "/v1/prompts/{name}/{language}/{version}.wav"): ALL,
    ("POST", "/v1/prompts/{name}/{language}/use"): {ADMIN},
    ("GET", "/v1/live"): ALL,
    ("GET", "/v1/alarms"): ALL,
    ("GET", "/v1/users"): CHECK,
    ("GET", "/v1/users/{name}"): CHECK,
    ("PUT", "/v1/users/{name}"): {ADMIN},
    ("DELETE", "/v1/users/{name}"): {ADMIN},
    ("POST", "/v1/users/{name}/password"): {ADMIN},
    ("GET", "/v1/tokens"): CHECK,
    ("POST", "/v1/tokens"): {ADMIN},
    ("DELETE", "/v1/tokens/{id}"): {ADMIN},
    ("GET", "/v1/audit"): CHECK,
    ("GET", "/v1/audit/verify"): CHECK,
}
PUBLIC_DOORS = {
    ("POST", "/v1/token"),
    *(("GET", prefix + path) for prefix in ("", "/v1") for path in ("/health/live", "/health/ready", "/metrics")),
    *(("GET", prefix + path) for prefix in ("", "/v1") for path in ("/docs", "/openapi.json")),
    ("GET", "/"),
}
RULE = re.compile("The role|(An operator|A user) may do this for himself only")
FILLED = {
    "id": "36edacfc-7ad2-5a71-91a7-ce4f98554c44",
    "name": "op1",
    "number": "+6281234567890",
    "before": "1",
    "after": "2",
    "language": "id",
    "version": "1",
    "tid": "5f2b7a64-13f9-4b55-93c5-0c8f7d1e2a90",
}
"""What stands for each parameter of a path; a route with another one must add it here."""

DOORS = [route for route in ROUTES if route.group != PAGES]
"""The pages are held against their rules in test_admin_access.py."""
CLOSED = [route for route in DOORS if not route.access.public and route.method != "WEBSOCKET"]
every_closed_door = pytest.mark.parametrize("route", CLOSED, ids=[f"{door.method} {door.path}" for door in CLOSED])


def program(role: Role = ADMIN, *, text: str = PROGRAM, expires_at: datetime | None = None) -> StoredToken:
    now = datetime.now(UTC)
    return StoredToken(1, "wallboard", role.value, token_hash(text), text[:11], "me", now, expires_at, None, None)


def bearing(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@cache
def the_app() -> tuple[FastAPI, ApiParts]:
    """Made once: there are a thousand knocks."""
    parts = make_parts()
    return make_app(parts), parts


async def knock(
    route: Route,
    headers: dict[str, str],
    *,
    users: Sequence[StoredUser] | None = None,
    tokens: Sequence[StoredToken] = (),
    **more: Any,
) -> httpx.Response:
    """One request to the door; `users` and `tokens` are those that the copy in memory knows, if there is one."""
    app, parts = the_app()
    book = CredentialBook(parts.engine)
    if users is not None:
        book.take(users, tokens)
    app.state.parts = replace(parts, credentials=book)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pbx112") as client:
        return await client.request(route.method, route.path.format(**FILLED), headers=headers, **more)


def assert_allowed(answer: httpx.Response, allowed: bool) -> None:
    # What a service refuses behind the door, it says in words of its own.
    refused = answer.status_code == 401 or (
        answer.status_code == 403 and RULE.match(answer.json()["detail"]) is not None
    )
    assert refused != allowed, answer.text
    if refused:
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:pbx112:problem:not-allowed")


def assert_unknown(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer"), answer.text
    assert answer.json()["type"] == "urn:pbx112:problem:not-authenticated"


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
    assert not {(route.method, route.path) for route in CLOSED} - EXPECTED.keys()
    opened = {(route.method, path) for route in DOORS if route.access.public for path in (route.path, *route.also)}
    assert opened == PUBLIC_DOORS


@pytest.mark.parametrize("role", list(Role))
@every_closed_door
async def test_given_a_role_when_it_knocks_then_it_gets_what_the_table_says(route: Route, role: Role) -> None:
    allowed = role in EXPECTED[route.method, route.path]
    assert_allowed(await knock(route, bearer(role, "op2" if role is OPERATOR else None)), allowed)
    # The same for a program, and for a user whose role was another one when his token was made.
    assert_allowed(await knock(route, bearing(PROGRAM), users=[], tokens=[program(role)]), allowed)
    once = AUDITOR if role is ADMIN else ADMIN
    assert_allowed(await knock(route, bearer(once, name="x"), users=[StoredUser("x", role.value, "", "op2")]), allowed)


@every_closed_door
async def test_given_nothing_that_proves_who_asks_then_401_before_anything_is_read(route: Route) -> None:
    for headers in (
        {},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        bearing("x"),
        bearing(make_token(SECRET, "admin", ADMIN, lifetime=timedelta(seconds=-1))),
    ):
        typed = {**headers, "Content-Type": "application/json"}
        assert_unknown(await knock(route, typed, content=b"{broken"))


@every_closed_door
async def test_given_a_user_who_is_gone_or_disabled_or_whose_token_is_void_then_401(route: Route) -> None:
    for known in (
        [],
        [StoredUser("admin", "admin", "", disabled=True)],
        [StoredUser("admin", "admin", "", token_epoch=1)],
    ):
        assert_unknown(await knock(route, bearer(ADMIN), users=known))


@every_closed_door
async def test_given_a_programs_token_that_is_revoked_or_over_then_401(route: Route) -> None:
    over = program(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    for tokens in ([], [over], [program(text=PROGRAM + "x")]):
        assert_unknown(await knock(route, bearing(PROGRAM), users=[], tokens=tokens))


async def test_given_no_copy_of_the_users_yet_when_a_program_knocks_then_it_may_try_again() -> None:
    answer = await knock(CLOSED[0], bearing(PROGRAM))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


async def test_given_a_token_of_a_later_epoch_than_the_copys_then_it_is_good() -> None:
    token = make_token(SECRET, "sari", ADMIN, epoch=7)
    answer = await knock(CLOSED[0], bearing(token), users=[StoredUser("sari", "admin", "", token_epoch=5)])
    assert answer.status_code not in {401, 403}


@pytest.mark.parametrize("role", list(Role))
async def test_given_a_user_when_he_names_himself_then_he_may_try_to_change_his_password(role: Role) -> None:
    (route,) = [door for door in CLOSED if door.path == "/v1/users/{name}/password"]
    assert_allowed(await knock(route, bearer(role, name="op1")), allowed=True)


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
