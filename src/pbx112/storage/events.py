"""Journal events, the lines that could not be read, and the gaps: all of them only ever added."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ARRAY, BigInteger, DateTime, Text, bindparam, func, insert, literal, or_, select, text, true
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.events import JournalEvent
from pbx112.storage.tables import dead_letters, events, journal_gaps

RAW_LIMIT = 8192
"""Bytes of an unreadable line that are kept."""

_BODY = ("context", "exten", "app", "app_data", "caller_name", "caller_num", "dnid", "account", "peer", "user_field")


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event and its place: `offset` is the byte where its line begins in the file `file_id`.

    `rest` are fields of the line that no fold reads, kept for whoever examines a call later.
    """

    event: JournalEvent
    file_id: str
    offset: int
    rest: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Bytes of the journal that are no event, or an event whose payload could not be read; `length` in bytes."""

    file_id: str
    file_name: str
    offset: int
    length: int
    reason: str
    raw: bytes


_INSERT = text(
    """
    INSERT INTO events (node, at, kind, linked_id, unique_id, channel, file_id, file_offset, body)
    SELECT :node, at, kind, linked_id, unique_id, channel, file_id, file_offset, body::jsonb
      FROM unnest(:at, :kind, :linked_id, :unique_id, :channel, :file_id, :file_offset, :body)
           WITH ORDINALITY AS line (at, kind, linked_id, unique_id, channel, file_id, file_offset, body, place)
     ORDER BY place
    ON CONFLICT (node, file_id, file_offset) DO NOTHING
    """
).bindparams(
    bindparam("at", type_=ARRAY(DateTime(timezone=True))),
    bindparam("file_offset", type_=ARRAY(BigInteger)),
    *(bindparam(n, type_=ARRAY(Text)) for n in ("kind", "linked_id", "unique_id", "channel", "file_id", "body")),
)


async def insert_events(conn: AsyncConnection, node: str, rows: Sequence[JournalRow]) -> int:
    """Add rows in their order; return how many were added (a place that is there already is left as it is)."""
    if not rows:
        return 0
    result = await conn.execute(
        _INSERT,
        {
            "node": node,
            "at": [row.event.at for row in rows],
            "kind": [row.event.kind for row in rows],
            "linked_id": [row.event.linked_id for row in rows],
            "unique_id": [row.event.unique_id for row in rows],
            "channel": [row.event.channel for row in rows],
            "file_id": [row.file_id for row in rows],
            "file_offset": [row.offset for row in rows],
            "body": [_body(row) for row in rows],
        },
    )
    return result.rowcount


def _body(row: JournalRow) -> str:
    # Empty fields are most of a line; what is absent is read back as empty.
    body: dict[str, Any] = {name: value for name in _BODY if (value := getattr(row.event, name))}
    body.update({name: value for name, value in row.rest.items() if value})
    if row.event.extra:
        body["extra"] = row.event.extra
    return orjson.dumps(body).decode()


_OF_CALLS = (
    select(events.c.at, events.c.kind, events.c.linked_id, events.c.unique_id, events.c.channel, events.c.body)
    .where(events.c.node == bindparam("node"), events.c.linked_id == func.any(bindparam("ids", type_=ARRAY(Text))))
    .order_by(events.c.id)
)


async def events_of(conn: AsyncConnection, node: str, linked_ids: Sequence[str]) -> dict[str, list[JournalEvent]]:
    """All events of each linked id by their place in the journal, as `fold` wants them."""
    found: dict[str, list[JournalEvent]] = {linked_id: [] for linked_id in linked_ids}
    if found:
        for row in await conn.execute(_OF_CALLS, {"node": node, "ids": list(found)}):
            found[row.linked_id].append(_event(row))
    return found


def _event(row: Any) -> JournalEvent:
    body = row.body
    return JournalEvent(
        kind=row.kind,
        at=row.at,
        unique_id=row.unique_id,
        linked_id=row.linked_id,
        channel=row.channel,
        extra=body.get("extra", {}),
        **{name: body[name] for name in _BODY if name in body},
    )


async def all_linkedids(conn: AsyncConnection, node: str, *, after: str = "", limit: int = 500) -> list[str]:
    """The node's linked ids in order, `limit` at a time, from behind `after`."""
    found = await conn.execute(
        select(events.c.linked_id)
        .distinct()
        .where(events.c.node == node, events.c.linked_id > after)
        .order_by(events.c.linked_id)
        .limit(limit)
    )
    return list(found.scalars())


