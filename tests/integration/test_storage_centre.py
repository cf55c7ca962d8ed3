"""The configuration, its versions, the users and the audit."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration, Membership, Operator, Queue
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.errors import BadInput, EditConflict, NotFound
from pbx112.storage.audit import append, list_audit
from pbx112.storage.configuration import get_version, list_versions, load_configuration, save_configuration
from pbx112.storage.engine import reading, transaction
from pbx112.storage.faults import RowsRefused
from pbx112.storage.users import StoredUser, add_user, get_user, list_users, set_password_hash
from tests.support.recorded import count


async def saved(engine: AsyncEngine, configuration: Configuration) -> Configuration:
    async with transaction(engine) as conn:
        return await save_configuration(conn, configuration, who="admin")


async def test_given_an_empty_database_when_loaded_then_there_is_no_configuration(engine: AsyncEngine) -> None:
    async with reading(engine) as conn:
        assert await load_configuration(conn) is None


async def test_given_a_configuration_when_saved_and_loaded_then_it_is_the_same(engine: AsyncEngine) -> None:
    assert await saved(engine, DEMO_CENTRE) == DEMO_CENTRE
    async with reading(engine) as conn:
        assert await load_configuration(conn) == DEMO_CENTRE


async def test_given_an_edit_when_saved_then_the_next_version_is_kept_and_audited(engine: AsyncEngine) -> None:
    await saved(engine, DEMO_CENTRE)
    fifth = Operator("op5", "Fifth", "1005", memberships=(Membership("anak", 2), Membership("112")))
    edit = replace(
        DEMO_CENTRE,
        queues=(Queue("anak", "Anak"), *DEMO_CENTRE.queues),
        operators=(fifth, *DEMO_CENTRE.operators[1:]),
        agencies=DEMO_CENTRE.agencies[::-1],
        default_queue="anak",
    )
    second = await saved(engine, edit)
    assert second == replace(edit, version=DEMO_CENTRE.version + 1)
    async with reading(engine) as conn:
        assert await load_configuration(conn) == second
        assert await get_version(conn, DEMO_CENTRE.version) == DEMO_CENTRE
        assert [version["id"] for version in await list_versions(conn)] == [second.version, DEMO_CENTRE.version]
        with pytest.raises(NotFound):
            await get_version(conn, 99)
        act, first = await list_audit(conn)
    assert (act["who"], act["action"], act["before"]) == ("admin", "configuration.save", {"version": 1})
    told = {change["kind"]: (change["before"], change["after"]) for change in act["after"]["changes"]}
    assert told["default_queue"] == ("112", "anak")
    assert (first["before"], first["after"]["default_queue"]) == (None, "112")


async def test_given_two_editors_when_both_save_then_the_second_must_read_again(engine: AsyncEngine) -> None:
    first = await saved(engine, DEMO_CENTRE)
    edits = [replace(first, default_queue="112", agencies=first.agencies[:n]) for n in (1, 2)]
    results = await asyncio.gather(*(saved(engine, edit) for edit in edits), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Configuration", "EditConflict"]
    with pytest.raises(EditConflict, match="version 2"):
        await saved(engine, first)


async def test_given_two_first_starts_when_both_save_then_one_configuration_is_made(engine: AsyncEngine) -> None:
    results = await asyncio.gather(saved(engine, DEMO_CENTRE), saved(engine, DEMO_CENTRE))
    assert [configuration.version for configuration in sorted(results, key=lambda c: c.version)] == [1, 2]


@pytest.mark.parametrize(
    "edit",
    [
        replace(DEMO_CENTRE, default_queue="none"),
        replace(DEMO_CENTRE, operators=DEMO_CENTRE.operators + DEMO_CENTRE.operators[:1]),
        replace(DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], ring_seconds=0),)),
        replace(DEMO_CENTRE, operators=(Operator("a b;c", "x", "1"),)),
        replace(DEMO_CENTRE, operators=(Operator("x", "x", "1", memberships=(Membership("none"),)),)),
        replace(DEMO_CENTRE, operators=(Operator("x", "x", "1"), Operator("y", "y", "1"))),
    ],
)
async def test_given_a_configuration_that_cannot_be_when_saved_then_the_database_refuses_and_keeps_the_old(
    engine: AsyncEngine, edit: Configuration
) -> None:
    await saved(engine, DEMO_CENTRE)
    with pytest.raises(RowsRefused):
        await saved(engine, edit)
    async with reading(engine) as conn:
        assert await load_configuration(conn) == DEMO_CENTRE
    assert await count(engine, "configuration_versions") == await count(engine, "audit") == 1


async def test_given_users_when_added_and_changed_then_they_are_found(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await add_user(conn, StoredUser("op1", "operator", "h1", operator="op1"))
        await add_user(conn, StoredUser("admin", "admin", "h2"))
        await set_password_hash(conn, "admin", "h3")
        with pytest.raises(BadInput, match="op1"):
            await add_user(conn, StoredUser("op1", "admin", "h"))
        with pytest.raises(NotFound):
            await set_password_hash(conn, "nobody", "h")
        admin = await get_user(conn, "admin")
        assert await get_user(conn, "nobody") is None
        users = await list_users(conn)
    assert admin is not None
    assert (admin.role, admin.password_hash, admin.operator) == ("admin", "h3", None)
    assert admin.created_at is not None
    assert [user.name for user in users] == ["admin", "op1"]


@pytest.mark.parametrize(("name", "role"), [("x", "root"), ("a b", "admin"), ("", "admin"), ("x" * 41, "admin")])
async def test_given_a_user_that_cannot_be_when_added_then_refused(engine: AsyncEngine, name: str, role: str) -> None:
    with pytest.raises(RowsRefused):
        async with transaction(engine) as conn:
            await add_user(conn, StoredUser(name, role, "h"))


async def test_given_acts_when_listed_then_the_newest_comes_first(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        await append(conn, who="a", action="one", subject="s")
        await append(conn, who="b", action="two", subject="s", before={"x": 1}, after=[None, "y"])
        newest, oldest = await list_audit(conn)
        assert len(await list_audit(conn, 1)) == 1
    assert (newest["action"], newest["before"], newest["after"]) == ("two", {"x": 1}, [None, "y"])
    assert (oldest["action"], oldest["before"], oldest["after"]) == ("one", None, None)
