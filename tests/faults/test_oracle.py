"""The oracle sees what it must: an oracle that always nods is worth nothing."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.oracle import Row, judge
from tests.support.sipp_log import SippCall

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


CALL = SippCall("a", NOW, answered_at=later(1), bye_at=later(3), final_at=later(1), final_code=200)
ROW = Row("a", "ended", "answered", "fastagi", NOW, later(0.1), later(1), later(3))
GIVEN_UP = SippCall("b", NOW, cancelled_at=later(2), final_at=later(2.01), final_code=487)
ABANDONED = Row("b", "ended", "abandoned", "none", NOW, later(0.1), None, later(2))


def test_given_each_call_with_its_record_when_judged_then_it_holds() -> None:
    found = judge([CALL, GIVEN_UP], [ABANDONED, ROW])
    assert found.holds
    assert str(found).startswith("2 calls, 2 records: missing 0, twice 0, open after 30 s 0, ")


@pytest.mark.parametrize(
    ("rows", "kind", "words"),
    [
        ([], "missing", "has no record"),
        ([ROW, ROW], "twice", "has 2 records"),
        ([replace(ROW, state="talking", ended_at=None)], "open", "is still talking"),
        ([ROW, ABANDONED], "unknown", "of no call that was placed"),
        ([ROW, replace(ABANDONED, sip_call_id=None)], "unknown", "of no call that was placed"),
        ([replace(ROW, answered_at=None)], "untrue", "SIPp saw a 200"),
        ([replace(ROW, outcome="lost")], "untrue", "outcome lost"),
        ([replace(ROW, queued_at=None)], "untrue", "never queued"),
        ([replace(ROW, received_at=later(-2))], "untrue", "received_at -2.000 s off"),
        ([replace(ROW, ended_at=later(5))], "untrue", "ended_at +2.000 s off"),
    ],
)
def test_given_a_wrong_list_of_records_when_judged_then_it_says_what_is_wrong(
    rows: list[Row], kind: str, words: str
) -> None:
    found = judge([CALL], rows)
    assert not found.holds
    assert any(words in text for text in getattr(found, kind)), found
    assert words in str(found)


def test_given_a_caller_who_heard_the_comfort_prompt_when_judged_then_his_200_is_no_operators() -> None:
    call = replace(CALL, answered_at=later(10), final_at=later(10), bye_at=later(10.2))
    row = replace(ROW, answered_at=None, outcome="abandoned", ended_at=later(10.2))
    assert judge([call], [row]).holds
    assert not judge([CALL], [replace(row, ended_at=later(3))]).holds


def test_given_a_record_answered_that_sipp_saw_cancelled_when_judged_then_it_is_not_true() -> None:
    found = judge([GIVEN_UP], [replace(ABANDONED, answered_at=later(1), outcome="answered")])
    assert len(found.untrue) == 2
