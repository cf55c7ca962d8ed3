"""Full disks and a journal that is renamed under load: 112 rings, and what was not written is said."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pbx112.host.softphone_client import Softphone
from tests.acceptance.test_load import operators, place_calls
from tests.support.centre import Centre, running_centre, until

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root only"),
]

NUMBER = "+628123456789"
WORKER = 6


@contextlib.asynccontextmanager
async def small_disk(folder: Path, size: str) -> AsyncIterator[None]:
    """A file system of this size at `folder`."""
    folder.mkdir(parents=True)
    await _command("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder))
    try:
        yield
    finally:
        await _command("umount", str(folder))


async def _command(*words: str) -> None:
    process = await asyncio.create_subprocess_exec(*words)
    assert await process.wait() == 0, words


@contextlib.contextmanager
def filled(folder: Path) -> Iterator[None]:
    """Not a byte is left on the file system of `folder` inside the block."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        ballast.unlink()


async def talk(centre: Centre, caller: Softphone, operator: Softphone) -> str:
    """Call 112, be answered, hang up; the operator rings within 1.5 s. The SIP Call-ID."""
    placed = await caller.call(centre.invite_uri)
    await operator.wait_incoming(1.5)
    await operator.answer()
    await caller.wait_for("confirmed", 3)
    await caller.hangup()
    await caller.wait_for("disconnected", 3)
    return placed.sip_call_id


async def part(centre: Centre, name: str, ok: bool, deadline_s: float) -> str:
    """The detail of this part of /health/ready, once it is so."""

    async def found() -> str | None:
        body = (await centre.api("GET", "/v1/health/ready")).json()
        one = body["parts"][name]
        return str(one["detail"]) if one["ok"] is ok else None

    return await until(found, deadline_s, f"the part {name} is {'well' if ok else 'not well'}")


async def assert_all_ended(centre: Centre) -> list[dict[str, Any]]:
    """Every record is ended within 30 s; all of them."""

    async def ended() -> list[dict[str, Any]] | None:
        calls: list[dict[str, Any]] = (await centre.get("/v1/calls", limit=200))["items"]
        return calls if all(call["state"] == "ended" for call in calls) else None

    return await until(ended, 30, "every record is ended")


async def assert_gap_over(centre: Centre, since: datetime, until_at: datetime) -> None:
    """A gap that spans this time is noted within 20 s."""

    async def noted() -> bool | None:
        gaps = (await centre.get("/v1/gaps"))["items"]
        spans = [(datetime.fromisoformat(gap["since"]), datetime.fromisoformat(gap["until"])) for gap in gaps]
        return any(begin <= since and until_at <= end for begin, end in spans) or None

    await until(noted, 20, f"a gap from {since} to {until_at}")


