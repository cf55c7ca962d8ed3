"""Overflow chains in the fold, on journals as a real Asterisk 22.10.1 and this dialplan wrote them."""

from datetime import timedelta
from pathlib import Path

import pytest

from pbx112.domain.call import fold
from pbx112.domain.record import CallState, HangupBy
from tests.support.journal import events_of

JOURNALS = Path(__file__).parent / "journals"
NEIGHBOUR = "+62215550112"


@pytest.mark.parametrize(
    ("name", "steps", "outcome", "operator", "offers", "queue"),
    [
        (
            "queue_then_announcement",
            [("queue", "113", 2.0), ("announcement", None, 4.0)],
            "answered",
            "op2",
            ["op2 no_answer", "op2 answered"],
            "113",
        ),
        (
            "supervisors",
            [("supervisors", None, 2.0)],
            "answered",
            "op4",
            ["op4 busy", "op4 answered"],
            "112",
        ),
        ("number_answered", [("number", NEIGHBOUR, 2.0)], "overflowed_out", None, [], "112"),
        ("number_busy", [("number", NEIGHBOUR, 2.0)], "answered", "op1", ["op1 answered"], "112"),
    ],
)
def test_given_a_real_journal_when_folded_then_the_record_tells_the_chain_and_what_came_of_it(
    name: str,
    steps: list[tuple[str, str | None, float]],
    outcome: str,
    operator: str | None,
    offers: list[str],
    queue: str,
) -> None:
    record = fold("node1", events_of((JOURNALS / f"real_chain_{name}.csv").read_bytes()))
    assert record is not None
    assert record.queued_at is not None
    found = [(s.kind, s.target, (s.at - record.queued_at).total_seconds()) for s in record.overflows]
    assert [(kind, target) for kind, target, _ in found] == [(kind, target) for kind, target, _ in steps]
    assert [at for *_, at in found] == pytest.approx([at for *_, at in steps], abs=0.1)
    assert (record.outcome, record.operator, record.queue) == (outcome, operator, queue)
    assert [f"{offer.operator} {offer.result}" for offer in record.offers] == offers
    assert (record.hangup_by, record.priority) == (HangupBy.CALLER, 0)


def test_given_every_length_of_a_call_that_a_neighbour_answers_when_folded_then_it_waits_talks_and_ends() -> None:
    events = events_of((JOURNALS / "real_chain_number_answered.csv").read_bytes())
    records = [fold("node1", events[:length]) for length in range(2, len(events) + 1)]
    states = [record.state for record in records if record is not None]
    assert list(dict.fromkeys(states)) == [
        CallState.RINGING,
        CallState.QUEUED,
        CallState.TALKING,
        CallState.ENDED,
    ]
    last = records[-1]
    assert last is not None
    assert last.answered_at is not None
    assert last.wait_ms == round((last.answered_at - last.received_at) / timedelta(milliseconds=1))
