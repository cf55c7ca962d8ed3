"""The watchdog's rules of queues: who waits, who is free, and what of it is wrong."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pbx112.domain.configuration import Skill, Strategy, Widening
from pbx112.domain.demo import DEMO_CENTRE, DRILL_ACCOUNT
from pbx112.domain.live import LiveMember, LiveState
from pbx112.domain.watch import (
    WaitingCall,
    caller_not_offered,
    caller_waits_long,
    everybody_paused,
    nobody_in_queue,
)
from tests.support.watch import FREE, NOON, RINGING, TALKING, Looks, board, caller, found, member

UNSERVED = [("queue-unserved:112", "critical")]
NOBODY = "queue-nobody:112"
DRILL = LiveMember(DRILL_ACCOUNT, FREE, penalty=112_000)


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        (board(member(), waiting=(caller(),)), True),
        (board(member(device=TALKING), member("op2"), waiting=(caller(),)), True),
        (board(member(device=RINGING, call="n-1"), member("op2"), waiting=(caller(), caller(2))), True),
        (board(member(), DRILL, waiting=(caller(), caller(2, trunk="drill"))), True),
        (board(member()), False),
        (board(member(device=TALKING, in_call=True, call="n-9"), waiting=(caller(),)), False),
        (board(member(in_call=True), waiting=(caller(),)), False),
        (board(member(device=RINGING, call="n-1"), waiting=(caller(),)), False),
        (board(member(device=RINGING, call="n-1"), member("op2"), waiting=(caller(),)), False),
        (board(member(device=RINGING), member("op2"), waiting=(caller(),)), False),
        (board(member(paused=True), waiting=(caller(),)), False),
        (board(member(device="unavailable"), waiting=(caller(),)), False),
        (board(DRILL, waiting=(caller(),)), False),
        (board(member(), waiting=(caller(trunk="drill"),)), False),
    ],
    ids=[
        "free and waiting",
        "another one talks",
        "the phone rings for another caller",
        "a drill waits too",
        "nobody waits",
        "all talk",
        "in a call, device late",
        "his phone rings",
        "one rings, the other waits his turn",
        "a phone rings for nobody knows whom",
        "paused",
        "no phone",
        "only the drill's operator",
        "only a drill waits",
    ],
)
def test_given_a_board_when_it_stays_so_then_unserved_callers_are_found(state: LiveState, wrong: bool) -> None:
    looks = Looks()
    assert found(caller_not_offered, looks.see(state, times=5)) == []
    assert found(caller_not_offered, looks.see(state, times=3)) == (UNSERVED if wrong else [])


def test_given_rings_with_a_second_between_when_nobody_answers_then_the_queue_works() -> None:
    looks = Looks()
    waiting = (caller(), caller(2))
    for _ in range(4):
        facts = looks.see(board(member(device=RINGING, call="n-1"), waiting=waiting), times=10)
        assert found(caller_not_offered, facts) == []
        assert found(caller_not_offered, looks.see(board(member(), waiting=waiting), times=2)) == []


def test_given_a_long_pause_between_rings_when_the_queue_is_set_so_then_it_counts_on_top() -> None:
    queue = replace(DEMO_CENTRE.queues[0], retry_seconds=10)
    looks = Looks(replace(DEMO_CENTRE, queues=(queue,)))
    state = board(member(), waiting=(caller(),))
    assert found(caller_not_offered, looks.see(state, times=14)) == []
    assert found(caller_not_offered, looks.see(state, times=3)) == UNSERVED


def test_given_wrap_up_when_an_operator_hangs_up_then_he_is_free_after_it_only() -> None:
    queue = replace(DEMO_CENTRE.queues[0], wrapup_seconds=20)
    looks = Looks(replace(DEMO_CENTRE, queues=(queue,)))
    waiting = (caller(),)
    looks.see(board(member(device=TALKING, in_call=True, call="n-9"), waiting=waiting), times=3)
    assert found(caller_not_offered, looks.see(board(member(), waiting=waiting), times=24)) == []
    assert found(caller_not_offered, looks.see(board(member(), waiting=waiting), times=6)) == UNSERVED


def test_given_a_surge_when_an_operator_hangs_up_then_he_is_free_at_once() -> None:
    queue = replace(DEMO_CENTRE.queues[0], wrapup_seconds=20)
    looks = Looks(replace(DEMO_CENTRE, queues=(queue,), surge=True))
    looks.see(board(member(device=TALKING, in_call=True, call="n-9"), waiting=(caller(),)))
    assert found(caller_not_offered, looks.see(board(member(), waiting=(caller(),)), times=8)) == UNSERVED


def test_given_a_skill_when_only_others_are_free_then_they_count_from_when_the_queue_widens_to_them() -> None:
    queue = replace(DEMO_CENTRE.queues[0], skill="english", widening=(Widening(0, 5), Widening(20, 0)))
    looks = Looks(replace(DEMO_CENTRE, queues=(queue,)))
    waits = board(member(), waiting=(caller(since=NOON),))
    assert found(caller_not_offered, looks.see(waits, times=24)) == []
    assert found(caller_not_offered, looks.see(waits, times=4)) == UNSERVED
    skilled = replace(DEMO_CENTRE.operators[0], skills=(Skill("english", 9),))
    at_once = Looks(replace(DEMO_CENTRE, queues=(queue,), operators=(skilled,)))
    assert found(caller_not_offered, at_once.see(waits, times=8)) == UNSERVED


def test_given_a_service_that_has_just_started_when_his_last_call_is_told_then_the_wrap_up_counts() -> None:
    queue = replace(DEMO_CENTRE.queues[0], wrapup_seconds=20)
    looks = Looks(replace(DEMO_CENTRE, queues=(queue,)))
    state = board(member(last_call_at=NOON), waiting=(caller(),))
    assert found(caller_not_offered, looks.see(state, times=24)) == []
    assert found(caller_not_offered, looks.see(state, times=6)) == UNSERVED


def test_given_ringall_when_the_second_caller_waits_for_his_turn_then_that_is_right() -> None:
    looks = Looks(replace(DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], strategy=Strategy.RINGALL),)))
    state = board(member(device=RINGING, call="n-1"), member("op2", penalty=5), waiting=(caller(), caller(2)))
    assert found(caller_not_offered, looks.see(state, times=20)) == []


def test_given_a_broken_link_when_it_is_back_then_the_time_between_does_not_count() -> None:
    looks = Looks()
    state = board(member(), waiting=(caller(),))
    looks.see(state, times=2)
    assert found(caller_not_offered, looks.see(replace(state, connected=False), times=30)) is None
    assert found(caller_not_offered, looks.see(state, times=3)) == []


def test_given_an_hours_jump_of_the_clock_when_somebody_waits_then_nothing_is_found_by_it() -> None:
    looks = Looks()
    state = board(member(device=RINGING, call="n-1"), waiting=(caller(),))
    looks.see(state, times=3)
    for jump in (timedelta(hours=1), timedelta(hours=-2)):
        looks.at += jump
        facts = looks.see(state, times=3)
        assert found(caller_waits_long, facts) == []
        assert all(caller.since > 990 for caller in facts.seen.waiting.values())


@pytest.mark.parametrize(
    ("state", "after", "expected"),
    [
        (board(), 30, []),
        (board(), 70, [(NOBODY, "warning")]),
        (board(member(device="unavailable")), 70, [(NOBODY, "warning")]),
        (board(DRILL), 70, [(NOBODY, "warning")]),
        (board(member()), 70, []),
        (board(member(device=TALKING)), 70, []),
        (board(member(paused=True)), 70, []),
        (board(waiting=(caller(),)), 4, [(NOBODY, "critical")]),
        (board(waiting=(caller(trunk="drill"),)), 4, []),
        (board(member(), waiting=(caller(),)), 70, []),
        (LiveState(at=NOON, connected=True), 70, [(NOBODY, "warning")]),
        (LiveState(), 70, None),
    ],
)
def test_given_a_board_when_nobody_is_there_then_it_is_found(
    state: LiveState, after: int, expected: list[tuple[str, str]] | None
) -> None:
    assert found(nobody_in_queue, Looks().see(state, times=after)) == expected


def test_given_a_caller_in_the_records_only_when_the_overflow_list_rings_then_he_is_seen() -> None:
    looks = Looks()
    looks.see(board(), times=5)
    recorded = (WaitingCall("112", "n-7", NOON - timedelta(seconds=70)),)
    facts = looks.see(board(), recorded=recorded)
    (finding,) = nobody_in_queue(facts) or []
    assert (finding.level, finding.words) == ("critical", "queue_nobody_waiting_overflow")
    assert finding.facts["overflow"] == "op1, op2, op3, op4"
    assert found(caller_waits_long, facts) == [("caller-waiting:112", "warning")]
    late = looks.see(board(), journal_late_ms=6000)
    assert found(nobody_in_queue, late) == []  # who waits by late records may have been served long ago
    talking = board(member(device=TALKING, in_call=True, call="n-7"))
    assert found(caller_waits_long, looks.see(talking, journal_late_ms=0)) == []


def test_given_no_overflow_list_when_nobody_is_there_then_the_words_say_that_nothing_rings() -> None:
    looks = Looks(replace(DEMO_CENTRE, queues=(replace(DEMO_CENTRE.queues[0], overflow=()),)))
    (finding,) = nobody_in_queue(looks.see(board(waiting=(caller(),)), times=5)) or []
    assert finding.words == "queue_nobody_waiting_no_overflow"


def test_given_a_queue_that_nobody_can_join_when_it_has_an_overflow_list_then_it_is_meant_so() -> None:
    operators = tuple(replace(operator, memberships=()) for operator in DEMO_CENTRE.operators)
    looks = Looks(replace(DEMO_CENTRE, operators=operators))
    assert found(nobody_in_queue, looks.see(board(), times=70)) == []


def test_given_the_warning_is_off_when_a_queue_is_empty_then_only_a_waiting_caller_alarms() -> None:
    looks = Looks()
    looks.facts = replace(looks.facts, limits=replace(looks.facts.limits, empty_queue=False))
    assert found(nobody_in_queue, looks.see(board(), times=70)) == []
    assert found(nobody_in_queue, looks.see(board(waiting=(caller(),)))) == [(NOBODY, "critical")]


@pytest.mark.parametrize(
    ("members", "wrong"),
    [
        ((member(paused=True), member("op2", paused=True)), True),
        ((member(paused=True), member("op2", device="unavailable")), True),
        ((member(paused=True), member("op2")), False),
        ((member(paused=True, device=TALKING),), False),
        ((), False),
    ],
)
def test_given_paused_operators_when_a_caller_waits_then_it_is_found(
    members: tuple[LiveMember, ...], wrong: bool
) -> None:
    facts = Looks().see(board(*members, waiting=(caller(),)), times=8)
    assert found(everybody_paused, facts) == ([("queue-paused:112", "critical")] if wrong else [])


@pytest.mark.parametrize(("after", "wrong"), [(59, False), (62, True)])
def test_given_a_caller_when_he_waits_long_then_it_is_found(after: int, wrong: bool) -> None:
    facts = Looks().see(board(member(device=TALKING), waiting=(caller(),)), times=after)
    assert found(caller_waits_long, facts) == ([("caller-waiting:112", "warning")] if wrong else [])


def test_given_neither_board_nor_records_then_nothing_can_be_told() -> None:
    facts = Looks().see(LiveState())
    assert [found(rule, facts) for rule in (caller_not_offered, nobody_in_queue, everybody_paused)] == [None] * 3
    assert found(caller_waits_long, facts) is None
