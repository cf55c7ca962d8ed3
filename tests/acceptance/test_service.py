"""The service as its keepers see it: stop, doctor, commands, a database of one's own, when the trunk is answered."""

import asyncio
import json
import signal
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from pbx112.domain.configuration import AnswerMode
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.host.postgres import EmbeddedPostgres
from pbx112.host.softphone_client import Softphone, SoftphoneTimeout
from pbx112.settings import HOME
from pbx112.storage.configuration import save_configuration
from pbx112.storage.engine import make_engine, transaction
from pbx112.storage.migrate import migrate
from tests.support.centre import Centre, running_centre, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

NUMBER = "+628123456789"


async def command(centre: Centre, *words: str) -> tuple[int, str, str]:
    """Run `pbx112` in the centre's environment: exit code, what it said, what it complained of."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pbx112",
        *words,
        env=centre.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode or 0, said.decode(), complained.decode()


async def test_given_a_running_centre_when_the_doctor_looks_then_every_part_is_well(centre: Centre) -> None:
    code, said, complained = await command(centre, "doctor", "--json")
    checks = json.loads(said)
    assert [check["name"] for check in checks if not check["ok"]] == [], complained
    assert code == 0
    assert any("DEMO" in check["detail"] for check in checks)


async def test_given_nothing_runs_when_the_doctor_looks_then_it_says_what_to_do(tmp_path: Path, centre: Centre) -> None:
    nowhere = {name: value for name, value in centre.environment.items() if "_BIND" not in name}
    nowhere |= {"PBX112_STATE_DIR": str(tmp_path / "state"), "PBX112_HTTP_BIND": "127.0.0.1:9"}
    nowhere |= {"PBX112_AGI_BIND": "127.0.0.1:9", "PBX112_AMI_BIND": "127.0.0.1:9"}
    code, said, _ = await command(replace(centre, environment=nowhere), "doctor", "--json")
    ill = {check["name"]: check for check in json.loads(said) if not check["ok"]}
    assert code == 1
    assert {"applied configuration", "asterisk answers", "intake (FastAGI)", "database", "service", "secrets"} <= set(
        ill
    )
    assert not any("fault of the check" in (check["remedy"] or "") for check in ill.values())


async def test_given_a_running_centre_when_a_drill_is_placed_then_only_the_drill_operator_rings(centre: Centre) -> None:
    async with Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        code, said, complained = await command(centre, "drill", "--json")
        assert code == 0, complained
        with pytest.raises(SoftphoneTimeout):
            await operator.wait_incoming(0.1)
    record = json.loads(said)
    assert (record["drill"], record["operator"], record["outcome"]) == (True, "drill-operator", "answered")
    assert (await centre.get("/v1/calls", drill="true"))["items"][0]["id"] == record["id"]


async def test_given_two_drills_at_the_same_moment_when_both_are_typed_then_one_waits_and_both_come_through(
    centre: Centre,
) -> None:
    ends = await asyncio.gather(command(centre, "drill", "--json"), command(centre, "drill", "--json"))
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert sorted("another drill call is under way" in complained for _, _, complained in ends) == [False, True]
    assert {json.loads(said)["operator"] for _, said, _ in ends} == {"drill-operator"}


async def test_given_a_call_up_when_the_service_is_stopped_then_it_ends_in_five_seconds_and_loses_nothing(
    centre: Centre,
) -> None:
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        placed = await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        await operator.answer()
        await caller.wait_for("confirmed", 3)
        service = centre.child("pbx112", "serve")
        began = time.monotonic()
        service.send_signal(signal.SIGTERM)
        await asyncio.to_thread(service.wait, 5)
        assert time.monotonic() - began < 5
        await caller.hangup()

        async def back() -> bool | None:
            try:
                return True if centre.child("pbx112", "serve").pid != service.pid else None
            except AssertionError:
                return None

        await until(back, 10, "the service is back")

        async def ready() -> bool | None:
            try:
                return True if (await centre.api("GET", "/v1/health/ready")).is_success else None
            except httpx.TransportError:
                return None

        await until(ready, 10, "the service is ready")
        record = await centre.record(placed.sip_call_id)
    assert (record["outcome"], record["operator"], record["hangup_by"]) == ("answered", "op1", "caller")


@pytest_asyncio.fixture(loop_scope="session")
async def own_database(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A PostgreSQL server that the centre does not start, as a city has one."""
    server = EmbeddedPostgres(tmp_path / "postgres")
    await server.start()
    yield server
    await server.stop()


