"""A caller handed over to agencies from the operator's desk, on the real Asterisk: who hears whom at each stage."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from pbx112.host.softphone_client import Softphone
from tests.support.centre import SECRET, Centre, Record, until

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER, OPERATOR, AMBULANCE, FIRE = "caller", "operator", "ambulans1", "damkar1"
HZ = {CALLER: 600, OPERATOR: 950, AMBULANCE: 1400, FIRE: 1900}
NUMBER = "+628123456789"
PANI = "3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=5101012AF0A1B2C3; network-provided"
HEADERS = {"P-Asserted-Identity": f"<sip:{NUMBER}@ims.example.id>", "P-Access-Network-Info": PANI}


@dataclass
class Scene:
    """A caller in a talk with op1, and the agencies' phones; each speaks its own tone."""

    centre: Centre
    phones: dict[str, Softphone]
    sip_call_id: str
    call: str = ""

    async def hear(self, **expected: set[str]) -> None:
        """Whom each of these phones hears, within two seconds (a prompt may be playing)."""

        async def so() -> bool | None:
            heard = await self._heard(list(expected))
            seen.append(heard)
            return True if heard == expected else None

        seen: list[dict[str, set[str]]] = []
        try:
            await until(so, 4, "the right people hear each other")
        except AssertionError:
            pytest.fail(f"expected {expected}, heard {seen[-1]}")

    async def _heard(self, names: list[str]) -> dict[str, set[str]]:
        found = await asyncio.gather(*(self.phones[name].hear(0.3, tuple(HZ.values())) for name in names))
        pairs = zip(names, found, strict=True)
        return {name: {who for who in HZ if who != name and told[HZ[who]].share > 0.8} for name, told in pairs}

    async def post(self, path: str = "", user: str = "op1", **more: Any) -> httpx.Response:
        return await self.centre.api("POST", f"/v1/calls/{self.call}/transfers{path}", user=user, **more)

    async def start(self, agency: str, mode: str, **more: Any) -> str:
        answer = await self.post(json={"agency": agency, "mode": mode}, **more)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        assert answer.json()["state"] == "sent"
        return str(answer.json()["id"])

    async def move(self, transfer: str, move: str) -> None:
        answer = await self.post(f"/{transfer}/{move}")
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    async def lift(self, line: str) -> str:
        """The agency's phone rings and is lifted; its INVITE."""
        rung = await self.phones[line].wait_incoming(5)
        await self.phones[line].answer(call=rung.call)
        return str(rung.facts["message"])

    async def reaches(self, transfer: str, state: str) -> Record:
        """The transfer in the record, once it is in this state."""

        async def found() -> Record | None:
            listed = (await self.centre.get(f"/v1/calls/{self.call}"))["transfers"]
            return next((one for one in listed if one["id"] == transfer and one["state"] == state), None)

        return await until(found, 5, f"{transfer} is {state}")

    async def begun(self) -> list[Record] | None:
        """The transfers in the record; None when there is none yet."""
        return (await self.centre.get(f"/v1/calls/{self.call}"))["transfers"] or None

    async def caller_variable(self, name: str, value: str) -> None:
        """Set a variable on the caller's channel."""
        listed = (await self.centre.cli("core show channels concise")).splitlines()
        channel = next(line.split("!")[0] for line in listed if line.startswith("PJSIP/carrier-a"))
        await self.centre.cli(f"dialplan set chanvar {channel} {name} {value}")

    async def record(self) -> Record:
        return await self.centre.record(self.sip_call_id, deadline_s=8)


@contextlib.asynccontextmanager
async def scene(centre: Centre) -> AsyncIterator[Scene]:
    """Begin in the talk of a queue."""
    async with contextlib.AsyncExitStack() as stack:
        caller = await stack.enter_async_context(Softphone.start("127.0.0.2", user=NUMBER))
        phones = {CALLER: caller}
        for name in (OPERATOR, AMBULANCE, FIRE):
            phones[name] = await stack.enter_async_context(Softphone.start("127.0.0.1"))
        await asyncio.gather(*(phone.tone(HZ[name]) for name, phone in phones.items()))
        for account, name in (("op1", OPERATOR), (AMBULANCE, AMBULANCE), (FIRE, FIRE)):
            await phones[name].register(account, SECRET, centre.sip)
        await centre.api("POST", "/v1/operators/op1/login")
        placed = await caller.call(centre.invite_uri, headers=HEADERS)
        await phones[OPERATOR].wait_incoming(5)
        await phones[OPERATOR].answer()
        await caller.wait_for("confirmed", 5)
        here = Scene(centre, phones, placed.sip_call_id)
        here.call = (await centre.record(placed.sip_call_id, state="talking"))["id"]
        yield here


