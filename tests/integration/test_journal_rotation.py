"""Rotation by the service and by other hands: no line is lost or counted twice, and no unread file is deleted."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.journal import reader as reader_module
from pbx112.journal.reader import JournalReader
from pbx112.journal.rotate import KeepRules, delete_old, rotate
from pbx112.journal.tail import rotated_paths
from pbx112.settings import HOME
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import gaps_between, insert_gap
from tests.integration.conftest import Database
from tests.support.journal import append
from tests.support.killed_reader import MAX_BYTES
from tests.support.recorded import NODE, assert_recorded, count, drained, interleaved, rows, running, until, until_count

GAPS = 'SELECT "from", until, reason FROM journal_gaps ORDER BY id'
KILLS = int(os.environ.get("PBX112_TEST_KILLS", "200"))
AT_ONCE = KeepRules(max_bytes=1, keep_seconds=0)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


@pytest.fixture
def seed() -> int:
    """Another one each time; PBX112_TEST_SEED repeats a run that failed."""
    chosen = int(os.environ.get("PBX112_TEST_SEED") or time.time_ns() % 1_000_000)
    print(f"PBX112_TEST_SEED={chosen}")
    return chosen


@asynccontextmanager
async def writing(journal: Path, lines: list[str], pause_s: float) -> AsyncIterator[threading.Thread]:
    """Write as Asterisk does (open, write, close for each line) from a thread of its own, to the end."""

    def write() -> None:
        for text in lines:
            append(journal, [text])
            time.sleep(pause_s)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield writer
    finally:
        await asyncio.to_thread(writer.join, 120)


async def test_given_kill_9_at_any_moment_of_reading_and_rotating_when_read_to_the_end_then_each_line_counts_once(
    engine: AsyncEngine, database: Database, journal: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = interleaved(15 * KILLS // 10)
    async with writing(journal, lines, 0.08 * KILLS / len(lines)):
        arguments = [database.service_url, str(journal), str(seed), str(KILLS)]
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.killed_reader", *arguments, cwd=HOME
        )
        assert await asyncio.wait_for(process.wait(), 200) == 0
    read = await count(engine, "events")
    print(f"{read} of {len(lines)} lines were read under {KILLS} kills")
    assert read, "every reader was killed before it had begun"
    # On a busy machine the killed ones left a hundred files: they need not take a second each.
    monkeypatch.setattr(reader_module, "_QUIET_SECONDS", 0.01)
    monkeypatch.setattr(reader_module, "_LOOK_SECONDS", 0.001)
    await drained(engine, journal, seconds=90)
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []
    assert await count(engine, "dead_letters") == 0
    files = await rows(engine, "SELECT DISTINCT file_id FROM events")
    assert len(files) > len("".join(lines)) / MAX_BYTES / 6, "it was hardly ever rotated"


async def test_given_readers_cancelled_at_any_moment_of_a_rotation_when_read_then_each_line_counts_once(
    engine: AsyncEngine, journal: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader_module, "_QUIET_SECONDS", 0.01)
    monkeypatch.setattr(reader_module, "_LOOK_SECONDS", 0.001)
    lines = interleaved(200)
    chance = random.Random(seed)
    rest = list(lines)
    while rest:
        append(journal, rest[: (taken := chance.randrange(1, 40))])
        del rest[:taken]
        async with running(engine, journal):
            await asyncio.sleep(chance.uniform(0, 0.02))
            if chance.random() < 0.5:
                rotate(journal, AT_ONCE)
            await asyncio.sleep(chance.uniform(0, 0.04))
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


async def test_given_a_service_that_was_down_for_days_when_started_then_all_waiting_files_are_read_before_any_goes(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(40)
    append(journal, lines[:50])
    await drained(engine, journal)
    for number, start in enumerate((50, 150, 250)):
        append(journal, lines[start : start + 100])
        journal.rename(journal.with_name(("journal.csv.1", "journal-20250102.csv", "journal.csv-20250103")[number]))
    append(journal, lines[350:])
    assert await delete_old(engine, NODE, journal, AT_ONCE) == []
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert len(await delete_old(engine, NODE, journal, AT_ONCE)) == 3
    assert rotated_paths(journal) == []


async def test_given_old_files_when_they_are_looked_through_then_only_what_is_committed_and_old_enough_goes(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(40)
    files = []
    for start in range(0, 200, 50):
        append(journal, lines[start : start + 50])
        rotated = rotate(journal, AT_ONCE)
        assert rotated is not None
        files.append(rotated)
    await drained(engine, journal)  # the position is at the end of the last file: the next is not begun yet
    append(files[0], lines[200:201])  # a line that came too late for the reader
    os.utime(files[1], (0, 0))
    assert await delete_old(engine, NODE, journal, KeepRules(1, 3600)) == [files[1]]
    assert await delete_old(engine, NODE, journal, AT_ONCE) == [files[2]]
    assert sorted(rotated_paths(journal)) == sorted([files[0], files[3]])
    append(journal, lines[201:])
    await drained(engine, journal)
    assert await delete_old(engine, NODE, journal, AT_ONCE) == [files[3]]
    assert await count(engine, "events") == len(lines) - 1


async def test_given_copytruncate_while_reading_when_lines_come_then_a_gap_is_noted_and_none_counts_twice(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(30)
    append(journal, lines[:100])
    async with running(engine, journal):
        await until_count(engine, "events", 100)
        append(journal, lines[100:120])
        shutil.copy(journal, journal.with_name("journal.csv.1"))
        os.truncate(journal, 0)
        append(journal, lines[120:])
        await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)
    (gap,) = await rows(engine, GAPS)
    assert "copied" in gap.reason


async def test_given_copytruncate_while_nobody_reads_when_the_new_lines_are_longer_then_a_gap_is_noted(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(30)
    append(journal, lines[:50])
    await drained(engine, journal)
    append(journal, lines[50:60])
    shutil.copy(journal, journal.with_name("journal.csv.1"))
    os.truncate(journal, 0)
    append(journal, lines[60:])
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert len(await rows(engine, GAPS)) == 1


async def test_given_a_file_emptied_and_filled_beyond_the_position_when_the_database_is_back_then_no_line_is_skipped(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(40)
    append(journal, lines[:50])
    reader = JournalReader(engine, node=NODE, path=journal)
    stop = asyncio.create_task(reader.run())
    await until_count(engine, "events", 50)
    async with reader._step_lock:  # as long as a database that is away
        os.truncate(journal, 0)
        append(journal, lines[50:])
    await until_count(engine, "events", len(lines))
    stop.cancel()
    await asyncio.gather(stop, return_exceptions=True)
    await assert_recorded(engine, lines)
    assert len(await rows(engine, GAPS)) == 1


async def test_given_a_copy_beside_the_journal_when_read_then_no_line_counts_twice_and_the_journal_is_followed(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(20)
    append(journal, lines[:50])
    await drained(engine, journal)
    append(journal, lines[50:60])
    shutil.copy(journal, journal.with_name("journal.csv.bak"))
    append(journal, lines[60:])
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


async def test_given_a_line_that_the_disk_cut_when_read_then_the_time_around_it_is_a_gap(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(10)
    append(journal, [*lines[:50], lines[50][:120], *lines[80:]])
    reader = await drained(engine, journal)
    assert await count(engine, "events") == len(lines) - 30
    assert await count(engine, "dead_letters") == 1
    (gap,) = await rows(engine, GAPS)
    times = await rows(engine, "SELECT at FROM events ORDER BY id")
    assert (gap[0], gap[1]) == (times[49].at, times[50].at)
    assert "disk" in gap.reason
    assert "disk" in (reader.lag().problem or "")


async def test_given_gaps_when_a_time_is_asked_for_then_those_that_touch_it_are_told(engine: AsyncEngine) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    hour = timedelta(hours=1)
    async with transaction(engine) as conn:
        await insert_gap(conn, NODE, since=noon, until=noon + hour, reason="a")
        await insert_gap(conn, NODE, since=None, until=noon - hour, reason="b")
        await insert_gap(conn, NODE, since=noon + 2 * hour, until=None, reason="c")
    for since, end, found in (
        (noon + hour / 2, noon + hour, "a"),
        (None, noon - 2 * hour, "b"),
        (None, None, "cba"),
        (noon + hour * 1.5, noon + hour * 2, ""),
        (noon + hour * 3, None, "c"),
        (noon - hour / 2, noon, ""),
    ):
        async with reading(engine) as conn:
            assert "".join(gap.reason for gap in await gaps_between(conn, since, end)) == found


async def test_given_a_compressed_file_when_read_then_it_is_left_alone(engine: AsyncEngine, journal: Path) -> None:
    lines = interleaved(5)
    journal.with_name("journal.csv.1.gz").write_bytes(b"\x1f\x8b" + b"x" * 100)
    append(journal, lines)
    await drained(engine, journal)
    await until(engine, "SELECT count(*) FROM dead_letters", lambda found: found == [(0,)])
    await assert_recorded(engine, lines)
