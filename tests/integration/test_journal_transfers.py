"""An agency's channels write of a caller's call under another linked id, in other batches, and after his end."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.call import fold
from pbx112.domain.record import call_id
from pbx112.services.records import CallMemory, mark_lost, rebuild
from pbx112.storage.calls import call_events, get_call, public
from pbx112.storage.engine import reading
from tests.support.journal import append, events_of
from tests.support.recorded import NODE, count, drained, rows, running, until_count

JOURNALS = Path(__file__).parents[1] / "unit" / "journals"
LINES = [
    text for path in sorted(JOURNALS.glob("real_transfer_*.csv")) for text in path.read_text().splitlines(keepends=True)
]
CALLS = 16


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


def lines_of(name: str) -> list[str]:
    return (JOURNALS / f"real_transfer_{name}.csv").read_text().splitlines(keepends=True)


async def stored(engine: AsyncEngine, linked_id: str) -> dict[str, Any]:
    async with reading(engine) as conn:
        found = await get_call(conn, call_id(NODE, linked_id))
    assert found is not None
    return found


async def assert_all_recorded(engine: AsyncEngine, lines: list[str]) -> None:
    assert await count(engine, "events") == len(lines)
    assert await count(engine, "dead_letters") == 0
    by_call: dict[str, list[Any]] = {}
    for event in events_of(lines):
        by_call.setdefault(event.linked_id, []).append(event)
    records = [record for events in by_call.values() if (record := fold(NODE, events)) is not None]
    assert await count(engine, "calls") == len(records)
    for record in records:
        assert public(record).items() <= (await stored(engine, record.linkedid)).items()


async def test_given_readers_killed_at_any_moment_when_all_is_read_then_each_line_counts_once_and_rebuilds_equal(
    engine: AsyncEngine, journal: Path
) -> None:
    chance = random.Random(6)
    for start in range(0, len(LINES), 23):
        append(journal, LINES[start : start + 23])
        async with running(engine, journal):
            await asyncio.sleep(chance.uniform(0, 0.03))
    await drained(engine, journal)
    await assert_all_recorded(engine, LINES)
    assert await count(engine, "calls") == CALLS
    assert (await rebuild(engine, NODE, check=True)).equal
    found = await rebuild(engine, NODE, check=False)
    assert (found.calls, found.equal) == (CALLS, True)


async def test_given_each_line_a_batch_of_its_own_when_read_then_the_rows_are_the_same(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx112.journal.reader.MOST_LINES", 1)
    lines = [*lines_of("caller_left"), *lines_of("second_in_private")]
    append(journal, lines)
    await drained(engine, journal)
    await assert_all_recorded(engine, lines)


async def test_given_the_agency_leaves_long_after_the_caller_when_a_new_reader_reads_it_then_the_call_is_told(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = lines_of("caller_left")
    call = events_of(lines)[0].linked_id
    left = next(n for n, event in enumerate(events_of(lines)) if event.extra.get("step") == "left")
    append(journal, lines[:left])
    await drained(engine, journal)
    before = await stored(engine, call)
    assert (before["state"], [one["state"] for one in before["transfers"]]) == ("ended", ["briefing"])
    append(journal, lines[left:])
    await drained(engine, journal)
    after = await stored(engine, call)
    assert [(one["state"], one["result"]) for one in after["transfers"]] == [("ended", "caller_left")]
    assert after["transfers"][0]["ended_at"] > after["ended_at"]
    async with reading(engine) as conn:
        told = await call_events(conn, call_id(NODE, call))
    steps = [event for event in told if event["kind"] == "PBX112_TRANSFER"]
    assert [event["extra"]["step"] for event in steps][-1] == "left"
    assert steps[-1]["own_linked_id"] != call


async def test_given_asterisk_dies_under_operator_and_agency_when_it_boots_again_then_their_transfer_is_over(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = lines_of("caller_left")
    events = events_of(lines)
    left = next(n for n, event in enumerate(events) if event.extra.get("step") == "left")
    append(journal, lines[:left])
    await drained(engine, journal)
    booted_at = events[-1].at + timedelta(seconds=60)
    lost = await mark_lost(engine, NODE, booted_at=booted_at, alive=())
    assert lost == [call_id(NODE, events[0].linked_id)]
    assert await mark_lost(engine, NODE, booted_at=booted_at, alive=()) == []
    record = await stored(engine, events[0].linked_id)
    assert (record["outcome"], record["hangup_by"]) == ("answered", "caller")
    assert [(one["result"], one["ended_at"]) for one in record["transfers"]] == [("lost", booted_at)]
    assert (await rebuild(engine, NODE, check=True)).equal


async def test_given_a_step_that_names_no_call_of_this_asterisk_when_read_then_it_stays_where_it_was(
    engine: AsyncEngine, journal: Path
) -> None:
    event = next(event for event in events_of(lines_of("warm")) if event.extra.get("step") == "rings")
    own = event.unique_id
    line = next(text for text in lines_of("warm") if '"PBX112_TRANSFER"' in text and own in text)
    stranger = line.replace("test6-", "test7-")  # its ids, while its payload still names a call of test6
    append(journal, [stranger])
    await drained(engine, journal)
    (found,) = await rows(engine, "SELECT linked_id, body->>'own_linked_id' AS own FROM events")
    assert found.linked_id.startswith("test7-")
    assert found.own is None


async def test_given_a_memory_that_was_forgotten_when_a_late_step_comes_then_all_of_the_call_is_folded(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(CallMemory, "get", lambda *_: None)
    append(journal, LINES)
    async with running(engine, journal):
        await until_count(engine, "events", len(LINES))
    await drained(engine, journal)
    assert (await rebuild(engine, NODE, check=True)).equal