async def said(centre: Centre, *words: str) -> str:
    """What `pbx112` prints, on both of its outputs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "pbx112",
        *words,
        env=centre.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 30)
    return output.decode()


async def assert_whole_but_for_a_gap(centre: Centre, full: Path, *, database_too: bool) -> None:
    """Fill the disk under calls, free it, and look at all that must be true then."""
    service = centre.child("pbx112", "serve").pid
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        before = await talk(centre, caller, operator)
        await centre.record(before)
        await centre.on_disk()
        with filled(full):
            full_at = datetime.now(UTC)
            in_the_gap = [await talk(centre, caller, operator) for _ in range(3)]
            detail = await part(centre, "disk", False, 10)
            assert "cel-custom" in detail
            assert "pbx112_journal_writable 0.0" in (await centre.api("GET", "/metrics")).text
            keys = [alarm["key"] for alarm in (await centre.api("GET", "/v1/health/ready")).json()["alarms"]]
            assert "journal:unwritable" in keys
            if not database_too:
                assert "No space left" in await said(centre, "doctor")
            freed_at = datetime.now(UTC)
        await part(centre, "disk", True, 10)
        await assert_gap_over(centre, full_at, freed_at)
        after = await talk(centre, caller, operator)
        whole = await centre.record(after, deadline_s=10)
    assert (whole["outcome"], whole["operator"]) == ("answered", "op1")
    calls = await assert_all_ended(centre)
    first = next(call for call in calls if call["sip_call_id"] == before)
    assert first["outcome"] == "answered"
    lost = [call for call in calls if call["sip_call_id"] in in_the_gap and call["outcome"] == "answered"]
    assert len(lost) < 3, "the disk was not full"
    assert "NOTE, data may be incomplete" in await said(centre, "calls")
    assert centre.child("pbx112", "serve").pid == service, "the service died of it"


async def test_given_a_full_disk_under_the_journal_when_112_is_called_then_it_rings_and_the_gap_is_said(
    tmp_path: Path,
) -> None:
    journal = tmp_path / "state" / "asterisk" / "log" / "cel-custom"
    async with small_disk(journal, "256k"), running_centre(tmp_path, worker=WORKER, PBX112_LANG="en") as centre:
        await assert_whole_but_for_a_gap(centre, journal, database_too=False)


async def test_given_a_full_disk_under_everything_when_112_is_called_then_it_rings_and_the_gap_is_said(
    tmp_path: Path,
) -> None:
    state = tmp_path / "state"
    async with small_disk(state, "220m"), running_centre(tmp_path, worker=WORKER, PBX112_LANG="en") as centre:
        await assert_whole_but_for_a_gap(centre, state, database_too=True)


async def test_given_a_disk_that_was_full_only_while_the_service_was_away_when_it_is_back_then_the_gap_is_said(
    tmp_path: Path,
) -> None:
    """The disk has room before and after, and nobody looked in between."""
    journal = tmp_path / "state" / "asterisk" / "log" / "cel-custom"
    async with small_disk(journal, "256k"), running_centre(tmp_path, worker=WORKER, PBX112_LANG="en") as centre:
        service = centre.child("pbx112", "serve")
        async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
            await centre.log_in(operator, "op1")
            await centre.record(await talk(centre, caller, operator))
            service.suspend()
            try:
                with filled(journal):
                    # The last block of the journal takes some lines yet.
                    in_the_gap = [await talk(centre, caller, operator) for _ in range(2)]
                    full_at = datetime.now(UTC)
                    in_the_gap.append(await talk(centre, caller, operator))
                    freed_at = datetime.now(UTC)
            finally:
                service.resume()
            after = await talk(centre, caller, operator)
            whole = await centre.record(after, deadline_s=10)
        assert whole["outcome"] == "answered"
        await assert_gap_over(centre, full_at, freed_at)

        async def counted() -> bool | None:
            reasons = [gap["reason"] for gap in (await centre.get("/v1/gaps"))["items"]]
            return any("Asterisk counted" in reason for reason in reasons) or None

        # A torn line may tell of the whole time already; numbers are missing for good some seconds later.
        await until(counted, 15, "the channels without any line are missed")
        calls = await assert_all_ended(centre)
        assert len([call for call in calls if call["sip_call_id"] in in_the_gap]) < 3, "the disk was not full"


async def test_given_calls_while_the_journal_is_renamed_when_read_then_every_record_is_whole(
    tmp_path: Path,
) -> None:
    async with running_centre(tmp_path, worker=WORKER, PBX112_JOURNAL_MAX_MB="0.02") as centre:
        async with operators(centre):
            placed = await place_calls(centre, "carrier_talk.xml", 150, 8, 100, 0)
        calls = await assert_all_ended(centre)
        assert {call["sip_call_id"] for call in calls} == {call.call_id for call in placed}
        assert {call["outcome"] for call in calls} == {"answered"}
        assert (await centre.get("/v1/gaps"))["items"] == []
        connection = await centre.database()
        files = await connection.fetchval("SELECT count(DISTINCT file_id) FROM events")
        await connection.close()
        assert files >= 3
