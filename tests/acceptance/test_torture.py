"""Asterisk, the intake and the journal outlive RFC 4475's torture messages and hostile INVITEs made by hand."""

import asyncio
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from pbx112.domain.caller import CallerClass
from pbx112.host.softphone_client import Softphone
from tests.support.centre import Centre, Record, until
from tests.support.raw_sip import CRLF, RawExchange, exchange, header
from tests.support.sipp import free_port
from tests.support.torture import aimed, fresh, hostile_invites, pelter, torture_message, torture_names

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

TRUSTED, UNTRUSTED, UNKNOWN = "127.0.0.2", "127.0.0.3", "127.0.0.9"
NUMBER = "+628123456789"
CLASSES = {str(each) for each in CallerClass}
INTAKES = {"fastagi", "classic", "none"}
AT_ONCE = 4
UNREADABLE = {"NUL bytes in a header that nobody reads", "NUL bytes in an asserted name"}
"""No SIP at all (RFC 3261, 25.1): Asterisk cannot tell where the header ends, and answers nothing."""


async def test_given_the_torture_messages_when_read_then_all_49_are_there_byte_for_byte() -> None:
    names = torture_names()
    assert len(names) == 49
    odd = []
    for name in names:
        head, body = torture_message(name).split(CRLF + CRLF, 1)
        length = header(head, b"Content-Length") or header(head, b"l")
        if length != str(len(body)).encode():
            odd.append(name)
    # Those whose length is wrong or missing by the RFC's own design (multi01: by its own slip).
    assert odd == ["clerr", "dblreq", "inv2543", "mcl01", "multi01", "ncl"]


async def test_given_torture_messages_from_any_address_when_thrown_then_asterisk_lives_and_112_rings(
    centre: Centre,
) -> None:
    asterisk, started = centre.child("sbin/asterisk"), datetime.now(UTC)
    for source in (TRUSTED, UNTRUSTED, UNKNOWN):
        async with pelter(source, centre.sip_address) as thrower:
            for name in torture_names():
                message = torture_message(name)
                thrower.throw(message if source == TRUSTED else fresh(message))
                await thrower.alive(f"{name} from {source}")
    await assert_unharmed(centre, asterisk, started)


async def test_given_torture_invites_aimed_at_112_when_thrown_then_their_records_are_whole_and_112_rings(
    centre: Centre,
) -> None:
    asterisk, started = centre.child("sbin/asterisk"), datetime.now(UTC)
    invites = {name: message for name in torture_names() if (message := torture_message(name)).startswith(b"INVITE")}
    for source in (TRUSTED, UNTRUSTED):
        async with pelter(source, centre.sip_address) as thrower:
            for name, message in invites.items():
                thrower.throw(aimed(message, centre.sip_address))
                await thrower.alive(f"{name} at 112 from {source}")
    records = await assert_unharmed(centre, asterisk, started)
    by_trunk: dict[str, set[str]] = {"carrier-a": set(), "carrier-b": set()}
    for record in records:
        by_trunk[record["trunk"]] |= {name for name in invites if name in record["sip_call_id"]}
    print(f"torture INVITEs that became calls: {by_trunk}")
    for names in by_trunk.values():
        assert names >= {"esc01", "sdp01", "baddate"}


async def test_given_hostile_invites_when_112_is_called_then_nothing_is_executed_forged_or_lost(
    centre: Centre, tmp_path: Path
) -> None:
    asterisk, started = centre.child("sbin/asterisk"), datetime.now(UTC)
    trap = tmp_path / "executed"
    async with Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        # Paused: the callers wait in the queue, and a forged event about op1 would show.
        await centre.api("POST", "/v1/operators/op1/pause", json={"reason": "istirahat"})
        results = await call_all(centre, trap)
        assert (await centre.get("/v1/operators/op1"))["state"] == "paused"
        assert "op1" in await centre.cli("queue show 112")
        await centre.api("POST", "/v1/operators/op1/logout")
    records = {record["sip_call_id"]: record for record in await assert_unharmed(centre, asterisk, started)}
    assert not trap.exists()
    assert "root:" not in str(records)  # an external entity of /etc/passwd
    silent = {name for name, result in results.items() if not result.codes}
    assert silent == {f"{name} ({source})" for name in UNREADABLE for source in (TRUSTED, UNTRUSTED)}
    assert not {results[name].sip_call_id for name in silent} & records.keys()
    for name in results.keys() - silent:
        record = records[results[name].sip_call_id]
        assert (record["queue"], record["intake"]) == ("112", "fastagi"), (name, record)
        # Failed: one whose own CANCEL cannot be read either is ended by the console.
        assert record["outcome"] in {"abandoned", "failed"}, (name, record)
    kept = await raw_from(centre, records[results[f"a dialplan function in every header ({TRUSTED})"].sip_call_id])
    assert f"${{SHELL(touch {trap})}}" in kept


