"""The command line on a real database and a real service: what it prints, and its exit codes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from pbx112 import cli, cli_session
from pbx112.api.tokens import read_token
from pbx112.domain.errors import AsteriskRefused
from pbx112.host.secrets import Secrets
from pbx112.services.alarms import Alarm
from pbx112.services.users import Role
from pbx112.settings import Bind, Settings
from pbx112.storage.audit import list_audit
from pbx112.storage.calls import upsert_calls
from pbx112.storage.configuration import save_configuration
from pbx112.storage.engine import make_engine, reading, transaction
from tests.integration.conftest import Database
from tests.integration.test_api_calls import ANSWERED, CALLS, HOSTILE_CALL, OPEN
from tests.support.web import NOW, SECRET, FakeTelephone, make_parts, served

NOBODY_LISTENS = Bind(("127.0.0.1", 1))
Command = Callable[..., Awaitable[tuple[int, str, str]]]


def settings_of(database: Database, folder: Path, http: Bind = NOBODY_LISTENS) -> Settings:
    state = folder / "state"
    state.mkdir(exist_ok=True)
    secrets = Secrets(ami="a", ami_apply="b", token=SECRET, phones={}, users={})
    (state / "secrets.json").write_text(
        json.dumps({name: getattr(secrets, name) for name in ("ami", "ami_apply", "token", "phones", "users")})
    )
    return Settings(
        database_url=database.service_url,
        migration_url=database.owner_url,
        state_dir=state,
        http_bind=http,
        node="node1",
        lang="en",
        timezone="Asia/Makassar",
    )


@pytest.fixture
async def centre(database: Database) -> AsyncIterator[Database]:
    engine = make_engine(database.service_url)
    async with transaction(engine) as connection:
        await upsert_calls(connection, CALLS)
        await save_configuration(connection, make_parts().configuration(), who="test")
    yield database
    await engine.dispose()


@pytest.fixture
def pbx112(
    centre: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Command:
    found = settings_of(centre, tmp_path)
    monkeypatch.setattr(cli_session, "Settings", lambda: found)
    return runner(monkeypatch, capsys)


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    async def run(*arguments: str) -> tuple[int, str, str]:
        def work() -> int:
            with pytest.raises(SystemExit) as ended:
                cli.main()
            return int(ended.value.code or 0)

        monkeypatch.setattr("sys.argv", ["pbx112", *arguments])
        code = await asyncio.to_thread(work)
        shown = capsys.readouterr()
        return code, shown.out, shown.err

    return run


async def test_given_calls_when_they_are_listed_then_people_read_local_times_and_whole_ids(pbx112: Command) -> None:
    code, out, err = await pbx112("calls")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split()[0] == "Received"
    assert [call for call in (OPEN, HOSTILE_CALL, ANSWERED) for line in lines if str(call.id) in line] == [
        OPEN,
        HOSTILE_CALL,
        ANSWERED,
    ]
    assert "2025-01-31 18:01:00 WITA" in out
    assert all(letter == "\n" or letter.isprintable() for letter in out)


async def test_given_calls_when_programs_ask_then_json_by_the_public_names(pbx112: Command) -> None:
    code, out, _ = await pbx112("calls", "--json", "--limit", "2")
    found = json.loads(out)
    assert (code, [call["id"] for call in found]) == (0, [str(OPEN.id), str(HOSTILE_CALL.id)])
    assert found[0]["received_at"] == "2025-01-31T10:03:00.000000Z"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--state", "talking"], [OPEN]),
        (["--outcome", "answered", "--operator", "op2"], [HOSTILE_CALL]),
        (["--since", "2025-01-31T18:03"], [OPEN]),
        (["--until", "2025-01-31T18:02"], [ANSWERED]),
        (["--number", "+6281234567890", "--queue", "112"], [ANSWERED]),
        (["--since", "1h"], []),
    ],
)
async def test_given_filters_when_calls_are_listed_then_those_that_fit(
    pbx112: Command, options: list[str], expected: list[Any]
) -> None:
    code, out, _ = await pbx112("calls", "--json", *options)
    assert (code, [call["id"] for call in json.loads(out)]) == (0, [str(call.id) for call in expected])


async def test_given_one_call_when_it_is_shown_then_every_field_and_no_control_character(pbx112: Command) -> None:
    code, out, _ = await pbx112("call", str(HOSTILE_CALL.id))
    assert code == 0
    assert "hangup_by" in out and r"\x1b[2J" in out
    assert all(letter == "\n" or letter.isprintable() for letter in out)
    code, out, _ = await pbx112("call", str(HOSTILE_CALL.id), "--json", "--events")
    assert (code, json.loads(out)["events"]) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["call", "00000000-0000-0000-0000-000000000000"], "There is no call"),
        (["call", "seven"], "seven is not a call's id"),
        (["calls", "--since", "kemarin"], "kemarin is not a time"),
        (["calls", "--check"], "--rebuild"),
        (["token", "nobody"], "There is no user nobody"),
        (["operators", "login", "op1"], "does not answer"),
        (["alarms"], "does not answer"),
    ],
)
async def test_given_what_cannot_be_when_it_is_asked_then_one_sentence_on_stderr(
    pbx112: Command, arguments: list[str], sentence: str
) -> None:
    code, out, err = await pbx112(*arguments)
    assert (code, out) == (1, "")
    assert sentence in err and err.count("\n") == 1


async def test_given_records_without_events_when_they_are_rebuilt_then_a_check_tells(pbx112: Command) -> None:
    code, out, _ = await pbx112("calls", "--rebuild", "--check", "--json")
    assert code == 1
    assert len(json.loads(out)["orphans"]) == 3


@pytest.mark.parametrize("what", ["queues", "operators"])
async def test_given_no_service_when_the_centre_is_listed_then_its_configuration_and_a_note(
    pbx112: Command, what: str
) -> None:
    code, out, err = await pbx112(what, "--json")
    assert code == 0
    assert json.loads(out)[0]["name"] in {"112", "op1"}
    assert "live state is unknown" in err
    code, out, _ = await pbx112(what)
    assert code == 0 and ("112" in out or "op1" in out)


@pytest.mark.parametrize(("what", "name"), [("agencies", "damkar"), ("trunks", "carrier-a")])
async def test_given_the_centre_when_it_is_listed_then_tables_and_json(pbx112: Command, what: str, name: str) -> None:
    code, out, _ = await pbx112(what)
    assert code == 0 and name in out
    code, out, _ = await pbx112(what, "--json")
    assert code == 0 and name in {one["name"] for one in json.loads(out)}


async def test_given_a_user_when_added_and_changed_then_his_token_and_the_list_tell(
    pbx112: Command, centre: Database
) -> None:
    code, out, _ = await pbx112("user", "add", "sari", "--role", "operator", "--operator", "op1", "--random")
    assert code == 0 and "Password: " in out
    code, _, err = await pbx112("user", "add", "sari", "--role", "admin", "--random")
    assert code == 1 and "sari already" in err
    code, _, err = await pbx112("user", "add", "budi", "--role", "operator", "--random")
    assert code == 1 and "operator account" in err
    assert (await pbx112("user", "passwd", "sari", "--random"))[0] == 0
    assert (await pbx112("user", "passwd", "budi", "--random"))[0] == 1
    code, out, _ = await pbx112("user", "list", "--json")
    assert code == 0 and [(user["name"], user["role"]) for user in json.loads(out)] == [("sari", "operator")]
    code, out, _ = await pbx112("token", "sari", "--hours", "1")
    identity = read_token(SECRET, out.strip())
    assert (identity.name, identity.role, identity.operator) == ("sari", Role.OPERATOR, "op1")
    engine = make_engine(centre.service_url)
    async with reading(engine) as connection:
        acts = [act["action"] for act in await list_audit(connection)]
    await engine.dispose()
    assert acts[:2] == ["user.password", "user.add"]


async def test_given_a_migrated_database_when_it_is_checked_then_exit_code_0(pbx112: Command) -> None:
    code, out, err = await pbx112("migrate", "--check")
    assert code == 0, out + err


async def test_given_the_service_when_operators_are_commanded_then_it_hears_and_the_answer_is_shown(
    centre: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    telephone = FakeTelephone()
    engine = make_engine(centre.service_url)
    pbx112 = runner(monkeypatch, capsys)
    async with served(make_parts(engine, telephone=telephone)) as address:
        host, _, port = address.partition(":")
        found = settings_of(centre, tmp_path, Bind((host, int(port))))
        monkeypatch.setattr(cli_session, "Settings", lambda: found)
        code, out, err = await pbx112("operators", "login", "op1")
        assert (code, err) == (0, ""), err
        assert "op1" in out
        assert (await pbx112("operators", "pause", "op1", "--reason", "makan"))[0] == 0
        assert (await pbx112("operators", "unpause", "op1"))[0] == 0
        assert (await pbx112("operators", "logout", "op1"))[0] == 0
        code, out, _ = await pbx112("queues")
        assert code == 0 and "op1 (talking)" in out
        code, _, err = await pbx112("operators", "login", "../../calls")
        assert code == 1 and err.count("\n") == 1
        telephone.error = AsteriskRefused("No such queue \x1b[2J")
        code, _, err = await pbx112("operators", "login", "op1")
        assert code == 1 and r"No such queue \x1b[2J" in err
    async with reading(engine) as connection:
        acts = await list_audit(connection)
    await engine.dispose()
    assert [act["after"]["result"] for act in acts if act["action"].startswith("operator.")][:2] == [
        "asterisk-refused",
        "done",
    ]
    assert acts[0]["who"].startswith("cli:")
    assert [command[0] for command in telephone.commands] == ["add", "pause", "pause", "remove", "add"]


async def test_given_the_service_when_prompts_are_uploaded_and_used_then_the_list_marks_what_callers_hear(
    centre: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "kota.wav"
    recording.write_bytes(b"RIFF\0\0\0\0WAVE" + bytes(16_000))
    engine = make_engine(centre.service_url)
    pbx112 = runner(monkeypatch, capsys)
    async with served(make_parts(engine, lang="en")) as address:
        host, _, port = address.partition(":")
        found = settings_of(centre, tmp_path, Bind((host, int(port))))
        monkeypatch.setattr(cli_session, "Settings", lambda: found)
        code, out, err = await pbx112("prompts", "upload", "kota", "id", str(recording))
        # The service of this test logs to the same place.
        assert (code, out.splitlines()[-1], err) == (0, "Version 1 of kota/id, 1.0 s: callers hear it.", "")
        _, out, _ = await pbx112("prompts", "upload", "kota", "id", str(recording))
        assert "`pbx112 prompts use` lets callers hear it" in out
        assert (await pbx112("prompts", "use", "kota", "id", "2"))[1] == "Callers hear version 2 of kota/id.\n"
        _, out, _ = await pbx112("prompts", "list")
        versions = re.findall(r"kota\W+id\W+([0-9] ?\*?)", out)
        assert [version.strip() for version in versions] == ["2 *", "1"], out
        listed = json.loads((await pbx112("prompts", "list", "--json"))[1])
        assert [version["version"] for version in listed["items"][0]["versions"]] == [2, 1]
        for arguments, words in (
            (("upload", "kota", "id", str(tmp_path / "gone.wav")), "No such file"),
            (("upload", "kota", "id", "/dev/null"), "The file is empty."),
            (("upload", "../x", "id", str(recording)), "letters, digits"),
            (("use", "kota", "id", "9"), "There is no prompt kota/id version 9."),
        ):
            code, _, err = await pbx112("prompts", *arguments)
            assert (code, words in err, err.count("\n")) == (1, True, 1), err
    async with reading(engine) as connection:
        acts = await list_audit(connection)
    await engine.dispose()
    assert [act["action"] for act in acts[:4]] == ["prompt.use", "prompt.upload", "prompt.use", "prompt.upload"]
    assert acts[0]["who"].startswith("cli:")


async def test_given_alarms_when_they_are_listed_then_people_read_since_when_and_programs_get_the_answer(
    centre: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    up = [
        Alarm("ami-down", "critical", "Asterisk \x1b[2J does not answer.", NOW, NOW),
        Alarm("disk", "warning", "The disk fills.", NOW, NOW),
    ]
    pbx112 = runner(monkeypatch, capsys)
    async with served(make_parts(alarms=lambda: tuple(up))) as address:
        host, _, port = address.partition(":")
        found = settings_of(centre, tmp_path, Bind((host, int(port))))
        monkeypatch.setattr(cli_session, "Settings", lambda: found)
        code, out, err = await pbx112("alarms")
        assert (code, err) == (0, "")
        head, _, critical, warning = out.splitlines()
        assert [word for word in head.split() if word.isalpha()] == ["Level", "Since", "Text"]
        assert "critical" in critical and "2025-01-31 18:00:00 WITA" in critical
        assert r"Asterisk \x1b[2J does not answer." in critical
        assert "warning" in warning and "The disk fills." in warning
        code, out, _ = await pbx112("alarms", "--json")
        told = json.loads(out)
        assert (code, told["node"], [one["key"] for one in told["items"]]) == (0, "node1", ["ami-down", "disk"])
        assert told["items"][0]["since"] == "2025-01-31T10:00:00.000005Z"
        up.clear()
        assert await pbx112("alarms") == (0, "None.\n", "")