@pytest.mark.parametrize("mode", [AnswerMode.OPERATOR, AnswerMode.IMMEDIATE])
async def test_given_an_answer_mode_and_an_own_database_when_112_is_called_then_the_trunk_is_answered_so(
    own_database: EmbeddedPostgres, tmp_path: Path, mode: AnswerMode
) -> None:
    await migrate(own_database.owner_url, migrations=HOME / "migrations")
    engine = make_engine(own_database.service_url)
    queue = replace(DEMO_CENTRE.queues[0], answer_mode=mode)
    async with transaction(engine) as connection:
        await save_configuration(connection, replace(DEMO_CENTRE, queues=(queue,)), who="test")
    await engine.dispose()
    urls = {"PBX112_DATABASE_URL": own_database.service_url, "PBX112_MIGRATION_URL": own_database.owner_url}
    async with (
        running_centre(tmp_path, worker=6, **urls) as centre,
        Softphone.start("127.0.0.2", user=NUMBER) as caller,
        Softphone.start("127.0.0.1") as operator,
    ):
        assert not (tmp_path / "state" / "postgres").exists()
        await centre.log_in(operator, "op1")
        placed = await caller.call(centre.invite_uri)
        await operator.wait_incoming(3)
        if mode is AnswerMode.IMMEDIATE:
            await caller.wait_for("confirmed", 1)
        else:
            with pytest.raises(SoftphoneTimeout):
                await caller.wait_for("confirmed", 1.5)
        await operator.answer()
        await operator.wait_for("confirmed", 3)
        await caller.wait_for("confirmed", 3)
        await asyncio.sleep(0.3)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    assert record["outcome"] == "answered"
    assert datetime.fromisoformat(record["answered_at"]) > datetime.fromisoformat(record["queued_at"])


async def test_given_a_listener_when_a_call_comes_and_goes_then_the_feed_tells_it(centre: Centre) -> None:
    await centre.get("/v1/live")  # signs in
    url = f"ws://{centre.settings.http_bind}/v1/events?token={centre.tokens['admin']}"
    async with connect(url, proxy=None) as feed, Softphone.start("127.0.0.2", user=NUMBER) as caller:
        assert json.loads(await asyncio.wait_for(feed.recv(), 3))["type"] == "snapshot"
        placed = await caller.call(centre.invite_uri)
        await caller.wait_for("early", 3)
        await caller.hangup()
        states = []
        async with asyncio.timeout(5):
            while "ended" not in states:
                event = json.loads(await feed.recv())
                if event["type"] == "call" and event["call"]["sip_call_id"] == placed.sip_call_id:
                    states.append(event["call"]["state"])
    assert states[-1] == "ended"


async def test_given_the_tools_when_make_run_starts_then_the_self_check_prints_a_record_within_twenty_seconds(
    tmp_path: Path,
) -> None:
    began = time.monotonic()
    async with running_centre(tmp_path, worker=7, arguments=()) as centre:
        took = time.monotonic() - began
        printed = centre.output.read_text()
        drills = (await centre.get("/v1/calls", drill="true"))["items"]
    assert took < 20
    assert "both heard each other: yes" in printed
    assert f'"sip_call_id": "{drills[0]["sip_call_id"]}"' in printed
    assert centre.process.returncode == 0
    assert (tmp_path / "state" / "secrets.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "state" / "asterisk").stat().st_mode & 0o077 == 0
