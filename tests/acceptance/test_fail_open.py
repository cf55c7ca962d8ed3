"""Fail open: whatever the intake does, the caller is in the queue within 1.5 s, and the record says who took him in."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path

import pytest
import pytest_asyncio

from pbx112.host.softphone_client import Softphone
from tests.support.centre import SECRET, Centre, Record, running_centre, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

in_time = pytest.mark.alone
"""The classic script has half a second for its start and its decision: beside other tests it may not get it."""

ASK_PORT = 24_900
MOST_SECONDS = 1.5
NUMBER = "+628123456789"
Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take the call and say nothing."""
    await asyncio.sleep(30)


async def die_at_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close before reading a byte."""
    writer.close()


async def die_midway(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Set a variable, then close: Asterisk calls that a success."""
    await reader.readuntil(b"\n\n")
    writer.write(b'SET VARIABLE PBX112_QUEUE "112"\n')
    await reader.readline()
    writer.close()


async def one_line_a_second(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer, but far too slowly."""
    await reader.readuntil(b"\n\n")
    while True:
        await asyncio.sleep(1)
        writer.write(b'SET VARIABLE PBX112_QUEUE "112"\n')
        await writer.drain()


async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Talk nonsense without end."""
    while True:
        writer.write(b"nonsense\n" * 100)
        await writer.drain()
        await asyncio.sleep(0)


def through_to(centre: Centre) -> Peer:
    """Pass everything on to the centre's own service."""

    async def passing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*centre.settings.agi_bind)
        with contextlib.closing(far_writer):
            await asyncio.gather(_pour(reader, far_writer), _pour(far_reader, writer))

    return passing


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def faulty(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Centre]:
    """A centre whose Asterisk asks a port that these tests answer (or do not)."""
    folder = tmp_path_factory.mktemp("faulty")
    async with running_centre(folder, worker=5, PBX112_AGI_ASK=f"127.0.0.1:{ASK_PORT}") as centre:
        yield centre


@contextlib.asynccontextmanager
async def answering(peer: Peer | None) -> AsyncIterator[None]:
    """This peer stands at the port; None: nobody does."""
    if peer is None:
        yield
        return
    open_now: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        open_now.add(task)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await peer(reader, writer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", ASK_PORT)
    try:
        yield
    finally:
        server.close()
        for task in open_now:
            task.cancel()
        await asyncio.gather(*open_now, return_exceptions=True)


async def place(centre: Centre) -> Record:
    """One call with nobody logged in; its record."""
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller:
        placed = await caller.call(centre.invite_uri, headers={"P-Asserted-Identity": f"<sip:{NUMBER}@x.example>"})
        await caller.wait_for("early", 5)
        await asyncio.sleep(0.3)
        await caller.hangup()
        return await centre.record(placed.sip_call_id)


async def forgive(centre: Centre) -> None:
    """Let Asterisk forget which intakes kept callers waiting."""
    for breaker in ("AGI_DOWN_UNTIL", "CLASSIC_DOWN_UNTIL"):
        await centre.cli(f"dialplan set global {breaker} 0")


def seconds_to_queue(record: Record) -> float:
    """From the INVITE's arrival to the queue."""
    queued, received = (datetime.fromisoformat(record[name]) for name in ("queued_at", "received_at"))
    return (queued - received).total_seconds()


@in_time
@pytest.mark.parametrize(
    "peer",
    [None, hang, die_at_once, die_midway, one_line_a_second, babble],
    ids=lambda p: getattr(p, "__name__", "refused"),
)
async def test_given_a_faulty_intake_when_112_is_called_then_the_classic_script_takes_over(
    faulty: Centre, peer: Peer | None
) -> None:
    await forgive(faulty)
    async with answering(peer):
        record = await place(faulty)
    assert record["intake"] == "classic"
    assert record["caller"]["number"] == NUMBER
    assert seconds_to_queue(record) < MOST_SECONDS
    assert await faulty.channels() == 0


async def test_given_a_hung_intake_when_a_second_caller_comes_then_he_does_not_wait_for_it_again(
    faulty: Centre,
) -> None:
    await forgive(faulty)
    async with answering(hang):
        first = await place(faulty)
        second = await place(faulty)
    assert seconds_to_queue(first) >= 0.8
    assert seconds_to_queue(second) < 0.8


@in_time
async def test_given_an_intake_that_refused_at_once_when_it_is_back_then_the_next_caller_is_taken_in_by_it(
    faulty: Centre,
) -> None:
    await forgive(faulty)
    refused = await place(faulty)
    async with answering(through_to(faulty)):
        taken = await place(faulty)
    assert (refused["intake"], taken["intake"]) == ("classic", "fastagi")
    assert seconds_to_queue(taken) < 0.2


@in_time
async def test_given_a_classic_script_that_hung_when_a_second_caller_comes_then_no_other_is_started_for_a_while(
    faulty: Centre,
) -> None:
    await forgive(faulty)
    wrapper: Path = faulty.settings.asterisk_dir / "agi-bin" / "pbx112-intake"
    whole = wrapper.read_text()
    try:
        wrapper.write_text("#!/bin/sh\nsleep 20\n")
        first = await place(faulty)
        second = await place(faulty)
    finally:
        wrapper.write_text(whole)
    assert (first["intake"], second["intake"]) == ("none", "none")
    assert seconds_to_queue(first) >= 0.4
    assert seconds_to_queue(second) < 0.2


@in_time
async def test_given_a_connect_that_nobody_answers_when_112_is_called_then_it_costs_one_caller_two_seconds(
    faulty: Centre,
) -> None:
    """Asterisk's own connect time-out is fixed at 2 s: the one fault that takes a caller beyond 1.5 s.

    It needs a full accept queue (4,096 places), which the breaker lets a hung service fill by one in five seconds.
    """
    await forgive(faulty)
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.create_server(("127.0.0.1", ASK_PORT), backlog=0))
        for _ in range(4):
            filler = sockets.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        first = await place(faulty)
        second = await place(faulty)
    assert 1.9 < seconds_to_queue(first) < 2.0 + 0.5 + 0.2
    assert seconds_to_queue(second) < 0.8
    assert (first["intake"], second["intake"]) == ("classic", "classic")


