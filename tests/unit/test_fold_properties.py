"""What holds for every set of events: the fold never raises, and one outcome exists exactly when a call has ended."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.events import JournalEvent
from pbx112.domain.record import CallRecord, CallState
from tests.support.journal import Script, events_of

_CALL = Script()
_LONG = [
    *_CALL.arrives(),
    *_CALL.queues(),
    *_CALL.rings(0.05),
    *_CALL.gives_up_ringing(10.0, cause=17, source=_CALL.operator("op1")),
    *_CALL.rings(11.0, "op2", leg=2),
    *_CALL.talks(12.0, 20.0, "op2", leg=2),
    *_CALL.gives_up_ringing(20.1, "op2", leg=2, cause=16, source=_CALL.operator("op2", 2)),
    *_CALL.leaves(20.2, status="CONTINUE"),
    *_CALL.queues(20.3),
    *_CALL.rings(20.5, "op3", leg=3),
    *_CALL.talks(22.0, 30.0, "op3", leg=3),
    *_CALL.ends(30.1),
]
EVENTS = events_of(_LONG)
LOST = JournalEvent(kinds.LOST, EVENTS[-1].at, _CALL.linked, _CALL.linked)

any_part = st.lists(st.sampled_from([*EVENTS, LOST]), max_size=len(EVENTS) + 5)
in_pieces = st.permutations(EVENTS).flatmap(lambda order: st.integers(0, len(order)).map(lambda n: list(order[:n])))


def assert_sound(record: CallRecord | None) -> None:
    if record is None:
        return
    assert (record.state is CallState.ENDED) == (record.ended_at is not None) == (record.outcome is not None)
    assert (record.hangup_by is not None) == (record.outcome is not None)
    durations = [record.wait_ms, record.talk_ms, *(offer.ring_ms for offer in record.offers)]
    assert all(duration is None or duration >= 0 for duration in durations)
    if record.ended_at is not None:
        assert all(offer.result is not None for offer in record.offers)


@settings(max_examples=300, deadline=None)
@given(any_part | in_pieces)
def test_given_any_events_in_any_order_when_folded_then_the_record_is_sound(events: list[JournalEvent]) -> None:
    assert_sound(fold("node1", events))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=6))
def test_given_a_journal_with_lines_missing_when_folded_then_the_record_is_sound(missing: list[JournalEvent]) -> None:
    assert_sound(fold("node1", [event for event in EVENTS if event not in missing]))


@given(any_part)
@settings(max_examples=100, deadline=None)
def test_given_the_same_events_when_folded_twice_then_the_records_are_equal(events: list[JournalEvent]) -> None:
    assert fold("node1", events) == fold("node1", list(events))
