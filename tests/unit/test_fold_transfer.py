"""Transfers to agencies in the fold, on journals that a real Asterisk 22.10.1 and this dialplan wrote.

Beside each journal stands the whole of what a transfer changes in a record, as JSON.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from pbx112.domain.call import fold
from pbx112.domain.events import TRANSFER, TRUNK_CONTEXT, JournalEvent
from pbx112.domain.record import CallRecord, CallState, HangupBy, Outcome
from pbx112.domain.transfer import TransferResult, TransferState
from tests.support.journal import events_of
from tests.support.transfers import shown

NODE = "test6"
JOURNALS = sorted((Path(__file__).parent / "journals").glob("real_transfer_*.csv"))


def journal(name: str) -> list[JournalEvent]:
    return events_of((Path(__file__).parent / "journals" / f"real_transfer_{name}.csv").read_bytes())


def of_call(events: list[JournalEvent]) -> list[JournalEvent]:
    call = next(event.linked_id for event in events if event.context == TRUNK_CONTEXT)
    return [event for event in events if event.linked_id == call]


def folded(events: list[JournalEvent]) -> CallRecord:
    record = fold(NODE, events)
    assert record is not None
    return record


def test_given_the_cases_then_all_are_here() -> None:
    assert len(JOURNALS) == 16


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem.removeprefix("real_transfer_"))
def test_given_a_real_journal_when_folded_then_the_record_says_what_happened(path: Path) -> None:
    record = folded(of_call(events_of(path.read_bytes())))
    assert shown(record) == json.loads(path.with_suffix(".json").read_text())


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem.removeprefix("real_transfer_"))
def test_given_the_lines_of_an_agencys_channels_when_folded_then_they_are_no_call_and_no_offer(path: Path) -> None:
    events = events_of(path.read_bytes())
    call = of_call(events)[0].linked_id
    others = {event.linked_id for event in events} - {call}
    assert [fold(NODE, [event for event in events if event.linked_id == other]) for other in others] == [None] * len(
        others
    )
    assert not [event for event in events if event.kind == TRANSFER and event.linked_id != call]
    assert all(offer.operator.startswith("op") for offer in folded(of_call(events)).offers)


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: path.stem.removeprefix("real_transfer_"))
def test_given_every_length_of_a_real_journal_when_folded_then_it_is_sound_and_what_was_told_stays(path: Path) -> None:
    events = of_call(events_of(path.read_bytes()))
    records = [folded(events[:length]) for length in range(2, len(events) + 1)]
    for before, after in itertools.pairwise(records):
        assert [one.id for one in before.transfers] == [one.id for one in after.transfers][: len(before.transfers)]
        ended = {one.id for one in before.transfers if one.ended}
        assert ended <= {one.id for one in after.transfers if one.ended}
        assert after.answered_at == before.answered_at or before.answered_at is None
    assert {record.outcome for record in records} == {None, Outcome.ANSWERED}


@pytest.mark.parametrize(
    ("name", "states"),
    [
        ("warm", ["talking", "transferring", "talking", "ended"]),
        ("blind", ["talking", "transferring", "talking", "ended"]),
        ("conference", ["talking", "ended"]),
        ("exhausted", ["talking", "transferring", "talking", "ended"]),
        ("taken_back", ["talking", "transferring", "talking", "ended"]),
        ("second_in_private", ["talking", "transferring", "talking", "transferring", "talking", "ended"]),
        ("operator_died", ["talking", "transferring", "talking", "ended"]),
        ("caller_left", ["talking", "transferring", "ended"]),
        ("none_ended_by_operator", ["talking", "ended"]),
    ],
)
def test_given_every_length_of_a_real_journal_when_folded_then_the_call_is_where_the_caller_is(
    name: str, states: list[str]
) -> None:
    events = of_call(journal(name))
    steps: list[tuple[str, datetime]] = []
    for length in range(2, len(events) + 1):
        state, at = str(folded(events[:length]).state), events[length - 1].at
        if not steps or steps[-1][0] != state:
            # What lasted for some milliseconds is somebody on his way from one room to another.
            while steps and at - steps[-1][1] < timedelta(milliseconds=50):
                steps.pop()
            if not steps or steps[-1][0] != state:
                steps.append((state, at))
    assert [state for state, _ in steps] == states


def test_given_asterisk_hangs_up_for_an_operator_when_folded_then_he_ended_the_call() -> None:
    events = of_call(journal("exhausted"))
    last = [event.extra["hangupsource"] for event in events if event.kind == "HANGUP" and event.on_caller_channel]
    assert last == ["dialplan/builtin"]
    assert folded(events).hangup_by is HangupBy.OPERATOR
    phone = next(event.channel for event in events if event.channel.startswith("PJSIP/op1"))
    unplugged = [
        replace(event, extra={**event.extra, "hangupsource": ""})
        if event.kind == "HANGUP" and event.channel == phone
        else event
        for event in events
    ]
    assert folded(unplugged).hangup_by is HangupBy.SYSTEM


def test_given_the_operators_last_line_comes_behind_the_callers_when_folded_then_the_record_is_the_same() -> None:
    events = of_call(journal("none_ended_by_operator"))
    phone = next(event.unique_id for event in events if event.channel.startswith("PJSIP/op1"))
    late = [event for event in events if event.unique_id == phone and event.kind in {"HANGUP", "CHAN_END"}]
    assert late
    assert folded([event for event in events if event not in late] + late) == folded(events)


def test_given_a_transfer_that_the_service_asked_for_when_folded_then_it_keeps_its_id() -> None:
    asked = UUID("6d4f6f2e-3c1e-4b8e-9f0b-1a2b3c4d5e6f")
    events = [
        replace(event, extra={**event.extra, "transfer": str(asked)}) if event.kind == TRANSFER else event
        for event in of_call(journal("warm"))
    ]
    assert [one.id for one in folded(events).transfers] == [asked]


def test_given_asterisk_died_when_folded_then_no_transfer_is_under_way_also_when_the_caller_had_gone() -> None:
    events = of_call(journal("caller_left"))
    without_left = [event for event in events if event.extra.get("step") != "left"]
    open_ = folded(without_left)
    assert (open_.state, open_.transfers[0].state) == (CallState.ENDED, TransferState.BRIEFING)
    lost = JournalEvent("PBX112_LOST", events[-1].at, events[0].linked_id, events[0].linked_id)
    record = folded([*without_left, lost])
    assert (record.outcome, record.hangup_by) == (Outcome.ANSWERED, HangupBy.CALLER)
    assert record.transfers[0].result is TransferResult.LOST


def test_given_the_caller_was_on_hold_for_too_long_when_folded_then_he_returned() -> None:
    """The caller's own channel says so, which knows of no transfer."""
    events = of_call(journal("operator_died"))
    call = events[0].linked_id
    said = [
        replace(
            event,
            unique_id=call,
            extra={**event.extra, "transfer": f"{call}.0", "one": "hold"},
        )
        if event.extra.get("step") == "returned"
        else event
        for event in events
    ]
    record = folded(said)
    assert [(one.result, one.returned) for one in record.transfers] == [("returned", "hold")]
