"""Calls back on the real Asterisk: the operator's phone first, then the caller's, by the trunk that he came by."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from pbx112.host.softphone_client import Softphone, SoftphoneTimeout
from tests.acceptance.test_main_job import ASSERTED, NUMBER, carrier, near, talk
from tests.support.centre import SECRET, Centre, Record, running_centre, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

CARRIER = ("127.0.0.2", 5060)
"""Where the demo's carrier-a takes calls back."""


@contextlib.asynccontextmanager
async def carrier_side() -> AsyncIterator[Softphone]:
    """The caller's phone, reached through the carrier's address for calls back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(CARRIER)
        except OSError as error:
            pytest.fail(f"{CARRIER[0]}:{CARRIER[1]}/udp is taken ({error.strerror}): this test needs it for itself.")
    async with Softphone.start(*CARRIER, user=NUMBER) as phone:
        yield phone


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(centre: Centre) -> Centre:
    """The centre without a lease of the test before: all calls here have one number."""
    connection = await centre.database()
    try:
        await connection.execute("UPDATE callbacks SET lease_until = requested_at, state = 'not_placed'")
    finally:
        await connection.close()
    return centre


async def abandoned(centre: Centre, *, anonymous: bool = False) -> Record:
    """A caller rings 112 and gives up; his record."""
    async with carrier() as caller:
        headers, from_uri = ({}, "<sip:anonymous@anonymous.invalid>") if anonymous else (ASSERTED, None)
        placed = await caller.call(centre.invite_uri, headers=headers, from_uri=from_uri)
        await caller.wait_for("early", 3)
        await caller.hangup()
        return await centre.record(placed.sip_call_id)


async def call_back(centre: Centre, call: Record, operator: str = "op1", **more: Any) -> httpx.Response:
    return await centre.api("POST", f"/v1/calls/{call['id']}/callback", user=operator, **more)


async def record_of(centre: Centre, call: Record) -> Record:
    """The newest call back's record of this call, once it has ended."""

    async def ended() -> Record | None:
        items: list[Record] = (await centre.get("/v1/calls", limit=10))["items"]
        return next((c for c in items if c["callback_of"] == call["id"] and c["state"] == "ended"), None)

    return await until(ended, 8, f"the record of a call back of {call['id']}")


def refused(answer: httpx.Response, status: int, slug: str) -> str:
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{slug}"), answer.text
    return str(answer.json()["detail"])


def spooled(centre: Centre) -> list[Path]:
    """Call files, wherever they stand."""
    return list((centre.settings.asterisk_dir / "spool").rglob("*.call"))


@pytest.mark.parametrize("first", ["caller", "operator"])
async def test_given_an_abandoned_caller_when_called_back_then_they_talk_and_the_new_record_is_whole(
    fresh: Centre, first: str
) -> None:
    old = await abandoned(fresh)
    async with Softphone.start("127.0.0.1") as operator, carrier_side() as caller:
        await operator.register("op1", SECRET, fresh.sip)
        answer = await call_back(fresh, old)
        assert answer.status_code == 202, answer.text
        assert spooled(fresh) == []
        rung = await operator.wait_incoming(5)
        assert str(rung.facts["caller"]).startswith(f'"Telepon balik" <sip:{NUMBER}@')
        await operator.answer()
        invite = str((await caller.wait_incoming(5)).facts["message"])
        assert invite.startswith(f"INVITE sip:{NUMBER}@127.0.0.2:5060 SIP/2.0\r\n")
        assert re.search(r"(?m)^From: <sip:112@[^>]*>;tag=", invite)
        assert re.search(r"(?m)^P-Asserted-Identity: <sip:112@127.0.0.2>\r$", invite)
        assert "op1" in refused(await call_back(fresh, old, "op2"), 409, "callback-taken")
        # `talk` answers its second phone; the first one is in the call already.
        await talk(operator, caller)
        await (caller if first == "caller" else operator).hangup()
        ended = await operator.wait_for("disconnected", 5)
        record = await record_of(fresh, old)
    near(record, "ended_at", ended)
    assert (record["direction"], record["callback_of"], record["trunk"]) == ("outbound", old["id"], "carrier-a")
    assert (record["outcome"], record["operator"], record["hangup_by"]) == ("answered", "op1", first)
    assert (record["hangup_cause"], record["queue"], record["intake"]) == (16, None, "none")
    assert record["caller"]["number"] == record["caller"]["callback_number"] == NUMBER
    assert [(offer["operator"], offer["result"]) for offer in record["offers"]] == [("op1", "answered")]
    assert record["received_at"] < record["answered_at"] < record["ended_at"]
    assert record["talk_ms"] >= 900
    (recording,) = record["recordings"]
    assert recording["kind"] == "caller"
    assert recording["expected_ms"] >= record["talk_ms"]
    assert {"call_id": record["id"], "why": "called_back_by"} in (await fresh.get(f"/v1/calls/{old['id']}"))["related"]
    refused(await call_back(fresh, record), 409, "cannot-call-back")


