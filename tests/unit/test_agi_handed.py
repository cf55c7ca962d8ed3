"""What an agency's phone system is told of a caller: safe, short, and never in the way of the call."""

from __future__ import annotations

import re
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbx112.agi import handed as module
from pbx112.agi.handed import LIMIT, handed
from pbx112.agi.variables import set_command
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.record import Intake
from pbx112.services.intake import ArrivedCall, Routing

PANI = "3GPP-E-UTRAN-FDD; utran-cell-id-3gpp=5101012AF0A1B2C3; network-provided"
SAFE = re.compile(r"[A-Za-z0-9._;=:/-]*\Z")


def routing(service: str = "sos.fire") -> Routing:
    return Routing(Caller(CallerClass.ASSERTED, "+628123456789"), "112", 0, "id", service)


def call(**headers: str) -> ArrivedCall:
    return ArrivedCall("carrier-a", "17.4", headers={name.replace("_", "-"): text for name, text in headers.items()})


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ({}, ""),
        ({"p_access_network_info": PANI}, "cell=510-10-4783-10597059"),
        ({"p_access_network_info": "IEEE-802.11; i-wlan-node-id=x"}, ""),
        ({"geolocation": "<geo:-8.650000,115.216700;u=30>"}, None),
    ],
)
def test_given_headers_when_they_are_handed_on_then_the_best_place_is_there(
    headers: dict[str, str], place: str | None
) -> None:
    text = handed(call(**headers), routing(), trusted=True)
    assert text.startswith("asserted/sos.fire/")
    if place is not None:
        assert text == f"asserted/sos.fire/{place}"


@given(st.text(), st.text())
def test_given_any_text_when_it_is_handed_on_then_it_is_safe_and_short(service: str, header: str) -> None:
    text = handed(call(geolocation=header, p_access_network_info=header), routing(service), trusted=False)
    assert SAFE.match(text)
    assert len(text) <= LIMIT
    assert text.count("/") == 2


def test_given_a_reading_that_fails_when_handed_on_then_the_call_goes_on_without_a_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(module, "read_locations", fail)
    assert handed(call(), routing(), trusted=True) == "asserted/sos.fire/"


def test_given_the_longest_facts_when_set_then_the_line_is_far_below_what_asterisk_takes() -> None:
    line = set_command(routing(), uuid.UUID(int=2**128 - 1), Intake.FASTAGI, "x" * LIMIT)
    assert line.endswith("PBX112_FACTS=" + "x" * LIMIT + ',PBX112_INTAKE=fastagi"')
    assert len(line) < 1000
