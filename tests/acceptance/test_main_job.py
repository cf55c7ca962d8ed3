"""The main job, whole: carrier -> intake -> queue -> softphone -> talk -> hang-up -> record."""

import asyncio
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx112.host.softphone_client import PhoneEvent, Softphone
from pbx112.host.sound import loudness
from tests.support.centre import SECRET, Centre, Record, until
from tests.support.raw_sip import build_invite, exchange

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLER_HZ, OPERATOR_HZ = 600, 950
NUMBER = "+628123456789"
ASSERTED = {"P-Asserted-Identity": f"<sip:{NUMBER}@ims.example.id>"}


def carrier(source: str = "127.0.0.2") -> AbstractAsyncContextManager[Softphone]:
    """A caller behind a carrier's address."""
    return Softphone.start(source, user=NUMBER)


async def ring(centre: Centre, caller: Softphone, operator: Softphone) -> str:
    """Call 112 and wait until the operator's phone rings; the call's SIP Call-ID."""
    placed = await caller.call(centre.invite_uri, headers=ASSERTED)
    await operator.wait_incoming(5)
    return placed.sip_call_id


async def talk(caller: Softphone, operator: Softphone) -> None:
    """Answer, and let each hear the other's tone, and not its own."""
    await asyncio.gather(operator.tone(OPERATOR_HZ), caller.tone(CALLER_HZ))  # a live microphone, as any phone's
    await operator.answer()
    await asyncio.gather(operator.wait_for("confirmed", 5), caller.wait_for("confirmed", 5))
    await asyncio.sleep(0.4)
    both = (CALLER_HZ, OPERATOR_HZ)
    at_operator, at_caller = await asyncio.gather(operator.hear(0.6, both), caller.hear(0.6, both))
    assert at_operator[CALLER_HZ].share > 0.9
    assert at_operator[OPERATOR_HZ].share < 0.1
    assert at_caller[OPERATOR_HZ].share > 0.9
    assert at_caller[CALLER_HZ].share < 0.1


def near(record: Record, name: str, event: PhoneEvent, tolerance_ms: float = 50) -> None:
    """The record's time agrees with what a phone saw."""
    at = datetime.fromisoformat(record[name])
    seen = datetime.fromtimestamp(event.wall_us / 1_000_000, UTC)
    assert abs((at - seen).total_seconds()) * 1000 < tolerance_ms, (name, at, seen)


@pytest.mark.parametrize("first", ["caller", "operator"])
async def test_given_an_operator_when_112_is_called_then_they_talk_and_the_record_is_whole(
    centre: Centre, first: str
) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        sip_call_id = await ring(centre, caller, operator)
        await talk(caller, operator)
        await (caller if first == "caller" else operator).hangup()
        ended = await caller.wait_for("disconnected", 5)
        record = await centre.record(sip_call_id)
    near(record, "ended_at", ended)
    assert record["outcome"] == "answered"
    assert record["operator"] == "op1"
    assert record["queue"] == "112"
    assert record["trunk"] == "carrier-a"
    assert record["intake"] == "fastagi"
    assert record["hangup_by"] == first
    assert record["hangup_cause"] == 16
    assert record["drill"] is False
    assert record["caller"]["class"] == "asserted"
    assert record["caller"]["number"] == record["caller"]["callback_number"] == NUMBER
    assert [(offer["operator"], offer["result"]) for offer in record["offers"]] == [("op1", "answered")]
    times = [record[name] for name in ("received_at", "queued_at", "answered_at", "ended_at")]
    assert times == sorted(times)
    assert record["talk_ms"] >= 900


async def test_given_a_tls_phone_with_srtp_when_112_is_called_then_both_hear_each_other(centre: Centre) -> None:
    host, port = centre.sip_address
    async with carrier() as caller, Softphone.start("127.0.0.1", transport="tls", srtp=True) as operator:
        await operator.register("op2", SECRET, f"{host}:{port + 1}")
        await centre.api("POST", "/v1/operators/op2/login")
        await ring(centre, caller, operator)
        await talk(caller, operator)
        assert (await operator.wait_event("media_active", 1)).facts["srtp"] is True
        await caller.hangup()


async def test_given_a_caller_who_gives_up_when_it_rings_then_the_call_is_abandoned(centre: Centre) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        sip_call_id = await ring(centre, caller, operator)
        await asyncio.sleep(0.5)
        await caller.hangup()
        record = await centre.record(sip_call_id)
    assert (record["outcome"], record["hangup_by"]) == ("abandoned", "caller")
    assert record["answered_at"] is None
    assert record["talk_ms"] is None
    assert record["wait_ms"] >= 500
    assert [offer["result"] for offer in record["offers"]] == ["no_answer"]


async def test_given_a_busy_operator_when_112_is_called_then_the_next_one_answers(centre: Centre) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as first, Softphone.start("127.0.0.1") as second:
        await centre.log_in(first, "op1")
        await centre.log_in(second, "op2")
        placed = await caller.call(centre.invite_uri, headers=ASSERTED)
        done, waiting = await asyncio.wait(
            {asyncio.create_task(phone.wait_incoming(5), name=str(n)) for n, phone in enumerate((first, second))},
            return_when=asyncio.FIRST_COMPLETED,
        )
        rejecting, answering = (first, second) if done.pop().get_name() == "0" else (second, first)
        await rejecting.reject(486)
        await waiting.pop()
        await answering.answer()
        await caller.wait_for("confirmed", 5)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    assert [offer["result"] for offer in record["offers"]] == ["busy", "answered"]
    assert record["operator"] == record["offers"][1]["operator"]


