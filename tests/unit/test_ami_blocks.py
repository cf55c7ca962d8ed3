"""AMI's bytes as blocks: what is cut where, what is wrong with it, and how much memory it may take."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx112.ami.blocks import BANNER_LIMIT, BLOCK_LIMIT, Block, NotAmi, Splitter, parse
from tests.support.ami_peer import FULLY_BOOTED, block, joined, member_event

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
STREAM = (
    FULLY_BOOTED + member_event("QueueMemberPause", "112", "op1", paused="salat – sebentar ☕") + joined(4)
).encode()


def split(chunks: Iterable[bytes]) -> list[Block]:
    splitter = Splitter()
    return [found for chunk in chunks for found in splitter.feed(chunk)]


@given(st.lists(st.integers(min_value=0, max_value=len(BANNER + STREAM)), max_size=40))
def test_given_any_cutting_of_the_stream_when_read_then_the_same_blocks_come_whole(cuts: list[int]) -> None:
    whole = BANNER + STREAM
    places = [0, *sorted(cuts), len(whole)]
    chunks = [whole[start:end] for start, end in pairwise(places)]
    found = split(chunks)
    assert [one.name for one in found] == ["FullyBooted", "QueueMemberPause", "QueueCallerJoin"]
    assert found[1].headers["pausedreason"] == "salat – sebentar ☕"
    assert not any(one.fault for one in found)


def test_given_a_header_of_two_words_and_a_colon_in_a_value_when_parsed_then_the_value_is_kept_whole() -> None:
    found = parse(b"Event: ContactStatus\r\nPrivilege: system,all\r\nURI: sip:op1@127.0.9.1:47293\r\nEmpty: ")
    assert found.headers["uri"] == "sip:op1@127.0.9.1:47293"
    assert found.headers["empty"] == ""
    assert found.fault is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Event: X\r\nPrivilege: a\r\nUniqueid: 1\r\nuniqueid: 2", "the header 'uniqueid' twice"),
        ("SessionID: UX-6RIK\r\nLocalAddress: IPV4/UDP/127.0.0.1/25060", "neither Event nor Response"),
        ("Privilege: agent,all\r\nEvent: X", "neither Event nor Response"),
        ("Event: Fake\r\nX: y", "an event without its privilege"),
        ("Event: X\r\nPrivilege: a\r\nCallerIDNum: 5\rEvent: x", "a bare line break"),
        ("Event: X\r\nPrivilege: a\r\nCallerIDNum: 5\nEvent: x", "a bare line break"),
        ("Event: X\r\nPrivilege: a\r\n@127.0.0.1", "a line without a header name"),
        ("Event: Newchannel\r\nPrivilege: call,all\r\nCallerIDNum: 5", "a channel's event cut short"),
        (joined(1).split("Position")[0].strip(), "QueueCallerJoin cut short"),
        (
            "Event: QueueMemberPause\r\nPrivilege: agent,all\r\nQueue: 112\r\nInterface: PJSIP/op1\r\nPaused: 1",
            "QueueMemberPause cut short",
        ),
    ],
)
def test_given_a_block_that_asterisk_would_not_write_when_parsed_then_its_fault_is_told(text: str, fault: str) -> None:
    assert parse(text.encode()).fault == fault


def test_given_the_same_channel_variable_header_twice_when_parsed_then_nothing_is_wrong() -> None:
    text = "Event: X\r\nPrivilege: a\r\nChanVariable: A=1\r\nChanVariable: B=2"
    assert parse(text.encode()).fault is None


def test_given_bytes_that_are_no_utf8_when_parsed_then_they_are_replaced() -> None:
    found = parse(b"Event: X\r\nPrivilege: a\r\nName: \xff\xfe")
    assert found.headers["name"] == "��"


def test_given_a_peer_that_is_no_asterisk_when_read_then_it_is_told_at_once() -> None:
    with pytest.raises(NotAmi, match="does not greet"):
        split([b"SSH-2.0-OpenSSH_9.2\r\n"])


def test_given_a_greeting_without_end_when_read_then_its_memory_is_bounded() -> None:
    with pytest.raises(NotAmi):
        split([b"A" * (BANNER_LIMIT + 1)])


def test_given_a_block_without_end_when_read_then_its_memory_is_bounded() -> None:
    with pytest.raises(NotAmi, match="more than"):
        split([BANNER, *[b"X: " + b"y" * 4096 + b"\r\n"] * (BLOCK_LIMIT // 4096 + 1)])


def test_given_an_action_id_when_parsed_then_its_place_is_known() -> None:
    first = parse(block("Event: A", "ActionID: 1", "B: c").strip().encode())
    last = parse(block("Event: A", "B: c", "ActionID: 1").strip().encode())
    assert (first.token_first, first.token_last) == (True, False)
    assert (last.token_first, last.token_last) == (False, True)
