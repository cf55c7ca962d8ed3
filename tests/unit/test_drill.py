"""A drill's operator answers the drill's call only: any other in the queue is a person in need."""

from __future__ import annotations

import pytest

from pbx112.host.drill import DrillFailed, is_own_call

NUMBER = "+628111234567"


def invite(caller: str, other: str = "") -> str:
    return f"INVITE sip:op1@127.0.0.1 SIP/2.0\r\nFrom: {caller};tag=1\r\n{other}Call-ID: 1\r\n\r\ns=08111234567\r\n"


@pytest.mark.parametrize(
    "message",
    [
        invite("<sip:+628111234567@127.0.0.1>"),
        invite('"Drill" <sip:08111234567@127.0.0.1>'),
        invite("<sip:anonymous@x>", "P-Asserted-Identity: <sip:628111234567@x>\r\n"),
    ],
)
def test_given_the_drills_number_in_any_form_when_offered_then_the_call_is_its_own(message: str) -> None:
    assert is_own_call(NUMBER, message)


@pytest.mark.parametrize(
    "message",
    [
        invite("<sip:+628111234568@127.0.0.1>"),
        invite("<sip:anonymous@anonymous.invalid>"),
        invite("<sip:+62811@x>", "X-Number: 08111234567\r\n"),
    ],
)
def test_given_another_number_when_offered_then_the_call_is_somebody_elses(message: str) -> None:
    assert not is_own_call(NUMBER, message)


def test_given_a_failed_step_when_told_then_the_text_names_step_fact_and_where_to_look() -> None:
    failed = DrillFailed("op1 registered", "nobody answered", "whether Asterisk runs")
    assert str(failed) == "The drill failed when op1 registered: nobody answered. Look at: whether Asterisk runs."
    assert (failed.step, failed.slug) == ("op1 registered", "drill-failed")
