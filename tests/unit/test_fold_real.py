"""The fold on journals that this dialplan wrote, taken as they were from a real Asterisk 22.10.1."""

from pathlib import Path

import pytest

from pbx112.domain.call import fold
from tests.support.journal import events_of

JOURNALS = Path(__file__).parent / "journals"

ANSWERED = ("answered", "caller", 16)
CANCELLED = ("abandoned", "caller", 127)  # Asterisk's cause of a CANCEL: interworking

CALLS = {
    "answered_ended_by_caller": (*ANSWERED, "fastagi", "asserted", "op1", ["op1 answered"], 112, 154),
    "answered_ended_by_operator": (
        "answered",
        "operator",
        16,
        "fastagi",
        "asserted",
        "op1",
        ["op1 answered"],
        16,
        1041,
    ),
    "abandoned_while_ringing": (*CANCELLED, "fastagi", "asserted", None, ["op2 no_answer"], 38, None),
    "busy_then_second_operator": (*ANSWERED, "fastagi", "asserted", "op2", ["op1 busy", "op2 answered"], 17, 2),
    "comfort_then_answered": (
        *ANSWERED,
        "fastagi",
        "asserted",
        "op1",
        ["op1 no_answer", "op1 answered"],
        11068,
        1037,
    ),
    "overflow_answered": ("answered", "operator", 16, "fastagi", "asserted", "op3", ["op3 answered"], 22, 1037),
    "nobody_then_logged_in": (*ANSWERED, "fastagi", "asserted", "op4", ["op4 answered"], 4018, 1043),
    "hostile_from": (*CANCELLED, "fastagi", "unparseable", None, ["op1 no_answer"], 1007, None),
    "classic_intake": (*CANCELLED, "classic", "asserted", None, [], 1238, None),
}


@pytest.mark.parametrize("name", CALLS)
def test_given_a_real_journal_when_folded_then_the_record_says_what_happened(name: str) -> None:
    record = fold("node1", events_of((JOURNALS / f"real_{name}.csv").read_bytes()))
    assert record is not None
    assert (
        record.outcome,
        record.hangup_by,
        record.hangup_cause,
        record.intake,
        record.caller.caller_class,
        record.operator,
        [f"{offer.operator} {offer.result}" for offer in record.offers],
        record.wait_ms,
        record.talk_ms,
    ) == CALLS[name]
    assert record.queue == "112"
    assert record.priority == 0
    assert record.trunk in {"carrier-a", "carrier-b"}
    assert record.sip_call_id


def test_given_real_journals_when_read_then_no_line_comes_near_what_asterisk_cuts() -> None:
    lines = [line for file in JOURNALS.glob("real_*.csv") for line in file.read_bytes().splitlines()]
    assert max(map(len, lines)) < 1000
