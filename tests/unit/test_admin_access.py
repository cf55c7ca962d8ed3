"""Who may open which page: every page's rule with every role, by cookie only, and only from a page of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from pbx112.api.app import make_app
from pbx112.api.parts import ApiParts
from pbx112.api.routes import PAGES, ROUTES, Route
from pbx112.api.tokens import make_token
from pbx112.services.api_tokens import PREFIX
from pbx112.services.credentials import CredentialBook
from pbx112.services.users import Role
from pbx112.storage.users import StoredUser
from tests.support.web import SECRET, bearer, client_of, make_parts

OPERATOR, SUPERVISOR, ADMIN, AUDITOR = Role.OPERATOR, Role.SUPERVISOR, Role.ADMIN, Role.AUDITOR
LOOK = {SUPERVISOR, ADMIN, AUDITOR}
CHECK = {ADMIN, AUDITOR}
KINDS = ("queues", "operators", "agencies", "trunks", "calendars")

# Written down a second time on purpose, as in test_api_access.py: a slip in the table fails here.
EXPECTED: dict[tuple[str, str], set[Role]] = {
    ("GET", "/admin"): LOOK,
    **{("GET", f"/admin/{kind}"): LOOK for kind in KINDS},
    **{("GET", f"/admin/{kind}/{{name}}"): LOOK for kind in KINDS},
    **{("POST", f"/admin/{kind}/{{name}}"): {ADMIN} for kind in KINDS},
    **{(method, f"/admin/new/{kind}"): {ADMIN} for kind in KINDS for method in ("GET", "POST")},
    **{(method, f"/admin/{kind}/{{name}}/remove"): {ADMIN} for kind in KINDS for method in ("GET", "POST")},
    ("POST", "/admin/phones/{name}"): {ADMIN},
    ("GET", "/admin/entry"): LOOK,
    ("POST", "/admin/entry"): {ADMIN},
    ("GET", "/admin/difference"): LOOK,
    ("GET", "/admin/discard"): {ADMIN},
    ("POST", "/admin/discard"): {ADMIN},
    ("GET", "/admin/apply"): {ADMIN},
    ("POST", "/admin/apply"): {ADMIN},
    ("GET", "/admin/progress"): LOOK,
    ("GET", "/admin/versions"): LOOK,
    ("GET", "/admin/versions/{before}/{after}"): LOOK,
    ("GET", "/admin/rollback/{version}"): {ADMIN},
    ("POST", "/admin/rollback/{version}"): {ADMIN},
    ("GET", "/admin/surge"): LOOK,
    ("POST", "/admin/surge"): {SUPERVISOR, ADMIN},
    ("GET", "/admin/prompts"): LOOK,
    ("POST", "/admin/prompts"): {ADMIN},
    ("GET", "/admin/prompts/{name}/{language}/{version}.wav"): LOOK,
    ("POST", "/admin/prompts/{name}/{language}/use"): {ADMIN},
    ("GET", "/admin/users"): CHECK,
    ("GET", "/admin/users/{name}"): CHECK,
    ("POST", "/admin/users/{name}"): {ADMIN},
    **{(method, "/admin/new/users"): {ADMIN} for method in ("GET", "POST")},
    **{(method, "/admin/users/{name}/remove"): {ADMIN} for method in ("GET", "POST")},
    ("GET", "/admin/tokens"): CHECK,
    **{(method, "/admin/new/tokens"): {ADMIN} for method in ("GET", "POST")},
    **{(method, "/admin/tokens/{id}/revoke"): {ADMIN} for method in ("GET", "POST")},
    ("GET", "/admin/audit"): CHECK,
    ("GET", "/admin/audit/verify"): CHECK,
}
PUBLIC_PAGES = {
    ("GET", "/admin/sign-in"),
    ("POST", "/admin/sign-in"),
    ("POST", "/admin/sign-out"),
    ("POST", "/admin/language"),
    ("GET", "/admin/static/{name}"),
}
FILLED = {"name": "op1", "id": "1", "before": "1", "after": "2", "version": "1", "language": "id"}
OURS = {"Origin": "http://pbx112"}
CLOSED = [route for route in ROUTES if route.group == PAGES and not route.access.public]
POSTS = [route for route in ROUTES if route.group == PAGES and route.method == "POST"]
every_page = pytest.mark.parametrize("route", CLOSED, ids=[f"{page.method} {page.path}" for page in CLOSED])
every_form = pytest.mark.parametrize("route", POSTS, ids=[page.path for page in POSTS])


@cache
def the_app() -> tuple[FastAPI, ApiParts]:
    parts = make_parts()
    return make_app(parts), parts


async def knock(
    route: Route,
    token: str | None,
    *,
    users: Sequence[StoredUser] | None = None,
    headers: dict[str, str] = OURS,
) -> httpx.Response:
    """Open a page, or send an empty form to it, with this cookie."""
    app, parts = the_app()
    book = CredentialBook(parts.engine)
    if users is not None:
        book.take(users, [])
    app.state.parts = replace(parts, credentials=book)
    cookies = {} if token is None else {"pbx112_session": token}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://pbx112", cookies=cookies
    ) as client:
        return await client.request(route.method, route.path.format(**FILLED), headers=headers)


def test_given_the_expectations_above_then_they_cover_every_page() -> None:
    assert {(route.method, route.path) for route in CLOSED} == EXPECTED.keys()
    opened = {(route.method, route.path) for route in ROUTES if route.group == PAGES and route.access.public}
    assert opened == PUBLIC_PAGES
    assert all(route.path.startswith("/admin") for route in ROUTES if route.group == PAGES)
    assert not any(route.path.startswith("/admin") for route in ROUTES if route.group != PAGES)


@pytest.mark.parametrize("role", list(Role))
@every_page
async def test_given_a_role_when_it_opens_a_page_then_it_gets_what_the_table_says(route: Route, role: Role) -> None:
    answer = await knock(route, make_token(SECRET, "x", role))
    assert answer.headers["content-type"].startswith("text/html") or answer.status_code == 204
    assert (answer.status_code == 403) == (role not in EXPECTED[route.method, route.path]), answer.text
    # The same for a user whose role was another one when he signed in.
    once = make_token(SECRET, "x", AUDITOR if role is ADMIN else ADMIN)
    answer = await knock(route, once, users=[StoredUser("x", role.value, "")])
    assert (answer.status_code == 403) == (role not in EXPECTED[route.method, route.path])


@every_page
async def test_given_no_session_or_one_that_is_over_then_the_page_leads_to_signing_in(route: Route) -> None:
    over = make_token(SECRET, "admin", ADMIN, lifetime=timedelta(seconds=-1))
    program = PREFIX + "a-program-of-these-tests"
    for token in (None, "x", over, program, make_token("another secret that is long enough for it", "admin", ADMIN)):
        answer = await knock(route, token)
        assert answer.status_code == 303, answer.text
        assert answer.headers["location"].startswith("/admin/sign-in?next=/admin")
        assert answer.headers["location"].endswith("&ended=1") == (token is not None)
    for known in (
        [],
        [StoredUser("admin", "admin", "", disabled=True)],
        [StoredUser("admin", "admin", "", token_epoch=1)],
    ):
        answer = await knock(route, make_token(SECRET, "admin", ADMIN), users=known)
        assert answer.status_code == 303


@every_form
async def test_given_a_form_that_is_not_ours_when_sent_then_it_is_refused(route: Route) -> None:
    token = make_token(SECRET, "admin", ADMIN)
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://pbx112:81"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        {"Accept": "*/*"},
    ):
        answer = await knock(route, token, headers=headers)
        assert answer.status_code == 403, (headers, answer.status_code)
        assert "Formulir ini tidak dikirim" in answer.text


async def test_given_a_session_of_the_pages_when_it_knocks_at_the_api_then_it_is_nobody() -> None:
    async with client_of(make_parts()) as client:
        client.cookies.set("pbx112_session", make_token(SECRET, "admin", ADMIN))
        assert (await client.get("/v1/queues")).status_code == 401
        assert (await client.post("/v1/config/apply", headers=OURS)).status_code == 401
        # And a bearer token opens no page.
        client.cookies.clear()
        assert (await client.get("/admin/users", headers=bearer(ADMIN))).status_code == 303


async def test_given_a_fragment_when_the_session_is_over_then_htmx_goes_to_the_sign_in_page() -> None:
    async with client_of(make_parts()) as client:
        answer = await client.get("/admin/progress", headers={"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/admin/sign-in?next=/admin/progress")


@pytest.mark.parametrize(
    ("following", "leads"),
    [
        ("/admin/queues/112?saved=3", "/admin/queues/112?saved=3"),
        ("https://evil.example/admin", "/admin"),
        ("//evil.example/admin", "/admin"),
        ("/\\evil.example", "/admin"),
        ("/admin\r\nX: y", "/admin"),
        ("/v1/config", "/admin"),
        ("/administrator", "/admin"),
        ("/admin/sign-out", "/admin"),
        ("javascript:alert(1)", "/admin"),
        ("", "/admin"),
    ],
)
async def test_given_a_way_back_when_it_leads_elsewhere_then_it_is_not_followed(following: str, leads: str) -> None:
    async with client_of(make_parts()) as client:
        answer = await client.post("/admin/language", data={"lang": "en", "back": following}, headers=OURS)
    assert (answer.status_code, answer.headers["location"]) == (303, leads)
    assert "pbx112_lang=en" in answer.headers["set-cookie"]


async def test_given_https_when_a_cookie_is_set_then_it_goes_over_https_only() -> None:
    transport = httpx.ASGITransport(make_app(make_parts()))
    async with httpx.AsyncClient(transport=transport, base_url="https://pbx112") as client:
        answer = await client.post("/admin/sign-out", headers={"Origin": "https://pbx112"})
    assert "Secure" in answer.headers["set-cookie"]


@pytest.mark.parametrize("name", ["admin.css", "htmx.min.js", "icon.svg"])
async def test_given_what_pages_load_then_it_is_there_and_nothing_else(name: str) -> None:
    async with client_of(make_parts()) as client:
        found = await client.get(f"/admin/static/{name}")
        other: Any = [await client.get(f"/admin/static/{path}") for path in ("README.md", "..%2fpage.py", "x")]
        page = await client.get("/admin/sign-in")
    assert (found.status_code, "immutable" in found.headers["cache-control"]) == (200, True)
    assert [answer.status_code for answer in other] == [404, 404, 404]
    assert f"/admin/static/{name}?v=" in page.text


async def test_given_the_centres_language_when_nothing_is_chosen_then_the_pages_speak_it() -> None:
    for lang in ("id", "en"):
        async with client_of(make_parts(lang=lang)) as client:
            page = await client.get("/admin/sign-in")
            assert f'<html lang="{lang}">' in page.text
            client.cookies.set("pbx112_lang", "xx", path="/admin")
            assert f'<html lang="{lang}">' in (await client.get("/admin/sign-in")).text


async def test_given_an_address_that_is_none_then_it_is_told_on_a_page_among_the_pages_only() -> None:
    async with client_of(make_parts(lang="en")) as client:
        page, other = await client.get("/admin/nothing/here"), await client.get("/v1/nothing")
    assert (page.status_code, other.status_code) == (404, 404)
    assert "There is no such page." in page.text
    assert other.headers["content-type"] == "application/problem+json"
