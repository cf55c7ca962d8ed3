"""The AMI link against a scripted peer on a real socket: snapshot, events, commands, loss and return."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import replace

import pytest

from pbx112.ami.apply import apply_session
from pbx112.ami.link import AmiLink
from pbx112.domain.errors import AsteriskRefused, AsteriskUnavailable, OutcomeUnknown
from pbx112.domain.live import LiveQueue, LiveState
from pbx112.services.ports import LiveSource, Reloader, Telephone
from tests.support.ami_peer import (
    FAST,
    FULLY_BOOTED,
    HOST,
    SHUTDOWN,
    Action,
    AmiPeer,
    Member,
    Waiting,
    agent,
    ami_peer,
    block,
    channel_row,
    joined,
    left,
    member_event,
    running_link,
    until,
)


def queue(link: AmiLink, name: str = "112") -> LiveQueue:
    return next(queue for queue in link.state.queues if queue.name == name)


def waiting(link: AmiLink) -> list[str]:
    return [caller.linkedid for caller in queue(link).waiting]


async def test_given_a_running_asterisk_when_linked_then_the_board_is_its_snapshot() -> None:
    peer = AmiPeer(
        members=[Member("112", "op1", status=3), Member("112", "op2", paused="makan"), Member("darurat", "op1", 3)],
        waiting=[Waiting("112", 5, 2, wait=1), Waiting("112", 4, 1, wait=9)],
        channel_rows=[
            channel_row("PJSIP/carrier-a-00000004", 4),
            channel_row("PJSIP/carrier-a-00000005", 5, linkedid=3),
            channel_row("PJSIP/op1-00000006", 6, state="Ringing", linkedid=4),
        ],
    )
    async with ami_peer(peer), running_link(peer) as link:
        telephone: Telephone = link
        source: LiveSource = link
        assert (telephone.connected, source.state.asterisk_version, link.last_problem) == (True, "22.10.1", None)
        assert link.state.asterisk_started_at is not None
        assert [(m.operator, m.device, m.call, m.paused_reason) for m in queue(link).members] == [
            ("op1", "ringing", "node1-1795288020.4", None),
            ("op2", "not_inuse", None, "makan"),
        ]
        assert queue(link, "darurat").members[0].device == "ringing"
        assert [(c.linkedid, c.position) for c in queue(link).waiting] == [
            ("node1-1795288020.4", 1),
            ("node1-1795288020.3", 2),
        ]
        assert link.state.at is not None
        assert (link.state.at - queue(link).waiting[0].since).total_seconds() == 9
        assert [c.name for c in await link.channels()] == [
            row[0].removeprefix("Channel: ") for row in peer.channel_rows
        ]
        assert link.state.channels == 3
        assert peer.heard[0]["Events"] == "agent,system"


async def test_given_a_call_when_its_events_come_then_the_board_follows() -> None:
    states: list[LiveState] = []
    async with (
        ami_peer(AmiPeer(members=[Member("112", "op1")])) as peer,
        running_link(peer, on_change=states.append) as link,
    ):
        await peer.say(
            joined(1), agent("AgentCalled", 1, "op1"), member_event("QueueMemberStatus", "112", "op1", status=3)
        )
        await until(lambda: queue(link).members[0].device == "ringing")
        assert waiting(link) == ["node1-1795288020.1"]
        await peer.say(left(1), agent("AgentConnect", 1, "op1", "HoldTime: 1", "RingTime: 0"))
        await until(lambda: queue(link).members[0].in_call)
        assert waiting(link) == []
        assert queue(link).members[0].call == "node1-1795288020.1"
        await peer.say(
            agent("AgentComplete", 1, "op1", "HoldTime: 1", "TalkTime: 2", "Reason: caller"),
            member_event("QueueMemberStatus", "112", "op1"),
        )
        await until(lambda: queue(link).members[0].device == "not_inuse")
        assert states[-1] is link.state


async def test_given_events_during_the_snapshot_when_it_is_done_then_none_is_lost_and_none_counts_twice() -> None:
    # The first is in the list already (Asterisk sends it late), the second happened after the list was made.
    peer = AmiPeer(waiting=[Waiting("112", 1)])
    peer.answers["QueueStatus"] = lambda action: (
        joined(9)  # before the list: in it, had he not left again
        + left(9)
        + peer.queue_list(f"ActionID: {action['ActionID']}")
        + joined(1)
        + joined(2, position=2)
        + member_event("QueueMemberAdded", "112", "op3")
    )
    async with ami_peer(peer), running_link(peer) as link:
        await until(lambda: len(queue(link).members) == 1)
        assert waiting(link) == ["node1-1795288020.1", "node1-1795288020.2"]


async def test_given_drift_when_the_minutes_snapshot_comes_then_the_board_is_mended_and_that_counted() -> None:
    times = replace(FAST, snapshot_every=0.15)
    async with ami_peer(AmiPeer(members=[Member("112", "op1")])) as peer, running_link(peer, times=times) as link:
        peer.members = [Member("112", "op1", paused="makan"), Member("112", "op2")]
        await until(lambda: len(queue(link).members) == 2)
        assert queue(link).members[0].paused
        assert link.counters.snapshot_differences == 2


async def test_given_a_reload_when_told_then_the_queues_are_listed_anew() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        peer.queues.append("new")
        await peer.say(block("Event: Reload", "Privilege: system,all", "Module: app_queue.so", "Status: 0"))
        await until(lambda: [queue.name for queue in link.state.queues] == ["112", "darurat", "new"])


async def test_given_the_commands_when_sent_then_asterisk_hears_them_once() -> None:
    async with ami_peer() as peer, running_link(peer) as link:
        await link.queue_add("112", "op1", 3)
        await link.queue_pause("op1", paused=True, reason="salat – 5 menit")
        await link.queue_remove("112", "op1")
        commands = [action for action in peer.heard if action["Action"].startswith("Queue") and "Interface" in action]
        assert [(c["Action"], c["Interface"], c.get("Reason")) for c in commands] == [
            ("QueueAdd", "PJSIP/op1", None),
            ("QueuePause", "PJSIP/op1", "salat – 5 menit"),
            ("QueueRemove", "PJSIP/op1", None),
        ]


async def test_given_a_wrong_secret_when_linking_then_it_is_told_in_words_and_tried_slowly() -> None:
    async with ami_peer() as peer, running_link(peer, wait=False, secret="wrong") as link:
        await until(lambda: peer.connections >= 3)
        assert link.last_problem is not None
        assert "refused the AMI login of pbx112 (Authentication failed)" in link.last_problem
        assert "wrong" not in link.last_problem
        with pytest.raises(AsteriskUnavailable, match="not sent"):
            await link.queue_add("112", "op1", 0)
        assert peer.count("QueueAdd") == 0


async def test_given_no_asterisk_when_it_starts_then_the_link_is_up_within_three_seconds() -> None:
    async with ami_peer() as gone:
        port = gone.port
    link = AmiLink(HOST, port, "pbx112", "a secret: with a colon")
    task = asyncio.create_task(link.run())
    try:
        await asyncio.sleep(1.5)
        assert link.last_problem is not None
        assert "cannot be reached" in link.last_problem
        async with ami_peer(AmiPeer(port=port)):
            began = time.monotonic()
            await until(lambda: link.connected, 4)
            assert time.monotonic() - began < 3
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_given_an_asterisk_that_still_starts_when_logged_in_then_the_snapshot_waits_for_fully_booted() -> None:
    async with ami_peer(AmiPeer(booted=False)) as peer, running_link(peer, wait=False) as link:
        await until(lambda: peer.count("Login") == 1)
        await asyncio.sleep(0.1)
        assert peer.count("QueueStatus") == 0
        assert not link.connected
        await peer.say(FULLY_BOOTED)
        await until(lambda: link.connected)


async def test_given_no_fully_booted_at_all_when_waited_for_then_the_problem_names_the_read_class() -> None:
    async with ami_peer(AmiPeer(booted=False)) as peer, running_link(peer, wait=False) as link:
        await until(lambda: peer.connections >= 2)
        assert "read class `system`" in str(link.last_problem)


@pytest.mark.parametrize("how", ["end of stream", "shutdown"])
async def test_given_a_link_when_asterisk_ends_it_then_it_comes_back_with_a_new_snapshot(how: str) -> None:
    async with ami_peer(AmiPeer(waiting=[Waiting("112", 1)])) as peer, running_link(peer) as link:
        peer.waiting = [Waiting("112", 2)]
        if how == "shutdown":
            await peer.say(SHUTDOWN)
        else:
            peer.hang_up()
        await until(lambda: link.counters.logins == 2 and link.connected)
        assert waiting(link) == ["node1-1795288020.2"]
        assert link.counters.reconnects == 1


async def test_given_the_link_is_down_when_looked_at_then_the_last_board_is_there_and_marked() -> None:
    async with ami_peer(AmiPeer(members=[Member("112", "op1")])) as peer, running_link(peer) as link:
        peer.answers["Login"] = lambda _: None
        peer.hang_up()
        await until(lambda: not link.connected)
        assert queue(link).members[0].operator == "op1"
        with pytest.raises(AsteriskUnavailable, match="not sent"):
            await link.channels()


async def test_given_a_forged_channel_list_when_asked_for_then_it_is_not_given_as_whole() -> None:
    evil = channel_row("PJSIP/carrier-a-00000004", 4, caller="5\r\nUniqueid: x")
    async with ami_peer(AmiPeer(channel_rows=[evil])) as peer, running_link(peer) as link:
        with pytest.raises(OutcomeUnknown, match="not whole"):
            await link.channels()
        assert link.state.warnings


async def test_given_an_exception_of_the_listener_when_the_state_changes_then_the_link_stays_up() -> None:
    def broken(_: LiveState) -> None:
        raise RuntimeError("the feed has a fault")

    async with ami_peer() as peer, running_link(peer, on_change=broken) as link:
        await peer.say(joined(1))
        await until(lambda: len(waiting(link)) == 1)
        assert link.counters.logins == 1


async def test_given_a_link_that_breaks_when_cancelled_at_that_moment_then_it_ends() -> None:
    async with ami_peer() as peer:
        for turns in range(12):
            link = AmiLink(HOST, peer.port, "pbx112", "a secret: with a colon", times=FAST)
            task = asyncio.create_task(link.run())
            await until(lambda: link.connected)  # noqa: B023  # called in this turn only
            peer.hang_up()
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task], timeout=1)
            assert task.cancelled()


async def test_given_an_application_of_a_configuration_when_done_then_its_user_is_logged_out() -> None:
    def reload(action: Action) -> str:
        token = f"ActionID: {action['ActionID']}"
        if action["Module"] == "app_queue.so":
            return block("Response: Success", token, "Message: Module Reloaded")
        return block("Response: Error", token, "Message: No such module")

    async with ami_peer() as peer:
        peer.answers["Reload"] = reload
        async with apply_session(HOST, peer.port, "pbx112-apply", "a secret: with a colon") as session:
            reloader: Reloader = session
            await reloader.reload("app_queue.so")
            with pytest.raises(AsteriskRefused, match="No such module"):
                await reloader.reload("nix.so")
            assert set(await session.queues()) == {"112", "darurat"}
        assert peer.count("Logoff") == 1


async def test_given_no_asterisk_when_a_configuration_is_applied_then_it_is_unavailable() -> None:
    async with ami_peer() as peer:
        pass
    with pytest.raises(AsteriskUnavailable, match="cannot be reached"):
        async with apply_session(HOST, peer.port, "pbx112-apply", "x"):
            pass
