"""Events that AMI lost: the next snapshot mends the board, and what it mended is counted by kind and shown."""

from __future__ import annotations

from dataclasses import replace

from pbx112.ami.link import AmiLink
from pbx112.ami.session import LinkTimes
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.live import OperatorState
from pbx112.services.live_views import live_view
from pbx112.services.presence import Presence
from tests.support.ami_peer import FAST, AmiPeer, Member, agent, ami_peer, joined, left, running_link, until

OFTEN = replace(FAST, snapshot_every=0.2)


def state_of(link: AmiLink) -> OperatorState:
    return Presence(link, lambda: DEMO_CENTRE).state.doing["op1"].state


def test_given_the_service_when_nothing_is_lost_then_a_snapshot_is_taken_each_minute_all_the_same() -> None:
    assert LinkTimes().snapshot_every == 60


async def test_given_a_talk_whose_end_was_lost_when_a_snapshot_comes_then_the_operator_is_free_and_it_is_counted() -> (
    None
):
    peer = AmiPeer(members=[Member("112", "op1")])
    async with ami_peer(peer), running_link(peer) as link:
        await peer.say(
            joined(1),
            agent("AgentCalled", 1, "op1"),
            left(1),
            agent("AgentConnect", 1, "op1", "HoldTime: 1", "RingTime: 0"),
            joined(2),
        )
        await until(lambda: len(link.state.queues[0].waiting) == 1 and link.state.queues[0].members[0].in_call)
        assert state_of(link) is OperatorState.TALKING
        # AgentComplete, the phone's state and the second caller's leave never come; the peer lists what is so.
        assert await link.look_again(2.0)
        assert state_of(link) is OperatorState.FREE
        assert link.state.queues[0].waiting == ()
        assert link.state.drift == {"talk": 1, "phone": 1, "caller": 1}
        assert live_view(DEMO_CENTRE, link.state, "node1")["drift"] == {"talk": 1, "phone": 1, "caller": 1}


async def test_given_a_pause_whose_event_was_lost_when_snapshots_follow_then_it_is_counted_once_and_never_again() -> (
    None
):
    peer = AmiPeer(members=[Member("112", "op1")])
    async with ami_peer(peer), running_link(peer, times=OFTEN) as link:
        peer.members = [Member("112", "op1", paused="makan")]
        await until(lambda: link.state.queues[0].members[0].paused)
        seen = link.counters.snapshots
        await until(lambda: link.counters.snapshots >= seen + 2)
        assert link.state.drift == {"pause": 1}


async def test_given_a_link_that_was_down_when_it_is_back_then_what_happened_meanwhile_is_no_drift() -> None:
    peer = AmiPeer(members=[Member("112", "op1")])
    async with ami_peer(peer), running_link(peer) as link:
        peer.members = []
        peer.hang_up()
        await until(lambda: link.connected and not link.state.queues[0].members)
        assert link.state.drift == {}


async def test_given_missed_offers_when_they_are_told_then_the_member_carries_how_many_in_a_row() -> None:
    peer = AmiPeer(members=[Member("112", "op1"), Member("darurat", "op1")])
    async with ami_peer(peer), running_link(peer) as link:
        for _ in range(2):
            await peer.say(agent("AgentCalled", 1, "op1"), agent("AgentRingNoAnswer", 1, "op1", "RingTime: 10000"))
        await until(lambda: all(q.members[0].missed is not None for q in link.state.queues))
        await until(lambda: [q.members[0].missed.count for q in link.state.queues if q.members[0].missed] == [2, 2])
        await peer.say(agent("AgentComplete", 1, "op1", "HoldTime: 1", "TalkTime: 2", "Reason: caller"))
        await until(lambda: link.state.queues[0].members[0].call_ended_at is not None)
        assert link.state.queues[1].members[0].call_ended_at is None
