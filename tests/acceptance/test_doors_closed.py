"""Who may not: unknown peers, operators towards the trunk, hostile callers."""

import pytest

from pbx112.host.softphone_client import CallOver, RegistrationFailed, Softphone
from tests.support.centre import SECRET, Centre
from tests.support.raw_sip import build_invite, exchange

# One event loop for all tests that share a centre.
pytestmark = pytest.mark.asyncio(loop_scope="session")

DIVERSION = b"Diversion: <sip:%0a%0aEvent%3a%20Hangup%0a%0a@x>;reason=unconditional\r\n"
EVIL_USERS = [
    "%0d%0aEvent:%20Hangup",
    "%0d%0aEvent%3a%20Hangup%0d%0aChannel%3a%20PJSIP/op1-00000001%0d%0aUniqueid%3a%201.1%0d%0a%0d%0a",
    "%0a%0a200%20result=1%20(x)",
    "+6281%0d%0aEvent%3a%20QueueMemberRemoved%0d%0aQueue%3a%20112%0d%0aMemberName%3a%20op1%0d%0a%0d%0a",
]


async def test_given_an_unknown_peer_when_it_invites_then_it_gets_no_channel(centre: Centre) -> None:
    source = ("127.0.0.77", 0)
    answer = await exchange(build_invite(("127.0.0.77", 5999), centre.sip_address), source, centre.sip_address)
    assert answer.final_code == 401
    assert await centre.channels() == 0
    assert not [c for c in (await centre.get("/v1/calls"))["items"] if c["sip_call_id"] == answer.sip_call_id]


@pytest.mark.parametrize("claimed", ["carrier-a", "carrier-b", "drill", "op1", "drill-operator"])
async def test_given_an_unknown_peer_when_its_from_names_an_account_then_it_gets_no_channel(
    centre: Centre, claimed: str
) -> None:
    invite = build_invite(("127.0.0.78", 5997), centre.sip_address, number=claimed)
    answer = await exchange(invite, ("127.0.0.78", 0), centre.sip_address)
    assert answer.final_code == 401
    assert await centre.channels() == 0


async def test_given_two_phones_of_one_account_when_the_second_registers_then_it_takes_over(centre: Centre) -> None:
    async with Softphone.start("127.0.0.1") as first, Softphone.start("127.0.0.1") as second:
        await first.register("op1", SECRET, centre.sip)
        await second.register("op1", SECRET, centre.sip)
        contacts = await centre.cli("pjsip show contacts")
        assert f"op1@127.0.0.1:{second.port}" in contacts
        assert f"op1@127.0.0.1:{first.port}" not in contacts


async def test_given_an_operator_when_he_dials_112_then_the_trunk_context_is_out_of_reach(centre: Centre) -> None:
    async with Softphone.start("127.0.0.1") as operator:
        await operator.register("op1", SECRET, centre.sip)
        await operator.call(centre.invite_uri)
        with pytest.raises(CallOver):
            await operator.wait_for("confirmed", 3)


async def test_given_a_wrong_password_when_registering_then_it_is_refused(centre: Centre) -> None:
    async with Softphone.start("127.0.0.1") as operator:
        with pytest.raises(RegistrationFailed):
            await operator.register("op1", "wrong", centre.sip)


@pytest.mark.parametrize("evil", EVIL_USERS)
async def test_given_a_hostile_from_when_112_is_called_then_it_is_stored_inert_and_changes_nothing(
    centre: Centre, evil: str
) -> None:
    tainted = (await centre.get("/v1/live"))["warnings"]
    source = ("127.0.0.3", 0)
    invite = build_invite(("127.0.0.3", 5998), centre.sip_address, number=evil, extra=DIVERSION * 3)
    async with Softphone.start("127.0.0.1") as operator:
        await centre.log_in(operator, "op1")
        answer = await exchange(invite, source, centre.sip_address, hold_s=1.0)
        record = await centre.record(answer.sip_call_id)
        assert (await centre.get("/v1/operators/op1"))["state"] == "free"
    assert record["intake"] == "fastagi"
    assert record["queue"] == "112"
    assert record["outcome"] == "abandoned"
    assert record["trunk"] == "carrier-b"
    assert record["caller"]["class"] == "unparseable"
    assert record["caller"]["number"] is None
    assert record["caller"]["callback_number"] is None
    assert record["caller"]["raw_number"].isprintable()
    events = (await centre.get(f"/v1/calls/{record['id']}/events"))["items"]
    written = [event["extra"].get("from", "") for event in events if event["kind"] == "PBX112_ARRIVAL"]
    assert evil in written[1]  # verbatim, still escaped
    assert (await centre.get("/v1/live"))["warnings"] == tainted
