"""Users, programs' tokens and the audit by the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pbx112.api.tokens import read_token
from tests.integration.conftest import Database, as_owner
from tests.integration.test_cli_commands import Command, centre, pbx112
from tests.support.web import SECRET

__all__ = ["centre", "pbx112"]  # fixtures


async def add(pbx112: Command, name: str, role: str, *more: str) -> None:
    code, _, err = await pbx112("user", "add", name, "--role", role, "--random", *more)
    assert code == 0, err


async def test_given_users_when_their_rights_are_changed_then_the_list_tells_and_the_last_admin_stays(
    pbx112: Command,
) -> None:
    await add(pbx112, "admin", "admin")
    await add(pbx112, "sari", "operator", "--operator", "op1")
    for command in (["disable", "admin"], ["remove", "admin"], ["role", "admin", "auditor"]):
        code, _, err = await pbx112("user", *command)
        assert code == 1 and "last admin" in err
    assert (await pbx112("user", "role", "sari", "admin"))[0] == 0
    assert (await pbx112("user", "disable", "admin"))[0] == 0
    code, out, _ = await pbx112("user", "list", "--json")
    assert {user["name"]: (user["role"], user["disabled"], user["operator"]) for user in json.loads(out)} == {
        "admin": ("admin", True, None),
        "sari": ("admin", False, None),
    }
    assert (await pbx112("user", "enable", "admin"))[0] == 0
    assert (await pbx112("user", "remove", "sari"))[0] == 0
    code, out, _ = await pbx112("user", "list")
    assert code == 0 and "sari" not in out
    code, _, err = await pbx112("user", "role", "admin", "operator")
    assert code == 1 and "operator account" in err


async def test_given_a_program_when_a_token_is_made_and_revoked_then_it_is_shown_once(pbx112: Command) -> None:
    code, out, err = await pbx112("token", "create", "wallboard", "--role", "auditor", "--days", "30")
    text = out.strip()
    assert code == 0 and text.startswith("pbx112_") and "\n" not in text, err
    code, out, _ = await pbx112("token", "list", "--json")
    (listed,) = json.loads(out)
    assert text not in out
    assert (listed["name"], listed["role"], listed["revoked_at"]) == ("wallboard", "auditor", None)
    assert (await pbx112("token", "revoke", str(listed["id"])))[0] == 0
    code, _, err = await pbx112("token", "revoke", str(listed["id"]))
    assert code == 1 and "still good" in err
    code, out, _ = await pbx112("token", "list")
    assert code == 0 and text[:11] in out


@pytest.mark.parametrize("words", [["admin"], ["user", "admin"], ["admin", "--hours", "2"]])
async def test_given_a_user_when_a_token_is_asked_for_then_with_or_without_the_word_user(
    pbx112: Command, words: list[str]
) -> None:
    await add(pbx112, "admin", "admin")
    code, out, err = await pbx112("token", *words)
    assert code == 0, err
    identity = read_token(SECRET, out.strip())
    assert identity.name == "admin" and identity.epoch > 0


async def test_given_the_audit_when_it_is_listed_and_checked_then_whole_until_a_byte_changes(
    pbx112: Command, centre: Database, tmp_path: Path
) -> None:
    await add(pbx112, "admin", "admin")
    await add(pbx112, "audi", "auditor")
    code, out, _ = await pbx112("audit", "--json", "--limit", "1")
    (newest,) = json.loads(out)
    assert (code, newest["action"], newest["subject"]) == (0, "user.add", "audi")
    assert newest["who"].startswith("cli:")
    code, out, _ = await pbx112("audit")
    assert code == 0 and "configuration.save" in out
    code, out, _ = await pbx112("audit", "verify")
    assert (code, "whole: 3 rows" in out) == (0, True), out
    head = out.split("Head: ")[1].strip()
    assert head == f"3:{newest['hash']}"
    assert (await pbx112("audit", "verify", "--expect", head))[0] == 0
    code, out, _ = await pbx112("audit", "verify", "--expect", f"4{head[1:]}")
    assert (code, "ends at row 3" in out) == (1, True)
    assert (await pbx112("audit", "verify", "--expect", "x"))[0] == 1
    await as_owner(centre.owner_url, "UPDATE audit SET who = 'nobody' WHERE subject = 'admin'")
    code, out, _ = await pbx112("audit", "verify")
    assert code == 1 and "NOT whole. Row 2" in out and "user.add admin" in out
    code, out, _ = await pbx112("audit", "verify", "--json")
    assert code == 1 and json.loads(out)["whole"] is False


async def test_given_records_that_are_made_anew_then_the_audit_says_who(pbx112: Command) -> None:
    assert (await pbx112("calls", "--rebuild", "--check"))[0] == 1
    assert (await pbx112("calls", "--rebuild"))[0] == 0
    _, out, _ = await pbx112("audit", "--json", "--limit", "5")
    assert [act["action"] for act in json.loads(out)] == ["calls.rebuild", "configuration.save"]
