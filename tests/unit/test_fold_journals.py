"""`record = fold(events)` on pasted journals of real calls and on written ones."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.caller import CallerClass
from pbx112.domain.events import JournalEvent
from pbx112.domain.record import CallRecord, CallState, HangupBy, Intake, OfferResult, Outcome, call_id
from tests.support.journal import Script, events_of, json_word, plain_word

JOURNALS = Path(__file__).parent / "journals"


def folded(events: list[JournalEvent]) -> CallRecord:
    record = fold("node1", events)
    assert record is not None
    return record


def pasted(name: str) -> CallRecord:
    return folded(events_of((JOURNALS / f"{name}.csv").read_bytes()))


def offers_of(record: CallRecord) -> list[tuple[str, OfferResult | None]]:
    return [(offer.operator, offer.result) for offer in record.offers]


def test_given_an_answered_call_when_folded_then_every_fact_of_it_is_told() -> None:
    record = pasted("answered_ended_by_caller")
    assert record.id == call_id("node1", "node1-1795282659.42")
    assert record.received_at == datetime(2026, 11, 21, 17, 37, 39, 406370, tzinfo=UTC)
    assert (record.state, record.outcome) == (CallState.ENDED, Outcome.ANSWERED)
    assert (record.sip_call_id, record.trunk) == ("node1-1795282659.42@carrier-a.example", "carrier-a")
    assert (record.caller.caller_class, record.caller.number) == (CallerClass.ASSERTED, "+6281234567890")
    assert (record.queue, record.priority, record.operator) == ("112", 0, "op1")
    assert (record.wait_ms, record.talk_ms) == (333, 2172)
    assert (record.hangup_by, record.hangup_cause) == (HangupBy.CALLER, 16)
    assert offers_of(record) == [("op1", OfferResult.ANSWERED)]
    assert record.offers[0].ring_ms == 308
    assert record.intake is Intake.NONE


@pytest.mark.parametrize(
    ("name", "outcome", "by", "operator", "offers"),
    [
        ("answered_ended_by_operator", "answered", "operator", "op1", ["answered"]),
        ("answered_from_ringing", "answered", "caller", "op1", ["answered"]),
        ("lines_out_of_order", "answered", "caller", "op2", ["answered"]),
        ("no_answer_then_second_operator", "answered", "operator", "op2", ["no_answer", "answered"]),
        ("no_answer_then_abandoned", "abandoned", "caller", None, ["no_answer", "no_answer"]),
        ("busy_then_abandoned", "abandoned", "caller", None, ["busy"] * 4),
        ("abandoned_while_queued", "abandoned", "caller", None, []),
        ("queue_timed_out", "failed", "system", None, ["no_answer", "no_answer"]),
        ("queue_without_members", "failed", "system", None, []),
    ],
)
def test_given_a_pasted_journal_when_folded_then_it_has_its_outcome(
    name: str, outcome: str, by: str, operator: str | None, offers: list[str]
) -> None:
    record = pasted(name)
    assert (record.state, record.outcome, record.hangup_by, record.operator) == ("ended", outcome, by, operator)
    assert [offer.result for offer in record.offers] == offers
    assert (record.answered_at is not None) == (record.talk_ms is not None) == (outcome == "answered")


def test_given_a_call_still_going_on_when_folded_then_it_talks_and_has_no_outcome() -> None:
    record = pasted("still_talking")
    assert (record.state, record.outcome, record.ended_at, record.talk_ms) == (CallState.TALKING, None, None, None)
    assert (record.operator, record.wait_ms) == ("op2", 333)


def test_given_every_length_of_a_journal_when_folded_then_the_states_follow_each_other() -> None:
    events = events_of((JOURNALS / "answered_ended_by_caller.csv").read_bytes())
    states = list(dict.fromkeys(folded(events[:length]).state for length in range(1, len(events) + 1)))
    # Back in the queue for the microseconds between the end of the talk and the end of the call.
    assert states == [CallState.RINGING, CallState.QUEUED, CallState.TALKING, CallState.ENDED]


def test_given_a_caller_who_leaves_before_the_queue_when_folded_then_abandoned_without_a_queue() -> None:
    call = Script()
    record = folded(events_of([*call.arrives(), *call.ends(0.9, cause=0)]))
    assert (record.outcome, record.queue, record.queued_at, record.wait_ms) == (Outcome.ABANDONED, None, None, 900)


def test_given_a_queue_that_gave_up_when_the_overflow_answers_then_answered_by_who_was_rung_there() -> None:
    call = Script()
    lines = [*call.arrives(), *call.queues(), *call.rings(0.1), *call.gives_up_ringing(10.0)]
    lines += [*call.leaves(30.0, status="TIMEOUT"), *call.rings(30.1, "op3", leg=2), *call.talks(32, 60, "op3", leg=2)]
    lines += [*call.gives_up_ringing(60.001, "op3", leg=2), *call.ends(60.002)]
    record = folded(events_of(lines))
    assert (record.outcome, record.operator, record.wait_ms) == (Outcome.ANSWERED, "op3", 32002)
    assert offers_of(record) == [("op1", OfferResult.NO_ANSWER), ("op3", OfferResult.ANSWERED)]


def test_given_a_phone_that_cannot_be_reached_when_folded_then_the_offer_says_unavailable() -> None:
    call = Script()
    failing = call.gives_up_ringing(0.1, cause=38, source=call.operator("op1"))
    record = folded(events_of([*call.arrives(), *call.queues(), *call.rings(0.05), *failing]))
    assert offers_of(record) == [("op1", OfferResult.UNAVAILABLE)]


def test_given_asterisk_died_under_a_talk_when_marked_then_lost_and_the_talk_ends_there() -> None:
    call = Script()
    events = events_of([*call.arrives(), *call.queues(), *call.rings(0.05), *call.talks(2, 90)[:3]])
    at = events[0].at + timedelta(seconds=12)
    record = folded([*events, JournalEvent(kinds.LOST, at, call.linked, call.linked)])
    assert (record.outcome, record.hangup_by, record.ended_at) == (Outcome.LOST, HangupBy.SYSTEM, at)
    assert record.talk_ms == 9998


def test_given_a_call_that_ended_before_asterisk_died_when_marked_lost_then_it_keeps_its_end() -> None:
    call = Script()
    events = events_of(call.answered_call())
    lost = JournalEvent(kinds.LOST, events[-1].at + timedelta(hours=1), call.linked, call.linked)
    assert fold("node1", [*events, lost]) == fold("node1", events)


def test_given_a_clock_set_back_in_a_call_when_folded_then_no_duration_is_negative() -> None:
    events = events_of(Script().answered_call())
    for step in range(1, len(events)):
        back = [replace(e, at=e.at - timedelta(hours=1)) if n >= step else e for n, e in enumerate(events)]
        record = folded(back)
        assert (record.state, record.outcome, record.operator) == (CallState.ENDED, Outcome.ANSWERED, "op1")
        assert (record.wait_ms or 0) >= 0
        # The moments beside the step are lost in it, nothing else is.
        assert 0 <= (record.talk_ms or 0) <= 5000
        assert all((offer.ring_ms or 0) >= 0 for offer in record.offers)


def test_given_lines_a_millisecond_out_of_order_when_folded_then_the_record_is_the_same() -> None:
    events = events_of(Script().answered_call())
    for seed in range(20):
        shuffled = sorted(events, key=lambda e: e.at + timedelta(milliseconds=random.Random(f"{seed}{e}").random()))
        assert fold("node1", shuffled) == fold("node1", events)


def test_given_hostile_text_in_every_field_when_folded_then_the_caller_is_shown_safely() -> None:
    call = Script()
    hostile = '<sip:%0d%0aEvent: Hangup","x\n@evil>'
    lines = [
        *call.arrives(asserted=hostile),
        call.on_caller("ANSWER", 1.0, name='a","b\n"ANSWER","1.1",', num='";DROP'),
    ]
    record = folded(events_of([*lines, *call.ends(2.0)]))
    assert record.outcome is Outcome.ABANDONED
    assert record.caller.caller_class is CallerClass.UNPARSEABLE
    assert "\n" not in (record.caller.raw_number or "")


def test_given_the_intakes_facts_when_folded_then_they_count_more_than_the_arrival() -> None:
    call = Script()
    facts = {"by": "fastagi", "service": "sos.fire", "caller": {"class": "pseudo_ani", "number": "+62112000001"}}
    lines = [*call.arrives(), call.on_caller("PBX112_INTAKE", 0.01, extra=json_word(facts))]
    record = folded(events_of(lines))
    assert (record.intake, record.service) == (Intake.FASTAGI, "sos.fire")
    assert (record.caller.caller_class, record.caller.number) == (CallerClass.PSEUDO_ANI, "+62112000001")


@pytest.mark.parametrize(
    "payload",
    [
        {"by": [], "service": {}, "caller": 7},
        {"by": {"a": 1}, "service": 9, "caller": {"class": ["asserted"]}},
        {"caller": {"class": "asserted", "number": [1], "warnings": 5}},
        {},
    ],
)
def test_given_a_payload_of_wrong_types_when_folded_then_the_call_still_has_its_record(
    payload: dict[str, object],
) -> None:
    call = Script()
    odd = [
        call.on_caller("PBX112_INTAKE", 0.01, extra=json_word(payload)),
        call.on_caller("PBX112_ARRIVAL", 0.02, extra=json_word({"sip_call_id": 5, "from": None, "contact": []})),
        call.on_caller("PBX112_QUEUE_JOIN", 0.03, extra=json_word({"queue": 1, "priority": "high"})),
        call.on_caller("HANGUP", 1.0, extra={"hangupcause": 10**20, "hangupsource": None}),
    ]
    record = folded(events_of([*call.arrives(), *odd, call.on_caller("CHAN_END", 1.1)]))
    assert record.outcome is not None
    assert record.hangup_cause is None
    assert record.sip_call_id == "call-1@carrier"


def test_given_no_hangup_line_when_the_channel_ends_then_the_system_ended_it() -> None:
    call = Script()
    record = folded(events_of([call.on_caller("CHAN_END", 5.0, channel="")]))
    assert (record.outcome, record.hangup_by) == (Outcome.FAILED, HangupBy.SYSTEM)


def test_given_a_ringing_whose_end_is_missing_when_the_call_has_ended_then_no_phone_rings_on() -> None:
    call = Script()
    record = folded(events_of([*call.arrives(), *call.ends(2.0), *call.rings(2.0)]))
    assert [(offer.result, offer.ring_ms) for offer in record.offers] == [(OfferResult.NO_ANSWER, 0)]


def test_given_events_that_no_trunk_started_when_folded_then_there_is_no_call() -> None:
    call = Script()
    assert fold("node1", events_of([call.on_caller("CHAN_START", 0.0, context="from-operator")])) is None
    assert fold("node1", []) is None


def test_given_two_operators_in_one_bridge_when_folded_then_the_first_to_enter_took_the_call() -> None:
    call = Script()
    bridge = {"bridge_id": "b"}
    names = [f"op{n}" for n in range(1, 9)]
    legs = [call.on_operator("CHAN_START", 0.1, name, leg=n) for n, name in enumerate(names)]
    enter = [call.on_operator("BRIDGE_ENTER", 1 + n / 100, name, leg=n, extra=bridge) for n, name in enumerate(names)]
    record = folded(events_of([*call.arrives(), *legs, *enter, call.on_caller("BRIDGE_ENTER", 2.0, extra=bridge)]))
    assert record.operator == "op1"


def test_given_an_arrival_in_two_lines_when_folded_then_both_halves_count() -> None:
    call = Script()
    first = call.on_caller("PBX112_ARRIVAL", 0.001, extra=plain_word("v1", "a@b", "carrier-b", "td", ""))
    second = call.on_caller("PBX112_ARRIVAL", 0.001, extra=plain_word("v2", "<sip:+6281300000001@x>", "<sip:c>"))
    for lines in ([first, second], [second, first]):
        record = folded(events_of([call.on_caller("CHAN_START", 0.0), *lines]))
        assert (record.sip_call_id, record.trunk, record.drill) == ("a@b", "carrier-b", True)
        assert (record.caller.caller_class, record.caller.number) == (CallerClass.UNTRUSTED_CLAIM, "+6281300000001")