async def read_files(conn: AsyncConnection, node: str, file_ids: Sequence[str]) -> set[str]:
    """Those of the files that something was read of before."""
    asked = func.unnest(literal(list(file_ids), ARRAY(Text))).table_valued("file_id").render_derived()
    read: set[str] = set()
    for table in (events, dead_letters):
        # One look into the index for each file; a join might read a table of millions from end to end.
        one = select(table.c.file_id).where(table.c.node == node, table.c.file_id == asked.c.file_id).limit(1).lateral()
        read.update((await conn.execute(select(asked.c.file_id).join(one, true()))).scalars())
    return read


async def last_place(conn: AsyncConnection, node: str, file_id: str) -> int | None:
    """Where the last line of a file begins that is in the database; None when none is. Lines go in in their order."""
    found: list[int] = []
    for table in (events, dead_letters):
        last = select(func.max(table.c.file_offset)).where(table.c.node == node, table.c.file_id == file_id)
        place = (await conn.execute(last)).scalar()
        if place is not None:
            found.append(place)
    return max(found, default=None)


async def insert_dead_letters(conn: AsyncConnection, node: str, letters: Sequence[DeadLetter]) -> None:
    """Keep what could not be read, each piece bounded to RAW_LIMIT bytes."""
    if not letters:
        return
    values = [
        {
            "node": node,
            "file_id": letter.file_id,
            "file_name": letter.file_name,
            "file_offset": letter.offset,
            "length": letter.length,
            "reason": letter.reason,
            "raw": letter.raw[:RAW_LIMIT],
        }
        for letter in letters
    ]
    # One statement a letter: rare, and a flood of garbage must not make one statement of any size.
    await conn.execute(pg_insert(dead_letters).on_conflict_do_nothing(), values)


async def insert_gap(
    conn: AsyncConnection, node: str, *, since: datetime | None, until: datetime | None, reason: str
) -> None:
    """Note that the journal is missing something: calls between these times may be incomplete or absent."""
    await conn.execute(insert(journal_gaps).values({"node": node, "from": since, "until": until, "reason": reason}))


async def is_gap_noted(conn: AsyncConnection, node: str, *, since: datetime | None, reason: str) -> bool:
    """True when there is this gap already: for what may be found a second time after a kill."""
    table = journal_gaps.c
    same = (table.node == node, table["from"].is_not_distinct_from(since), table.reason == reason)
    return (await conn.execute(select(table.id).where(*same).limit(1))).first() is not None


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which journal lines may be missing; `since` or `until` None: not known how far."""

    node: str
    since: datetime | None
    until: datetime | None
    reason: str
    noticed_at: datetime


async def gaps_between(
    conn: AsyncConnection, since: datetime | None, until: datetime | None, *, limit: int = 100
) -> list[Gap]:
    """The gaps of all nodes that touch this time (None: without a bound), the newest first.

    Whoever shows figures of that time says so: calls may be incomplete or absent. A gap without an end is taken to end
    when it was noticed.
    """
    table = journal_gaps.c
    begin, end = table["from"], func.coalesce(table.until, table.noticed_at)
    rows = select(table.node, begin, table.until, table.reason, table.noticed_at).order_by(table.id.desc()).limit(limit)
    if since is not None:
        rows = rows.where(end >= since)
    if until is not None:
        rows = rows.where(or_(begin.is_(None), begin < until))
    return [Gap(*row) for row in await conn.execute(rows)]


async def gaps_noticed(conn: AsyncConnection, since: datetime, *, limit: int = 100) -> list[Gap]:
    """The gaps of all nodes that were noticed since then, however long ago they were; the newest first."""
    table = journal_gaps.c
    shown = select(table.node, table["from"], table.until, table.reason, table.noticed_at)
    rows = shown.where(table.noticed_at >= since).order_by(table.id.desc()).limit(limit)
    return [Gap(*row) for row in await conn.execute(rows)]