def refused(answer: httpx.Response, slug: str, status: int = 409) -> str:
    assert (answer.status_code, answer.json()["type"]) == (status, f"urn:pbx112:problem:{slug}"), answer.text
    return str(answer.json()["detail"])


async def test_given_a_talk_when_handed_over_warm_from_the_desk_then_each_hears_whom_he_should(centre: Centre) -> None:
    async with scene(centre) as here:
        await here.post("/x/cancel")  # he has signed in
        began = time.monotonic()
        id_ = await here.start("ambulans", "warm", headers={"Idempotency-Key": "click-1"})
        message = str((await here.phones[AMBULANCE].wait_incoming(5)).facts["message"])
        print(f"the agency's phone rang {1000 * (time.monotonic() - began):.0f} ms after the command")
        # The same click again, and another one.
        assert await here.start("ambulans", "warm", headers={"Idempotency-Key": "click-1"}) == id_
        again = await here.post(json={"agency": "damkar", "mode": "warm"}, user="supervisor")
        assert again.json()["type"].endswith(("transfer-taken", "transfer-refused")), again.text
        assert {"X-PBX112-Call": here.call, "X-PBX112-Class": "asserted", "X-PBX112-Service": "sos"}.items() <= dict(
            re.findall(r"(?m)^(X-PBX112-\w+): (.*)\r$", message)
        ).items()
        assert re.search(r"(?m)^X-PBX112-Location: cell=510-10-4783-10597059\r$", message), message
        assert re.search(rf'(?m)^From: "112 op1 \{NUMBER}" <sip:\{NUMBER}@', message), message
        await here.reaches(id_, "calling")
        await here.hear(caller=set(), operator=set())
        await here.phones[AMBULANCE].answer()
        await here.reaches(id_, "briefing")
        await here.hear(caller=set(), operator={AMBULANCE}, ambulans1={OPERATOR})
        await here.move(id_, "conference")
        await here.reaches(id_, "conference")
        everybody = {CALLER, OPERATOR, AMBULANCE}
        await here.hear(**{name: everybody - {name} for name in everybody})
        await here.move(id_, "complete")
        await here.phones[OPERATOR].wait_for("disconnected", 3)
        await here.reaches(id_, "handed_over")
        await here.hear(caller={AMBULANCE}, ambulans1={CALLER})
        refused(await here.post(f"/{id_}/cancel", user="supervisor"), "transfer-refused")
        await here.phones[AMBULANCE].hangup()
        record = await here.record()
    (transfer,) = record["transfers"]
    assert (transfer["id"], transfer["agency"], transfer["mode"], transfer["by"]) == (id_, "ambulans", "warm", "desk")
    assert (transfer["line"], transfer["result"]) == (AMBULANCE, "completed")


async def test_given_a_second_agency_when_briefed_in_private_and_released_then_the_first_has_the_caller(
    centre: Centre,
) -> None:
    async with scene(centre) as here:
        first = await here.start("ambulans", "conference")
        await here.lift(AMBULANCE)
        await here.reaches(first, "conference")
        await here.hear(caller={OPERATOR, AMBULANCE}, operator={CALLER, AMBULANCE})
        second = await here.start("damkar", "warm")
        await here.lift(FIRE)
        await here.reaches(second, "briefing")
        await here.hear(caller={AMBULANCE}, ambulans1={CALLER}, operator={FIRE}, damkar1={OPERATOR})
        assert "damkar" in refused(await here.post(f"/{first}/cancel"), "transfer-refused")
        await here.move(second, "conference")
        await here.reaches(second, "conference")
        everybody = set(HZ)
        await here.hear(**{name: everybody - {name} for name in everybody})
        # The one that was called first is released, and not the last.
        await here.move(first, "cancel")
        await here.phones[AMBULANCE].wait_for("disconnected", 3)
        await here.hear(caller={OPERATOR, FIRE}, damkar1={CALLER, OPERATOR})
        await here.reaches(first, "ended")
        await here.move(second, "complete")
        await here.hear(caller={FIRE}, damkar1={CALLER})
        await here.phones[FIRE].hangup()
        record = await here.record()
    assert [one["result"] for one in record["transfers"]] == ["cancelled", "completed"]


