"""Gaps become alarms, end the calls they swallowed the end of, and are written down even when the database was away."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.services import disk
from pbx112.services.disk import UNWRITABLE, DiskWatch, Look
from pbx112.services.gaps import KEY, GapWatch
from pbx112.services.metrics import Metrics
from pbx112.services.ports import AlarmLevel
from pbx112.storage.engine import make_engine, transaction
from pbx112.storage.events import insert_gap
from tests.support.recorded import NODE, rows


class Board:
    """Remembers which alarms are up."""

    def __init__(self) -> None:
        self.up: dict[str, tuple[AlarmLevel, str]] = {}

    def set(self, key: str, level: AlarmLevel, text: str) -> None:
        self.up[key] = (level, text)

    def clear(self, key: str) -> None:
        self.up.pop(key, None)


async def test_given_a_fresh_gap_when_watched_then_it_is_an_alarm_and_its_calls_are_closed_once(
    engine: AsyncEngine,
) -> None:
    board, closed, works = Board(), list[datetime](), [False, True, True]
    now = datetime.now(UTC)

    async def close(before: datetime) -> bool:
        closed.append(before)
        return works.pop(0)

    watch = GapWatch(engine, board, Metrics(), node=NODE, lang="en", close_calls=close)
    await watch._step()
    assert (board.up, closed) == ({}, [])
    async with transaction(engine) as conn:
        await insert_gap(conn, "another", since=None, until=now, reason="Not ours.")
    await watch._step()
    assert closed == []
    async with transaction(engine) as conn:
        await insert_gap(conn, NODE, since=now - timedelta(hours=1), until=now, reason="The disk was full.")
    for _ in range(4):
        await watch._step()
    assert closed == [now, now], "tried again until it was done, then not any more"
    level, text = board.up[KEY]
    assert level == "warning"
    assert f"{now:%Y-%m-%d %H:%M:%S}" in text
    assert [gap.reason for gap in watch.recent] == ["The disk was full.", "Not ours."]


async def test_given_a_disk_that_was_full_when_the_database_is_back_then_the_gap_is_written(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = ["No space left on device", None, None]
    monkeypatch.setattr(disk, "look", lambda *_: Look((), faults.pop(0)))
    monkeypatch.setattr(disk, "_SETTLED_SECONDS", 0.0)
    away = make_engine("postgresql://nobody@127.0.0.1:9/none")
    board = Board()
    watch = DiskWatch(
        away, board, Metrics(), node=NODE, lang="en", places={"journal": tmp_path}, journal=tmp_path / "journal.csv"
    )
    await watch._step()
    assert board.up[UNWRITABLE][0] == "critical"
    assert not watch.health().ok
    await watch._step()
    assert (board.up, watch.health().ok) == ({}, True)
    assert await rows(engine, "SELECT * FROM journal_gaps") == []
    watch._engine = engine
    await watch._step()
    ((reason,),) = await rows(engine, "SELECT reason FROM journal_gaps")
    assert "No space left" in reason
    await away.dispose()


async def test_given_a_disk_that_hangs_when_watched_then_it_is_said_and_not_asked_again(
    engine: AsyncEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer = list[int](), threading.Event()

    def hang(*_: object) -> Look:
        asked.append(1)
        answer.wait(10)
        return Look((), None)

    monkeypatch.setattr(disk, "look", hang)
    monkeypatch.setattr(disk, "_SILENT_SECONDS", 0.05)
    board = Board()
    watch = DiskWatch(
        engine, board, Metrics(), node=NODE, lang="en", places={"journal": tmp_path}, journal=tmp_path / "journal.csv"
    )
    for _ in range(3):
        await watch._step()
    assert (board.up["disk:silent"][0], asked) == ("critical", [1])
    answer.set()
    while board.up:
        await watch._step()
    assert watch.health().ok
