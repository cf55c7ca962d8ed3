"""Silent checks in the fold, on journals as a real Asterisk 22.10.1 and this dialplan wrote them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from pbx112.domain.call import fold
from pbx112.domain.events import SILENT
from tests.support.journal import events_of

JOURNALS = Path(__file__).parent / "journals"


@pytest.mark.parametrize(
    ("name", "digits", "by"),
    [
        ("overflow_nothing_then_operator_ends", [None], "operator"),
        ("caller_ends", [None], "caller"),
        ("operator_ends", [None], "operator"),
        ("two_checks", ["5*0#", "1112223334"], "operator"),
    ],
)
def test_given_a_real_journal_when_folded_then_the_record_tells_each_check(
    name: str, digits: list[str | None], by: str
) -> None:
    record = fold("node1", events_of((JOURNALS / f"real_silent_{name}.csv").read_bytes()))
    assert record is not None
    assert [check.digits for check in record.silent_checks] == digits
    assert (record.outcome, record.operator, record.hangup_by) == ("answered", "op1", by)


def test_given_an_operator_who_hangs_up_in_the_check_when_folded_then_the_talk_ends_with_him() -> None:
    record = fold("node1", events_of((JOURNALS / "real_silent_operator_ends.csv").read_bytes()))
    assert record is not None
    assert record.answered_at is not None
    assert record.ended_at is not None
    assert record.talk_ms == 2009
    assert (record.ended_at - record.answered_at).total_seconds() > 5  # the caller's prompt was still heard out


def test_given_every_length_of_a_real_journal_when_folded_then_a_check_without_an_answer_has_no_digits() -> None:
    events = events_of((JOURNALS / "real_silent_two_checks.csv").read_bytes())
    (first, answered, *_) = (place for place, event in enumerate(events, 1) if event.kind == SILENT)
    asked = fold("node1", events[:first])
    told = fold("node1", events[:answered])
    assert asked is not None
    assert told is not None
    assert [(check.at, check.digits) for check in asked.silent_checks] == [
        (datetime(2026, 11, 21, 21, 57, 34, 814665, tzinfo=UTC), None)
    ]
    assert [check.digits for check in told.silent_checks] == ["5*0#"]
