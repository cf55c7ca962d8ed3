"""What holds for every journal with transfers, whatever lines are missing, doubled or in another order."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.events import JournalEvent
from pbx112.domain.record import CallRecord, CallState
from tests.support.journal import events_of

JOURNALS = Path(__file__).parent / "journals"
_NAMES = ("second_in_private", "operator_died", "exhausted", "blind", "caller_left", "no_key")


def _of_call(name: str) -> list[JournalEvent]:
    events = events_of((JOURNALS / f"real_transfer_{name}.csv").read_bytes())
    call = next(event.linked_id for event in events if event.context == kinds.TRUNK_CONTEXT)
    return [replace(event, linked_id="n", unique_id="n" if event.unique_id == call else event.unique_id)
            for event in events if event.linked_id == call]  # fmt: skip


CALLS = [_of_call(name) for name in _NAMES]
LOST = JournalEvent(kinds.LOST, CALLS[0][-1].at, "n", "n")
HOSTILE = [
    JournalEvent(kinds.TRANSFER, CALLS[0][20].at, "n", "n", extra=extra)
    for extra in ({}, {"transfer": 5, "step": None}, {"transfer": "x", "step": "left", "two": "9" * 400}, {"step": "?"})
]

whole = st.sampled_from(CALLS)
in_pieces = whole.flatmap(lambda call: st.permutations(call).flatmap(
    lambda order: st.integers(0, len(order)).map(lambda n: list(order[:n]))))  # fmt: skip
of_all = st.lists(st.sampled_from([event for call in CALLS for event in call] + [LOST, *HOSTILE]), max_size=120)
with_holes = whole.flatmap(lambda call: st.sets(st.integers(0, len(call) - 1), max_size=30).map(
    lambda holes: [event for place, event in enumerate(call) if place not in holes]))  # fmt: skip
doubled = whole.flatmap(lambda call: st.lists(st.sampled_from(call), max_size=20).map(lambda more: [*call, *more]))


def assert_sound(record: CallRecord | None) -> None:
    if record is None:
        return
    assert (record.state is CallState.ENDED) == (record.ended_at is not None) == (record.outcome is not None)
    assert record.talk_ms is None or record.talk_ms >= 0
    assert len({one.id for one in record.transfers}) == len(record.transfers)
    for one in record.transfers:
        assert one.ended == (one.ended_at is not None) == (one.result is not None)
        assert one.hold_ms >= 0
        assert one.dispatch_ms is None or one.dispatch_ms >= 0
        assert all(attempt.ring_ms is None or attempt.ring_ms >= 0 for attempt in one.attempts)
        assert all(talk.until is None or talk.until >= talk.since for talk in one.conversations)
        assert all(len(talk.parties) in {2, 3} for talk in one.conversations)


@settings(max_examples=300, deadline=None)
@given(in_pieces | of_all | with_holes | doubled)
def test_given_any_transfer_events_when_folded_then_the_record_is_sound(events: list[JournalEvent]) -> None:
    assert_sound(fold("node1", events))


@settings(max_examples=50, deadline=None)
@given(of_all)
def test_given_the_same_transfer_events_when_folded_twice_then_the_records_are_equal(
    events: list[JournalEvent],
) -> None:
    assert fold("node1", events) == fold("node1", list(events))


@settings(max_examples=100, deadline=None)
@given(whole, st.data())
def test_given_a_transfer_line_came_twice_when_folded_then_the_transfer_is_as_with_one(
    call: list[JournalEvent], data: st.DataObject
) -> None:
    twice = data.draw(st.sampled_from([event for event in call if event.kind == kinds.TRANSFER]))
    place = call.index(twice)
    record, again = fold("node1", call), fold("node1", [*call[:place], twice, *call[place:]])
    assert record == again
