"""The fold on calls back: journals that this dialplan wrote, taken as they were from a real Asterisk 22.10.1."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import groupby
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.caller import CallerClass
from pbx112.domain.events import JournalEvent
from pbx112.domain.outbound import account_of
from pbx112.domain.record import CallRecord, CallState, HangupBy, Intake, Outcome
from tests.support.journal import events_of
from tests.unit.test_fold_properties import assert_sound

JOURNALS = Path(__file__).parent / "journals"
OLD_CALL = UUID("36edacfc-7ad2-5a71-91a7-ce4f98554c44")
NUMBER = "+628123456789"

CALLS = {
    "answered_ended_by_caller": ("answered", "caller", 16, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "answered_ended_by_operator": ("answered", "operator", 16, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "caller_busy": ("failed", "system", 17, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "carrier_redirects": ("failed", "system", 23, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "carrier_unreachable": ("failed", "operator", 16, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "operator_gave_up": ("failed", "operator", 16, "op1", ["op1 answered"], "carrier-a", NUMBER),
    "operator_no_answer": ("failed", "system", 19, "op1", ["op1 no_answer"], None, None),
    "operator_rejected": ("failed", "operator", 17, "op1", ["op1 busy"], None, None),
    "operator_unregistered": ("failed", "system", 20, "op3", ["op3 unavailable"], "carrier-a", NUMBER),
    "no_such_trunk": ("failed", "system", None, "op1", ["op1 answered"], "carrier-b", NUMBER),
    "too_late": ("failed", "system", None, "op1", ["op1 answered"], None, None),
}


def journal(name: str) -> list[list[JournalEvent]]:
    """The events of a journal, by linked id."""
    events = sorted(events_of((JOURNALS / f"real_callback_{name}.csv").read_bytes()), key=lambda event: event.linked_id)
    return [list(found) for _, found in groupby(events, key=lambda event: event.linked_id)]


def record_of(name: str) -> CallRecord:
    (record,) = [record for events in journal(name) if (record := fold("node1", events)) is not None]
    return record


@pytest.mark.parametrize("name", CALLS)
def test_given_a_real_call_back_when_folded_then_one_record_says_what_happened(name: str) -> None:
    record = record_of(name)
    assert (
        record.outcome,
        record.hangup_by,
        record.hangup_cause,
        record.operator,
        [f"{offer.operator} {offer.result}" for offer in record.offers],
        record.trunk,
        record.caller.number,
    ) == CALLS[name]
    assert (record.direction, record.callback_of, record.state) == ("outbound", OLD_CALL, CallState.ENDED)
    assert (record.queue, record.queued_at, record.intake, record.drill) == (None, None, Intake.NONE, False)
    assert record.caller.caller_class is (CallerClass.ASSERTED if record.caller.number else CallerClass.ANONYMOUS)
    assert record.caller.callback_number == record.caller.number
    assert (record.answered_at is not None) == (record.talk_ms is not None) == (record.outcome == "answered")


def test_given_a_conversation_when_folded_then_its_times_are_those_of_the_bridge() -> None:
    record = record_of("answered_ended_by_caller")
    (events,) = journal("answered_ended_by_caller")
    entered = [event.at for event in events if event.kind == "BRIDGE_ENTER"]
    assert record.received_at == events[0].at
    assert record.answered_at == max(entered)
    assert 950 < (record.talk_ms or 0) < 1100
    assert 0 <= (record.offers[0].ring_ms or 0) < (record.wait_ms or 0)


def test_given_every_length_of_a_journal_when_folded_then_it_rings_talks_and_ends() -> None:
    (events,) = journal("answered_ended_by_operator")
    found = [fold("node1", events[:length]) for length in range(1, len(events) + 1)]
    states = list(dict.fromkeys(record.state if record else None for record in found))
    # The account code, by which it is known, is in the journal from the operator's answer on.
    assert states == [None, CallState.RINGING, CallState.TALKING, CallState.ENDED]
    assert fold("node1", events[:1]) is None


def test_given_asterisk_died_under_a_call_back_when_marked_then_lost() -> None:
    (events,) = journal("answered_ended_by_caller")
    talking = [event for event in events if event.kind in {"CHAN_START", "ANSWER", kinds.CALLBACK, "BRIDGE_ENTER"}]
    at = talking[-1].at + timedelta(seconds=9)
    record = fold("node1", [*talking, JournalEvent(kinds.LOST, at, talking[0].linked_id, talking[0].linked_id)])
    assert record is not None
    assert (record.outcome, record.hangup_by, record.ended_at) == (Outcome.LOST, HangupBy.SYSTEM, at)
    assert 8900 < (record.talk_ms or 0) < 9100


@pytest.mark.parametrize("account", ["", "callback-", "callback-xyz-1", f"x{account_of(OLD_CALL, OLD_CALL)}", "112"])
def test_given_a_call_between_operators_when_folded_then_there_is_no_record(account: str) -> None:
    raw = (JOURNALS / "real_callback_answered_ended_by_caller.csv").read_text()
    assert fold("node1", events_of(re.sub(r"callback-36edac[0-9a-f]+-[0-9a-f]+", account, raw))) is None


def test_given_the_account_on_a_second_channel_only_when_folded_then_there_is_no_record() -> None:
    (events,) = journal("answered_ended_by_caller")
    other = [event for event in events if not (event.account and event.on_caller_channel)]
    assert any(event.account for event in other)
    assert fold("node1", other) is None


def test_given_a_112_call_with_such_an_account_when_folded_then_it_stays_a_112_call() -> None:
    raw = (JOURNALS / "real_answered_ended_by_caller.csv").read_text()
    forged = raw.replace('"Queue","","",', f'"Queue","","{account_of(OLD_CALL, OLD_CALL)}",')
    assert forged != raw
    assert fold("node1", events_of(forged)) == fold("node1", events_of(raw))


def test_given_an_attempt_when_named_then_the_account_fits_asterisks_field() -> None:
    assert account_of(OLD_CALL, uuid4()).startswith("callback-36edacfc7ad25a7191a7ce4f98554c44-")
    assert len(account_of(OLD_CALL, uuid4())) < 80  # AST_MAX_ACCOUNT_CODE


EVENTS = [event for name in ("answered_ended_by_caller", "operator_rejected") for event in journal(name)[0]]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(EVENTS), max_size=len(EVENTS) + 3))
def test_given_any_lines_of_a_call_back_when_folded_then_the_record_is_sound(events: list[JournalEvent]) -> None:
    assert_sound(fold("node1", events))