async def call_all(centre: Centre, trap: Path) -> dict[str, RawExchange]:
    """Place each hostile INVITE, a few at once, and finish it properly."""
    places = asyncio.Semaphore(AT_ONCE)

    async def place(source: tuple[str, int], invite: bytes) -> RawExchange:
        async with places:
            return await exchange(invite, source, centre.sip_address, hold_s=0.4)

    calls = {}
    async with asyncio.TaskGroup() as group:
        for address in (TRUSTED, UNTRUSTED):
            source = (address, free_port(address))
            for name, invite in hostile_invites(source, centre.sip_address, trap):
                calls[f"{name} ({address})"] = group.create_task(place((address, 0), invite))
    return {name: task.result() for name, task in calls.items()}


async def raw_from(centre: Centre, record: Record) -> str:
    """The From header as the dialplan wrote it into the journal at the arrival."""
    events = (await centre.get(f"/v1/calls/{record['id']}/events"))["items"]
    return "".join(event["extra"].get("from", "") for event in events if event["kind"] == "PBX112_ARRIVAL")


async def assert_unharmed(centre: Centre, asterisk: psutil.Process, started: datetime) -> list[Record]:
    """The same Asterisk runs, no channel is left, an ordinary call is answered, all lines were read; the records."""
    await centre.cli("channel request hangup all")

    async def empty() -> bool | None:
        return True if await centre.channels() == 0 else None

    await until(empty, 10, "no channel left")
    assert centre.child("sbin/asterisk").pid == asterisk.pid
    assert asterisk.is_running()
    assert "uptime" in (await centre.cli("core show uptime")).lower()
    await assert_112_rings(centre)
    connection = await centre.database()
    try:
        assert await connection.fetch("SELECT reason, raw FROM dead_letters") == []
    finally:
        await connection.close()
    return await well_formed_records(centre, started)


async def assert_112_rings(centre: Centre) -> None:
    """An ordinary call reaches an operator and has its record."""
    async with Softphone.start(TRUSTED, user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op2")
        headers = {"P-Asserted-Identity": f"<sip:{NUMBER}@ims.example.id>"}
        placed = await caller.call(centre.invite_uri, headers=headers)
        await operator.wait_incoming(5)
        await operator.answer()
        await caller.wait_for("confirmed", 5)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    assert (record["outcome"], record["operator"]) == ("answered", "op2")
    assert record["caller"]["number"] == NUMBER


async def well_formed_records(centre: Centre, started: datetime) -> list[Record]:
    """Every record since then, each of known words and without a character that no screen should be sent."""

    async def ended() -> list[Record] | None:
        items: list[Record] = (await centre.get("/v1/calls", since=started.isoformat(), limit=200))["items"]
        return items if all(item["state"] == "ended" for item in items) else None

    records = await until(ended, 5, "all records ended")
    for record in records:
        assert record["caller"]["class"] in CLASSES, record
        assert record["intake"] in INTAKES, record
        assert record["trunk"] in {"carrier-a", "carrier-b"}, record
        unprintable = [text for text in texts(record) if not text.isprintable()]
        assert not unprintable, (record["sip_call_id"], unprintable)
    return records


def texts(value: Any) -> Iterator[str]:
    """All strings in a JSON value."""
    if isinstance(value, str):
        return iter((value,))
    if isinstance(value, dict):
        return itertools.chain.from_iterable(texts(item) for item in value.values())
    return itertools.chain.from_iterable(texts(item) for item in value) if isinstance(value, list) else iter(())
