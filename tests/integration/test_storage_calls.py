"""Call records: lists with filters and cursor, one record, its journal, and edits that do not overwrite each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.errors import BadInput, EditConflict, NoSuchCall
from pbx112.domain.record import CallRecord, CallState, HangupBy, Offer, OfferResult, Outcome, call_id
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.calls import annotate_call, call_events, get_call, public, upsert_calls
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import JournalRow, insert_events
from tests.support.journal import Script, events_of
from tests.support.recorded import NODE, rows

BEGAN = datetime(2025, 1, 31, 10, 0, 0, 123456, tzinfo=UTC)


def call(number: int, **changes: object) -> CallRecord:
    record = CallRecord(
        id=call_id(NODE, f"n-{number}"),
        node=NODE,
        linkedid=f"n-{number}",
        received_at=BEGAN + timedelta(seconds=number),
        state=CallState.ENDED,
        outcome=Outcome.ANSWERED,
        caller=Caller(CallerClass.ASSERTED, f"+6281{number:08d}", raw_number=f"081{number:08d}", warnings=("w",)),
        sip_call_id=f"sip-{number}@a",
        trunk="carrier-a",
        queue="112",
        operator="op1",
        ended_at=BEGAN + timedelta(seconds=number + 60),
        hangup_by=HangupBy.CALLER,
        offers=(Offer("op1", BEGAN + timedelta(seconds=number, microseconds=7), OfferResult.ANSWERED, 300),),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


async def stored(engine: AsyncEngine, *records: CallRecord) -> None:
    async with transaction(engine) as conn:
        await upsert_calls(conn, records)


async def numbers(engine: AsyncEngine, **conditions: object) -> list[int]:
    async with reading(engine) as conn:
        page = await list_calls(conn, CallFilter(**conditions), limit=100)  # type: ignore[arg-type]
    return [int(item["linkedid"].removeprefix("n-")) for item in page.items]


async def test_given_a_record_when_stored_then_the_same_comes_back_with_every_public_name(engine: AsyncEngine) -> None:
    record = call(1)
    await stored(engine, record)
    async with reading(engine) as conn:
        found = await get_call(conn, record.id)
        assert await get_call(conn, uuid4()) is None
    assert found is not None
    assert public(record).items() <= found.items()
    rest = {name: value for name, value in found.items() if name not in public(record)}
    assert rest == {
        "category": None,
        "notes": None,
        "disposition": None,
        "related": [],
        "version": 0,
    }
    assert found["caller"]["class"] == "asserted"
    assert found["offers"][0]["at"].microsecond == 123463


async def test_given_a_record_that_did_not_change_when_stored_again_then_its_row_is_not_written(
    engine: AsyncEngine,
) -> None:
    await stored(engine, call(1), call(2))
    before = await rows(engine, "SELECT id, xmin::text FROM calls ORDER BY linkedid")
    await stored(engine, call(1), call(2, operator="op2"))
    after = await rows(engine, "SELECT id, xmin::text FROM calls ORDER BY linkedid")
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


async def test_given_calls_when_filtered_then_only_those_that_match_are_listed(engine: AsyncEngine) -> None:
    talking = {"state": CallState.TALKING, "outcome": None, "ended_at": None, "hangup_by": None}
    anonymous = Caller(CallerClass.ANONYMOUS, imei="35-000000-000000-1")
    await stored(
        engine,
        call(1),
        call(2, outcome=Outcome.ABANDONED, operator=None),
        call(3, **talking),
        call(4, queue="anak", operator="op2"),
        call(5, drill=True),
        call(6, caller=anonymous),
    )
    assert await numbers(engine) == [6, 5, 4, 3, 2, 1]
    assert await numbers(engine, outcome="abandoned") == [2]
    assert await numbers(engine, state="talking") == [3]
    assert await numbers(engine, queue="anak") == await numbers(engine, operator="op2") == [4]
    assert await numbers(engine, drill=True) == [5]
    assert await numbers(engine, drill=False, operator="op1") == [6, 3, 1]
    assert await numbers(engine, caller_class="anonymous") == [6]
    assert await numbers(engine, number="+628100000002") == [2]
    assert await numbers(engine, since=BEGAN + timedelta(seconds=2), until=BEGAN + timedelta(seconds=4)) == [3, 2]
    assert await numbers(engine, q="08100000003") == [3]
    assert await numbers(engine, q="SIP-4@A") == [4]
    assert await numbers(engine, q="35-000000") == [6]
    assert await numbers(engine, q="%") == await numbers(engine, q="_") == await numbers(engine, q="'; --") == []


async def test_given_notes_when_searched_then_their_call_is_found(engine: AsyncEngine) -> None:
    await stored(engine, call(1), call(2))
    async with transaction(engine) as conn:
        await annotate_call(conn, call(1).id, expected_version=0, changes={"notes": "Kebakaran 100%"}, who="op1")
    assert await numbers(engine, q="kebakaran 100%") == [1]


async def test_given_pages_when_turned_while_calls_come_in_then_each_older_call_is_seen_once(
    engine: AsyncEngine,
) -> None:
    same_moment = [call(n, received_at=BEGAN) for n in range(10)]
    await stored(engine, *same_moment, *(call(n) for n in range(10, 25)))
    seen: list[UUID] = []
    cursor = None
    for turn in range(20):
        async with reading(engine) as conn:
            page = await list_calls(conn, CallFilter(), cursor=cursor, limit=4)
        seen += [item["id"] for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        await stored(engine, call(1000 + turn))
    assert len(seen) == len(set(seen)) == 25


@pytest.mark.parametrize(
    "cursor", ["", "x", "!!", "AAAA", "MjAyNS0wMS0zMQ", "a" * 5000, "é", "MDAwMS0wMS0wMVQwMDowMDowMCswMTowMCAx"]
)
async def test_given_a_broken_cursor_when_listed_then_bad_input(engine: AsyncEngine, cursor: str) -> None:
    async with reading(engine) as conn:
        with pytest.raises(BadInput, match="cursor"):
            await list_calls(conn, CallFilter(), cursor=cursor)


@pytest.mark.parametrize("limit", [0, -1, 501])
async def test_given_a_limit_out_of_range_when_listed_then_bad_input(engine: AsyncEngine, limit: int) -> None:
    async with reading(engine) as conn:
        with pytest.raises(BadInput, match="limit"):
            await list_calls(conn, CallFilter(), limit=limit)


@pytest.mark.parametrize("text", ["\x00", "a\ud800"])
async def test_given_text_that_postgresql_cannot_hold_when_searched_then_bad_input(
    engine: AsyncEngine, text: str
) -> None:
    async with reading(engine) as conn:
        for conditions in (CallFilter(q=text), CallFilter(operator=text)):
            with pytest.raises(BadInput):
                await list_calls(conn, conditions)


async def test_given_a_call_when_its_journal_is_read_then_its_lines_come_in_order(engine: AsyncEngine) -> None:
    script = Script()
    events = events_of(script.answered_call())
    async with transaction(engine) as conn:
        record = replace(call(1), id=call_id(NODE, script.linked), linkedid=script.linked)
        await upsert_calls(conn, [record])
        placed = [JournalRow(event, "f", n, {"ani": "1", "peer_account": ""}) for n, event in enumerate(events)]
        assert await insert_events(conn, NODE, placed) == len(events)
        assert await insert_events(conn, NODE, placed[:3]) == 0
        found = await call_events(conn, record.id)
        with pytest.raises(NoSuchCall):
            await call_events(conn, uuid4())
    assert [line["kind"] for line in found] == [event.kind for event in sorted(events, key=lambda e: e.at)]
    assert found[1]["extra"]["sip_call_id"] == "call-1@carrier"
    assert (found[0]["ani"], found[0]["caller_num"]) == ("1", "+6281234567890")


async def test_given_two_editors_when_both_write_then_the_second_must_read_again(engine: AsyncEngine) -> None:
    await stored(engine, call(1))

    async def edit(version: int, notes: str) -> dict[str, object]:
        async with transaction(engine) as conn:
            return await annotate_call(conn, call(1).id, expected_version=version, changes={"notes": notes}, who="op1")

    both = await asyncio.gather(edit(0, "a"), edit(0, "b"), return_exceptions=True)
    assert sorted(type(result).__name__ for result in both) == ["EditConflict", "dict"]
    assert (await edit(1, "c"))["version"] == 2
    with pytest.raises(EditConflict):
        await edit(1, "d")
    async with transaction(engine) as conn:
        edited = await annotate_call(conn, call(1).id, expected_version=2, changes={"category": "fire"}, who="op2")
    assert (edited["category"], edited["notes"], edited["version"]) == ("fire", "c", 3)


async def test_given_an_edit_when_the_call_is_folded_again_then_the_edit_stays(engine: AsyncEngine) -> None:
    await stored(engine, call(1))
    async with transaction(engine) as conn:
        await annotate_call(conn, call(1).id, expected_version=0, changes={"disposition": "prank"}, who="op1")
    await stored(engine, call(1, operator="op3"))
    async with reading(engine) as conn:
        found = await get_call(conn, call(1).id)
    assert found is not None
    assert (found["operator"], found["disposition"], found["version"]) == ("op3", "prank", 1)


async def test_given_an_edit_of_no_call_or_of_a_fact_when_written_then_refused(engine: AsyncEngine) -> None:
    async with transaction(engine) as conn:
        with pytest.raises(NoSuchCall):
            await annotate_call(conn, uuid4(), expected_version=0, changes={}, who="op1")
        with pytest.raises(BadInput, match="operator"):
            await annotate_call(conn, uuid4(), expected_version=0, changes={"operator": "op9"}, who="op1")
