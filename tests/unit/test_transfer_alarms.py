"""The alarm of an agency that could not be reached: when it is up, what it says, and when it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from pbx112.services.ports import AlarmLevel
from pbx112.services.transfer_alarms import TransferAlarms

NOW = datetime(2025, 1, 31, 10, tzinfo=UTC)


@dataclass
class Board:
    up: dict[str, str] = field(default_factory=dict)
    raised: int = 0

    def set(self, key: str, level: AlarmLevel, text: str) -> None:
        self.up[key] = text
        self.raised += 1

    def clear(self, key: str) -> None:
        self.up.pop(key, None)


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


def call(number: int = 1, **changes: Any) -> dict[str, Any]:
    transfer = {
        "id": UUID(int=number),
        "agency": "damkar",
        "state": "ended",
        "result": None,
        "returned": None,
        "answered_at": None,
        "ended_at": NOW,
        "attempts": [{"line": "damkar1"}],
    }
    return {"transfers": [transfer | changes]}


def test_given_an_agency_that_was_not_reached_then_one_alarm_and_its_next_answer_clears_it() -> None:
    board, clock = Board(), Clock()
    alarms = TransferAlarms(board, "id", clock=clock)
    for _ in range(3):  # the record goes on changing
        alarms.see(call(result="exhausted"))
    assert board.raised == 1
    assert "damkar tidak dapat dihubungi: 1 saluran" in board.up["transfer:damkar"]
    alarms.see(call(2, state="briefing", answered_at=NOW - timedelta(seconds=1), ended_at=None))  # answered before
    assert board.up
    alarms.see(call(3, state="briefing", answered_at=NOW + timedelta(seconds=9), ended_at=None))
    assert board.up == {}
    alarms.see(call(result="exhausted"))
    assert board.up == {}


def test_given_a_caller_who_came_back_then_an_alarm_that_is_over_after_ten_minutes() -> None:
    board, clock = Board(), Clock()
    alarms = TransferAlarms(board, "en", clock=clock)
    alarms.see(call(result="returned", returned="agency", answered_at=NOW - timedelta(seconds=5)))
    assert "came back to the queue" in board.up["transfer:damkar"]
    clock.now = NOW + timedelta(minutes=9, seconds=59)
    alarms.settle()
    assert board.up
    clock.now = NOW + timedelta(minutes=10)
    alarms.settle()
    assert board.up == {}


def test_given_an_old_record_that_changes_then_no_alarm() -> None:
    board = Board()
    TransferAlarms(board, "id", clock=Clock(NOW + timedelta(hours=1))).see(call(result="exhausted"))
    assert board.raised == 0


def test_given_transfers_that_went_well_or_were_cancelled_then_no_alarm() -> None:
    board = Board()
    alarms = TransferAlarms(board, "id", clock=Clock())
    for number, result in enumerate(("completed", "cancelled", "agency_left", "lost", None)):
        alarms.see(call(number, result=result))
    assert board.raised == 0
