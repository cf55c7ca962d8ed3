"""One transfer: how the journal's steps move it, what an operator may ask in each state, and why not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from uuid import uuid4

import pytest

from pbx112.domain.events import TRANSFER, JournalEvent
from pbx112.domain.transfer import MOVES, LineResult, Move, Transfer, TransferState, allowed
from pbx112.domain.transfer_steps import apply
from pbx112.domain.transfer_words import refusal

BEGAN = datetime(2026, 11, 27, 17, 0, tzinfo=UTC)
WARM = ("begun", "damkar", "warm", "phone")
TAKEN = (("rings", "damkar1"), ("answered", "damkar1"), ("ready", "damkar1", "1"))


def after(*steps: tuple[str, ...]) -> Transfer:
    """A transfer after these steps, each a second after the one before."""
    events = [
        JournalEvent(
            TRANSFER,
            BEGAN + timedelta(seconds=place),
            "n-1.2",
            "n-1.1",
            extra=dict(zip(("step", "one", "two", "three"), (*step, "", "", ""), strict=False)),
        )
        for place, step in enumerate(steps)
    ]
    return reduce(apply, events, Transfer(uuid4(), BEGAN))


@pytest.mark.parametrize(
    ("steps", "state", "result"),
    [
        ((), "requested", None),
        ((WARM,), "calling", None),
        ((WARM, *TAKEN), "calling", None),
        ((WARM, *TAKEN, ("joined",)), "briefing", None),
        ((WARM, *TAKEN, ("joined",), ("conference",)), "conference", None),
        ((WARM, ("conference",), *TAKEN, ("joined",)), "conference", None),
        ((("begun", "damkar", "conference", "desk"), *TAKEN, ("joined",)), "conference", None),
        ((("begun", "damkar", "blind", "phone"), *TAKEN, ("joined",)), "handed_over", None),
        ((WARM, *TAKEN, ("joined",), ("handed",)), "handed_over", None),
        ((WARM, ("handed",)), "calling", None),
        ((WARM, ("rings", "damkar1"), ("handed",), ("returned", "operator")), "ended", "returned"),
        ((WARM, *TAKEN, ("joined",), ("handed",), ("left", "damkar1", "16", "ANSWER")), "ended", "completed"),
        ((WARM, *TAKEN, ("joined",), ("left", "damkar1", "16", "ANSWER")), "ended", "agency_left"),
        ((WARM, ("rings", "damkar1"), ("left", "damkar1", "0", "CANCEL")), "ended", "cancelled"),
        (
            (WARM, *TAKEN, ("joined",), ("handed",), ("left", "damkar1", "44", "ANSWER"), ("returned", "agency")),
            "ended",
            "returned",
        ),
        ((WARM, ("rings", "damkar1"), ("line", "damkar1", "BUSY", "17"), ("exhausted",)), "ended", "exhausted"),
        ((WARM, ("exhausted",), ("returned", "agency")), "ended", "exhausted"),
        ((WARM, ("cancelled",), *TAKEN, ("joined",), ("handed",)), "ended", "cancelled"),
        ((WARM, ("returned", "somewhere")), "calling", None),
        ((WARM, ("nonsense",), ("",)), "calling", None),
        ((("joined",),), "briefing", None),
    ],
)
def test_given_steps_when_applied_then_the_transfer_is_there(
    steps: tuple[tuple[str, ...], ...], state: str, result: str | None
) -> None:
    transfer = after(*steps)
    assert (transfer.state, transfer.result) == (state, result)
    assert (transfer.ended_at is not None) == transfer.ended == (result is not None)


@pytest.mark.parametrize(
    ("status", "cause", "result", "kept"),
    [
        ("BUSY", "17", LineResult.BUSY, 17),
        ("NOANSWER", "0", LineResult.NO_ANSWER, None),
        ("CHANUNAVAIL", "20", LineResult.UNAVAILABLE, 20),
        ("CONGESTION", "34", LineResult.FAILED, 34),
        ("WHAT", "-5", LineResult.FAILED, None),
    ],
)
def test_given_a_line_that_fails_when_applied_then_the_attempt_says_how(
    status: str, cause: str, result: LineResult, kept: int | None
) -> None:
    (attempt,) = after(WARM, ("rings", "damkar1"), ("line", "damkar1", status, cause)).attempts
    assert (attempt.line, attempt.result, attempt.cause, attempt.ring_ms) == ("damkar1", result, kept, 1000)


def test_given_a_line_that_is_tried_twice_when_applied_then_each_attempt_has_its_own_end() -> None:
    tried = after(WARM, ("rings", "a"), ("line", "a", "NOANSWER", "0"), ("rings", "a"), *TAKEN[1:])
    assert [one.result for one in tried.attempts] == [LineResult.NO_ANSWER, None]
    tried = after(WARM, ("rings", "a"), ("line", "a", "NOANSWER", "0"), ("rings", "a"), ("ready", "a", ""))
    assert [one.result for one in tried.attempts] == [LineResult.NO_ANSWER, LineResult.ANSWERED]
    assert (tried.line, tried.answered_at) == ("a", BEGAN + timedelta(seconds=4))


def test_given_nobody_pressed_a_key_when_applied_then_it_was_no_answer() -> None:
    steps = (WARM, *TAKEN[:2], ("unconfirmed", "damkar1"), ("line", "damkar1", "CONGESTION", "16"))
    transfer = after(*steps)
    (attempt,) = transfer.attempts
    assert (attempt.result, attempt.cause, attempt.ring_ms) == (LineResult.UNCONFIRMED, 16, 1000)
    assert (transfer.line, transfer.answered_at) == (None, None)


def test_given_the_first_line_is_missing_when_it_comes_late_then_it_is_taken() -> None:
    transfer = after(("rings", "damkar1"), WARM)
    assert (transfer.agency, transfer.mode, transfer.by, transfer.state) == ("damkar", "warm", "phone", "calling")
    assert after(WARM, ("begun", "polisi", "blind", "desk")).agency == "damkar"


def test_given_each_state_when_a_move_is_asked_for_then_it_is_allowed_or_refused_in_words() -> None:
    for state in TransferState:
        transfer = Transfer(uuid4(), BEGAN, state=state)
        for move in Move:
            words = {refusal(state, move, lang) for lang in ("id", "en")}
            assert (words == {None}) == allowed(transfer, move)
            assert words == {None} or (None not in words and len(words) == 2)
    assert MOVES[TransferState.BRIEFING] == frozenset(Move)
    assert not allowed(after(WARM), Move.COMPLETE)
    assert allowed(after(WARM), Move.CANCEL)
