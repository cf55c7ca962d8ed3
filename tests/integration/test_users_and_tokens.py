"""Users and programs' tokens on a real database: over HTTP, by two nodes at once, and while the database is away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pbx112.api.api_tokens import ApiToken, NewApiToken
from pbx112.api.audit import AuditPage, ChainVerdict
from pbx112.api.parts import ApiParts
from pbx112.api.users import User, UserList
from pbx112.domain.errors import LastAdmin, NotAuthenticated, Overloaded, Pbx112Error
from pbx112.services.api_tokens import create_token
from pbx112.services.audit import verify
from pbx112.services.credentials import CredentialBook
from pbx112.services.sign_in import SignIn
from pbx112.services.users import Role, change_rights, create_user, ensure_users, remove_user
from pbx112.storage.api_tokens import list_tokens
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import make_engine, reading, transaction
from pbx112.storage.users import get_user, list_users
from tests.integration.conftest import Database
from tests.support.web import NOWHERE, client_of, make_parts, served, until

PASSWORD = "a good password"


@pytest.fixture
async def people(engine: AsyncEngine) -> AsyncEngine:
    async with transaction(engine) as connection:
        for name, role, operator in (
            ("admin", Role.ADMIN, None),
            ("boss", Role.SUPERVISOR, None),
            ("sari", Role.OPERATOR, "op1"),
            ("audi", Role.AUDITOR, None),
        ):
            await create_user(connection, name, PASSWORD, role=role, operator=operator, who="test")
    return engine


@pytest.fixture
async def parts(people: AsyncEngine) -> ApiParts:
    made = make_parts(people)
    await made.credentials.refresh()
    return made


@pytest.fixture
async def client(parts: ApiParts) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(parts) as made:
        yield made


async def signed_in(client: httpx.AsyncClient, name: str, password: str = PASSWORD) -> dict[str, str]:
    answer = await client.post("/v1/token", data={"username": name, "password": password})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


async def status(client: httpx.AsyncClient, headers: dict[str, str], path: str = "/v1/queues") -> int:
    return (await client.get(path, headers=headers)).status_code


async def acts(engine: AsyncEngine) -> list[tuple[str, str, str]]:
    async with reading(engine) as connection:
        return [(act["who"], act["action"], act["subject"]) for act in await list_audit(connection)]


async def test_given_an_admin_when_he_adds_changes_and_removes_a_user_then_the_list_and_the_audit_tell(
    client: httpx.AsyncClient, people: AsyncEngine
) -> None:
    admin = await signed_in(client, "admin")
    body = {"role": "operator", "operator": "op2", "password": PASSWORD}
    made = await client.put("/v1/users/budi", headers=admin, json=body)
    User.model_validate(made.json())
    budi = await signed_in(client, "budi")
    assert made.json()["operator"] == "op2"
    again = await client.put("/v1/users/budi", headers=admin, json={"role": "supervisor"})
    assert (again.json()["role"], again.json()["operator"]) == ("supervisor", None)
    assert await status(client, budi, "/v1/trunks") == 200  # at once, with the token he has
    found = await client.get("/v1/users", headers=admin)
    UserList.model_validate(found.json())
    assert "hash" not in found.text
    assert (await client.get("/v1/users/budi", headers=admin)).json() == again.json()
    assert (await client.delete("/v1/users/budi", headers=admin)).json()["name"] == "budi"
    assert await status(client, budi) == 401
    assert (await client.get("/v1/users/budi", headers=admin)).status_code == 404
    assert (await acts(people))[:3] == [
        ("admin", "user.remove", "budi"),
        ("admin", "user.change", "budi"),
        ("admin", "user.add", "budi"),
    ]


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("PUT", "/v1/users/new", {"role": "supervisor"}, 422),
        ("PUT", "/v1/users/new", {"role": "operator", "password": PASSWORD}, 422),
        ("PUT", "/v1/users/new", {"role": "root", "password": PASSWORD}, 422),
        ("PUT", "/v1/users/new", {"role": "admin", "password": "short"}, 422),
        ("PUT", "/v1/users/new", {"role": "admin", "password": PASSWORD, "operator": "a b"}, 422),
        ("PUT", "/v1/users/a%00b", {"role": "admin", "password": PASSWORD}, 422),
        ("PUT", "/v1/users/cli:root", {"role": "admin", "password": PASSWORD}, 422),
        ("PUT", "/v1/users/boss", {"role": "supervisor", "extra": 1}, 422),
        ("DELETE", "/v1/users/nobody", None, 404),
        ("DELETE", "/v1/users/a%00b", None, 404),
        ("POST", "/v1/users/nobody/password", {"password": PASSWORD}, 404),
        ("POST", "/v1/users/boss/password", {"password": "short"}, 422),
        ("POST", "/v1/tokens", {"name": "a b", "role": "admin"}, 422),
        ("POST", "/v1/tokens", {"name": "a", "role": "admin", "expires_in_days": 0}, 422),
        ("DELETE", "/v1/tokens/7", None, 404),
        ("DELETE", "/v1/tokens/x", None, 404),
        ("DELETE", "/v1/tokens/99999999999999999999", None, 404),
        ("GET", "/v1/audit?cursor=x", None, 422),
        ("GET", "/v1/audit/verify?expect=x", None, 422),
    ],
)
async def test_given_what_cannot_be_when_it_is_asked_then_it_is_refused_and_nothing_changes(
    client: httpx.AsyncClient, people: AsyncEngine, method: str, path: str, body: Any, code: int
) -> None:
    before = await acts(people)
    answer = await client.request(method, path, headers=await signed_in(client, "admin"), json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (code, "application/problem+json"), answer.text
    assert await acts(people) == before


@pytest.mark.parametrize(
    ("method", "body"),
    [("DELETE", None), ("PUT", {"role": "auditor"}), ("PUT", {"role": "admin", "disabled": True})],
)
async def test_given_the_last_admin_when_he_would_go_then_words_say_what_to_do(
    client: httpx.AsyncClient, method: str, body: Any
) -> None:
    admin = await signed_in(client, "admin")
    spare = {"role": "admin", "disabled": True, "password": PASSWORD}
    assert (await client.put("/v1/users/spare", headers=admin, json=spare)).status_code == 200
    answer = await client.request(method, "/v1/users/admin", headers=admin, json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:pbx112:problem:last-admin")
    assert "make another user an admin first" in answer.json()["detail"]
    assert (await client.put("/v1/users/spare", headers=admin, json={"role": "admin"})).status_code == 200
    assert (await client.request(method, "/v1/users/admin", headers=admin, json=body)).status_code == 200


async def test_given_admins_who_remove_each_other_at_once_then_one_stays(
    people: AsyncEngine, database: Database
) -> None:
    other = make_engine(database.service_url)
    names = ["admin", "a1", "a2", "a3"]
    async with transaction(people) as connection:
        for name in names[1:]:
            await create_user(connection, name, PASSWORD, role=Role.ADMIN, operator=None, who="test")

    async def go(number: int, name: str) -> bool:
        try:
            async with transaction(other if number % 2 else people) as connection:
                match number % 3:
                    case 0:
                        await remove_user(connection, name, who="x")
                    case 1:
                        await change_rights(connection, name, role=Role.AUDITOR, who="x")
                    case _:
                        await change_rights(connection, name, disabled=True, who="x")
        except LastAdmin:
            return False
        return True

    try:
        done = await asyncio.gather(*(go(number, name) for number, name in enumerate(names)))
        assert sorted(done) == [False, True, True, True]
        async with reading(people) as connection:
            left = [user for user in await list_users(connection) if user.role == "admin" and not user.disabled]
        assert len(left) == 1
        assert (await verify(people)).whole
    finally:
        await other.dispose()


async def test_given_a_user_when_he_changes_his_password_then_only_with_the_old_one_and_his_tokens_are_void(
    client: httpx.AsyncClient,
) -> None:
    sari = await signed_in(client, "sari")
    for wrong in ({}, {"old_password": "a wrong password"}):
        body = {"password": "a better password", **wrong}
        answer = await client.post("/v1/users/sari/password", headers=sari, json=body)
        assert (answer.status_code, answer.json()["type"]) == (422, "urn:pbx112:problem:bad-input")
    assert (await client.post("/v1/users/boss/password", headers=sari, json=body)).status_code == 403
    right = {"password": "a better password", "old_password": PASSWORD}
    assert (await client.post("/v1/users/sari/password", headers=sari, json=right)).status_code == 200
    assert await status(client, sari) == 401
    assert await status(client, await signed_in(client, "sari", "a better password")) == 200


async def test_given_an_admin_when_he_sets_anothers_password_then_without_the_old_one(
    client: httpx.AsyncClient,
) -> None:
    sari = await signed_in(client, "sari")
    admin = await signed_in(client, "admin")
    body = {"password": "a better password"}
    assert (await client.post("/v1/users/sari/password", headers=admin, json=body)).status_code == 200
    assert await status(client, sari) == 401
    assert (await client.post("/v1/users/admin/password", headers=admin, json=body)).status_code == 422


async def test_given_a_disabled_user_when_he_is_enabled_again_then_he_signs_in_anew(client: httpx.AsyncClient) -> None:
    admin, sari = await signed_in(client, "admin"), await signed_in(client, "sari")
    body = {"role": "operator", "operator": "op1"}
    assert (await client.put("/v1/users/sari", headers=admin, json={**body, "disabled": True})).status_code == 200
    assert await status(client, sari) == 401
    answer = await client.post("/v1/token", data={"username": "sari", "password": PASSWORD})
    assert (answer.status_code, "disabled" in answer.json()["detail"]) == (401, True)
    answer = await client.post("/v1/token", data={"username": "sari", "password": "a wrong password"})
    assert "disabled" not in answer.json()["detail"]
    assert (await client.put("/v1/users/sari", headers=admin, json=body)).status_code == 200
    assert await status(client, sari) == 401
    assert await status(client, await signed_in(client, "sari")) == 200


async def test_given_a_removed_user_when_the_name_is_given_again_then_the_old_tokens_stay_void(
    client: httpx.AsyncClient,
) -> None:
    admin, sari = await signed_in(client, "admin"), await signed_in(client, "sari")
    await client.post("/v1/users/sari/password", headers=admin, json={"password": PASSWORD})
    sari_again = await signed_in(client, "sari")
    await client.delete("/v1/users/sari", headers=admin)
    body = {"role": "admin", "password": PASSWORD}
    assert (await client.put("/v1/users/sari", headers=admin, json=body)).status_code == 200
    assert await status(client, sari) == await status(client, sari_again) == 401


async def test_given_another_node_when_a_user_is_disabled_there_then_here_within_five_seconds(
    parts: ApiParts, client: httpx.AsyncClient, database: Database
) -> None:
    sari = await signed_in(client, "sari")
    other = make_engine(database.service_url)
    running = asyncio.create_task(parts.credentials.run())
    try:
        async with transaction(other) as connection:
            await change_rights(connection, "sari", disabled=True, who="other node")
        async with asyncio.timeout(5):
            while await status(client, sari) != 401:  # noqa: ASYNC110 - asked over HTTP, as a client would
                await asyncio.sleep(0.05)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await other.dispose()


async def test_given_a_database_that_goes_away_then_the_last_copy_counts(people: AsyncEngine) -> None:
    book = CredentialBook(make_engine(NOWHERE), seconds=0.01)
    async with transaction(people) as connection:
        made = await create_token(connection, "wallboard", Role.AUDITOR, expires_in_days=None, who="test")
    async with reading(people) as connection:
        users, tokens = await list_users(connection), await list_tokens(connection)
    assert book.standing("sari", 0, Role.ADMIN, None).role is Role.ADMIN  # nothing was ever copied
    book.take([user for user in users if user.name != "boss"], tokens)
    running = asyncio.create_task(book.run())
    await asyncio.sleep(0.1)
    try:
        assert not running.done()
        assert book.standing("sari", users[-1].token_epoch, Role.ADMIN, None).role is Role.OPERATOR
        assert book.program(made.text).name == "wallboard"
        with pytest.raises(NotAuthenticated, match="does not exist"):
            book.standing("boss", users[0].token_epoch, Role.SUPERVISOR, None)
        assert book.standing("cli:root", 0, Role.ADMIN, None).role is Role.ADMIN
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_given_a_program_when_it_gets_a_token_then_it_works_until_it_is_revoked(
    client: httpx.AsyncClient, people: AsyncEngine
) -> None:
    admin = await signed_in(client, "admin")
    wish = {"name": "wallboard", "role": "auditor", "expires_in_days": 30}
    made = (await client.post("/v1/tokens", headers=admin, json=wish)).json()
    NewApiToken.model_validate(made)
    assert made["token"].startswith(made["hint"]) and len(made["token"]) > 40
    left = datetime.fromisoformat(made["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=29, hours=23) < left <= timedelta(days=30)
    program = {"Authorization": f"Bearer {made['token']}"}
    assert await status(client, program, "/v1/audit") == 200
    assert (await client.put("/v1/rules", headers=program, json={})).status_code == 403
    listed = await client.get("/v1/tokens", headers=admin)
    assert made["token"] not in listed.text
    assert [ApiToken.model_validate(one).id for one in listed.json()["items"]] == [made["id"]]
    async with reading(people) as connection:
        stored = (await connection.execute(text("SELECT to_jsonb(t)::text FROM api_tokens t"))).scalar_one()
        audited = json.dumps(await list_audit(connection), default=str)
    assert made["token"] not in stored + audited and made["token"][12:] not in stored + audited
    revoked = await client.delete(f"/v1/tokens/{made['id']}", headers=admin)
    assert revoked.json()["revoked_at"] is not None
    assert await status(client, program) == 401
    assert (await client.delete(f"/v1/tokens/{made['id']}", headers=admin)).status_code == 404
    assert [act[1] for act in (await acts(people))[:2]] == ["token.revoke", "token.create"]


async def test_given_a_token_that_is_used_then_its_last_use_is_noted_seldom_and_beside_the_requests(
    people: AsyncEngine,
) -> None:
    book = CredentialBook(people, seconds=0.01, used_seconds=0.3)
    async with transaction(people) as connection:
        made = await create_token(connection, "wallboard", Role.AUDITOR, expires_in_days=None, who="test")
    await book.refresh()

    async def last_used() -> datetime | None:
        async with reading(people) as connection:
            return (await list_tokens(connection))[0].last_used_at

    book.program(made.text)
    assert await last_used() is None
    running = asyncio.create_task(book.run())
    try:
        seen = []
        for _ in range(40):
            book.program(made.text)
            at = await last_used()
            if at is not None and at not in seen:
                seen.append(at)
            await asyncio.sleep(0.02)
        assert 2 <= len(seen) <= 5
        assert seen == sorted(seen)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_given_a_live_feed_when_its_user_is_disabled_then_it_is_closed_within_seconds(parts: ApiParts) -> None:
    async with served(parts) as address, httpx.AsyncClient(base_url=f"http://{address}", trust_env=False) as client:
        admin = await signed_in(client, "admin")
        token = (await client.post("/v1/tokens", headers=admin, json={"name": "w", "role": "operator"})).json()
        sari = (await signed_in(client, "sari"))["Authorization"].removeprefix("Bearer ")
        async with (
            connect(f"ws://{address}/v1/events?token={sari}") as hers,
            connect(f"ws://{address}/v1/events?token={token['token']}") as programs,
        ):
            for socket in (hers, programs):
                assert json.loads(await socket.recv())["type"] == "snapshot"
            body = {"role": "operator", "operator": "op1", "disabled": True}
            await client.put("/v1/users/sari", headers=admin, json=body)
            await client.delete(f"/v1/tokens/{token['id']}", headers=admin)
            for socket, words in ((hers, "disabled"), (programs, "revoked")):
                with pytest.raises(ConnectionClosed) as closed:
                    async with asyncio.timeout(5):
                        while True:
                            await socket.recv()
                assert closed.value.rcvd is not None
                assert (closed.value.rcvd.code, words in closed.value.rcvd.reason) == (1008, True)


async def test_given_a_removed_user_when_the_service_is_prepared_again_then_he_stays_away(
    people: AsyncEngine, parts: ApiParts
) -> None:
    async with transaction(people) as connection:
        added = await ensure_users(connection, parts.configuration(), lambda name: f"{name}-password")
        await remove_user(connection, "supervisor", who="test")
    async with transaction(people) as connection:
        assert "supervisor" in added
        assert await ensure_users(connection, parts.configuration(), lambda name: f"{name}-password") == []
        assert await get_user(connection, "supervisor") is None


async def test_given_the_audit_when_it_is_paged_then_every_act_once_and_the_chain_is_whole(
    client: httpx.AsyncClient,
) -> None:
    audi = await signed_in(client, "audi")
    found: list[int] = []
    cursor = ""
    for _ in range(9):
        page = (await client.get(f"/v1/audit?limit=2{cursor}", headers=audi)).json()
        AuditPage.model_validate(page)
        found += [act["position"] for act in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [4, 3, 2, 1]
    verdict = ChainVerdict.model_validate((await client.get("/v1/audit/verify", headers=audi)).json())
    assert (verdict.whole, verdict.rows, verdict.fault) == (True, 4, None)
    head = f"{verdict.head.position}:{verdict.head.hash}"
    assert (await client.get(f"/v1/audit/verify?expect={head}", headers=audi)).json()["whole"] is True
    other = f"9:{verdict.head.hash}"
    assert (await client.get(f"/v1/audit/verify?expect={other}", headers=audi)).json()["whole"] is False


async def test_given_a_flood_from_one_address_when_the_admin_comes_from_another_then_he_waits_and_is_let_in(
    people: AsyncEngine,
) -> None:
    sign_in = SignIn(people, first_delay=0.05, most=0.4)

    async def attack(number: int) -> str:
        name = "admin" if number % 2 else f"name{number}"
        try:
            await sign_in.check(name, "wrong", source="10.0.0.1")
        except Pbx112Error as error:
            return type(error).__name__
        return "in"

    flood = [asyncio.create_task(attack(number)) for number in range(150)]
    await until(lambda: sign_in.delay_for("admin") > 0)
    began = asyncio.get_running_loop().time()
    assert (await sign_in.check("admin", PASSWORD, source="10.0.0.2")).name == "admin"
    took = asyncio.get_running_loop().time() - began
    results: Sequence[str] = await asyncio.gather(*flood)
    assert took < 3.0
    assert set(results) == {NotAuthenticated.__name__, Overloaded.__name__}
    assert sign_in.delay_for("new", "10.0.0.1") == 0.4
    assert sign_in.delay_for("new", "10.0.0.2") == 0.0


async def test_given_a_whole_centre_behind_one_address_when_all_sign_in_at_once_then_all_are_let_in(
    people: AsyncEngine,
) -> None:
    sign_in = SignIn(people)
    names = ["admin", "boss", "sari", "audi"] * 8
    found = await asyncio.gather(*(sign_in.check(name, PASSWORD, source="10.0.0.1") for name in names))
    assert [user.name for user in found] == names
