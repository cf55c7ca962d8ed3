"""What nobody was there to see: a disk that was full while the service was down, files taken away unread."""

from __future__ import annotations

import asyncio
import gzip
import os
import random
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.journal import seen
from pbx112.journal.rotate import JournalKeeper, KeepRules, rotate
from pbx112.services.records import rebuild
from pbx112.storage.engine import make_engine, transaction
from pbx112.storage.position import get_position, lock_position, move_position
from tests.support.journal import append, events_of
from tests.support.recorded import NODE, assert_recorded, count, drained, interleaved, rows, running, until

GAPS = 'SELECT "from", until, reason FROM journal_gaps ORDER BY id'
AT_ONCE = KeepRules(max_bytes=1, keep_seconds=0)
NEVER = KeepRules(max_bytes=10**9, keep_seconds=10**9)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("pbx112.journal.rotate._OLDEST_SECONDS", 10**9)  # scripted lines may be of any age
    return tmp_path / "journal.csv"


def split_by_a_full_disk(lines: list[str]) -> tuple[list[str], list[str]]:
    """What is written before and after a time in which whole lines were lost, calls among them."""
    return lines[:200], lines[320:]


def around_the_loss(before: list[str], after: list[str]) -> tuple[datetime, datetime]:
    """When the last channel before it began, and the first one after it."""
    starts = [[event.at for event in events_of(lines) if event.kind == "CHAN_START"] for lines in (before, after)]
    return starts[0][-1], starts[1][0]


async def test_given_a_disk_that_was_full_while_nobody_read_when_read_again_then_the_time_is_a_gap(
    engine: AsyncEngine, journal: Path
) -> None:
    before, after = split_by_a_full_disk(interleaved(60))
    append(journal, before)
    await drained(engine, journal)
    append(journal, after)  # not a torn line, and no fault: whole lines are simply not there
    reader = await drained(engine, journal)
    await assert_recorded(engine, [*before, *after])
    (gap,) = await rows(engine, GAPS)
    assert (gap[0], gap[1]) == around_the_loss(before, after)
    assert "channels" in gap.reason
    assert "channels" in (reader.lag().problem or "")
    await drained(engine, journal)
    assert await count(engine, "journal_gaps") == 1


async def test_given_lost_lines_and_readers_that_die_at_any_moment_when_read_then_the_gap_is_told_once(
    engine: AsyncEngine, journal: Path
) -> None:
    chance = random.Random(os.environ.get("PBX112_TEST_SEED", time.time_ns()))
    before, after = split_by_a_full_disk(interleaved(60))
    rest = [*before, *after]
    while rest:
        append(journal, rest[: (taken := chance.randrange(1, 30))])
        del rest[:taken]
        async with running(engine, journal):
            await asyncio.sleep(chance.uniform(0, 0.04))
        if chance.random() < 0.3:
            await rebuild(engine, NODE, check=False)  # overtakes the reader, as closing a lost call does
    await drained(engine, journal)
    await assert_recorded(engine, [*before, *after])
    assert [(gap[0], gap[1]) for gap in await rows(engine, GAPS)] == [around_the_loss(before, after)]


