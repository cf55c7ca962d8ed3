"""Rebuilding records from events, and the calls that a dead Asterisk left open."""

# ruff: noqa: S608  (the texts in these statements are this file's own)

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain import call as domain_call
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.domain.events import JournalEvent
from pbx112.domain.record import call_id
from pbx112.services import records
from pbx112.services.records import CallMemory, mark_lost, rebuild
from pbx112.storage.engine import transaction
from pbx112.storage.listen import MISSED, listening
from pbx112.storage.tables import CALLS_CHANNEL
from tests.integration.conftest import Database, as_owner
from tests.support.journal import Script, append, events_of, numbered
from tests.support.recorded import NODE, assert_recorded, count, drained, interleaved, rows, running, until


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


async def test_given_rows_that_were_tampered_with_when_checked_then_each_is_found_and_none_is_changed(
    engine: AsyncEngine, database: Database, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_CHUNK", 7)
    lines = interleaved(30)
    append(journal, lines)
    await drained(engine, journal)
    assert await rebuild(engine, NODE, check=True) == records.RebuildResult(30)
    ids = [row.id for row in await rows(engine, "SELECT id FROM calls ORDER BY linkedid")]
    await as_owner(
        database.owner_url,
        f"UPDATE calls SET operator = 'op9' WHERE id = '{ids[0]}'",
        f"UPDATE calls SET offers = '[]' WHERE id = '{ids[5]}'",
        f"UPDATE calls SET ended_at = ended_at + interval '1 microsecond' WHERE id = '{ids[29]}'",
        f"DELETE FROM calls WHERE id = '{ids[9]}'",
        f"UPDATE calls SET linkedid = 'forged' WHERE id = '{ids[11]}'",
    )
    found = await rebuild(engine, NODE, check=True)
    assert set(found.different) == {ids[n] for n in (0, 5, 9, 11, 29)}
    assert found.orphans == [ids[11]]
    assert await rows(engine, f"SELECT operator FROM calls WHERE id = '{ids[0]}'") == [("op9",)]
    await rebuild(engine, NODE, check=False)
    assert (await rebuild(engine, NODE, check=True)).equal
    await assert_recorded(engine, lines)


async def test_given_a_rebuild_beside_a_reader_when_both_work_then_the_rows_are_right(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(60)
    async with running(engine, journal):
        for start in range(0, len(lines), 50):
            append(journal, lines[start : start + 50])
            with contextlib.suppress(DatabaseUnavailable):  # the reader writes the same rows: one of both gives way
                async with transaction(engine) as conn:
                    await conn.execute(text("UPDATE calls SET operator = 'op9'"))
            await rebuild(engine, NODE, check=False)
        await until(engine, "SELECT count(*) FROM events", lambda found: found == [(len(lines),)])
    await rebuild(engine, NODE, check=False)
    await assert_recorded(engine, lines)


async def test_given_calls_open_when_asterisk_boots_again_then_they_are_lost_and_ended_ones_are_not(
    engine: AsyncEngine, journal: Path
) -> None:
    open_call, ended, newer, still_up = Script(1), Script(2), Script(3, start=200.0), Script(4)
    talk = [*open_call.arrives(), *open_call.queues(), *open_call.rings(0.1), *open_call.talks(1, 5)[:3]]
    boot = events_of(newer.arrives())[0].at - timedelta(seconds=10)
    async with running(engine, journal) as reader:
        append(journal, numbered([*talk, *ended.abandoned_call(), *newer.arrives(), *still_up.arrives()]))
        await until(engine, "SELECT count(*) FROM calls", lambda found: found == [(4,)])
        lost = await mark_lost(engine, NODE, booted_at=boot, alive={still_up.linked})
        assert lost == [call_id(NODE, open_call.linked)]
        assert await mark_lost(engine, NODE, booted_at=boot, alive={still_up.linked}) == []
        # The reader's memory knows nothing of it, and must not undo it with the next line of that call.
        append(journal, [open_call.on_operator("STREAM_END", 4.0)])
        await until(engine, "SELECT count(*) FROM events WHERE kind = 'STREAM_END'", lambda found: found == [(1,)])
        assert reader.lag().healthy
    assert await rows(engine, "SELECT outcome, ended_at FROM calls WHERE state = 'ended' ORDER BY linkedid") == [
        ("lost", boot),
        ("abandoned", events_of(ended.ends(3.001))[0].at),
    ]
    # An end that was written before the crash and is read only now is the real end.
    append(journal, open_call.ends(5.0))
    await drained(engine, journal)
    assert await rows(engine, f"SELECT outcome FROM calls WHERE linkedid = '{open_call.linked}'") == [("answered",)]
    assert (await rebuild(engine, NODE, check=True)).equal


async def test_given_a_fold_that_fails_when_read_then_the_events_are_kept_and_other_calls_go_on(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = interleaved(4)
    real = domain_call.fold

    def failing(node: str, events: list[JournalEvent]) -> object:
        if any(event.linked_id.endswith(".2") for event in events):
            raise RuntimeError("a bug")
        return real(node, events)

    monkeypatch.setattr(records, "fold", failing)
    append(journal, lines)
    await drained(engine, journal)
    assert (await count(engine, "events"), await count(engine, "calls")) == (len(lines), 3)
    monkeypatch.undo()
    await rebuild(engine, NODE, check=False)
    await assert_recorded(engine, lines)


async def test_given_a_listener_when_calls_change_then_it_hears_their_ids_after_the_commit(
    engine: AsyncEngine, database: Database, journal: Path
) -> None:
    async with asyncio.timeout(20), listening(database.service_url, CALLS_CHANNEL) as heard:
        assert await heard.get() == MISSED
        append(journal, Script(1).arrives())
        await drained(engine, journal)
        assert orjson.loads(await heard.get()) == {"node": NODE, "ids": [str(call_id(NODE, Script(1).linked))]}
        append(journal, [text for n in range(2, 200) for text in Script(n).arrives()])
        await drained(engine, journal)
        assert orjson.loads(await heard.get()) == {"node": NODE, "ids": None}


def test_given_more_calls_than_the_memory_holds_when_trimmed_then_the_oldest_are_dropped() -> None:
    memory = CallMemory(most_calls=3, most_events=100)
    events = events_of(Script().answered_call())
    for number in range(5):
        memory.put(str(number), list(events))
    memory.get("2")
    memory.trim()
    assert [number for number in range(5) if memory.get(str(number))] == [2, 3, 4]
    memory.put("big", list(events) * 10)
    memory.trim()
    assert memory.get("2") is None
