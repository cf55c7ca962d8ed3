"""Everything that is read from an INVITE's headers together: always a result, in less than a millisecond on average."""

from __future__ import annotations

import random
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain.caller import CallerClass, SipIdentity
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.location import read_locations
from pbx112.domain.marks import read_marks
from pbx112.services.intake import ArrivedCall, Knowledge, raw_headers, route
from pbx112.services.numbers import e164, is_possible

KNOWLEDGE = Knowledge(e164, is_possible)
NAMES = (
    *("p-access-network-info", "cellular-network-info", "geolocation", "priority", "resource-priority"),
    *("call-info", "history-info", "diversion", "x-service-urn"),
)
PIECES = (
    *('"', "<", ">", ",", ";", "=", "\\", "\r\n ", "\n", "%0d%0a", "\x00", "é", "sip:", "tel:", "+6281234567890", "@h"),
    *("urn:gsma:imei:35241009-031532-0", "3GPP-E-UTRAN-FDD;utran-cell-id-3gpp=510101F2A0ABCDE1", "network-provided"),
    *("cell-info-age=5", "urn:service:sos.fire", ";purpose=EmergencyCallData.ProviderInfo", "index=1.1", "cpc=test"),
    *('shape="Circle",crs="2d",pos="-6.1 106.8",radius="8"', "anonymous", "user=phone", "esnet.0", " "),
)


def read(texts: list[str]) -> CallerClass:
    """Read an INVITE with these texts as its headers, as the intake and the fold do."""
    call = ArrivedCall(
        "carrier-a", "1.1", "112", identity=SipIdentity(*texts[:5]), headers=dict(zip(NAMES, texts[5:], strict=True))
    )
    routing = route(call, DEMO_CENTRE, KNOWLEDGE)
    kept = raw_headers(call)
    read_locations(kept, trusted=True)
    read_marks(kept)
    return routing.caller.caller_class


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=400), min_size=14, max_size=14))
def test_given_any_bytes_in_every_header_when_they_are_read_then_there_is_a_result(raw: list[bytes]) -> None:
    for decoding in ("utf-8", "latin-1"):
        assert read([text.decode(decoding, "replace") for text in raw]) in CallerClass


@pytest.mark.alone
def test_given_a_thousand_invites_when_they_are_read_then_one_takes_less_than_a_millisecond() -> None:
    chance = random.Random(112)
    invites = [["".join(chance.choices(PIECES, k=chance.randrange(14))) for _ in range(14)] for _ in range(1000)]
    began = process_time()
    for texts in invites:
        read(texts)
    assert process_time() - began < 1.0