@pytest.mark.parametrize("script", ["exit 1", "sleep 20", "kill -9 $$"])
async def test_given_both_intakes_broken_when_112_is_called_then_the_dialplan_alone_takes_the_call(
    faulty: Centre, script: str
) -> None:
    await forgive(faulty)
    wrapper: Path = faulty.settings.asterisk_dir / "agi-bin" / "pbx112-intake"
    whole = wrapper.read_text()
    try:
        wrapper.write_text(f"#!/bin/sh\n{script}\n")
        async with answering(hang):
            record = await place(faulty)
    finally:
        wrapper.write_text(whole)
    assert record["intake"] == "none"
    assert record["queue"] == "112"
    assert record["trunk"] == "carrier-a"
    assert (record["caller"]["class"], record["caller"]["number"]) == ("asserted", NUMBER)
    assert record["caller"]["callback_number"] is None
    assert seconds_to_queue(record) < MOST_SECONDS


async def test_given_the_service_stopped_when_112_is_called_then_the_call_is_answered_and_recorded_later(
    faulty: Centre,
) -> None:
    await forgive(faulty)
    service = faulty.child("pbx112", "serve")
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await faulty.log_in(operator, "op1")
        service.suspend()
        try:
            placed = await caller.call(faulty.invite_uri)
            await operator.wait_incoming(3)
            await operator.answer()
            await caller.wait_for("confirmed", 3)
            await caller.hangup()
            await operator.wait_for("disconnected", 3)
            await faulty.dial(operator, "*12")
        finally:
            service.resume()
        record = await faulty.record(placed.sip_call_id)
    assert (record["outcome"], record["operator"]) == ("answered", "op1")


async def test_given_postgresql_killed_when_112_is_called_then_the_record_is_there_once_it_is_back(
    faulty: Centre,
) -> None:
    faulty.child("postgres", "-D").kill()
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller:
        placed = await caller.call(faulty.invite_uri)
        await caller.wait_for("early", 3)
        await caller.hangup()

    async def database_is_back() -> bool | None:
        return True if (await faulty.api("GET", "/v1/calls")).is_success else None

    await until(database_is_back, 10, "the database answers again")
    assert (await faulty.record(placed.sip_call_id))["outcome"] == "abandoned"


async def test_given_asterisk_killed_under_a_call_when_it_is_back_then_the_record_is_lost_and_the_next_call_rings(
    faulty: Centre,
) -> None:
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await faulty.log_in(operator, "op1")
        placed = await caller.call(faulty.invite_uri)
        await operator.wait_incoming(3)
        await operator.answer()
        await caller.wait_for("confirmed", 3)
        faulty.child("sbin/asterisk").kill()
        record = await faulty.record(placed.sip_call_id, deadline_s=15)
        assert (record["outcome"], record["hangup_by"]) == ("lost", "system")
        await operator.register("op1", SECRET, faulty.sip)
        second = await caller.call(faulty.invite_uri)
        await operator.wait_incoming(5)
        await caller.hangup(second.call)
        assert (await faulty.record(second.sip_call_id))["offers"][0]["operator"] == "op1"
        await faulty.api("POST", "/v1/operators/op1/logout")
