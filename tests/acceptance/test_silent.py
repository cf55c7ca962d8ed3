"""Silent callers: the operator's *5 asks whether they can speak, and nobody is dropped by it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import httpx
import pytest

from pbx112.host.softphone_client import Softphone
from pbx112.host.sound import loudness
from tests.support.centre import SECRET, Centre, Record, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ, OPERATOR_HZ = 600, 950
BOTH = (CALLER_HZ, OPERATOR_HZ)
NUMBER = "+628123456789"


@dataclass(frozen=True)
class Talk:
    """Two phones in a talk; each speaks its own tone."""

    caller: Softphone
    operator: Softphone
    sip_call_id: str


@contextlib.asynccontextmanager
async def talking(centre: Centre, login: Literal["web", "phone", "none"] = "web") -> AsyncIterator[Talk]:
    """A caller in a talk with op1, by the queue, or by the overflow list when nobody is logged in."""
    async with Softphone.start("127.0.0.2", user=NUMBER) as caller, Softphone.start("127.0.0.1") as operator:
        await operator.register("op1", SECRET, centre.sip)
        if login == "phone":
            await centre.dial(operator, "*11")
        elif login == "web":
            await centre.api("POST", "/v1/operators/op1/login")
        await asyncio.gather(operator.tone(OPERATOR_HZ), caller.tone(CALLER_HZ))
        placed = await caller.call(centre.invite_uri)
        await operator.wait_incoming(5)
        await operator.answer()
        await caller.wait_for("confirmed", 5)
        await asyncio.sleep(0.3)
        talk = Talk(caller, operator, placed.sip_call_id)
        assert await joined(talk)
        yield talk


async def joined(talk: Talk) -> bool:
    """Each hears the other's tone, and not its own."""
    at_operator, at_caller = await asyncio.gather(talk.operator.hear(0.4, BOTH), talk.caller.hear(0.4, BOTH))
    return (
        at_operator[CALLER_HZ].share > 0.9
        and at_operator[OPERATOR_HZ].share < 0.1
        and at_caller[OPERATOR_HZ].share > 0.9
        and at_caller[CALLER_HZ].share < 0.1
    )


async def joined_again(talk: Talk, deadline_s: float) -> None:
    """Wait until they hear each other."""

    async def found() -> bool | None:
        return (await joined(talk)) or None

    await until(found, deadline_s, "both hear each other again")


async def prompted(talk: Talk, folder: Path) -> None:
    """The caller hears somebody speak and not the operator; the operator does not hear the caller."""
    prompt = folder / "prompt.wav"
    await asyncio.sleep(0.8)  # both keys are sent, and Asterisk has taken them
    await talk.caller.record(prompt)
    at_operator, at_caller = await asyncio.gather(talk.operator.hear(1.0, BOTH), talk.caller.hear(1.0, BOTH))
    await talk.caller.stop_recording()
    await asyncio.sleep(0.3)  # the file is closed at the sound's next tick
    assert loudness(prompt) > -35
    assert at_caller[OPERATOR_HZ].share < 0.3  # a voice has a little of every pitch
    assert at_operator[CALLER_HZ].share < 0.1


async def live_record(centre: Centre, talk: Talk) -> Record:
    """The record of the talk while it goes on."""
    return await centre.record(talk.sip_call_id, state="talking")


def digits_of(record: Record) -> list[str | None]:
    """What was pressed, check by check."""
    return [check["digits"] for check in record["silent_checks"]]


def pressed(phone: Softphone) -> str:
    """The keys that a phone was sent."""
    return "".join(event.facts["digit"] for event in phone.events if event.name == "dtmf")


async def test_given_a_talk_when_the_operator_presses_star_five_then_the_caller_answers_by_a_key_and_they_talk_on(
    centre: Centre, tmp_path: Path
) -> None:
    async with talking(centre) as talk:
        await talk.operator.dtmf("*5")
        await prompted(talk, tmp_path)
        await talk.caller.dtmf("5#")
        await joined_again(talk, 5)
        assert pressed(talk.operator) == "5#"
        assert pressed(talk.caller) == ""
        assert digits_of(await live_record(centre, talk)) == ["5#"]
        await talk.operator.hangup()
        record = await centre.record(talk.sip_call_id)
    assert (record["outcome"], record["hangup_by"], digits_of(record)) == ("answered", "operator", ["5#"])


