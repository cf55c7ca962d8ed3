"""Recordings by a real Asterisk: who is in which file, for how long; a folder that cannot be written hurts nobody."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pbx112.host.softphone_client import Softphone
from pbx112.host.tones import Heard, read_wav, tones_heard
from tests.support.centre import SECRET, Centre, Record, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ, OPERATOR_HZ, AGENCY_HZ = 600, 950, 1300
TONES = (CALLER_HZ, OPERATOR_HZ, AGENCY_HZ)
NUMBER = "+628123456789"


@dataclass(frozen=True)
class Phones:
    """A caller, and an operator who is logged in; each speaks its own tone."""

    caller: Softphone
    operator: Softphone

    async def talk(self, centre: Centre) -> str:
        """Call 112 and be answered; the SIP Call-ID."""
        placed = await self.caller.call(centre.invite_uri)
        await self.operator.wait_incoming(1.5)
        await self.operator.answer()
        await self.caller.wait_for("confirmed", 3)
        return placed.sip_call_id


@contextlib.asynccontextmanager
async def phones(centre: Centre) -> AsyncIterator[Phones]:
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await operator.register("op1", SECRET, centre.sip)
        await centre.api("POST", "/v1/operators/op1/login")
        await asyncio.gather(caller.tone(CALLER_HZ), operator.tone(OPERATOR_HZ))
        yield Phones(caller, operator)


def folder_of(centre: Centre) -> Path:
    return centre.settings.asterisk_dir / "spool/monitor"


async def looked_at(centre: Centre, sip_call_id: str) -> Record:
    """The record of this call, once its files were looked at."""
    record = await centre.record(sip_call_id)

    async def found() -> Record | None:
        one: Record = await centre.get(f"/v1/calls/{record['id']}")
        return one if one["recordings"] and all(r["state"] for r in one["recordings"]) else None

    return await until(found, 10, "its recordings were looked at")


def held(centre: Centre, recording: Record) -> dict[int, Heard]:
    """The tones in a file, which is as long, and what, the record says."""
    path = folder_of(centre) / recording["file"]
    samples, rate = read_wav(path)
    assert rate == 8000
    assert recording["state"] == "ok"
    assert recording["bytes"] == path.stat().st_size
    assert recording["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert recording["duration_ms"] == round(len(samples) / 8)
    assert abs(recording["duration_ms"] - recording["expected_ms"]) < 200
    return {heard.frequency: heard for heard in tones_heard(samples, rate, TONES)}


async def alarm(centre: Centre) -> Record | None:
    items: list[Record] = (await centre.get("/v1/alarms"))["items"]
    return next((item for item in items if item["key"] == "recording"), None)


async def test_given_a_talk_after_ringing_when_it_ends_then_its_file_holds_both_tones_for_its_whole_length(
    centre: Centre,
) -> None:
    async with phones(centre) as two:
        placed = await two.caller.call(centre.invite_uri)
        await two.operator.wait_incoming(5)
        await asyncio.sleep(0.5)
        await two.operator.answer()
        await two.caller.wait_for("confirmed", 3)
        await asyncio.sleep(2)
        await two.caller.hangup()
        record = await looked_at(centre, placed.sip_call_id)
    (recording,) = record["recordings"]
    assert recording["kind"] == "caller"
    assert abs(recording["duration_ms"] - record["talk_ms"]) < 100, "the ringing has no sound"
    heard = held(centre, recording)
    assert (heard[CALLER_HZ].share > 0.9, heard[OPERATOR_HZ].share > 0.9) == (True, True)
    assert heard[AGENCY_HZ].share == 0


async def test_given_a_warm_transfer_by_keys_when_it_ends_then_the_briefing_is_a_file_of_its_own(
    centre: Centre,
) -> None:
    async with phones(centre) as two, Softphone.start("127.0.0.1") as agency:
        await asyncio.gather(agency.register("ambulans1", SECRET, centre.sip), agency.tone(AGENCY_HZ))
        sip_call_id = await two.talk(centre)
        await asyncio.sleep(0.5)
        await two.operator.dtmf("*11")
        await agency.wait_incoming(5)
        await agency.answer()
        await asyncio.sleep(4)  # a prompt says who calls, then they talk
        await two.operator.dtmf("*3")
        await two.operator.wait_for("disconnected", 3)
        await asyncio.sleep(1.2)
        await two.caller.hangup()
        record = await looked_at(centre, sip_call_id)
    caller, briefing = record["recordings"]
    assert (caller["kind"], briefing["kind"]) == ("caller", "briefing")
    whole, private = held(centre, caller), held(centre, briefing)
    assert whole[CALLER_HZ].share > 0.9, "he is heard on hold too"
    assert whole[AGENCY_HZ].share > 0.1, "the agency is in his file from the hand-over on"
    assert private[CALLER_HZ].share < 0.1, "he hears nothing of the briefing, and is not in it"
    assert (private[OPERATOR_HZ].share > 0.3, private[AGENCY_HZ].share > 0.3) == (True, True)
    assert caller["started_at"] < briefing["started_at"] < briefing["ended_at"] < caller["ended_at"]


async def test_given_a_folder_that_cannot_be_written_when_called_then_the_call_goes_on_and_the_alarm_is_up(
    centre: Centre,
) -> None:
    folder = folder_of(centre)
    aside = folder.with_name("monitor-aside")
    folder.rename(aside)
    folder.write_text("A file where the folder should be: nothing can be written, not even by root.")
    try:
        async with phones(centre) as two:
            sip_call_id = await two.talk(centre)
            await asyncio.sleep(0.3)
            heard = await two.operator.hear(0.4, TONES)
            assert heard[CALLER_HZ].share > 0.9
            await two.caller.hangup()
            record = await looked_at(centre, sip_call_id)
    finally:
        folder.unlink()
        aside.rename(folder)
    assert (record["outcome"], record["operator"], record["hangup_by"]) == ("answered", "op1", "caller")
    (recording,) = record["recordings"]
    assert (recording["state"], recording["bytes"], recording["sha256"]) == ("missing", None, None)

    async def raised() -> Record | None:
        return await alarm(centre)

    up = await until(raised, 3, "the alarm")
    assert up["level"] == "warning"
    assert record["id"] in up["text"]
