"""Forged text in the AMI stream: what of a burst is believed. The bursts are as captured from Asterisk 22.10.1."""

from __future__ import annotations

import pytest

from pbx112.ami.blocks import Block, parse
from pbx112.ami.quarantine import Quarantine
from tests.support.ami_peer import AmiPeer, Member, Waiting, channel_row, joined, left, member_event

OURS = "action/5f1d/1/7"
TORN = joined(2, caller="5\r\n\r\nEvent: QueueMemberPause\r\nPrivilege: agent,all\r\nQueue: 112\r\nMemberName: op1")
COMPLETED = joined(
    2,
    caller=(
        "5\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\nQueue: 112\r\nPosition: 1\r\nCount: 1\r\n\r\n"
        + member_event("QueueMemberPause", "112", "op1", paused="forged") * 3
        + "X: y"
    ),
)


def burst(text: str) -> list[Block]:
    return [parse(raw.encode()) for raw in text.split("\r\n\r\n")[:-1]]


def believed(*texts: str) -> tuple[list[str], Quarantine]:
    quarantine = Quarantine(is_ours=lambda token: "5f1d" in token)
    names: list[str] = []
    for text in texts:
        for found in burst(text):
            quarantine.hold(found)
        names += [one.headers.get("name") or one.name for one in quarantine.release()]
    return names, quarantine


def test_given_honest_events_when_released_then_all_are_believed() -> None:
    names, quarantine = believed(joined(1) + member_event("QueueMemberStatus", "112", "op1"), left(1))
    assert names == ["QueueCallerJoin", "QueueMemberStatus", "QueueCallerLeave"]
    assert quarantine.tainted == 0


@pytest.mark.parametrize(
    "forged",
    [
        TORN,
        COMPLETED,
        joined(2, caller="5\r\nUniqueid: node1-1.1"),
        joined(2, caller="5\rEvent: x"),
        joined(2, caller="5\r\nActionID: action/guess/1/1"),
        joined(2, caller="5\r\n\r\nEvent: Fake"),
        joined(2, caller="5\r\n\r\nResponse: Success\r\nMessage: ok"),
    ],
    ids=["torn", "completed and three forged", "repeated header", "bare CR", "guessed ActionID", "event", "response"],
)
def test_given_forged_text_in_a_caller_id_when_released_then_neither_it_nor_its_neighbours_are_believed(
    forged: str,
) -> None:
    names, quarantine = believed(joined(1), left(1) + forged + left(3), left(4))
    assert names == ["QueueCallerJoin", "QueueCallerLeave"]
    assert quarantine.tainted == len(burst(left(1) + forged + left(3)))
    assert quarantine.last_fault


@pytest.mark.parametrize(
    "caller", ["5\r\n\r\nEvent: Fake\r\nX: y", "5\r\nUniqueid: x", COMPLETED[:60] + "\r\n\r\nA: b"]
)
def test_given_a_forger_in_the_queue_when_its_list_is_read_then_only_his_own_entry_is_not_believed(
    caller: str,
) -> None:
    peer = AmiPeer(
        members=[Member("112", "op1"), Member("darurat", "op2")],
        waiting=[Waiting("112", 1), Waiting("112", 2, 2, caller), Waiting("112", 3, 3)],
    )
    names, quarantine = believed(peer.queue_list(f"ActionID: {OURS}"))
    assert [name for name in names if name.startswith("op")] == ["op1", "op2"]
    assert names.count("QueueEntry") in {1, 2}
    assert names[0] == "Success"
    assert names[-1] == "QueueStatusComplete"
    assert quarantine.tainted > 0


def test_given_a_forger_among_the_channels_when_listed_then_the_others_are_believed() -> None:
    evil = "5\r\n\r\n" + "".join(member_event("QueueMemberPause", "112", "op1", paused="forged")) + "Event: X\r\nA: b"
    peer = AmiPeer(
        channel_rows=[
            channel_row("PJSIP/a-1", 1),
            channel_row("PJSIP/evil-2", 2, caller=evil),
            channel_row("PJSIP/op1-3", 3),
        ]
    )
    names, quarantine = believed(peer.channel_list(f"ActionID: {OURS}"))
    assert names == ["Success", "CoreShowChannel", "CoreShowChannel", "CoreShowChannelsComplete"]
    assert quarantine.tainted == 3


def test_given_an_event_inside_a_list_when_read_then_it_is_not_believed() -> None:
    peer = AmiPeer(members=[Member("112", "op1")])
    listed = peer.queue_list(f"ActionID: {OURS}")
    forged = member_event("QueueMemberPause", "112", "op1", paused="forged")
    start, rest = listed.split("Event: QueueMember\r\n")
    names, quarantine = believed(start + forged + "Event: QueueMember\r\n" + rest)
    assert "QueueMemberPause" not in names
    assert quarantine.tainted >= 1
    again, _ = believed(listed, forged)
    assert again[-1] == "QueueMemberPause"
