"""The admin's rules on a real database: stored, over HTTP, and from the command line; and a caller's score."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from structlog.testing import capture_logs

from pbx112 import cli_session
from pbx112.api import models
from pbx112.domain.errors import EditConflict
from pbx112.domain.rules import NuisanceRules, Rules
from pbx112.services.rules import change_rules
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading, transaction
from pbx112.storage.rules import StoredRules, load, save
from tests.integration.conftest import Database, as_owner
from tests.integration.test_cli_commands import Command, runner, settings_of
from tests.integration.test_nuisance import CALLER, KEY, by, marked
from tests.support.web import bearer, client_of, make_parts

STRICT = Rules(repeat_window_minutes=60, nuisance=NuisanceRules(threshold=3, reorder=True))


@pytest.fixture
async def client(engine: AsyncEngine) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(make_parts(engine)) as made:
        yield made


@pytest.fixture
def pbx112(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    found = settings_of(database, tmp_path)
    monkeypatch.setattr(cli_session, "Settings", lambda: found)
    monkeypatch.setenv("SUDO_USER", "wati")
    return runner(monkeypatch, capsys)


async def stored(engine: AsyncEngine) -> StoredRules:
    async with reading(engine) as conn:
        return await load(conn)


async def put(client: httpx.AsyncClient, body: Any, version: int = 0, role: str = "admin") -> httpx.Response:
    return await client.put("/v1/rules", json=body, headers=bearer(role) | {"If-Match": f'"{version}"'})


async def test_given_no_rules_when_loaded_then_the_defaults_at_version_0(engine: AsyncEngine) -> None:
    assert await stored(engine) == StoredRules(0, Rules())


async def test_given_rules_when_changed_then_stored_with_their_audit(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        assert await change_rules(conn, STRICT, expected_version=0, who="admin") == StoredRules(1, STRICT)
    assert await stored(engine) == StoredRules(1, STRICT)
    async with reading(engine) as conn:
        (act,) = await list_audit(conn)
    assert (act["who"], act["action"], act["subject"]) == ("admin", "rules.save", "version 1")
    assert (act["before"], act["after"]) == (Rules().to_json(), STRICT.to_json())


async def test_given_two_editors_when_both_save_then_the_second_must_read_again(engine: AsyncEngine) -> None:
    async def edit(version: int) -> StoredRules:
        async with transaction(engine) as conn:
            return await change_rules(conn, STRICT, expected_version=version, who="admin")

    both = await asyncio.gather(edit(0), edit(0), return_exceptions=True)
    assert sorted(type(result).__name__ for result in both) == ["EditConflict", "StoredRules"]
    assert (await edit(1)).version == 2
    with pytest.raises(EditConflict, match="version 2"):
        await edit(3)
    async with reading(engine) as conn:
        assert len(await list_audit(conn)) == 2


async def test_given_stored_rules_that_cannot_be_read_then_defaults_and_they_can_be_repaired(
    engine: AsyncEngine, database: Database
) -> None:
    await as_owner(database.owner_url, """INSERT INTO rules VALUES (true, 7, '{"later": 1}')""")
    with capture_logs() as logs:
        assert await stored(engine) == StoredRules(7, Rules())
    assert "later: is not known" in logs[0]["reason"]
    async with transaction(engine) as conn:
        await save(conn, STRICT, expected_version=7)
    assert await stored(engine) == StoredRules(8, STRICT)


async def test_given_rules_when_read_changed_and_read_over_http_then_what_came_can_be_sent(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    first = await client.get("/v1/rules", headers=bearer("operator", "op1"))
    assert (first.status_code, first.headers["etag"]) == (200, '"0"')
    models.Rules.model_validate(first.json())
    assert first.json() == {"version": 0, **Rules().to_json()}
    body = first.json()
    body["nuisance"]["reorder"] = True
    done = await put(client, body)
    assert (done.status_code, done.headers["etag"], done.json()) == (200, '"1"', {**body, "version": 1})
    assert (await client.get("/v1/rules", headers=bearer())).json() == done.json()
    assert (await stored(engine)).rules.nuisance.reorder
    async with reading(engine) as conn:
        assert [act["who"] for act in await list_audit(conn)] == ["admin"]


@pytest.mark.parametrize("role", ["operator", "supervisor", "auditor"])
async def test_given_another_role_than_admin_when_it_puts_then_nothing_is_changed(
    client: httpx.AsyncClient, engine: AsyncEngine, role: str
) -> None:
    assert (await client.get("/v1/rules", headers=bearer(role))).status_code == 200
    refused = await put(client, STRICT.to_json(), role=role)
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:pbx112:problem:not-allowed")
    assert (await stored(engine)).version == 0


@pytest.mark.parametrize(
    ("if_match", "status", "slug"),
    [
        (None, 428, "version-required"),
        ('"1"', 412, "edit-conflict"),
        ("*", 412, "edit-conflict"),
        ('W/"0"', 412, "edit-conflict"),
    ],
)
async def test_given_no_or_another_version_when_put_then_nothing_is_changed(
    client: httpx.AsyncClient, engine: AsyncEngine, if_match: str | None, status: int, slug: str
) -> None:
    headers = bearer() | ({} if if_match is None else {"If-Match": if_match})
    refused = await client.put("/v1/rules", json=STRICT.to_json(), headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (status, f"urn:pbx112:problem:{slug}")
    assert "call" not in refused.json()["detail"]
    assert (await stored(engine)).version == 0


async def test_given_a_body_of_another_version_when_put_then_412(client: httpx.AsyncClient) -> None:
    assert (await put(client, {**STRICT.to_json(), "version": 4})).status_code == 412


async def test_given_faults_when_put_then_each_is_told_by_its_field(
    client: httpx.AsyncClient, engine: AsyncEngine
) -> None:
    body: dict[str, Any] = {**STRICT.to_json(), "colour": "red"}
    body["nuisance"] |= {"threshold": 0, "floor": "low"}
    del body["nuisance"]["weights"]["real"]
    refused = await put(client, body)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:pbx112:problem:bad-input")
    assert {fault["field"]: fault["message"] for fault in refused.json()["errors"]} == {
        "body.colour": "is not known",
        "body.nuisance.weights.real": "is missing",
        "body.nuisance.threshold": "must be a number from 0.1 to 100",
        "body.nuisance.floor": "must be a whole number from -9 to 9",
    }
    assert (await stored(engine)).version == 0


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "7", "{", "{}", '{"repeat_window_minutes": NaN}', '{"\\ud800": 1}', '{"a.b": 1}']
)
async def test_given_a_body_that_is_no_rules_when_put_then_422(client: httpx.AsyncClient, text: str) -> None:
    headers = bearer() | {"If-Match": '"0"', "Content-Type": "application/json"}
    refused = await client.put("/v1/rules", content=text, headers=headers)
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:pbx112:problem:bad-input"), refused.text


@pytest.mark.parametrize("written", [KEY, KEY.replace("+", "%2B"), "081234567890", "6281234567890"])
async def test_given_marks_when_a_score_is_asked_for_then_the_newest_20_and_what_is_left_of_them(
    client: httpx.AsyncClient, engine: AsyncEngine, written: str
) -> None:
    now = datetime.now(UTC)
    calls = [by(CALLER, n, now - timedelta(days=n), "prank" if n % 2 else "ghost") for n in range(25)]
    await marked(engine, *calls)
    answer = await client.get(f"/v1/callers/{written}/score", headers=bearer("operator", "op1"))
    found = answer.json()
    models.CallerScore.model_validate(found)
    assert (found["number"], found["threshold"], found["warned"]) == (KEY, 6.0, True)
    assert [mark["call_id"] for mark in found["marks"]] == [str(record.id) for record, _ in calls[:20]]
    assert [mark["weight_now"] for mark in found["marks"][:2]] == pytest.approx([1.0, 3 * 0.5 ** (1 / 14)], rel=1e-3)
    assert found["score"] > sum(mark["weight_now"] for mark in found["marks"])


async def test_given_a_number_that_nobody_called_from_then_its_score_is_0(client: httpx.AsyncClient) -> None:
    found = (await client.get("/v1/callers/112/score", headers=bearer())).json()
    assert found == {"number": "112", "score": 0.0, "threshold": 6.0, "warned": False, "marks": []}


@pytest.mark.parametrize(
    "written", ["a", "12", "pseudo:+62811", "claim%3A%2B62811", "+", "+" + "1" * 16, "%00", "٠٨١٢٣"]
)
async def test_given_what_is_no_number_when_its_score_is_asked_for_then_422(
    client: httpx.AsyncClient, written: str
) -> None:
    refused = await client.get(f"/v1/callers/{written}/score", headers=bearer())
    assert (refused.status_code, refused.json()["type"]) == (422, "urn:pbx112:problem:bad-input")


async def test_given_rules_when_shown_and_set_by_command_then_stored_and_audited(
    pbx112: Command, engine: AsyncEngine
) -> None:
    code, out, _ = await pbx112("rules", "show")
    assert code == 0 and "nuisance.weights.prank" in out and "nuisance.reorder=true" in out
    code, out, _ = await pbx112("rules", "set", "nuisance.reorder=true", "nuisance.threshold=8", "--json")
    assert (code, json.loads(out)["version"], json.loads(out)["nuisance"]["threshold"]) == (0, 1, 8.0)
    expected = Rules(nuisance=replace(NuisanceRules(), reorder=True, threshold=8.0))
    assert await stored(engine) == StoredRules(1, expected)
    code, out, _ = await pbx112("rules", "show", "--json")
    assert (code, json.loads(out)) == (0, {"version": 1, **expected.to_json()})
    async with reading(engine) as conn:
        (act,) = await list_audit(conn)
    assert (act["who"], act["action"]) == ("cli:wati", "rules.save")


async def test_given_a_rule_that_cannot_be_when_set_by_command_then_one_sentence_and_nothing_changed(
    pbx112: Command, engine: AsyncEngine
) -> None:
    code, _, err = await pbx112("rules", "set", "nuisance.reorder=true", "nuisance.threshold=0")
    assert (code, err) == (1, "pbx112: nuisance.threshold: must be a number from 0.1 to 100.\n")
    assert (await stored(engine)).version == 0


async def test_given_marks_when_a_caller_is_shown_by_command_then_his_score_and_what_it_is_made_of(
    pbx112: Command, engine: AsyncEngine
) -> None:
    record, disposition = by(CALLER, 1, datetime.now(UTC))
    await marked(engine, (record, disposition))
    code, out, _ = await pbx112("caller", "081234567890")
    assert code == 0 and KEY in out and "prank +3.00" in out and str(record.id) in out
    code, out, _ = await pbx112("caller", KEY, "--json")
    assert (code, json.loads(out)["warned"]) == (0, False)
    code, _, err = await pbx112("caller", "budi")
    assert (code, err.startswith("pbx112: This is no number")) == (1, True)
