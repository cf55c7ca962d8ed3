"""The FastAGI server on real sockets: ordinary calls, and clients that would hold up a lesser accept loop."""

import asyncio
import time
from contextlib import suppress

import pytest

from pbx112.agi.dialogue import Dialogue
from pbx112.agi.intake import AgiIntake
from pbx112.agi.server import AgiServer
from pbx112.domain.configuration import Configuration
from pbx112.domain.record import call_id
from tests.support.agi import HOSTILE, PLAIN, AsteriskSide
from tests.support.agi_server import INTAKE, call, everything, running, until


async def test_given_a_call_when_it_is_taken_in_then_all_is_set_in_four_round_trips() -> None:
    async with running() as served:
        side = await call(served)

    assert len(side.commands) == 4
    assert side.variables["PBX112_QUEUE"] == "112"
    assert side.variables["PBX112_CALL_ID"] == str(call_id("node1", "1795287756.19"))
    assert side.variables["PBX112_CALLER_NUM"] == "+6281234567890"
    assert list(side.variables)[-1] == "PBX112_INTAKE"
    assert side.variables["PBX112_INTAKE"] == "fastagi"
    assert served.results == ["finished"]


async def test_given_an_environment_ended_early_by_the_caller_when_answered_then_its_rest_is_no_answer() -> None:
    async with running() as served:
        side = await call(served, HOSTILE)

    assert side.variables["PBX112_CALLER_NUM"] == "+6281234567890"
    assert side.variables["PBX112_INTAKE"] == "fastagi"


async def test_given_fifty_calls_at_once_when_taken_in_then_none_gets_anothers_facts() -> None:
    sides = [AsteriskSide({"endpoint": "carrier-a", "linkedid": f"1.{n}"}) for n in range(50)]
    async with running(deadline_s=10) as served:
        await asyncio.gather(*(call(served, PLAIN, side) for side in sides))

    assert [side.variables["PBX112_CALL_ID"] for side in sides] == [str(call_id("node1", f"1.{n}")) for n in range(50)]


@pytest.mark.parametrize(
    "beginning",
    [b"", b"agi_network: yes\n", PLAIN[:-1]],
    ids=["at once", "in the environment", "before its blank line"],
)
async def test_given_a_client_that_closes_early_when_others_call_then_nothing_freezes(beginning: bytes) -> None:
    """panoramisk 1.4: a client that closes before the blank line freezes the whole event loop."""
    async with running() as served:
        _, writer = await served.connect()
        writer.write(beginning)
        writer.close()
        await served.until("ended")
        side = await call(served)

    assert side.variables["PBX112_INTAKE"] == "fastagi"


async def test_given_a_client_that_stalls_when_others_call_then_only_it_is_cut_off() -> None:
    async with running() as served:
        started = time.monotonic()
        reader, writer = await served.connect()
        writer.write(b"agi_network: yes\n")
        side = await call(served)
        assert served.results == ["finished"]
        assert await everything(reader) == b""
        assert 0.4 < time.monotonic() - started < 2
        await served.until("finished", "timed_out")
        writer.close()

    assert side.variables["PBX112_INTAKE"] == "fastagi"


async def test_given_a_client_of_one_byte_at_a_time_when_its_time_is_over_then_it_is_cut_off() -> None:
    async with running() as served:
        reader, writer = await served.connect()
        with suppress(ConnectionError):
            for byte in PLAIN:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.02)
                if served.results:
                    break
        await served.until("timed_out")
        assert await everything(reader) == b""
        writer.close()


@pytest.mark.parametrize("flood", [b"a: b\n", b"x" * 100], ids=["lines", "one line"])
async def test_given_ten_megabytes_of_environment_when_read_then_it_is_cut_off_and_little_is_kept(flood: bytes) -> None:
    """panoramisk 1.4 has no limit of the environment."""
    async with running() as served:
        reader, writer = await served.connect()
        with suppress(ConnectionError):
            for _ in range(10 * 1024 * 1024 // (len(flood) * 1000)):
                writer.write(flood * 1000)
                await writer.drain()
            writer.write(b"\n\n")
            await writer.drain()
        await served.until("ended")
        assert await everything(reader) == b""
        writer.close()


async def test_given_an_environment_over_eight_kilobytes_when_read_then_it_is_refused() -> None:
    async with running() as served:
        side = await call(served, b"agi_x: y\n" * 1000 + PLAIN)

    assert side.commands == []
    assert served.results == ["ended"]


async def test_given_a_server_that_stops_when_a_call_runs_then_it_finishes_and_no_new_one_is_taken() -> None:
    async with running() as served:
        reader, writer = await served.connect()
        writer.write(PLAIN)
        side = AsteriskSide()
        line = await reader.readline()
        served.stop.set()
        await until(lambda: not served.server.serving)
        with pytest.raises(ConnectionRefusedError):
            await served.connect()
        while line:
            writer.write(side.answer(line))
            line = await reader.readline()
        writer.close()

    assert side.variables["PBX112_INTAKE"] == "fastagi"


async def test_given_a_server_that_is_cancelled_when_calls_run_then_they_end_with_it() -> None:
    """panoramisk 1.4 catches BaseException: cancellation is swallowed."""
    reached = asyncio.Event()

    async def for_ever(_: Dialogue) -> None:
        reached.set()
        await asyncio.Event().wait()

    server = AgiServer(("127.0.0.1", 0), {"intake": for_ever}, deadline_s=60)
    address = server.listen()
    task = asyncio.create_task(server.run())
    reader, writer = await asyncio.open_connection(*address)
    writer.write(PLAIN)
    await reached.wait()
    started = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert time.monotonic() - started < 1
    assert await everything(reader) == b""
    assert server.open_connections == 0
    writer.close()


async def test_given_all_places_taken_when_another_call_comes_then_it_is_closed_at_once() -> None:
    async with running(max_connections=2) as served:
        stalled = [await served.connect() for _ in range(2)]
        await until(lambda: served.server.open_connections == 2)
        started = time.monotonic()
        reader, writer = await served.connect()
        assert await everything(reader) == b""
        assert time.monotonic() - started < 0.4
        assert served.results == ["refused"]
        for _, other in [*stalled, (reader, writer)]:
            other.close()


@pytest.mark.parametrize("fault", [ValueError("x"), KeyError("queue")])
async def test_given_a_route_that_fails_when_the_next_call_comes_then_it_is_served(fault: Exception) -> None:
    calls: list[int] = []

    async def route(dialogue: Dialogue) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise fault
        await INTAKE(dialogue)

    async with running(route) as served:
        assert (await call(served)).commands == []
        assert (await call(served)).variables["PBX112_INTAKE"] == "fastagi"

    assert served.results == ["failed", "finished"]


async def test_given_no_configuration_when_a_call_comes_then_the_dialplan_goes_on_alone() -> None:
    def none_yet() -> Configuration:
        raise RuntimeError("not loaded")

    async with running(AgiIntake(none_yet, "node1")) as served:
        assert (await call(served)).commands == []


async def test_given_an_unknown_path_when_asked_then_the_connection_ends() -> None:
    async with running() as served:
        side = await call(served, PLAIN.replace(b"script: intake", b"script: other"))

    assert side.commands == []
