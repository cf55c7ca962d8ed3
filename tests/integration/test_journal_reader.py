"""The journal's reader on a real PostgreSQL: each line counts exactly once, whatever happens to files and readers."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.journal.reader import JournalReader
from pbx112.services.records import rebuild
from tests.support.journal import BASE, Script, append, b64, line
from tests.support.recorded import NODE, assert_recorded, count, drained, interleaved, rows, running, until, until_count


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.csv"


async def test_given_a_journal_when_read_then_every_call_has_its_record(engine: AsyncEngine, journal: Path) -> None:
    lines = interleaved(40)
    append(journal, lines)
    reader = await drained(engine, journal)
    await assert_recorded(engine, lines)
    lag = reader.lag()
    assert (lag.bytes_behind, lag.oldest_unread_ms, lag.healthy, lag.problem) == (0, 0, True, None)
    assert (lag.position, lag.file) == (journal.stat().st_size, "journal.csv")
    assert (await rebuild(engine, NODE, check=True)).equal


async def test_given_a_running_reader_when_a_line_is_written_then_its_call_is_there_at_once(
    engine: AsyncEngine, journal: Path
) -> None:
    call = Script()
    async with running(engine, journal):
        append(journal, call.arrives())
        await until(engine, "SELECT state FROM calls", lambda found: found == [("ringing",)], seconds=3)
        append(journal, call.queues())
        await until(engine, "SELECT state FROM calls", lambda found: found == [("queued",)], seconds=3)
        append(journal, [*call.rings(0.1), *call.talks(1, 5)[:3]])
        await until(engine, "SELECT state, operator FROM calls", lambda f: f == [("talking", "op1")], seconds=3)
        append(journal, call.ends(6))
        await until(engine, "SELECT state, outcome FROM calls", lambda f: f == [("ended", "answered")], seconds=3)


async def test_given_two_readers_at_once_when_a_journal_grows_then_each_line_counts_once(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(60)
    async with running(engine, journal), running(engine, journal):
        for start in range(0, len(lines), 17):
            append(journal, lines[start : start + 17])
            await asyncio.sleep(0.005)
        await until_count(engine, "events", len(lines))
    await assert_recorded(engine, lines)
    assert await count(engine, "dead_letters") == 0


async def test_given_readers_killed_at_any_moment_when_others_go_on_then_the_rows_are_the_same(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(150)
    append(journal, lines)
    chance = random.Random(112)
    for _ in range(60):
        async with running(engine, journal):
            await asyncio.sleep(chance.uniform(0, 0.03))
    await drained(engine, journal)
    await assert_recorded(engine, lines)


async def test_given_a_torn_last_line_when_the_rest_comes_then_it_is_one_event(
    engine: AsyncEngine, journal: Path
) -> None:
    first, second = Script().arrives()
    append(journal, [first, second[:100]])
    async with running(engine, journal) as reader:
        await until_count(engine, "events", 1)
        assert reader.lag().bytes_behind == 100
        assert (reader.lag().oldest_unread_ms, reader.lag().healthy) == (0, True)
        append(journal, [second[100:]])
        await until_count(engine, "events", 2)
    assert await count(engine, "dead_letters") == 0


async def test_given_garbage_between_lines_when_read_then_it_is_kept_apart_and_the_rest_is_read(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(2)
    torn = Script(9).arrives()[0][:90]
    unreadable = Script(1).on_caller("PBX112_INTAKE", 9.0, extra={"extra": b64("no JSON")})
    append(journal, [lines[0], "garbage \x00\n", *lines[1:5], torn, *lines[5:], unreadable])
    await drained(engine, journal)
    await assert_recorded(engine, [*lines, unreadable])
    letters = await rows(engine, "SELECT file_offset, length, reason, raw FROM dead_letters ORDER BY file_offset")
    assert [bytes(letter.raw) for letter in letters] == [b"garbage \x00\n", torn.encode(), unreadable.encode()]
    assert letters[0].file_offset == len(lines[0])
    assert letters[2].reason.startswith("payload: not JSON")


async def test_given_a_hostile_caller_when_read_then_his_text_is_text(engine: AsyncEngine, journal: Path) -> None:
    call = Script()
    forged = Script(2).ends(3)[0]
    lines = [*call.arrives(asserted=f'"x\n{forged}" <sip:1@x>'), call.on_caller("ANSWER", 1, name=f"\n{forged}\x00")]
    append(journal, lines)
    await drained(engine, journal)
    assert await rows(engine, "SELECT DISTINCT linked_id FROM events") == [(call.linked,)]
    assert await count(engine, "dead_letters") == 0


async def test_given_events_of_no_trunk_call_when_read_then_they_are_kept_without_a_record(
    engine: AsyncEngine, journal: Path
) -> None:
    append(journal, [line("CHAN_START", 0.0, context="from-operator"), line("PBX112_OPERATOR", 1.0, context="x")])
    await drained(engine, journal)
    assert (await count(engine, "events"), await count(engine, "calls")) == (2, 0)


async def test_given_a_row_postgresql_refuses_when_read_then_only_that_line_is_put_aside(
    engine: AsyncEngine, journal: Path
) -> None:
    lines = interleaved(4)
    # An index row has its limit in PostgreSQL: a channel name no Asterisk would make becomes an operator's name.
    channel = f"PJSIP/{random.Random(1).randbytes(9000).hex()}-00000001"
    call = Script(1, start=0.3)
    bridged = {"bridge_id": "b-1"}
    odd = call.on_operator("CHAN_START", 0.06, leg=9, channel=channel)
    odd += call.on_operator("BRIDGE_ENTER", 2.001, leg=9, channel=channel, extra=bridged)
    append(journal, [odd, *lines])
    reader = await drained(engine, journal)
    assert await count(engine, "calls") == 4
    assert await count(engine, "events") + await count(engine, "dead_letters") == len(lines) + 2
    (letter,) = await rows(engine, "SELECT reason, raw FROM dead_letters")
    assert "refuses" in letter.reason
    assert bytes(letter.raw).startswith(b'"BRIDGE_ENTER"')
    assert reader.lag().healthy


async def test_given_a_reader_that_drains_when_the_deadline_is_over_then_it_says_so(
    engine: AsyncEngine, journal: Path
) -> None:
    append(journal, interleaved(300))
    reader = JournalReader(engine, node=NODE, path=journal)
    assert not await reader.drain(0.01)
    assert await reader.drain(30)


async def test_given_two_nodes_with_the_same_ids_when_read_then_each_has_its_own_calls(
    engine: AsyncEngine, journal: Path
) -> None:
    append(journal, interleaved(3))
    for node in ("node1", "node2"):
        assert await JournalReader(engine, node=node, path=journal).drain(30)
    assert await rows(engine, "SELECT node, count(*) FROM calls GROUP BY node ORDER BY node") == [
        ("node1", 3),
        ("node2", 3),
    ]


async def test_given_a_long_outage_when_catching_up_then_the_lag_tells_how_old_the_unread_lines_are(
    engine: AsyncEngine, journal: Path
) -> None:
    hours_ago = time.time() - 3 * 3600
    lines = [Script(n, start=hours_ago - BASE + n).arrives()[0] for n in range(2000)]
    append(journal, lines)
    async with running(engine, journal) as reader:
        await until(engine, "SELECT count(*) FROM events", lambda found: 0 < found[0][0] < 2000)
        lag = reader.lag()
        assert 2 * 3_600_000 < lag.oldest_unread_ms < 4 * 3_600_000
        assert lag.bytes_behind > 0
        assert "behind" in (lag.problem or "")
        await until_count(engine, "events", 2000)
        assert (reader.lag().oldest_unread_ms, reader.lag().healthy) == (0, True)
