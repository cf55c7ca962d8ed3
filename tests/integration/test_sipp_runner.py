"""The SIPp runner: SIPp calls SIPp over loopback, and each call's times are read from its log."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.raw_sip import build_invite, exchange
from tests.support.sipp import SCENARIOS, SippDeadlineMissed, SippJob, free_port, run_sipp, running_sipp
from tests.support.sipp_log import calls_of, read_messages
from tests.support.tools import sipp_argv

CARRIER_IP, OPERATOR_IP = "127.0.8.21", "127.0.8.22"


def operator(scenario: str, **changes: object) -> SippJob:
    return SippJob(sipp_argv(), SCENARIOS / scenario, OPERATOR_IP, **changes)  # type: ignore[arg-type]


def carrier(scenario: str, port: int, **changes: object) -> SippJob:
    return SippJob(sipp_argv(), SCENARIOS / scenario, CARRIER_IP, remote=f"{OPERATOR_IP}:{port}", **changes)  # type: ignore[arg-type]


async def test_given_callers_who_talk_when_done_then_each_calls_times_are_known() -> None:
    async with running_sipp(operator("operator_answer.xml", calls=3, pause_ms=100)) as callee:
        job = carrier("carrier_talk.xml", callee.port, calls=3, rate=20, pause_ms=200, with_messages=True)
        result = await run_sipp(job)
        answered = (await callee.wait()).assert_all_good()
    calls = result.assert_all_good()
    assert (result.successful, result.retransmissions, len(calls), len(answered)) == (3, 0, 3, 3)
    for call in calls:
        assert call.ringing_at is not None
        assert call.answered_at is not None
        assert call.bye_at is not None
        assert call.answer_ms is not None
        assert 95 <= call.answer_ms < 600
        assert 0.19 <= (call.bye_at - call.answered_at).total_seconds() < 0.7
        assert (call.final_code, call.bye_sent, call.cancelled_at) == (200, True, None)
    assert {call.call_id for call in calls} == {call.call_id for call in answered}
    assert "P-Asserted-Identity: <sip:+628111234567@127.0.8.21>" in result.messages


async def test_given_callers_of_a_csv_when_they_call_then_each_has_its_own_number() -> None:
    async with running_sipp(operator("operator_busy.xml", calls=None, with_messages=True)) as callee:
        rows = [("+62811",), ("+62812",)]
        result = await run_sipp(carrier("carrier_talk.xml", callee.port, calls=2, rows=rows, with_messages=True))
        assert [call.final_code for call in callee.calls()] == [486, 486]
    assert (result.failed, result.exit_code) == (2, 1)
    assert [call.final_code for call in result.calls] == [486, 486]
    assert all(call.answered_at is None for call in result.calls)
    assert "From: <sip:+62811@" in result.messages
    assert "From: <sip:+62812@" in result.messages
    with pytest.raises(AssertionError, match="486"):
        result.assert_all_good()


async def test_given_a_caller_who_gives_up_when_done_then_the_call_was_cancelled_with_487() -> None:
    async with running_sipp(operator("operator_no_answer.xml")) as callee:
        result = await run_sipp(carrier("carrier_abandon.xml", callee.port, pause_ms=150))
        (seen,) = (await callee.wait()).assert_all_good()
    (call,) = result.assert_all_good()
    assert call.ringing_at is not None
    assert call.cancelled_at is not None
    assert 0.14 <= (call.cancelled_at - call.ringing_at).total_seconds() < 0.65
    assert (call.final_code, call.answered_at, call.bye_at) == (487, None, None)
    assert seen.final_code == 487


async def test_given_an_operator_who_hangs_up_when_done_then_the_bye_came_from_the_far_end() -> None:
    async with running_sipp(operator("operator_hangs_up.xml", pause_ms=100)) as callee:
        result = await run_sipp(carrier("carrier_callee_hangs_up.xml", callee.port))
        (await callee.wait()).assert_all_good()
    (call,) = result.assert_all_good()
    assert call.bye_sent is False


async def test_given_a_far_end_that_never_answers_when_the_deadline_comes_then_it_fails_and_nothing_is_left() -> None:
    async with running_sipp(operator("operator_no_answer.xml", calls=None)) as callee:
        with pytest.raises(SippDeadlineMissed, match="180 Ringing"):
            await run_sipp(carrier("carrier_talk.xml", callee.port, deadline_s=0.5))


async def test_given_a_port_that_is_taken_when_started_then_it_says_so() -> None:
    port = free_port(OPERATOR_IP)
    async with running_sipp(operator("operator_busy.xml", calls=None, local_port=port)):
        with pytest.raises(SippDeadlineMissed, match="SIPp ended at its start"):
            async with running_sipp(operator("operator_busy.xml", calls=None, local_port=port)):
                pass  # the second one does not get here


def test_given_a_log_that_is_being_written_when_read_then_the_torn_line_is_left_out() -> None:
    line = "2026-11-21T18:43:59.657460Z\tS\t1-7713@127.0.5.2\tCSeq:1 INVITE\tINVITE sip:112@127.0.5.1:5071 SIP/2.0\n"
    (call,) = calls_of(read_messages(line + line[:40]))
    assert call.call_id == "1-7713@127.0.5.2"
    assert call.invite_at.microsecond == 657460
    assert call.final_code is None


@pytest.mark.parametrize(
    ("scenario", "codes", "ended_by"),
    [
        ("operator_busy.xml", [486], None),
        ("operator_answer.xml", [180, 200], "BYE"),
        ("operator_no_answer.xml", [180, 487], "CANCEL"),
    ],
)
async def test_given_an_invite_of_raw_bytes_when_sent_then_the_call_is_finished_properly(
    scenario: str, codes: list[int], ended_by: str | None
) -> None:
    source = (CARRIER_IP, free_port(CARRIER_IP))
    async with running_sipp(operator(scenario)) as callee:
        target = (OPERATOR_IP, callee.port)
        invite = build_invite(source, target, extra=b'P-Asserted-Identity: "\xff\xfe<>\\" <sip:%00@x>\r\n')
        result = await exchange(invite, source, target, hold_s=0.1)
        await asyncio.sleep(0.05)
        seen = callee.seen()
        (call,) = callee.calls()
    assert result.codes == codes
    assert (result.sip_call_id, result.final_code) == (call.call_id, codes[-1])
    requests = [message.method for message in seen if message.status is None and not message.sent]
    assert "ACK" in requests
    assert ended_by is None or ended_by in requests


@pytest.mark.parametrize("scenario", sorted(SCENARIOS.glob("*.xml")), ids=lambda path: path.stem)
def test_given_a_scenario_file_when_read_then_it_says_what_it_plays(scenario: Path) -> None:
    assert "<!-- " in scenario.read_text().split("<scenario name=")[0]
