"""The machine's clock jumps by an hour under a call: nothing in its record gets negative or out of order.

Every journal below is jumped at every line, as a real Asterisk would have written it: all lines from there on carry
the other clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import pytest

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.events import JournalEvent, in_order
from pbx112.domain.record import CallRecord, Outcome
from tests.support.journal import events_of

JOURNALS = sorted((Path(__file__).parent / "journals").glob("*.csv"))
HOUR = timedelta(hours=1)
NTP_STEP = timedelta(seconds=2)
SLACK_MS = 20
"""Lines of one call stand up to some milliseconds out of order; at a jump nothing can tell that from the jump."""

both_ways = pytest.mark.parametrize("jump", [HOUR, -HOUR, -NTP_STEP], ids=["forward", "back", "back two seconds"])
every_journal = pytest.mark.parametrize("name", [path.stem for path in JOURNALS])


@cache
def journal(name: str, by: timedelta = timedelta(0)) -> tuple[JournalEvent, ...]:
    """The journal's events, by a clock that is wrong by so much."""
    if by:
        return tuple(replace(event, at=event.at + by) for event in journal(name))
    events = events_of((Path(__file__).parent / "journals" / f"{name}.csv").read_bytes())
    # A transfer's journal also has the lines of an agency's channels, which are of another linked id.
    return tuple(event for event in events if event.linked_id == events[0].linked_id)


def jumped(name: str, line: int, by: timedelta, until: int | None = None) -> list[JournalEvent]:
    """The journal as it stands when the clock was set by so much just before this line, and back before `until`."""
    right, wrong = journal(name), journal(name, by)
    until = len(right) if until is None else until
    return [*right[:line], *wrong[line:until], *right[until:]]


def folded(events: Sequence[JournalEvent]) -> CallRecord:
    record = fold("node1", events)
    assert record is not None
    return record


def times(record: CallRecord) -> list[datetime]:
    """In the order in which they must stand."""
    marks = (record.received_at, record.queued_at, record.answered_at, record.ended_at)
    return [mark for mark in marks if mark is not None]


def durations(record: CallRecord) -> list[int]:
    every = [record.wait_ms, record.talk_ms, *(offer.ring_ms for offer in record.offers)]
    return [duration for duration in every if duration is not None]


def story(record: CallRecord) -> tuple[object, ...]:
    """What happened, without any time."""
    return (
        record.state,
        record.outcome,
        record.operator,
        record.queue,
        record.intake,
        record.caller,
        record.hangup_by,
        record.hangup_cause,
        [(offer.operator, offer.result) for offer in record.offers],
        [check.digits for check in record.silent_checks],
        [(step.kind, step.target) for step in record.overflows],
        len(times(record)),
    )


def assert_sound(record: CallRecord, told: str) -> None:
    assert times(record) == sorted(times(record)), f"{told}: {record}"
    assert all(duration >= 0 for duration in durations(record)), f"{told}: {record}"
    inside = [offer.at for offer in record.offers] + [check.at for check in record.silent_checks]
    inside += [step.at for step in record.overflows]
    assert all(at >= record.received_at for at in inside), f"{told}: {record}"
    if record.ended_at is not None:
        assert all(at <= record.ended_at for at in inside), f"{told}: {record}"


@every_journal
@both_ways
def test_given_a_real_journal_when_the_clock_jumps_at_any_line_then_the_record_tells_the_same_in_order(
    name: str, jump: timedelta
) -> None:
    events = journal(name)
    whole = folded(events)
    for line in range(len(events)):
        record = folded(jumped(name, line, jump))
        assert_sound(record, f"{name}, line {line}")
        assert story(record) == story(whole), f"{name}, line {line}"


@every_journal
def test_given_a_clock_that_was_wrong_for_a_while_when_it_is_set_back_then_the_record_tells_the_same(name: str) -> None:
    events = journal(name)
    whole = folded(events)
    for line in range(len(events)):
        for later in range(line + 1, len(events)):
            for wrong in (HOUR, -HOUR):
                record = folded(jumped(name, line, wrong, until=later))
                assert_sound(record, f"{name}, lines {line} and {later}")
                assert story(record) == story(whole), f"{name}, lines {line} and {later}"


@every_journal
def test_given_a_clock_that_is_set_back_when_folded_then_no_duration_grows(name: str) -> None:
    """A step forward cannot be told from waiting; a step back can, and must not add to anything."""
    events = journal(name)
    whole = durations(folded(events))
    for line in range(len(events)):
        found = durations(folded(jumped(name, line, -HOUR)))
        assert all(now <= before + SLACK_MS for now, before in zip(found, whole, strict=True)), f"line {line}"


@pytest.mark.parametrize("jump", [HOUR, -HOUR], ids=["forward", "back"])
def test_given_a_clock_that_jumped_when_asterisk_died_under_the_call_then_the_loss_is_its_end(jump: timedelta) -> None:
    """The loss is dated by Asterisk's new start, which with a clock set back lies before the call."""
    name = "still_talking"
    events = journal(name)
    for line in range(1, len(events) + 1):
        last = events[-1].at + jump + timedelta(seconds=3)
        lost = JournalEvent(kinds.LOST, last, events[0].linked_id, events[0].linked_id)
        for placed in ([*jumped(name, line, jump), lost], [lost, *jumped(name, line, jump)]):
            record = folded(placed)
            assert record.outcome is Outcome.LOST
            assert_sound(record, f"line {line}")


def test_given_a_set_back_clock_when_ordered_then_no_line_behind_the_step_comes_before_it() -> None:
    """Disorder of a millisecond behind the step must not be taken for a place before it."""
    first, second, third = journal("still_talking")[:3]
    start = first.at
    written = [
        replace(first, at=start),
        replace(second, at=start - HOUR + timedelta(milliseconds=5)),
        replace(third, at=start - HOUR + timedelta(milliseconds=3)),
    ]
    ordered = in_order(written)
    assert [event.kind for event in ordered] == [first.kind, third.kind, second.kind]
    assert [event.at for event in ordered] == sorted(event.at for event in ordered)
    assert ordered[0].at == start
