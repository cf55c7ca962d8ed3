"""Commands for operators: what Asterisk is told, and that the answer shows what came of it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from pbx112.domain.errors import AsteriskRefused, BadInput, NoSuchOperator
from pbx112.domain.live import LiveMember, LiveQueue
from pbx112.services.operators import OperatorDesk
from tests.support.web import BUSY, FakeLive, FakeTelephone, make_parts


def desk(telephone: FakeTelephone, live: FakeLive, settle_seconds: float = 0.05) -> OperatorDesk:
    parts = make_parts()
    return OperatorDesk(telephone, live, parts.configuration, parts.engine, settle_seconds)


async def test_given_a_login_when_the_event_comes_later_then_the_command_ends_with_it() -> None:
    live = FakeLive(replace(BUSY, queues=()))
    working = asyncio.create_task(desk(FakeTelephone(), live, 5.0).log_in("op1", who="sup"))
    await asyncio.sleep(0.05)
    assert not working.done()
    live.state = replace(BUSY, queues=(LiveQueue("112", (LiveMember("op1", "not_inuse"),)),))
    async with asyncio.timeout(2):
        await working


async def test_given_a_live_state_that_never_changes_when_commanded_then_done_all_the_same() -> None:
    telephone = FakeTelephone()
    began = time.monotonic()
    await desk(telephone, FakeLive()).log_in("op1", who="sup")
    assert time.monotonic() - began < 2
    assert telephone.commands == [("add", "112", "op1", 3)]


async def test_given_an_operator_in_a_queue_that_is_his_no_more_when_he_logs_out_then_of_that_too() -> None:
    telephone = FakeTelephone()
    live = FakeLive(replace(BUSY, queues=(LiveQueue("113", (LiveMember("op1", "not_inuse"),)),)))
    await desk(telephone, live).log_out("op1", who="sup")
    assert telephone.commands == [("remove", "112", "op1"), ("remove", "113", "op1")]


async def test_given_what_cannot_be_when_commanded_then_asterisk_hears_nothing() -> None:
    telephone = FakeTelephone()
    with pytest.raises(NoSuchOperator):
        await desk(telephone, FakeLive()).pause("op9", "x", who="sup")
    with pytest.raises(BadInput):
        await desk(telephone, FakeLive()).log_in("op4", who="sup")
    assert telephone.commands == []


async def test_given_a_refusal_when_commanded_then_it_is_told_at_once() -> None:
    with pytest.raises(AsteriskRefused):
        await desk(FakeTelephone(error=AsteriskRefused("no")), FakeLive(), 60.0).unpause("op1", who="sup")
