"""Recordings of ended calls, with real files and a real PostgreSQL: measured, judged, told, over restarts."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.record import CallRecord, CallState, Recording, RecordingKind
from pbx112.services import recordings as service
from pbx112.services.metrics import Metrics
from pbx112.services.recording_file import BYTES_A_SECOND
from pbx112.services.recordings import KEY, LAST, RecordingWatch
from pbx112.storage.calls import get_call, upsert_calls
from pbx112.storage.engine import make_engine, reading, transaction
from pbx112.storage.recordings import keep_recordings
from tests.integration.test_gap_watch import Board
from tests.integration.test_storage_calls import call
from tests.support.recorded import NODE, rows, until
from tests.support.wav import wav_header

BEGAN = datetime(2025, 1, 31, 10, 0, 0, tzinfo=UTC)
SECOND = 16_000
"""Bytes of a second's sound."""


def file_of(number: int, kind: str = "caller") -> str:
    return f"2025/01/31/n-{number}-{kind}.wav"


def recorded(number: int, *, seconds: float | None = 10, kind: str = "caller", **changes: Any) -> CallRecord:
    """An ended call with a file that should last so many seconds; None: its end is not known."""
    ended = None if seconds is None else BEGAN + timedelta(seconds=seconds)
    expected = None if seconds is None else round(seconds * 1000)
    one = Recording(RecordingKind(kind), file_of(number, kind), BEGAN, ended, expected)
    return call(number, recordings=(one,), **changes)


async def kept(engine: AsyncEngine, *records: CallRecord) -> None:
    async with transaction(engine) as conn:
        await upsert_calls(conn, records)
        await keep_recordings(conn, records)


async def found(engine: AsyncEngine, record: CallRecord) -> dict[str, Any]:
    """The only recording of the public record."""
    async with reading(engine) as conn:
        public = await get_call(conn, record.id)
    assert public is not None
    (one,) = public["recordings"]
    return dict(one)


