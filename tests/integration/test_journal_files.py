"""Rotation, truncation, and files that come and go: nothing is lost without a row that says so."""

from __future__ import annotations

import asyncio
import shutil
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.journal.reader import JournalReader
from tests.support.journal import Script, append
from tests.support.recorded import NODE, assert_recorded, count, drained, interleaved, rows, running, until, until_count

GAPS = 'SELECT "from", until, reason FROM journal_gaps ORDER BY id'


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


def rotate(journal: Path, stamp: str) -> Path:
    return journal.rename(journal.with_name(f"journal-{stamp}.csv"))


def write_like_asterisk(journal: Path, lines: list[str]) -> None:
    """Open, write and close the file for each line, from a thread of its own."""
    for text in lines:
        append(journal, [text])
        time.sleep(0.0005)


async def test_given_rotations_under_a_writer_when_read_then_no_line_is_lost(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(120)
    writer = threading.Thread(target=write_like_asterisk, args=(journal, lines[:-5]))
    async with running(engine, journal) as reader:
        writer.start()
        for number in range(4):
            await asyncio.sleep(0.3)
            rotate(journal, f"2025010{number}T000000Z")
        await asyncio.to_thread(writer.join, 30)
        append(journal, lines[-5:])
        await until_count(engine, "events", len(lines), seconds=40)
        await until(engine, "SELECT name FROM journal_position", lambda found: found == [("journal.csv",)])
        assert reader.lag().bytes_behind == 0
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


async def test_given_rotations_while_nobody_reads_when_started_then_the_files_are_read_in_order(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(30)
    append(journal, lines[:100])
    await drained(engine, journal)
    append(journal, lines[100:200])
    rotate(journal, "b")  # the names are not in the order of the times
    append(journal, lines[200:300])
    rotate(journal, "a")
    append(journal, lines[300:])
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    ordered = await rows(engine, "SELECT at FROM events ORDER BY id")
    assert ordered == sorted(ordered)


async def test_given_a_late_writer_when_his_file_is_renamed_then_his_line_is_read(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(10)
    append(journal, lines[:50])
    with journal.open("ab") as late:
        async with running(engine, journal):
            await until_count(engine, "events", 50)
            rotate(journal, "20250101T000000Z")
            append(journal, lines[51:])
            await asyncio.sleep(0.3)
            late.write(lines[50].encode())
            late.flush()
            await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)


async def test_given_a_finished_file_with_a_torn_end_when_the_next_begins_then_the_end_is_a_dead_letter(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(10)
    append(journal, [*lines[:50], lines[50][:80]])
    rotate(journal, "20250101T000000Z")
    append(journal, lines[51:])
    await drained(engine, journal)
    assert await count(engine, "events") == len(lines) - 1
    (letter,) = await rows(engine, "SELECT reason, raw, file_name FROM dead_letters")
    assert (letter.reason, bytes(letter.raw)) == ("torn at the end of the file", lines[50][:80].encode())
    assert letter.file_name == "journal-20250101T000000Z.csv"


async def test_given_a_file_that_is_cut_when_noticed_then_a_gap_is_noted_and_reading_goes_on(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(20)
    append(journal, lines[:100])
    async with running(engine, journal) as reader:
        await until_count(engine, "events", 100)
        with journal.open("r+b") as file:
            file.truncate(sum(map(len, lines[:60])))
        await until(engine, GAPS, lambda found: len(found) == 1)
        assert not reader.lag().healthy
        assert "cut" in (reader.lag().problem or "")
        append(journal, lines[100:])  # these stand at places where others stood before
        await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)


@pytest.mark.parametrize("grown", [110, 160])
async def test_given_a_power_cut_that_took_the_files_end_when_new_lines_stand_there_then_each_is_read(
    engine: AsyncEngine, journal: Path, grown: int
) -> None:
    """The database is ahead of the disk; the file is still shorter than what was read, or already longer."""
    lines = interleaved(40)
    append(journal, lines[:101])  # what came after the cut came later
    await drained(engine, journal)
    with journal.open("r+b") as file:
        file.truncate(sum(map(len, lines[:60])) + 7)  # in the middle of a line
        file.seek(0, 2)
        file.write(b"\n")
    append(journal, lines[101:grown])
    await drained(engine, journal)
    await assert_recorded(engine, lines[:grown])
    (gap,) = await rows(engine, GAPS)
    assert "cut" in gap[2]


@pytest.mark.parametrize("running_meanwhile", [True, False])
async def test_given_a_file_that_is_emptied_when_new_lines_come_then_a_gap_is_noted_and_they_are_read(
    engine: AsyncEngine, journal: Path, running_meanwhile: bool
) -> None:
    lines = interleaved(20)
    append(journal, lines[:100])
    await drained(engine, journal)
    if running_meanwhile:
        async with running(engine, journal):
            await asyncio.sleep(0.05)
            journal.write_bytes(b"")
            await asyncio.sleep(0.05)
            append(journal, lines[100:])
            await until_count(engine, "events", len(lines))
    else:
        journal.write_bytes("".join(lines[100:]).encode())
        await drained(engine, journal)
    await assert_recorded(engine, lines)
    (gap,) = await rows(engine, GAPS)
    assert gap[0] is not None
    assert "gone" in gap[2]


async def test_given_a_deleted_file_that_was_open_when_the_next_begins_then_its_last_lines_are_read(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(20)
    append(journal, lines[:100])
    async with running(engine, journal):
        await until_count(engine, "events", 100)
        with journal.open("ab") as late:
            journal.unlink()
            append(journal, lines[150:])
            late.write("".join(lines[100:150]).encode())
        await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


async def test_given_a_deleted_file_when_a_reader_starts_then_a_gap_is_noted(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(20)
    append(journal, lines[:100])
    await drained(engine, journal)
    journal.unlink()
    reader = JournalReader(engine, node=NODE, path=journal, poll_seconds=0.005)
    assert not await reader.drain(0.5)  # nothing there: no gap yet, the folder may be mounted late
    assert await rows(engine, GAPS) == []
    append(journal, lines[100:])
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert len(await rows(engine, GAPS)) == 1


async def test_given_a_moved_folder_when_read_again_then_no_line_counts_twice(
    engine: AsyncEngine, journal: Path, tmp_path: Path
) -> None:
    lines = interleaved(20)
    append(journal, lines[:50])
    rotate(journal, "20250101T000000Z")
    append(journal, lines[50:100])
    await drained(engine, journal)
    elsewhere = tmp_path / "restored"
    elsewhere.mkdir()
    for file in tmp_path.glob("*.csv"):
        shutil.copy(file, elsewhere)  # other inodes
    append(elsewhere / "journal.csv", lines[100:])
    await drained(engine, elsewhere / "journal.csv")
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


async def test_given_no_folder_when_it_is_made_later_then_reading_begins(engine: AsyncEngine, tmp_path: Path) -> None:
    journal = tmp_path / "later" / "journal.csv"
    async with running(engine, journal) as reader:
        await asyncio.sleep(0.05)
        assert reader.lag().bytes_behind == 0
        journal.parent.mkdir()
        append(journal, Script().arrives())
        await until_count(engine, "events", 2)


async def test_given_a_folder_where_the_journal_should_be_when_it_is_mended_then_reading_begins(
    engine: AsyncEngine, journal: Path
) -> None:
    journal.mkdir()
    async with running(engine, journal) as reader:
        await asyncio.sleep(0.1)
        assert "cannot be read" in (reader.lag().problem or "")
        journal.rmdir()
        append(journal, Script().arrives())
        await until_count(engine, "events", 2)
        assert reader.lag().healthy
