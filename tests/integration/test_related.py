"""Repeats: the calls of one caller are linked both ways, and nobody is taken for somebody else."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.record import CallRecord
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.calls import get_call
from pbx112.storage.engine import reading, transaction
from pbx112.storage.related import MOST
from pbx112.storage.tables import rules
from tests.support.calls import ANONYMOUS, CLAIM, NUMBER, PSEUDO, START, asserted, device, left, stored, talked

Related = list[tuple[UUID, str]]


async def related(engine: AsyncEngine, call: CallRecord) -> Related:
    async with reading(engine) as conn:
        found = await get_call(conn, call.id)
    assert found is not None
    return [(other["call_id"], other["why"]) for other in found["related"]]


async def test_given_a_number_that_calls_again_then_both_calls_name_the_other_nearest_first(
    engine: AsyncEngine,
) -> None:
    first, second, third = left(0, asserted()), left(5, asserted()), talked(7, asserted())
    await stored(engine, first, second, third, left(6, asserted("+628999999999")))

    assert await related(engine, first) == [(second.id, "same_number"), (third.id, "same_number")]
    assert await related(engine, second) == [(third.id, "same_number"), (first.id, "same_number")]
    async with reading(engine) as conn:
        page = await list_calls(conn, CallFilter(number=NUMBER))
    assert [len(item["related"]) for item in page.items] == [2, 2, 2]


async def test_given_a_handset_with_another_check_digit_when_it_calls_again_then_it_is_the_same(
    engine: AsyncEngine,
) -> None:
    first, second = left(0, device("35241009-031532-0")), left(1, device("352410090315327"))
    with_number = talked(2, asserted(imei="35241009-031532-0"))
    await stored(engine, first, second, with_number, left(3, device("35241009-031533-0")))

    assert await related(engine, first) == [(second.id, "same_imei"), (with_number.id, "same_imei")]
    assert await related(engine, with_number) == [(second.id, "same_imei"), (first.id, "same_imei")]


async def test_given_a_call_related_in_two_ways_then_it_stands_once(engine: AsyncEngine) -> None:
    first, second = (left(minute, asserted(imei="35241009-031532-0")) for minute in (0, 1))
    await stored(engine, first, second)

    assert await related(engine, first) == [(second.id, "same_number")]


@pytest.mark.parametrize(
    "caller",
    [ANONYMOUS, Caller(CallerClass.UNPARSEABLE, raw_number="anonymous"), Caller(CallerClass.DEVICE_ONLY, imei="123")],
)
async def test_given_callers_without_number_or_whole_imei_then_they_are_never_related(
    engine: AsyncEngine, caller: Caller
) -> None:
    first, second = left(0, caller), left(1, caller)
    await stored(engine, first, second)

    assert await related(engine, first) == []


async def test_given_pseudo_and_claimed_numbers_then_they_are_hints_and_never_the_asserted_number(
    engine: AsyncEngine,
) -> None:
    pseudo, again = left(0, PSEUDO), left(1, PSEUDO)
    claim, real = left(2, CLAIM), left(3, asserted())
    claimed_again = left(4, CLAIM)
    await stored(engine, pseudo, again, claim, real, claimed_again)

    assert await related(engine, pseudo) == [(again.id, "same_pseudo_number")]
    assert await related(engine, claim) == [(claimed_again.id, "same_claimed_number")]
    assert await related(engine, real) == []


async def test_given_a_window_by_the_rules_then_only_calls_within_it_are_related(engine: AsyncEngine) -> None:
    first, inside, outside = (left(minute, asserted()) for minute in (0, 10, 10.5))
    await stored(engine, first, inside, outside)
    async with transaction(engine) as conn:
        await conn.execute(insert(rules).values(version=1, body={"repeat_window_minutes": 10}))

    assert await related(engine, first) == [(inside.id, "same_number")]
    assert await related(engine, outside) == [(inside.id, "same_number")]


async def test_given_a_drill_when_a_real_call_has_its_number_then_they_are_strangers(engine: AsyncEngine) -> None:
    real, drill = left(0, asserted()), left(1, asserted(), drill=True)
    await stored(engine, real, drill)

    assert await related(engine, real) == await related(engine, drill) == []


async def test_given_a_call_back_then_it_and_its_call_name_each_other_by_what_they_are(engine: AsyncEngine) -> None:
    call = left(0, asserted())
    back = talked(3, asserted(), direction="outbound", callback_of=call.id)
    await stored(engine, call, back)

    assert await related(engine, call) == [(back.id, "called_back_by")]
    assert await related(engine, back) == [(call.id, "callback_of")]


async def test_given_hundreds_of_calls_of_one_caller_then_the_nearest_are_shown(engine: AsyncEngine) -> None:
    calls = [replace(left(n, asserted()), received_at=START + timedelta(seconds=n)) for n in range(60)]
    await stored(engine, *calls)
    shown = await related(engine, calls[30])

    assert len(shown) == MOST
    assert {call for call, _ in shown} == {calls[n].id for n in range(20, 41) if n != 30}
