"""The routing decision: pure, and it never raises."""

from dataclasses import replace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain.caller import CallerClass, SipIdentity
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.services.intake import ArrivedCall, raw_headers, route

NUMBER = "<sip:+6281234567890@carrier.example>"


def arrived(endpoint: str = "carrier-a", **headers: str) -> ArrivedCall:
    return ArrivedCall(endpoint, "1795287724.0", "112", identity=SipIdentity(**headers))


@pytest.mark.parametrize(
    ("call", "caller_class"),
    [
        (arrived(asserted=NUMBER), CallerClass.ASSERTED),
        (arrived(asserted=NUMBER, privacy="id"), CallerClass.ASSERTED_WITHHELD),
        (arrived(asserted="<tel:+621121234567>"), CallerClass.PSEUDO_ANI),
        (arrived("carrier-b", asserted=NUMBER, from_=NUMBER), CallerClass.UNTRUSTED_CLAIM),
        (arrived(contact='<sip:x@y>;+sip.instance="<urn:gsma:imei:35241009-031532-0>"'), CallerClass.DEVICE_ONLY),
        (arrived(), CallerClass.ANONYMOUS),
        (arrived(asserted="?"), CallerClass.UNPARSEABLE),
    ],
)
def test_given_a_trunk_when_a_call_is_routed_then_its_trust_decides_the_class(
    call: ArrivedCall, caller_class: CallerClass
) -> None:
    assert route(call, DEMO_CENTRE).caller.caller_class is caller_class


def test_given_the_default_queue_when_a_call_is_routed_then_its_settings_are_taken() -> None:
    queue = replace(DEMO_CENTRE.queues[0], priority=3, language="en")
    routing = route(arrived(), replace(DEMO_CENTRE, queues=(queue,)))

    assert (routing.queue, routing.priority, routing.language) == ("112", 3, "en")


def test_given_no_queue_of_the_default_name_when_a_call_is_routed_then_it_still_goes_there() -> None:
    routing = route(arrived(), replace(DEMO_CENTRE, queues=()))

    assert (routing.queue, routing.priority) == ("112", 0)


def test_given_an_unknown_trunk_when_a_call_is_routed_then_nothing_is_believed_and_it_says_so() -> None:
    routing = route(arrived("nobody", asserted=NUMBER, from_=NUMBER), DEMO_CENTRE)

    assert routing.caller.caller_class is CallerClass.UNTRUSTED_CLAIM
    assert "unknown_trunk" in routing.warnings


def test_given_a_pattern_that_is_none_when_a_call_is_routed_then_the_number_is_kept() -> None:
    trunk = replace(DEMO_CENTRE.trunks[0], pseudo_patterns=("(",))
    routing = route(arrived(asserted=NUMBER), replace(DEMO_CENTRE, trunks=(trunk,)))

    assert routing.caller.number == "+6281234567890"
    assert "intake_rule_failed" in routing.warnings


def test_given_a_broken_configuration_when_a_call_is_routed_then_the_default_queue_takes_it() -> None:
    broken = replace(DEMO_CENTRE, trunks=cast("Any", None))
    routing = route(arrived(asserted=NUMBER), broken)

    assert (routing.queue, routing.caller.caller_class) == ("112", CallerClass.UNPARSEABLE)


def test_given_hostile_headers_when_they_are_kept_then_they_are_bounded_and_printable() -> None:
    kept = raw_headers(arrived(privacy="id\r\nEvent: Hangup", remote_party="x" * 5000))

    assert kept["privacy"] == "id\\x0d\\x0aEvent: Hangup"
    assert kept["remote-party-id"] == "x" * 256 + "…"
    assert "x-service-urn" not in kept


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=300), min_size=9, max_size=9))
def test_given_any_text_when_a_call_is_routed_then_it_never_raises(texts: list[str]) -> None:
    call = ArrivedCall(
        texts[0], texts[1], texts[2], identity=SipIdentity(*texts[3:8]), headers={"x-service-urn": texts[8]}
    )
    for endpoint in (texts[0], "carrier-a", "carrier-b"):
        routing = route(replace(call, endpoint=endpoint), DEMO_CENTRE)
        assert routing.queue == "112"