def write(folder: Path, number: int, seconds: float, *, told: int | None = None, kind: str = "caller") -> bytes:
    """A file that lasts so long; `told` is the length in its header."""
    data = round(seconds * SECOND)
    content = wav_header(data if told is None else told) + b"\1\0" * (data // 2)
    path = folder / file_of(number, kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return content


def watch_of(engine: AsyncEngine, board: Board, folder: Path, *, node: str = NODE) -> RecordingWatch:
    return RecordingWatch(engine, board, Metrics(), node=node, lang="en", folder=folder)


async def test_given_ended_calls_when_looked_at_then_each_file_is_measured_and_the_worst_is_an_alarm(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    fine, torn, short, missing = (recorded(n) for n in range(1, 5))
    unanswered = recorded(5, seconds=0)
    await kept(engine, fine, torn, short, missing, unanswered)
    content = write(tmp_path, 1, 10.02)
    write(tmp_path, 2, 9.9, told=0)
    write(tmp_path, 3, 4)
    write(tmp_path, 5, 0)
    assert (await found(engine, fine))["state"] is None
    board = Board()
    assert not await watch_of(engine, board, tmp_path)._step()
    one = await found(engine, fine)
    assert one.pop("checked_at") > BEGAN
    assert one == {
        "kind": "caller",
        "file": file_of(1),
        "started_at": BEGAN,
        "ended_at": BEGAN + timedelta(seconds=10),
        "expected_ms": 10_000,
        "state": "ok",
        "bytes": len(content),
        "duration_ms": 10_020,
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    assert [((await found(engine, r))["state"], (await found(engine, r))["duration_ms"]) for r in (torn, short)] == [
        ("ok", 9900),
        ("short", 4000),
    ]
    lost = await found(engine, missing)
    assert (lost["state"], lost["bytes"], lost["sha256"]) == ("missing", None, None)
    assert (await found(engine, unanswered))["state"] == "ok"
    level, text = board.up[KEY]
    assert level == "warning"
    assert str(missing.id) in text
    assert "is missing" in text
    assert "2 of the last 20" in text


async def test_given_a_call_that_goes_on_when_kept_then_its_file_is_not_looked_at(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    talking = recorded(1, seconds=None, state=CallState.TALKING, outcome=None, ended_at=None, hangup_by=None)
    briefing = recorded(2, seconds=None, kind="briefing", ended_at=datetime.now(UTC))
    just_ended = recorded(3, seconds=(datetime.now(UTC) - BEGAN).total_seconds())
    await kept(engine, talking, briefing, just_ended)
    board = Board()
    watch = watch_of(engine, board, tmp_path)
    await watch._step()
    assert await rows(engine, "SELECT 1 FROM recordings WHERE checked_at IS NOT NULL") == []
    watch._clock = lambda: datetime.now(UTC) + timedelta(minutes=20)
    write(tmp_path, 2, 3, kind="briefing")
    await watch._step()
    assert (await found(engine, briefing))["state"] == "ok", "nobody knows how long it should be, and it is there"
    assert (await found(engine, just_ended))["state"] == "missing"
    ended = replace(briefing.recordings[0], ended_at=BEGAN + timedelta(seconds=60), expected_ms=60_000)
    await kept(engine, replace(briefing, recordings=(ended,)))
    assert (await found(engine, briefing))["state"] is None, "its end became known: looked at again"
    await watch._step()
    assert (await found(engine, briefing))["state"] == "short"


async def test_given_a_fault_when_twenty_are_fine_then_the_alarm_is_over_and_a_restart_forgets_nothing(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await kept(engine, recorded(0))
    await watch_of(engine, Board(), tmp_path)._step()
    many = [recorded(n, seconds=1) for n in range(1, LAST + 1)]
    for n in range(1, LAST + 1):
        write(tmp_path, n, 1)
    await kept(engine, *many[:-1])
    board = Board()
    restarted = watch_of(engine, board, tmp_path)
    assert not await restarted._step()
    assert "1 of the last 20" in board.up[KEY][1]
    again = Board()
    await watch_of(engine, again, tmp_path)._step()
    assert KEY in again.up, "nothing was due, and the fault is still known"
    await kept(engine, many[-1])
    await restarted._step()
    assert board.up == {}
    assert (await found(engine, recorded(0)))["state"] == "missing", "the record keeps it"


async def test_given_another_nodes_calls_when_looked_at_then_they_are_left_to_it(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    await kept(engine, recorded(1, node="other", id=UUID(int=1)))
    board = Board()
    await watch_of(engine, board, tmp_path)._step()
    assert (board.up, await rows(engine, "SELECT state FROM recordings")) == ({}, [(None,)])
    await watch_of(engine, board, tmp_path, node="other")._step()
    assert await rows(engine, "SELECT state FROM recordings") == [("missing",)]


async def test_given_a_backlog_when_the_database_comes_back_then_all_of_it_is_looked_at(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "_LOOK_SECONDS", 0.01)
    count = 55
    for n in range(count):
        write(tmp_path, n, 0.1)
    await kept(engine, *(recorded(n, seconds=0.1) for n in range(count)))
    away = make_engine("postgresql://nobody@127.0.0.1:9/none")
    watch = watch_of(away, Board(), tmp_path)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.1)
    watch._engine = engine
    await until(engine, "SELECT count(*) FROM recordings WHERE state = 'ok'", lambda ok: ok[0][0] == count)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await away.dispose()


async def test_given_a_stop_in_a_large_file_when_begun_again_then_it_is_measured(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    large = recorded(1, seconds=1)
    await kept(engine, large)
    write(tmp_path, 1, 1)
    with (tmp_path / file_of(1)).open("ab") as file:
        file.truncate(BYTES_A_SECOND * 60)
    task = asyncio.create_task(watch_of(engine, Board(), tmp_path).run())
    await asyncio.sleep(0.3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await found(engine, large))["state"] is None
    write(tmp_path, 1, 1)
    await watch_of(engine, Board(), tmp_path)._step()
    assert (await found(engine, large))["state"] == "ok"