async def test_given_a_call_back_when_a_caller_comes_to_the_queue_then_that_operators_phone_is_left_alone(
    fresh: Centre,
) -> None:
    old = await abandoned(fresh)
    async with Softphone.start("127.0.0.1") as operator, carrier_side() as caller, carrier() as next_caller:
        await fresh.log_in(operator, "op1")
        assert (await call_back(fresh, old)).status_code == 202
        rung = await operator.wait_incoming(5)
        await operator.answer(call=rung.call)
        await caller.wait_incoming(5)
        await caller.answer()
        await caller.wait_for("confirmed", 5)
        refused(await call_back(fresh, old), 409, "operator-not-ready")
        placed = await next_caller.call(fresh.invite_uri, headers=ASSERTED)
        with pytest.raises(SoftphoneTimeout):
            await operator.wait_incoming(2.5)
        await caller.hangup()
        await operator.wait_incoming(5)
        await next_caller.hangup()
        record = await fresh.record(placed.sip_call_id)
    assert [offer["operator"] for offer in record["offers"]] == ["op1"]


async def test_given_a_caller_who_is_busy_when_called_back_then_the_operator_hears_it_and_the_record_says_so(
    fresh: Centre,
) -> None:
    old = await abandoned(fresh)
    async with Softphone.start("127.0.0.1") as operator, carrier_side() as caller:
        await operator.register("op1", SECRET, fresh.sip)
        await call_back(fresh, old)
        await operator.wait_incoming(5)
        await operator.answer()
        await caller.wait_incoming(5)
        await caller.reject(486)
        tone = (await operator.hear(0.8, (425,)))[425]  # Indonesia's busy tone
        assert tone.share > 0.5
        await operator.wait_for("disconnected", 6)
        record = await record_of(fresh, old)
    assert (record["outcome"], record["hangup_cause"], record["answered_at"]) == ("failed", 17, None)
    assert (record["operator"], record["caller"]["number"]) == ("op1", NUMBER)


async def test_given_an_operator_who_refuses_when_his_phone_rings_then_nobody_is_called_and_he_may_repeat(
    fresh: Centre,
) -> None:
    old = await abandoned(fresh)
    async with Softphone.start("127.0.0.1") as operator, carrier_side() as caller:
        await operator.register("op1", SECRET, fresh.sip)
        await call_back(fresh, old)
        await operator.wait_incoming(5)
        await operator.reject(486)
        record = await record_of(fresh, old)
        assert (record["outcome"], record["operator"], record["hangup_cause"]) == ("failed", "op1", 17)
        assert [offer["result"] for offer in record["offers"]] == ["busy"]
        assert (await call_back(fresh, old)).status_code == 202
        await operator.wait_incoming(5)
        refused(await call_back(fresh, old, "op2"), 409, "callback-taken")
        await operator.reject(486)
        assert not [event for event in caller.events if event.name == "incoming"]


async def test_given_a_phone_that_is_not_registered_when_it_is_to_ring_then_the_record_says_so(fresh: Centre) -> None:
    old = await abandoned(fresh)
    assert (await call_back(fresh, old, "op3")).status_code == 202
    record = await record_of(fresh, old)
    assert (record["outcome"], record["operator"], record["hangup_cause"]) == ("failed", "op3", 20)
    assert [offer["result"] for offer in record["offers"]] == ["unavailable"]


async def test_given_callers_whom_nobody_can_call_when_asked_then_409_in_words(fresh: Centre) -> None:
    anonymous = await abandoned(fresh, anonymous=True)
    assert "tidak memberi nomor" in refused(await call_back(fresh, anonymous), 409, "cannot-call-back")
    async with carrier("127.0.0.3") as caller:
        placed = await caller.call(fresh.invite_uri)
        await caller.wait_for("early", 3)
        refused(await call_back(fresh, await fresh.record(placed.sip_call_id, state="queued")), 409, "cannot-call-back")
        await caller.hangup()
        claimed = await fresh.record(placed.sip_call_id)
    assert "pengakuan" in refused(await call_back(fresh, claimed), 409, "cannot-call-back")


async def test_given_asterisk_that_stands_still_when_asked_then_503_and_it_never_rings(fresh: Centre) -> None:
    old = await abandoned(fresh)
    asterisk = fresh.child("asterisk.conf", "-f")
    async with Softphone.start("127.0.0.1") as operator:
        await operator.register("op1", SECRET, fresh.sip)
        asterisk.suspend()
        try:
            detail = refused(await call_back(fresh, old), 503, "asterisk-unavailable")
        finally:
            asterisk.resume()
        assert "not placed" in detail
        assert spooled(fresh) == []
        with pytest.raises(SoftphoneTimeout):
            await operator.wait_incoming(2)
        assert (await call_back(fresh, old)).status_code == 202  # the lease was given back
        await operator.wait_incoming(5)
        await operator.hangup()
        await record_of(fresh, old)


async def test_given_asterisk_that_dies_under_the_ringing_when_it_is_back_then_it_does_not_ring_again(
    tmp_path: Path,
) -> None:
    async with running_centre(tmp_path, worker=8) as centre, Softphone.start("127.0.0.1") as operator:
        old = await abandoned(centre)
        await operator.register("op1", SECRET, centre.sip)
        assert (await call_back(centre, old)).status_code == 202
        await operator.wait_incoming(5)
        assert spooled(centre) == []  # Asterisk would try a file that is still there five minutes later
        asterisk = centre.child("sbin/asterisk")
        asterisk.kill()

        async def linked(*, wanted: bool) -> bool | None:
            return True if (await centre.get("/v1/live"))["connected"] is wanted else None

        await until(lambda: linked(wanted=False), 5, "the AMI link to be seen as down")
        assert "not placed" in refused(await call_back(centre, old, "op2"), 503, "asterisk-unavailable")
        assert spooled(centre) == []
        await until(lambda: linked(wanted=True), 20, "Asterisk to be back")
        with pytest.raises(SoftphoneTimeout):
            await operator.wait_incoming(3)
        assert await centre.channels() == 0
