"""The recordings of ended calls, and what was found of each file: a list that a restart does not forget."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, select, update
from sqlalchemy import tuple_ as row_of
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.record import CallRecord, Recording
from pbx112.storage.tables import recordings

RecordingState = Literal["ok", "missing", "short"]

SETTLE = timedelta(seconds=3)
"""Asterisk has closed a file by then."""

ENDLESS = timedelta(minutes=15)
"""An operator may brief an agency when the caller has left; later than this after him his leg's end was not written."""

MEASURES = ("state", "bytes", "duration_ms", "sha256", "checked_at")

_insert = pg_insert(recordings)
_told = ("started_at", "ended_at", "due_at", "expected_ms")
# What was found of a file holds for the times that it was judged by.
_KEEP = _insert.on_conflict_do_update(
    index_elements=[recordings.c.call_id, recordings.c.file],
    set_={name: _insert.excluded[name] for name in _told} | dict.fromkeys(MEASURES),
    where=row_of(*(recordings.c[name] for name in _told)).is_distinct_from(
        row_of(*(_insert.excluded[name] for name in _told))
    ),
)


@dataclass(frozen=True, slots=True)
class DueRecording:
    """A file to be looked at."""

    call_id: UUID
    file: str
    ended_at: datetime | None
    expected_ms: int | None


@dataclass(frozen=True, slots=True)
class Measures:
    """What was found of a file."""

    state: RecordingState
    bytes: int | None = None
    duration_ms: int | None = None
    sha256: str | None = None


async def keep_recordings(conn: AsyncConnection, records: Sequence[CallRecord]) -> None:
    """Have the files of these records looked at, as soon as their calls have ended."""
    rows = [_row(record, one) for record in records if record.ended_at for one in record.recordings]
    if rows:
        await conn.execute(_KEEP, rows)


def _row(record: CallRecord, one: Recording) -> dict[str, Any]:
    assert record.ended_at is not None  # noqa: S101 - asked above
    return {
        "call_id": record.id,
        "file": one.file,
        "node": record.node,
        "kind": one.kind,
        "started_at": one.started_at,
        "ended_at": one.ended_at,
        "due_at": record.ended_at + ENDLESS if one.ended_at is None else one.ended_at + SETTLE,
        "expected_ms": one.expected_ms,
    }


async def due_recordings(conn: AsyncConnection, node: str, now: datetime, *, most: int) -> list[DueRecording]:
    """The files of this node that should be looked at now, those that wait longest first."""
    columns = (recordings.c.call_id, recordings.c.file, recordings.c.ended_at, recordings.c.expected_ms)
    rows = (
        select(*columns)
        .where(recordings.c.node == node, recordings.c.checked_at.is_(None), recordings.c.due_at <= now)
        .order_by(recordings.c.due_at)
        .limit(most)
    )
    return [DueRecording(*row) for row in await conn.execute(rows)]


async def write_measures(conn: AsyncConnection, due: DueRecording, measures: Measures) -> None:
    """Keep what was found; not for a recording whose end became known meanwhile: it is looked at again."""
    found = {name: getattr(measures, name) for name in MEASURES if name != "checked_at"}
    await conn.execute(
        update(recordings)
        .where(
            recordings.c.call_id == due.call_id,
            recordings.c.file == due.file,
            recordings.c.ended_at.is_not_distinct_from(due.ended_at),
        )
        .values(**found, checked_at=func.clock_timestamp())
    )


@dataclass(frozen=True, slots=True)
class Faulty:
    """A recording that is not as it should be."""

    call_id: UUID
    kind: str
    state: str
    started_at: datetime
    duration_ms: int | None
    expected_ms: int | None


async def faults_among_last(conn: AsyncConnection, node: str, count: int) -> list[Faulty]:
    """Those of the last so many files of this node that are missing or short, the newest first."""
    table = recordings.c
    columns = (table.call_id, table.kind, table.state, table.started_at, table.duration_ms, table.expected_ms)
    last = (
        select(*columns, table.checked_at)
        .where(table.node == node, table.checked_at.is_not(None))
        .order_by(table.checked_at.desc())
        .limit(count)
        .subquery()
    )
    rows = select(*(last.c[column.name] for column in columns)).where(last.c.state != "ok")
    return [Faulty(*row) for row in await conn.execute(rows.order_by(last.c.checked_at.desc()))]


async def add_measures(conn: AsyncConnection, records: Sequence[dict[str, Any]]) -> None:
    """Add to public records what was found of each file: None as long as it was not looked at."""
    recorded = [record["id"] for record in records if record["recordings"]]
    found: dict[tuple[UUID, str], dict[str, Any]] = {}
    if recorded:
        columns = [recordings.c[name] for name in ("call_id", "file", *MEASURES)]
        chosen = recordings.c.call_id == func.any(bindparam("ids", recorded, ARRAY(Uuid)))
        for row in (await conn.execute(select(*columns).where(chosen))).mappings():
            found[row["call_id"], row["file"]] = {name: row[name] for name in MEASURES}
    nothing = dict.fromkeys(MEASURES)
    for record in records:
        record["recordings"] = [one | found.get((record["id"], one["file"]), nothing) for one in record["recordings"]]
