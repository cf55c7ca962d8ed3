"""Copies of INVITEs: the location document of this call and of no other, from carriers only, bounded."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx112.agi.copies import MOST_BYTES, MOST_COPIES, InviteCopies, invite_in
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.services.intake import ArrivedCall, Knowledge, located
from tests.support.pidf import circle, document, geopriv, in_tuple

CARRIER, REMOTE = bytes([127, 0, 0, 2]), "127.0.0.2:5070"


DOCUMENT = document(in_tuple(geopriv(circle(850))))


def packet(chunks: Mapping[int, bytes]) -> bytes:
    body = b"".join(struct.pack(">HHH", 0, kind, len(text) + 6) + text for kind, text in chunks.items())
    return b"HEP3" + struct.pack(">H", len(body) + 6) + body


def copy(call_id: str = "call-1", *, source: bytes = CARRIER, port: int = 5070, body: str | None = None) -> bytes:
    text = DOCUMENT if body is None else body
    message = f"INVITE sip:112@127.0.0.1 SIP/2.0\r\nCall-ID: {call_id}\r\n\r\n{text}".encode()
    return packet({3: source, 7: struct.pack(">H", port), 15: message, 17: call_id.encode()})


def copies() -> InviteCopies:
    return InviteCopies(lambda: DEMO_CENTRE)


def test_given_a_carriers_copy_when_its_call_is_taken_in_then_its_location_is_given_once() -> None:
    taken = copies()
    taken.datagram_received(copy(), ("127.0.0.1", 1))

    assert 'shape="Circle"' in taken.location("call-1", REMOTE)
    assert taken.location("call-1", REMOTE) == ""


@pytest.mark.parametrize(
    ("call_id", "remote"), [("call-2", REMOTE), ("call-1", "127.0.0.3:5070"), ("call-1", "127.0.0.2:5071"), ("", "")]
)
def test_given_another_call_or_another_peer_when_asked_then_there_is_no_location(call_id: str, remote: str) -> None:
    taken = copies()
    taken.datagram_received(copy(), ("127.0.0.1", 1))

    assert taken.location(call_id, remote) == ""


def test_given_a_copy_from_no_carrier_when_it_comes_then_it_is_not_kept() -> None:
    taken = copies()
    taken.datagram_received(copy(source=bytes([10, 0, 0, 9])), ("127.0.0.1", 1))

    assert taken.location("call-1", "10.0.0.9:5070") == ""


def test_given_a_range_or_a_host_name_as_source_when_a_copy_comes_then_it_is_kept() -> None:
    for source in ("10.0.0.0/24", "sbc.carrier.example"):
        trunk = replace(DEMO_CENTRE.trunks[0], sources=(source,))
        taken = InviteCopies(lambda kept=trunk: replace(DEMO_CENTRE, trunks=(kept,)))  # type: ignore[misc]
        taken.datagram_received(copy(source=bytes([10, 0, 0, 9])), ("127.0.0.1", 1))
        assert taken.location("call-1", "10.0.0.9:5070") != ""


def test_given_a_flood_of_copies_when_they_come_then_the_newest_are_kept_within_the_bounds() -> None:
    taken = copies()
    for number in range(MOST_COPIES + 10):
        taken.datagram_received(copy(f"call-{number}"), ("127.0.0.1", 1))
    assert taken.location("call-9", REMOTE) == ""
    assert taken.location("call-10", REMOTE) != ""

    large = DOCUMENT + " " * 60_000
    for number in range(MOST_BYTES // 60_000 + 5):
        taken.datagram_received(copy(f"large-{number}", body=large), ("127.0.0.1", 1))
    assert taken.location("large-0", REMOTE) == ""
    assert taken.location("large-100", REMOTE) != ""


def test_given_a_document_in_a_header_when_it_comes_then_it_is_no_location() -> None:
    message = f"INVITE sip:112@x SIP/2.0\r\nX: {DOCUMENT}\r\n\r\nv=0".encode()
    assert invite_in(packet({3: CARRIER, 7: b"\x13\xce", 15: message, 17: b"call-1"})) is None


@given(st.binary(max_size=300), st.binary(max_size=20))
def test_given_any_datagram_when_it_comes_then_nothing_fails(body: bytes, address: bytes) -> None:
    taken = copies()
    for data in (
        body,
        b"HEP3" + body,
        packet({3: address, 7: body[:2], 15: b"INVITE \r\n\r\npresence" + body, 17: body}),
    ):
        taken.datagram_received(data, ("127.0.0.1", 1))


def test_given_a_reader_that_fails_when_a_call_is_taken_in_then_the_call_goes_on() -> None:
    def failing(sip_call_id: str, remote: str) -> str:
        raise ValueError(sip_call_id + remote)

    call = ArrivedCall("carrier-a", "1.1", headers={"geolocation": "<cid:x>"})
    assert located(call, Knowledge(location=failing)) == call
    assert located(call, Knowledge(location=lambda *_: "a line")).headers["geolocation"] == "a line\n<cid:x>"