async def test_given_an_agency_that_rings_when_cancelled_then_they_talk_on_and_may_call_another(centre: Centre) -> None:
    async with scene(centre) as here:
        await here.caller_variable("PBX112_FACTS", "asserted/sos.fire/-8.650000_115.216700;r=30")
        id_ = await here.start("ambulans", "warm")
        message = str((await here.phones[AMBULANCE].wait_incoming(5)).facts["message"])
        assert "X-PBX112-Service: sos.fire\r\nX-PBX112-Location: -8.650000,115.216700;r=30\r\n" in message
        await here.reaches(id_, "calling")
        refused(await here.post(f"/{id_}/complete"), "transfer-refused")
        await here.move(id_, "cancel")
        await here.phones[AMBULANCE].wait_for("disconnected", 3)
        await here.hear(caller={OPERATOR}, operator={CALLER})
        assert (await here.reaches(id_, "ended"))["result"] == "cancelled"
        other = await here.start("damkar", "warm")
        await here.lift(FIRE)
        await here.reaches(other, "briefing")
        await here.hear(caller=set(), operator={FIRE}, damkar1={OPERATOR})
        await here.phones[CALLER].hangup()
        await here.phones[OPERATOR].hangup()
        record = await here.record()
    assert [one["agency"] for one in record["transfers"]] == ["ambulans", "damkar"]


async def test_given_two_clicks_at_once_when_they_are_for_two_agencies_then_one_rings_and_the_other_is_told(
    centre: Centre,
) -> None:
    async with scene(centre) as here:
        await here.centre.get("/v1/health/ready")
        await here.post("/x/cancel", user="supervisor")  # both have their tokens
        await here.post("/x/cancel")
        answers = await asyncio.gather(
            here.post(json={"agency": "ambulans", "mode": "warm"}),
            here.post(json={"agency": "damkar", "mode": "warm"}, user="supervisor"),
        )
        assert sorted(answer.status_code for answer in answers) == [202, 409]
        assert "tunggu" in refused(next(one for one in answers if one.status_code == 409), "transfer-taken")
        rung = AMBULANCE if answers[0].status_code == httpx.codes.ACCEPTED else FIRE
        await here.phones[rung].wait_incoming(3)
        await here.phones[CALLER].hangup()
        await here.phones[OPERATOR].hangup()
        record = await here.record()
    assert len(record["transfers"]) == 1


async def test_given_who_may_not_when_asked_then_403_and_an_agency_that_is_none_404(centre: Centre) -> None:
    async with scene(centre) as here:
        wish = {"agency": "ambulans", "mode": "warm"}
        refused(await here.post(json=wish, user="op2"), "not-allowed", 403)
        refused(await here.post(json=wish, user="auditor"), "not-allowed", 403)
        refused(await here.post(json={**wish, "agency": "nobody"}), "no-such-agency", 404)
        assert "tanpa pengantar" in refused(await here.post(json={**wish, "mode": "blind"}), "transfer-refused")
        await here.hear(caller={OPERATOR}, operator={CALLER})
        await here.phones[CALLER].hangup()
        await here.record()


async def test_given_no_line_that_answers_then_the_operator_has_his_caller_and_an_alarm_stands_till_the_next_answer(
    centre: Centre,
) -> None:
    async with scene(centre) as here:
        await here.phones[FIRE].on_incoming(reject_code=486)
        failed = await here.start("damkar", "warm")
        assert (await here.reaches(failed, "ended"))["result"] == "exhausted"
        await here.hear(caller={OPERATOR}, operator={CALLER})
        assert "damkar" in await alarm(centre, "transfer:damkar")
        await here.phones[FIRE].on_incoming()
        again = await here.start("damkar", "conference")
        for _ in range(2):  # the one that was refused is given out too
            rung = await here.phones[FIRE].wait_incoming(5)
        await here.phones[FIRE].answer(call=rung.call)
        await here.hear(caller={OPERATOR, FIRE}, damkar1={CALLER, OPERATOR})
        assert await alarm(centre, "transfer:damkar", up=False) == ""
        await here.move(again, "complete")
        await here.hear(caller={FIRE}, damkar1={CALLER})
        await here.phones[CALLER].hangup()
        await here.record()