async def test_given_other_keys_when_pressed_then_the_far_end_gets_them_and_nobody_is_asked(centre: Centre) -> None:
    async with talking(centre) as talk:
        await talk.caller.dtmf("*5")
        await talk.operator.dtmf("12#*")
        await asyncio.sleep(0.3)
        await talk.operator.dtmf("4")

        async def arrived() -> bool | None:
            return True if (pressed(talk.operator), pressed(talk.caller)) == ("*5", "12#*4") else None

        await until(arrived, 4, "the keys of both at the other")
        await joined_again(talk, 2)
        await talk.caller.hangup()
        record = await centre.record(talk.sip_call_id)
    assert digits_of(record) == []


async def test_given_no_key_when_an_overflow_phone_has_asked_twice_at_once_then_one_check_without_digits_and_a_talk(
    centre: Centre,
) -> None:
    async with talking(centre, "none") as talk:
        listed = (await centre.cli("core show channels concise")).splitlines()
        name = next(line.split("!")[0] for line in listed if line.startswith("PJSIP/carrier-a"))
        for setting in ("SILENT_WAIT 1", "SILENT_REPEATS 1"):
            await centre.cli(f"dialplan set chanvar {name} {setting}")
        await talk.operator.dtmf("*5")
        await asyncio.sleep(1.5)
        assert not await joined(talk)
        await talk.operator.dtmf("*5")
        await joined_again(talk, 6)
        await asyncio.sleep(0.5)
        assert await joined(talk)
        await talk.caller.hangup()
        record = await centre.record(talk.sip_call_id)
    assert (record["outcome"], record["hangup_by"], digits_of(record)) == ("answered", "caller", [None])


async def test_given_the_web_when_the_operator_asks_there_then_the_same_happens_and_it_is_audited(
    centre: Centre, tmp_path: Path
) -> None:
    async with talking(centre) as talk:
        path = f"/v1/calls/{(await live_record(centre, talk))['id']}/silent-check"
        assert (await centre.api("POST", path, user="op2")).status_code == httpx.codes.FORBIDDEN
        answer = await centre.api("POST", path, user="op1")
        assert (answer.status_code, answer.json()["operator"]) == (httpx.codes.ACCEPTED, "op1")
        await prompted(talk, tmp_path)
        await talk.caller.dtmf("1")
        await joined_again(talk, 5)
        await talk.caller.hangup()
        record = await centre.record(talk.sip_call_id)
        assert (await centre.api("POST", path)).json()["type"].endswith(":call-not-talking")
    assert digits_of(record) == ["1"]
    connection = await centre.database()
    try:
        acts = await connection.fetch("SELECT who FROM audit WHERE subject = $1", record["id"])
    finally:
        await connection.close()
    assert [act["who"] for act in acts] == ["op1"]


@pytest.mark.parametrize(("first", "within_s"), [("caller", 1.0), ("operator", 6.0)])
async def test_given_a_check_when_one_hangs_up_in_it_then_the_call_ends_for_both(
    centre: Centre, first: str, within_s: float
) -> None:
    async with talking(centre) as talk:
        await talk.operator.dtmf("*5")
        await asyncio.sleep(1.5)
        one, other = (talk.caller, talk.operator) if first == "caller" else (talk.operator, talk.caller)
        await one.hangup()
        await other.wait_for("disconnected", within_s)
        record = await centre.record(talk.sip_call_id)
    assert (record["outcome"], record["hangup_by"], digits_of(record)) == ("answered", first, [None])


@pytest.mark.alone  # for the classic script, which has half a second
async def test_given_the_service_stopped_when_the_operator_asks_then_it_works_and_the_record_shows_it_later(
    centre: Centre,
) -> None:
    service = centre.child("pbx112", "serve")
    service.suspend()
    try:
        async with talking(centre, "phone") as talk:
            await talk.operator.dtmf("*5")
            await asyncio.sleep(1.0)
            await talk.caller.dtmf("5")
            await joined_again(talk, 5)
            await talk.caller.hangup()
    finally:
        service.resume()
        await centre.cli("dialplan set global AGI_DOWN_UNTIL 0")
    record = await centre.record(talk.sip_call_id)
    assert digits_of(record) == ["5"]
    assert record["intake"] == "classic"
