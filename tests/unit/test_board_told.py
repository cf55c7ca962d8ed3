"""The live board: facts in any order that AMI has them, late and twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from pbx112.domain.live import LiveMember, LiveQueue, LiveState, LiveWaiting
from pbx112.services.board import (
    CallerJoined,
    CallerLeft,
    LiveFact,
    MemberLeft,
    MemberSeen,
    OfferMissed,
    OperatorAnswered,
    OperatorReleased,
    OperatorRung,
    SnapshotTaken,
    TalkEnded,
    told,
)
from pbx112.services.drift import differences

AT = datetime(2025, 1, 31, 10, 0, tzinfo=UTC)
OP1 = LiveMember("op1", "not_inuse")
EMPTY = LiveState(at=AT, connected=True, queues=(LiveQueue("112", (OP1,)), LiveQueue("darurat", (OP1,))))


def caller(number: int, position: int = 1) -> LiveWaiting:
    return LiveWaiting(f"call-{number}", f"PJSIP/a-{number}", position, AT + timedelta(seconds=number), f"id-{number}")


def after(*facts: LiveFact, state: LiveState = EMPTY) -> LiveState:
    for fact in facts:
        state = told(state, fact)
    return state


def op1(state: LiveState) -> list[tuple[str, bool, str | None]]:
    return [(m.device, m.in_call, m.call) for queue in state.queues for m in queue.members if m.operator == "op1"]


def waiting(state: LiveState) -> list[tuple[str, int]]:
    return [(c.linkedid, c.position) for queue in state.queues for c in queue.waiting]


def phone(device: str, *, paused: bool = False, in_call: bool = False) -> list[LiveFact]:
    member = replace(OP1, device=device, paused=paused, in_call=in_call)
    return [MemberSeen("112", member), MemberSeen("darurat", member)]


def test_given_a_call_when_it_rings_is_answered_and_ends_then_the_operator_is_shown_so_in_all_his_queues() -> None:
    # Asterisk tells `busy` for a phone that rings and for one that talks, and nothing when the one becomes the other.
    ringing = after(CallerJoined("112", caller(1)), OperatorRung("op1", "call-1"), *phone("busy"))
    assert op1(ringing) == [("ringing", False, "call-1")] * 2
    talking = after(CallerLeft("112", "id-1", "call-1"), OperatorAnswered("op1", "call-1"), state=ringing)
    assert op1(talking) == [("inuse", True, "call-1")] * 2
    assert waiting(talking) == []
    assert op1(after(*phone("busy", in_call=True), state=talking)) == [("busy", True, "call-1")] * 2
    free = after(OperatorReleased("op1", "call-1"), *phone("not_inuse"), state=talking)
    assert op1(free) == [("not_inuse", False, None)] * 2


def test_given_the_phones_state_before_the_offer_when_both_are_told_then_it_is_ringing_all_the_same() -> None:
    assert op1(after(*phone("busy"), OperatorRung("op1", "call-1"))) == [("ringing", False, "call-1")] * 2


def test_given_a_caller_who_gives_up_when_the_phone_stops_then_the_operator_is_free() -> None:
    state = after(CallerJoined("112", caller(1)), OperatorRung("op1", "call-1"), *phone("busy"))
    assert (
        op1(after(CallerLeft("112", "id-1", "call-1"), *phone("not_inuse"), state=state))
        == [("not_inuse", False, None)] * 2
    )


def test_given_an_operator_in_a_call_of_his_own_when_paused_then_his_phone_is_not_called_ringing() -> None:
    state = after(*phone("busy"), *phone("busy", paused=True))
    assert op1(state) == [("busy", False, None)] * 2


def test_given_a_release_of_another_call_when_told_then_the_present_one_stays() -> None:
    state = after(OperatorAnswered("op1", "call-2"), OperatorReleased("op1", "call-1"))
    assert op1(state) == [("inuse", True, "call-2")] * 2


def test_given_priorities_when_callers_join_and_leave_then_positions_are_those_of_the_queue() -> None:
    state = after(
        CallerJoined("112", caller(1, 1)), CallerJoined("112", caller(2, 2)), CallerJoined("112", caller(3, 1))
    )
    assert waiting(state) == [("call-3", 1), ("call-1", 2), ("call-2", 3)]
    assert waiting(after(CallerLeft("112", "id-1", "call-1"), state=state)) == [("call-3", 1), ("call-2", 2)]


def test_given_a_login_and_a_logout_when_told_then_the_member_comes_and_goes() -> None:
    state = after(MemberSeen("112", LiveMember("op2", "not_inuse")))
    assert [m.operator for m in state.queues[0].members] == ["op1", "op2"]
    assert [m.operator for m in after(MemberLeft("112", "op2"), state=state).queues[0].members] == ["op1"]


def test_given_a_queue_that_a_reload_made_when_first_told_of_then_it_is_there() -> None:
    assert [queue.name for queue in after(CallerJoined("new", caller(1))).queues] == ["112", "darurat", "new"]


def test_given_a_fact_that_changes_nothing_when_told_then_the_state_is_the_same_object() -> None:
    for fact in (
        MemberSeen("112", OP1),
        MemberLeft("112", "op9"),
        CallerLeft("112", "id-9", "call-9"),
        OperatorReleased("op1", "call-9"),
        OperatorRung("op9", "call-9"),
    ):
        assert told(EMPTY, fact) is EMPTY


def test_given_a_snapshot_when_told_then_it_replaces_all_but_the_finer_times() -> None:
    state = after(CallerJoined("112", caller(1)), CallerJoined("112", caller(2, 2)))
    listed = LiveQueue("112", (), (replace(caller(2), since=AT), replace(caller(7, 2), since=AT)))
    snapped = told(state, SnapshotTaken(AT + timedelta(minutes=1), (listed,), channels=5))
    assert waiting(snapped) == [("call-2", 1), ("call-7", 2)]
    assert [c.since for c in snapped.queues[0].waiting] == [caller(2).since, AT]
    assert (snapped.channels, snapped.connected, len(snapped.queues)) == (5, True, 1)


def test_given_two_boards_when_compared_then_each_difference_counts_by_its_kind() -> None:
    state = after(CallerJoined("112", caller(1)))
    assert differences(state, state) == {}
    assert differences(state, EMPTY) == {"caller": 1}
    assert differences(EMPTY, after(*phone("busy"))) == {"phone": 2}
    assert differences(EMPTY, after(*phone("not_inuse", paused=True))) == {"pause": 2}
    moved = after(CallerJoined("112", caller(2)), state=state)
    assert differences(state, moved) == {"caller": 1, "position": 1}
    gone = after(CallerLeft("112", "id-1", "call-1"), MemberLeft("112", "op1"), state=state)
    assert differences(state, gone) == {"caller": 1, "member": 1}


def test_given_a_talk_when_asterisk_calls_the_phone_busy_and_the_board_in_use_then_that_is_no_difference() -> None:
    talking = after(OperatorAnswered("op1", "call-1"))
    assert differences(talking, after(*phone("busy", in_call=True), state=talking)) == {}


def test_given_a_talk_when_it_ends_then_its_queue_knows_when_and_no_snapshot_forgets_it() -> None:
    ended = after(OperatorAnswered("op1", "call-1"), TalkEnded("112", "op1", "call-1", AT))
    assert [m.call_ended_at for queue in ended.queues for m in queue.members] == [AT, None]
    listed = LiveQueue("112", (replace(OP1, last_call_at=AT),))
    for fact in (MemberSeen("112", OP1), SnapshotTaken(AT, (listed,), channels=0)):
        assert told(ended, fact).queues[0].members[0].call_ended_at == AT


def missed(number: int, ring_ms: int = 10_000, second: int = 0, queue: str = "112") -> OfferMissed:
    return OfferMissed(queue, "op1", f"call-{number}", AT + timedelta(seconds=second), ring_ms)


def in_a_row(state: LiveState) -> list[int]:
    return [m.missed.count if m.missed else 0 for queue in state.queues for m in queue.members if m.operator == "op1"]


def test_given_missed_offers_of_two_queues_when_told_then_they_count_together_until_he_answers_or_comes_back() -> None:
    two = after(missed(1), missed(2, queue="darurat"))
    assert in_a_row(two) == [2, 2]
    assert in_a_row(after(*phone("not_inuse"), state=two)) == [2, 2]
    assert in_a_row(told(two, SnapshotTaken(AT, (LiveQueue("112", (OP1,)),), channels=0))) == [2]
    assert in_a_row(after(OperatorAnswered("op1", "call-3"), state=two)) == [0, 0]
    paused = after(*phone("not_inuse", paused=True), state=two)
    assert in_a_row(paused) == [2, 2]
    assert in_a_row(after(*phone("not_inuse"), state=paused)) == [0, 0]
    assert in_a_row(told(paused, SnapshotTaken(AT, (LiveQueue("112", (OP1,)),), channels=0))) == [0]


def test_given_a_ring_cut_short_when_its_caller_is_moved_on_in_that_moment_then_the_operator_missed_nothing() -> None:
    def leaves(second: int) -> CallerLeft:
        return CallerLeft("112", "id-1", "call-1", AT + timedelta(seconds=second))

    assert in_a_row(after(missed(1, 900), leaves(0))) == [0, 0]
    assert in_a_row(after(missed(2), missed(1, 900), leaves(0), leaves(0))) == [1, 1]
    assert in_a_row(after(missed(1, 10_000), leaves(0))) == [1, 1]  # it was rung out
    assert in_a_row(after(missed(1, 900), leaves(7))) == [1, 1]  # he refused it, and the caller gave up later
    assert in_a_row(after(missed(2, 900), leaves(0))) == [1, 1]  # another caller


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 6), st.integers(1, 7)), max_size=40), st.integers(0, 40))
def test_given_a_snapshot_in_the_midst_when_events_before_it_come_after_it_then_the_board_ends_right(
    steps: list[tuple[bool, int, int]], cut: int
) -> None:
    # Asterisk writes an answer before events that happened before it: they come late, and must do no harm.
    facts: list[LiveFact] = []
    here: set[int] = set()
    for joins, number, position in steps:
        if joins and number not in here:
            here.add(number)
            facts.append(CallerJoined("112", caller(number, min(position, len(here)))))
        elif not joins and number in here:
            here.remove(number)
            facts.append(CallerLeft("112", f"id-{number}", f"call-{number}"))
    right = after(*facts)
    at_cut = after(*facts[:cut])
    late = told(LiveState(), SnapshotTaken(AT, at_cut.queues, channels=0))
    resumed = after(*facts, state=late)
    assert {linkedid for linkedid, _ in waiting(resumed)} == {linkedid for linkedid, _ in waiting(right)}
    assert [position for _, position in waiting(resumed)] == list(range(1, len(here) + 1))