async def test_given_lost_lines_and_then_silence_when_it_lasts_then_the_gap_is_told_without_another_call(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pbx112.journal.reader._SETTLED_SECONDS", 0.5)
    before, after = split_by_a_full_disk(interleaved(60))
    after = after[: next(place for place, line in enumerate(after) if line.startswith('"CHAN_START"')) + 1]
    append(journal, [*before, *after])
    await drained(engine, journal)
    assert await rows(engine, GAPS) == []
    async with running(engine, journal):
        await until(engine, GAPS, lambda found: len(found) == 1)
        await asyncio.sleep(1)
    await drained(engine, journal)
    assert [(gap[0], gap[1]) for gap in await rows(engine, GAPS)] == [around_the_loss(before, after)]


async def test_given_old_code_that_read_meanwhile_when_read_on_then_its_channels_are_not_taken_for_lost(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(60)
    append(journal, lines[:200])
    await drained(engine, journal)
    async with transaction(engine) as conn:
        counted = await lock_position(conn, NODE)
    append(journal, lines[200:320])
    await drained(engine, journal)
    async with transaction(engine) as conn:  # as old code leaves it: the place is moved, the count is not
        read = await lock_position(conn, NODE)
        await move_position(conn, NODE, counted)
        await conn.exec_driver_sql(f'UPDATE journal_position SET "offset" = {read.offset}, turn = {read.turn + 1}')  # noqa: S608
    async with transaction(engine) as conn:
        held = await get_position(conn, NODE)
    assert held is not None
    assert held.channels is None
    append(journal, lines[320:])
    await drained(engine, journal)
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []


def keeper(engine: AsyncEngine, journal: Path, rules: KeepRules = NEVER) -> JournalKeeper:
    return JournalKeeper(engine, node=NODE, path=journal, rules=rules)


async def rotated_while_the_database_is_away(engine: AsyncEngine, journal: Path, lines: list[str]) -> list[Path]:
    """The first lines are read; then come three files, each renamed in time, and a live one."""
    append(journal, lines[:100])
    await drained(engine, journal)
    files: list[Path] = []
    away = make_engine("postgresql://nobody@127.0.0.1:9/none")
    for begin in range(100, 400, 100):
        await keeper(away, journal)._step()
        renamed = rotate(journal, AT_ONCE)
        assert renamed is not None
        files.append(renamed)
        append(journal, lines[begin : begin + 100])
    await keeper(away, journal)._step()
    await away.dispose()
    return files


def times(lines: list[str]) -> tuple[datetime, datetime]:
    found = [event.at for event in events_of(lines)]
    return found[0], found[-1]


@pytest.mark.parametrize("how", ["deleted", "compressed", "moved"])
async def test_given_an_unread_file_taken_away_while_the_database_was_away_when_it_is_back_then_its_time_is_a_gap(
    engine: AsyncEngine, journal: Path, how: str
) -> None:
    lines = interleaved(60)
    files = await rotated_while_the_database_is_away(engine, journal, lines)
    gone = files[1]
    content, written = gone.read_bytes(), gone.stat().st_mtime
    if how == "compressed":
        gone.with_name(f"{gone.name}.gz").write_bytes(gzip.compress(content))
    if how == "moved":
        gone.rename(gone.with_name("elsewhere"))
    else:
        gone.unlink()
    for _ in range(3):
        await keeper(engine, journal)._step()
    ((since, until, reason),) = await rows(engine, GAPS)
    assert since == times(lines[100:200])[0]
    assert until == datetime.fromtimestamp(written, UTC)
    assert gone.name in reason
    await drained(engine, journal)
    for _ in range(3):
        await keeper(engine, journal)._step()
    assert sum("taken away" in gap.reason for gap in await rows(engine, GAPS)) == 1
    known = await count(engine, "journal_gaps")
    gone.write_bytes(content)  # somebody puts it back
    assert rotate(journal, AT_ONCE)
    append(journal, lines[400:])
    await drained(engine, journal)
    assert await count(engine, "events") == len(lines)
    assert await count(engine, "journal_gaps") == known, "an old file is not taken for a new life of Asterisk"


async def test_given_a_keeper_killed_between_the_gap_and_its_list_when_it_looks_again_then_the_gap_is_told_once(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await rotated_while_the_database_is_away(engine, journal, interleaved(60))
    files[2].unlink()

    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr("pbx112.journal.rotate.forget", kill)
        for _ in range(2):
            with pytest.raises(Killed):
                await keeper(engine, journal)._step()
    await keeper(engine, journal)._step()
    assert len(await rows(engine, GAPS)) == 1


async def test_given_a_kill_while_the_list_is_written_when_looked_at_again_then_it_is_whole(
    engine: AsyncEngine, journal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = await rotated_while_the_database_is_away(engine, journal, interleaved(60))
    (journal.parent / ".journal-files.json.new").write_text('{"half')
    monkeypatch.setattr("pbx112.journal.seen.os.fsync", lambda _: (_ for _ in ()).throw(OSError("No space left")))
    renamed = rotate(journal, AT_ONCE)
    assert renamed is not None
    with pytest.raises(OSError, match="No space"):
        seen.look(journal)
    monkeypatch.undo()
    files[0].unlink()
    renamed.unlink()  # it was seen while it was the live one
    await keeper(engine, journal)._step()
    reasons = [gap.reason for gap in await rows(engine, GAPS)]
    assert [sum(name in reason for reason in reasons) for name in (files[1].name, "journal.csv was")] == [0, 1]


async def test_given_files_that_were_read_when_they_are_deleted_then_there_is_no_gap_and_the_list_stays_short(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(60)
    own = keeper(engine, journal, AT_ONCE)
    for begin in range(0, 400, 100):
        append(journal, lines[begin : begin + 100])
        await drained(engine, journal)
        own._delete_at = 0.0
        await own._step()
    append(journal, lines[400:])
    await drained(engine, journal)
    for _ in range(3):
        own._delete_at = 0.0
        await own._step()
    await assert_recorded(engine, lines)
    assert await rows(engine, GAPS) == []
    assert len(seen._read(journal.parent / ".journal-files.json")) <= 2


async def test_given_a_list_that_a_power_cut_emptied_when_looked_at_then_it_is_begun_anew(
    engine: AsyncEngine, journal: Path
) -> None:
    append(journal, interleaved(5))
    (journal.parent / ".journal-files.json").write_bytes(b"")
    assert seen.look(journal) == {}
    assert len(seen._read(journal.parent / ".journal-files.json")) == 1


async def test_given_the_file_that_the_reader_holds_when_it_is_deleted_then_the_reader_reads_on_and_there_is_no_gap(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(30)
    append(journal, lines[:100])
    async with running(engine, journal) as reader:
        assert await reader.drain(10)
        await keeper(engine, journal)._step()
        async with reader._step_lock:
            append(journal, lines[100:])
            journal.unlink()
        for _ in range(2):
            await keeper(engine, journal)._step()
    assert [gap for gap in await rows(engine, GAPS) if "taken away" in gap.reason] == []
