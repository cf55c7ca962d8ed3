"""What a desk may ask of a call's transfers: by the record, and by what was asked a moment ago."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pbx112.domain.errors import CallNotTalking, NoSuchTransfer, TransferRefused, TransferTaken
from pbx112.domain.transfer import MOVES, Move, TransferState
from pbx112.domain.transfer_asked import Asked, Lately, check_move, check_start, check_talk

NOW = datetime(2025, 1, 31, 10, tzinfo=UTC)
ONE, TWO = UUID(int=1), UUID(int=2)


def transfer(state: str, id_: UUID = ONE, agency: str = "ambulans") -> dict[str, Any]:
    return {"id": str(id_), "state": state, "agency": agency}


def asked(move: str = "start", id_: UUID = ONE, *, ms_ago: int = 50, seen: str | None = None) -> Asked:
    return Asked(id_, move, "sari", NOW - timedelta(milliseconds=ms_ago), seen)


def lately(*asked: Asked) -> Lately:
    return Lately(asked, NOW)


@pytest.mark.parametrize("state", list(TransferState))
@pytest.mark.parametrize("move", list(Move))
def test_given_a_state_when_a_move_is_asked_for_then_the_table_decides_and_a_refusal_has_words(
    state: TransferState, move: Move
) -> None:
    for lang in ("id", "en"):
        if move in MOVES[state]:
            assert check_move([transfer(state)], ONE, move, lately(), lang)["agency"] == "ambulans"
        else:
            with pytest.raises(TransferRefused, match=r"\w+ .*\."):
                check_move([transfer(state)], ONE, move, lately(), lang)


@pytest.mark.parametrize("state", list(TransferState))
def test_given_a_transfer_when_another_agency_is_wanted_then_only_beside_a_conference_or_after_it(
    state: TransferState,
) -> None:
    if state in {TransferState.CONFERENCE, TransferState.ENDED}:
        check_start([transfer(state)], lately(), "id")
    else:
        with pytest.raises(TransferRefused, match="ambulans"):
            check_start([transfer(state)], lately(), "id")


def test_given_a_start_that_the_record_does_not_show_yet_then_a_second_click_is_told_by_whom() -> None:
    for shown in ([], [transfer("requested")]):
        with pytest.raises(TransferTaken, match="sari"):
            check_start(shown, lately(asked()), "en")
        with pytest.raises(TransferTaken):
            check_move(shown, ONE, Move.CANCEL, lately(asked()), "en")
    check_start([], lately(asked(ms_ago=10_001)), "en")  # it never came to anything
    check_start([transfer("ended")], lately(asked()), "en")


def test_given_a_move_that_the_record_does_not_show_yet_then_a_second_click_is_told() -> None:
    briefing, together = [transfer("briefing")], [transfer("conference")]
    with pytest.raises(TransferTaken, match="tunggu"):
        check_move(briefing, ONE, Move.COMPLETE, lately(asked("complete", seen="briefing")), "id")
    check_move(together, ONE, Move.COMPLETE, lately(asked("conference", seen="briefing")), "id")
    check_move(briefing, ONE, Move.COMPLETE, lately(asked("complete", seen="briefing", ms_ago=3_001)), "id")


def test_given_a_second_agency_that_is_briefed_then_the_first_ones_transfer_cannot_be_moved() -> None:
    both = [transfer("conference"), transfer("briefing", TWO, "damkar")]
    with pytest.raises(TransferRefused, match="damkar"):
        check_move(both, ONE, Move.CANCEL, lately(), "en")
    assert check_move(both, TWO, Move.CANCEL, lately(), "en")["agency"] == "damkar"


def test_given_an_unknown_transfer_then_there_is_none() -> None:
    with pytest.raises(NoSuchTransfer):
        check_move([transfer("briefing")], TWO, Move.CANCEL, lately(), "en")


@pytest.mark.parametrize(
    "change", [{"state": "queued"}, {"state": "ended"}, {"operator": None}, {"direction": "outbound"}]
)
def test_given_no_talk_of_a_caller_then_nothing_can_be_handed_over(change: dict[str, Any]) -> None:
    call = {"state": "talking", "operator": "op1", "direction": "inbound"}
    check_talk(call, "id")
    check_talk({**call, "state": "transferring"}, "id")
    with pytest.raises(CallNotTalking):
        check_talk({**call, **change}, "id")
