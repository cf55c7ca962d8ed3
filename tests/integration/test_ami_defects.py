"""What is wrong with panoramisk 1.4 (docs: libraries), one test each, against a scripted peer on a real socket."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from panoramisk.message import Message

from pbx112.ami.blocks import BLOCK_LIMIT
from pbx112.ami.client import PENDING_LIMIT, Client, SafeProtocol
from pbx112.ami.link import AmiLink
from pbx112.domain.errors import AsteriskUnavailable, BadInput, OutcomeUnknown
from tests.support.ami_peer import (
    FAST,
    Action,
    AmiPeer,
    Member,
    agent,
    ami_peer,
    block,
    joined,
    left,
    member_event,
    running_link,
    until,
)


def waiting(link: AmiLink) -> list[str]:
    return [caller.linkedid.rpartition(".")[2] for caller in link.state.queues[0].waiting]


async def test_given_a_line_break_in_a_value_when_sent_then_asterisk_hears_no_second_action() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        with pytest.raises(BadInput):
            await link.queue_pause("op1", paused=True, reason="x\r\n\r\nAction: Hangup\r\nChannel: all")
        await link.queue_remove("112", "op1")
        assert peer.count("QueuePause") == peer.count("Hangup") == 0


async def test_given_an_unanswered_action_when_the_link_comes_back_then_it_is_not_sent_again() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        peer.answers["QueuePause"] = lambda _: None
        asked = asyncio.create_task(link.queue_pause("op1", paused=True, reason="makan"))
        await until(lambda: peer.count("QueuePause") == 1)
        peer.hang_up()
        with pytest.raises(OutcomeUnknown, match="broke before Asterisk answered"):
            await asked
        await until(lambda: link.counters.logins == 2 and link.connected)
        await asyncio.sleep(0.2)
        assert peer.count("QueuePause") == 1


async def test_given_an_action_without_answer_when_its_deadline_is_over_then_its_outcome_is_unknown() -> None:
    def late(action: Action) -> str:
        token = f"ActionID: {action['ActionID']}"
        asyncio.get_running_loop().call_later(
            2.1, lambda: peer._writers[-1].write(block("Response: Success", token, "Message: late").encode())
        )
        return ""

    async with ami_peer() as peer, running_link(peer) as link:
        peer.answers["QueueAdd"] = late
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="within 2 s"):
            await link.queue_add("112", "op1", 0)
        assert 1.9 < time.monotonic() - began < 2.5
        await asyncio.sleep(0.3)
        assert link.connected
        assert link.counters.tainted == 0


async def test_given_no_connection_yet_when_asked_then_it_is_unavailable() -> None:
    link = AmiLink("127.0.0.1", 1, "pbx112", "x")
    with pytest.raises(AsteriskUnavailable, match="not sent"):
        await link.queue_add("112", "op1", 0)
    client = Client("127.0.0.1", 1, on_event=lambda _: None, on_taint=lambda _blocks, _fault: None)
    with pytest.raises(AsteriskUnavailable, match="not up yet"):
        await client.ask("Ping")


async def test_given_an_exception_in_a_callback_when_events_come_then_the_rest_of_the_read_is_handled() -> None:
    seen: list[str] = []

    def fails_first(event: object) -> None:
        seen.append(dict(event)["queue"])  # type: ignore[call-overload]
        if len(seen) == 1:
            raise RuntimeError("a fault in the callback")

    async with ami_peer() as peer:
        client = Client("127.0.0.1", peer.port, on_event=fails_first, on_taint=lambda _blocks, _fault: None)
        await client.open(1)
        await peer.say(joined(1, queue="a") + joined(2, queue="b") + joined(3, queue="c"))
        await until(lambda: len(seen) == 3)
        assert seen == ["a", "b", "c"]
        assert client.faults == 1
        assert not client.lost.done()
        client.drop("The test is over.")


async def test_given_many_events_when_they_come_in_one_read_then_they_are_applied_in_order() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        steps = [joined(number, position=number) for number in range(1, 301)]
        steps += [left(number) for number in range(1, 300)]
        await peer.say("".join(steps))
        await until(lambda: waiting(link) == ["300"])
        assert link.counters.events == 599


@pytest.mark.parametrize("stage", ["after the login", "during the login"])
async def test_given_a_half_open_line_when_asterisk_is_silent_then_it_is_noticed(stage: str) -> None:
    times = replace(FAST, ping_every=0.1, ping_answer=0.3)
    async with ami_peer() as peer, running_link(peer, wait=stage == "after the login", times=times) as link:
        peer.mute = True
        await until(lambda: peer.connections >= 2)
        words = "half-open" if stage == "after the login" else "did not answer the login"
        assert any(word in str(link.last_problem) for word in (words, "did not answer the login"))
        peer.mute = False
        await until(lambda: link.connected)


def test_given_the_times_of_the_service_when_a_line_goes_half_open_then_it_is_noticed_within_fifteen_seconds() -> None:
    times = AmiLink("127.0.0.1", 1, "pbx112", "x")._times
    assert times.ping_every + times.ping_answer <= 15
    assert times.retry_most + times.connect <= 3


async def test_given_a_character_that_two_reads_share_when_read_then_it_is_whole() -> None:
    async with ami_peer(AmiPeer(members=[Member("112", "op1")])) as peer, running_link(peer) as link:
        raw = member_event("QueueMemberPause", "112", "op1", paused="salat – ☕").encode()
        for cut in range(raw.index("–".encode()), raw.index("☕".encode()) + 4):
            await peer.say(raw[:cut], raw[cut:])
            await until(lambda: link.state.queues[0].members[0].paused_reason == "salat – ☕")
            await peer.say(member_event("QueueMemberPause", "112", "op1"))
            await until(lambda: not link.state.queues[0].members[0].paused)


async def test_given_a_forged_event_when_read_then_it_is_counted_never_applied_and_the_board_is_read_anew() -> None:
    async with ami_peer(AmiPeer(members=[Member("112", "op1")])) as peer, running_link(peer) as link:
        forged = "5\r\n\r\n" + member_event("QueueMemberPause", "112", "op1", paused="forged") * 3 + "Event: X\r\nA: b"
        peer.members.append(Member("112", "op2"))
        snapshots = link.counters.snapshots
        # His neighbour's event is lost with it: the new snapshot has what it told.
        await peer.say(joined(7, caller=forged) + member_event("QueueMemberAdded", "112", "op2"))
        await until(lambda: link.counters.snapshots > snapshots)
        members = link.state.queues[0].members
        assert [(m.operator, m.paused) for m in members] == [("op1", False), ("op2", False)]
        assert link.state.tainted_events == link.counters.tainted == 6
        assert waiting(link) == []


async def test_given_a_flood_of_forged_events_when_read_then_snapshots_do_not_follow_each() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        before = peer.count("QueueStatus")
        began = time.monotonic()
        for number in range(30):
            await peer.say(joined(number, caller="5\r\nUniqueid: x"))
        assert link.counters.tainted >= 30
        assert peer.count("QueueStatus") - before <= 1 + (time.monotonic() - began) / FAST.mend_every


async def test_given_more_events_than_the_inbox_holds_when_read_then_the_link_is_built_anew() -> None:
    async with ami_peer() as peer, running_link(peer, inbox_limit=50) as link:
        await peer.say("".join(joined(number) for number in range(200)))
        await until(lambda: link.counters.logins == 2 and link.connected)
        assert link.counters.overflows >= 1
        assert waiting(link) == []


async def test_given_a_block_without_end_when_read_then_the_link_is_dropped() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        await peer.say(b"Event: X\r\n" + b"A: " + b"b" * (BLOCK_LIMIT + 1))
        await until(lambda: link.counters.logins == 2 and link.connected)


async def test_given_asterisk_that_reads_nothing_when_asked_and_asked_then_what_waits_is_bounded() -> None:
    async with ami_peer() as peer:
        peer.mute = True
        client = Client("127.0.0.1", peer.port, on_event=lambda _: None, on_taint=lambda _blocks, _fault: None)
        await client.open(1)
        asks = [asyncio.create_task(client.ask("Ping", deadline_s=0.5)) for _ in range(PENDING_LIMIT + 5)]
        results = await asyncio.gather(*asks, return_exceptions=True)
        assert sum(isinstance(result, AsteriskUnavailable) for result in results) == 5
        assert sum(isinstance(result, OutcomeUnknown) for result in results) == PENDING_LIMIT
        assert isinstance(client.protocol, SafeProtocol)
        assert client.protocol.responses == {}
        client.drop("The test is over.")


async def test_given_asterisks_answer_to_a_login_to_a_queue_when_asked_then_it_is_not_waited_on_for_ever() -> None:
    # panoramisk takes "Added interface to queue" for the start of a list, and an error for a list without end.
    async with ami_peer() as peer, running_link(peer) as link:
        peer.answers["QueueAdd"] = lambda a: block(
            "Response: Success", f"ActionID: {a['ActionID']}", "Message: Added interface to queue"
        )
        await link.queue_add("112", "op1", 0)
        peer.answers["CoreShowChannels"] = lambda a: block(
            "Response: Error", f"ActionID: {a['ActionID']}", "Message: Permission denied"
        )
        with pytest.raises(Exception, match="Permission denied"):
            await link.channels()


def test_given_panoramisk_when_it_is_another_then_these_overrides_are_to_be_read_again() -> None:
    assert Message.success_responses == ["Success", "Follows", "Goodbye"]
    assert agent("AgentCalled", 1, "op1").startswith("Event: AgentCalled\r\nPrivilege: agent,all\r\n")