async def test_given_nobody_logged_in_when_112_is_called_then_registered_phones_ring(centre: Centre) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        await operator.register("op3", SECRET, centre.sip)
        sip_call_id = await ring(centre, caller, operator)
        await talk(caller, operator)
        await operator.hangup()
        record = await centre.record(sip_call_id)
    assert (record["outcome"], record["operator"], record["queue"]) == ("answered", "op3", "112")


async def test_given_no_phone_at_all_when_one_logs_in_then_the_waiting_caller_reaches_it(centre: Centre) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        placed = await caller.call(centre.invite_uri, headers=ASSERTED)
        await caller.wait_for("early", 3)
        await asyncio.sleep(2)
        await centre.log_in(operator, "op4")
        await operator.wait_incoming(5)
        await talk(caller, operator)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    assert (record["outcome"], record["operator"]) == ("answered", "op4")
    assert record["wait_ms"] >= 2000


async def test_given_nobody_answers_when_ten_seconds_pass_then_the_comfort_prompt_answers_and_the_place_is_kept(
    centre: Centre, tmp_path: Path
) -> None:
    prompt = tmp_path / "prompt.wav"
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        sip_call_id = await ring(centre, caller, operator)
        answered = await caller.wait_for("confirmed", 13)
        await caller.record(prompt)
        await asyncio.sleep(1.5)
        await caller.stop_recording()
        await asyncio.sleep(0.3)  # the file is closed at the sound's next tick
        assert loudness(prompt) > -35  # somebody speaks: silence is -80 and below
        await operator.wait_incoming(5)
        await talk(caller, operator)
        await caller.hangup()
        record = await centre.record(sip_call_id)
    waited = datetime.fromtimestamp(answered.wall_us / 1e6, UTC) - datetime.fromisoformat(record["received_at"])
    assert 9.5 < waited.total_seconds() < 11.5
    assert record["outcome"] == "answered"
    assert record["wait_ms"] > 10_000
    assert [offer["result"] for offer in record["offers"]] == ["no_answer", "answered"]


async def test_given_feature_codes_when_dialled_then_the_board_and_the_queue_follow(centre: Centre) -> None:
    async with Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        await shown(centre, ("free", None))
        await centre.hear_out(operator, "*132")
        await shown(centre, ("paused", "2"))
        await centre.hear_out(operator, "*14")
        await shown(centre, ("free", None))
        await centre.hear_out(operator, "*12")
        await shown(centre, ("offline", None))


async def shown(centre: Centre, state: tuple[str, str | None]) -> None:
    """The board shows op1 so within a second: his phone may be just putting down the prompt."""

    async def so() -> bool | None:
        board = await centre.get("/v1/operators/op1")
        return (board["state"], board["paused_reason"]) == state or None

    await until(so, 1, f"op1 is {state}")


async def test_given_a_paused_operator_when_112_is_called_then_he_is_not_rung_and_the_caller_is_kept(
    centre: Centre,
) -> None:
    async with carrier() as caller, Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        await centre.api("POST", "/v1/operators/op1/pause", json={"reason": "istirahat"})
        placed = await caller.call(centre.invite_uri, headers=ASSERTED)
        await caller.wait_for("early", 3)
        await asyncio.sleep(1.5)
        live = await centre.get("/v1/queues/112")
        assert len(live["waiting"]) == 1
        await centre.api("POST", "/v1/operators/op1/unpause")
        await operator.wait_incoming(5)
        await operator.answer()
        await caller.wait_for("confirmed", 5)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    assert record["operator"] == "op1"
    assert record["wait_ms"] > 1500


async def test_given_the_networks_cell_when_112_is_called_then_the_record_says_where_with_its_trust(
    centre: Centre,
) -> None:
    pani = '3GPP-E-UTRAN-FDD;utran-cell-id-3gpp="510101F2A0ABCDE1";network-provided'
    async with carrier() as caller:
        headers = ASSERTED | {"P-Access-Network-Info": pani}
        placed = await caller.call(centre.invite_uri, headers=headers)
        await caller.wait_for("early", 3)
        await caller.hangup()
        record = await centre.record(placed.sip_call_id)
    (location,) = record["location"]
    assert location["raw"] == pani
    told = {name: value for name, value in location.items() if value not in (None, []) and name != "raw"}
    assert told == {
        "kind": "cell",
        "source": "pani",
        "trust": "network",
        "mcc": "510",
        "mnc": "10",
        "tac": 7978,
        "cell_id": 11259361,
        "network": "Telkomsel",
    }


async def test_given_the_phones_and_the_networks_cell_on_lines_of_their_own_when_called_then_the_networks_is_first(
    centre: Centre,
) -> None:
    source = ("127.0.0.2", 5996)
    lines = (
        b"P-Access-Network-Info: 3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510010001000000A\r\n"
        b"P-Access-Network-Info: 3GPP-NR-FDD;utran-cell-id-3gpp=51010001F2A00000ABCD;network-provided\r\n"
    )
    answer = await exchange(build_invite(source, centre.sip_address, extra=lines), source, centre.sip_address)
    record = await centre.record(answer.sip_call_id)
    assert [(place["trust"], place["mnc"], place["tac"], place["cell_id"]) for place in record["location"]] == [
        ("network", "10", 0x1F2A, 0xABCD),
        ("trunk", "01", 1, 10),
    ]