async def test_given_an_agency_that_takes_callers_without_a_briefing_when_left_to_it_then_the_operator_is_free(
    centre: Centre,
) -> None:
    async with blindly(centre, "ambulans"), scene(centre) as here:
        id_ = await here.start("ambulans", "blind")
        await here.phones[OPERATOR].wait_for("disconnected", 3)
        await here.phones[AMBULANCE].wait_incoming(5)
        await here.reaches(id_, "calling")
        refused(await here.post(f"/{id_}/cancel", user="supervisor"), "call-not-talking")
        await here.phones[AMBULANCE].answer()
        await here.hear(caller={AMBULANCE}, ambulans1={CALLER})
        await here.phones[AMBULANCE].hangup()
        record = await here.record()
    assert [(one["mode"], one["result"]) for one in record["transfers"]] == [("blind", "completed")]


async def test_given_desk_and_phone_when_each_goes_on_where_the_other_began_then_it_is_one_transfer(
    centre: Centre,
) -> None:
    async with scene(centre) as here:
        await here.phones[OPERATOR].dtmf("*11")
        await here.lift(AMBULANCE)
        listed = await until(here.begun, 5, "the transfer in the record")
        by_phone = str(listed[0]["id"])
        assert listed[0]["by"] == "phone"
        await here.reaches(by_phone, "briefing")
        await here.move(by_phone, "conference")
        await here.hear(caller={OPERATOR, AMBULANCE}, ambulans1={CALLER, OPERATOR})
        by_desk = await here.start("damkar", "warm")
        await here.lift(FIRE)
        await here.reaches(by_desk, "briefing")
        await here.phones[OPERATOR].dtmf("*2")
        await here.reaches(by_desk, "conference")
        await here.hear(caller=set(HZ) - {CALLER}, damkar1=set(HZ) - {FIRE})
        await here.phones[OPERATOR].dtmf("*3")
        await here.phones[OPERATOR].wait_for("disconnected", 3)
        await here.hear(caller={AMBULANCE, FIRE}, damkar1={CALLER, AMBULANCE})
        await here.phones[CALLER].hangup()
        await here.record()


@pytest.mark.parametrize("place", ["hold", "room"])
async def test_given_an_operator_who_ends_in_the_moment_of_the_move_then_the_caller_is_at_the_queues_head_in_two_s(
    centre: Centre, place: str
) -> None:
    async with scene(centre) as here:
        # As transfer-start does it; and then the operator's leg ends before it has come to calling anybody.
        await here.caller_variable("NEXT", place)
        await here.phones[OPERATOR].hangup()
        began = time.monotonic()
        rung = await here.phones[OPERATOR].wait_incoming(4)
        assert time.monotonic() - began < 2.0
        await here.phones[OPERATOR].answer(call=rung.call)
        await here.hear(caller={OPERATOR}, operator={CALLER})
        await here.phones[CALLER].hangup()
        await here.record()


async def alarm(centre: Centre, key: str, *, up: bool = True) -> str:
    """The text of an alarm, once it is up; empty once it is not."""

    async def found() -> str | None:
        texts = [one["text"] for one in (await centre.get("/v1/alarms"))["items"] if one["key"] == key]
        return texts[0] if texts and up else "" if not texts and not up else None

    return await until(found, 5, f"the alarm {key} {'up' if up else 'over'}")


@contextlib.asynccontextmanager
async def blindly(centre: Centre, agency: str) -> AsyncIterator[None]:
    """Inside, callers may be left to this agency without a briefing."""
    await _allow_blind(centre, agency, allowed=True)
    try:
        yield
    finally:
        await _allow_blind(centre, agency, allowed=False)


async def _allow_blind(centre: Centre, name: str, *, allowed: bool) -> None:
    draft = await centre.get("/v1/config")
    agency = next(one for one in draft["configuration"]["agencies"] if one["name"] == name)
    etag = {"If-Match": f'"{draft["version"]}"'}
    saved = await centre.api("PUT", f"/v1/agencies/{name}", headers=etag, json={**agency, "blind": allowed})
    assert saved.is_success, saved.text
    applied = await centre.api("POST", "/v1/config/apply", headers={"If-Match": saved.headers["etag"]})
    assert applied.is_success, applied.text
