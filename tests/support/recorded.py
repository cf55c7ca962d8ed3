"""What a test sees of the database that a journal reader fills, and ways to wait for it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.call import fold
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.journal.reader import JournalReader
from pbx112.storage.calls import folded_calls, keys_of, public
from pbx112.storage.engine import reading
from tests.support.journal import Script, events_of, numbered

NODE = "node1"


async def rows(engine: AsyncEngine, sql: str) -> list[Any]:
    async with reading(engine) as conn:
        return list((await conn.execute(text(sql))).all())


async def count(engine: AsyncEngine, table: str) -> int:
    return int((await rows(engine, f"SELECT count(*) FROM {table}"))[0][0])  # noqa: S608  (names of this file's callers)


async def until(
    engine: AsyncEngine, sql: str, wanted: Callable[[list[Any]], bool], *, seconds: float = 20
) -> list[Any]:
    """Ask again and again until the rows are as wanted; a database that is away counts as not yet."""
    found: list[Any] = []
    try:
        async with asyncio.timeout(seconds):
            while True:
                with contextlib.suppress(DatabaseUnavailable):
                    found = await rows(engine, sql)
                    if wanted(found):
                        return found
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"still not so after {seconds} s: {sql} -> {found[:5]}") from None


async def until_count(engine: AsyncEngine, table: str, number: int, *, seconds: float = 20) -> None:
    await until(engine, f"SELECT count(*) FROM {table}", lambda found: found[0][0] >= number, seconds=seconds)  # noqa: S608
    assert await count(engine, table) == number


@asynccontextmanager
async def running(engine: AsyncEngine, path: Path) -> AsyncIterator[JournalReader]:
    """A reader at work, ended as a killed one is: cancelled wherever it is."""
    reader = JournalReader(engine, node=NODE, path=path, poll_seconds=0.005)
    task = asyncio.create_task(reader.run())
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def drained(engine: AsyncEngine, path: Path, *, seconds: float = 30) -> JournalReader:
    """A reader that has read everything there is."""
    reader = JournalReader(engine, node=NODE, path=path, poll_seconds=0.005)
    assert await reader.drain(seconds)
    return reader


def interleaved(calls: int, *, every: float = 0.3) -> list[str]:
    """Lines of so many calls, as a busy centre's journal has them."""
    scripts = [Script(n, start=n * every) for n in range(1, calls + 1)]
    lines = [text for s in scripts for text in (s.answered_call() if s.number % 3 else s.abandoned_call())]
    return numbered(sorted(lines, key=lambda text: text.split('","', 2)[1]))


async def assert_recorded(engine: AsyncEngine, lines: list[str]) -> None:
    """Every line is an event, every call's row is what its lines fold to."""
    assert await count(engine, "events") == len(lines)
    by_call: dict[str, list[str]] = {}
    for written in lines:
        by_call.setdefault(written.split('","')[13], []).append(written)
    async with reading(engine) as conn:
        stored = await folded_calls(conn, NODE, list(by_call))
    for linked_id, own in by_call.items():
        record = fold(NODE, events_of(own))
        assert record is not None
        assert stored[linked_id] == public(record) | keys_of(record)
