"""Call records out of journal events: fold what a batch touched, rebuild everything, mark what a dead PBX left.

Whoever changes events here holds the node's position row and raises its `turn`, so that a running reader notices.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain import events as kinds
from pbx112.domain.call import fold
from pbx112.domain.events import JournalEvent
from pbx112.domain.record import CallRecord, call_id
from pbx112.storage.abandoned import keep_abandoned
from pbx112.storage.calls import call_without_events, folded_calls, keys_of, open_calls, public, upsert_calls
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import JournalRow, all_linkedids, events_of, insert_events
from pbx112.storage.position import lock_position, move_position
from pbx112.storage.recordings import keep_recordings
from pbx112.storage.tables import CALLS_CHANNEL

log = structlog.get_logger(__name__)

MOST_NOTIFIED = 100
_CHUNK = 500
_REMEMBERED_CALLS = 2000
_REMEMBERED_EVENTS = 100_000


@dataclass(slots=True)
class _Known:
    events: list[JournalEvent]
    record: CallRecord | None = None


class CallMemory:
    """The events of the calls touched last, so that a call's lines are not read back for every new one.

    It is only true as long as every transaction that used it was committed: forget everything after any other.
    """

    def __init__(self, most_calls: int = _REMEMBERED_CALLS, most_events: int = _REMEMBERED_EVENTS) -> None:
        """Remember at most so many calls, and so many events of all of them together."""
        self._most_calls = most_calls
        self._most_events = most_events
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def forget(self) -> None:
        """Drop everything."""
        self._known.clear()

    def trim(self) -> None:
        """Drop the calls that were not touched for the longest time, down to the bounds."""
        held = sum(len(known.events) for known in self._known.values())
        while self._known and (len(self._known) > self._most_calls or held > self._most_events):
            _, dropped = self._known.popitem(last=False)
            held -= len(dropped.events)

    def get(self, linked_id: str) -> _Known | None:
        """What is known of a call; it is now the one touched last."""
        known = self._known.get(linked_id)
        if known is not None:
            self._known.move_to_end(linked_id)
        return known

    def put(self, linked_id: str, events: list[JournalEvent]) -> _Known:
        """Remember a call's events."""
        self._known[linked_id] = known = _Known(events)
        return known


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a batch did: events added, events that were there already, ids of the records that changed."""

    added: int = 0
    repeated: int = 0
    changed: tuple[UUID, ...] = ()


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """`different` are calls whose row was not what their events say; `orphans` are rows without any event."""

    calls: int
    different: list[UUID] = field(default_factory=list)
    orphans: list[UUID] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True when every row is what the journal says."""
        return not self.different and not self.orphans


async def record_batch(conn: AsyncConnection, node: str, rows: Sequence[JournalRow], memory: CallMemory) -> Recorded:
    """Add the events, fold every call they touch, write the records that changed, and wake the listeners.

    The caller's transaction holds the node's position row. `memory` must be forgotten when it is not committed.
    """
    if not rows:
        return Recorded()
    added = await insert_events(conn, node, rows)
    repeated = len(rows) - added
    if repeated:
        memory.forget()  # it cannot be told which of them are new
        log.error("Journal lines were there already; they count once.", lines=repeated, node=node)
    touched = await _remember(conn, node, rows, memory)
    changed = []
    for linked_id, known in touched.items():
        record = _fold(node, linked_id, known.events)
        if record is not None and record != known.record:
            known.record = record
            changed.append(record)
    memory.trim()
    await _write(conn, changed)
    ids = tuple(record.id for record in changed)
    await notify(conn, node, ids)
    return Recorded(added, repeated, ids)


async def _remember(
    conn: AsyncConnection, node: str, rows: Sequence[JournalRow], memory: CallMemory
) -> dict[str, _Known]:
    touched: dict[str, _Known] = {}
    unknown: list[str] = []
    for linked_id in dict.fromkeys(row.event.linked_id for row in rows):
        known = memory.get(linked_id)
        if known is None:
            unknown.append(linked_id)
        else:
            touched[linked_id] = known
    for row in rows:
        if row.event.linked_id in touched:
            touched[row.event.linked_id].events.append(row.event)
    # What is not remembered is read back, the rows just added included.
    for linked_id, found in (await events_of(conn, node, unknown)).items():
        touched[linked_id] = memory.put(linked_id, found)
    return touched


async def _write(conn: AsyncConnection, records: Sequence[CallRecord]) -> None:
    await upsert_calls(conn, records)
    await keep_abandoned(conn, records)
    await keep_recordings(conn, records)


def _fold(node: str, linked_id: str, events: Iterable[JournalEvent]) -> CallRecord | None:
    try:
        return fold(node, events)
    except Exception:
        # The events are kept, so a repaired fold and a rebuild give the record; other calls must go on.
        log.exception("A call could not be folded; its events are kept.", node=node, linkedid=linked_id)
        return None


async def notify(conn: AsyncConnection, node: str, ids: Sequence[UUID]) -> None:
    """Wake the listeners when the transaction commits; `ids` null in the payload means too many to name."""
    if ids:
        named = [str(call) for call in ids] if len(ids) <= MOST_NOTIFIED else None
        payload = orjson.dumps({"node": node, "ids": named}).decode()
        await conn.execute(_NOTIFY, {"channel": CALLS_CHANNEL, "payload": payload})


_NOTIFY = text("SELECT pg_notify(:channel, :payload)")


async def mark_lost(engine: AsyncEngine, node: str, *, booted_at: datetime, alive: Collection[str]) -> list[UUID]:
    """Note, as journal events, that Asterisk died under the calls that were open when it booted again.

    To be called when Asterisk was seen to start at `booted_at` (or up to a second before), once the journal of before
    is read; `alive` are the linked ids of the channels it has now. A call whose end turns up in the journal later
    keeps its real end. Raises DatabaseUnavailable.
    """
    async with transaction(engine) as conn:
        held = await lock_position(conn, node)
        lost = [linked for linked in await open_calls(conn, node, before=booted_at) if linked not in alive]
        rows = [
            JournalRow(JournalEvent(kinds.LOST, booted_at, unique_id=linked, linked_id=linked), f"lost:{linked}", 0)
            for linked in lost
        ]
        recorded = await record_batch(conn, node, rows, CallMemory())
        if recorded.added:
            await move_position(conn, node, replace(held, turn=held.turn + 1))
    return list(recorded.changed)


async def rebuild(engine: AsyncEngine, node: str, *, check: bool) -> RebuildResult:
    """Fold all calls of the node anew from their stored events; write what differs, or with `check` only list it.

    Works in chunks, beside a running reader. Raises DatabaseUnavailable.
    """
    calls = 0
    different: list[UUID] = []
    after = ""
    while True:
        async with reading(engine, snapshot=True) as conn:
            linked_ids = await all_linkedids(conn, node, after=after, limit=_CHUNK)
            records = await _records(conn, node, linked_ids)
            found = await _differing(conn, node, linked_ids, records)
        if not linked_ids:
            break
        calls += len(records)
        different += [call_id(node, linked_id) for linked_id in found]
        if not check:
            await _rewrite(engine, node, found)
            same = [record for linked_id, record in records.items() if linked_id not in set(found)]
            async with transaction(engine) as conn:
                await keep_abandoned(conn, same)
                await keep_recordings(conn, same)
        after = linked_ids[-1]
    async with reading(engine) as conn:
        orphans = await call_without_events(conn, node)
    return RebuildResult(calls, different, orphans)


async def _records(conn: AsyncConnection, node: str, linked_ids: Sequence[str]) -> dict[str, CallRecord]:
    folded = (
        (linked, _fold(node, linked, known)) for linked, known in (await events_of(conn, node, linked_ids)).items()
    )
    return {linked_id: record for linked_id, record in folded if record is not None}


async def _differing(
    conn: AsyncConnection, node: str, linked_ids: Sequence[str], records: dict[str, CallRecord]
) -> list[str]:
    stored = await folded_calls(conn, node, linked_ids)
    return [
        linked_id
        for linked_id in linked_ids
        if (_stored_form(records[linked_id]) if linked_id in records else None) != stored.get(linked_id)
    ]


def _stored_form(record: CallRecord) -> dict[str, Any]:
    return public(record) | keys_of(record)


async def _rewrite(engine: AsyncEngine, node: str, linked_ids: Sequence[str]) -> None:
    """Write these calls from their events as they are now, with the reader held off."""
    if not linked_ids:
        return
    async with transaction(engine) as conn:
        held = await lock_position(conn, node)
        records = list((await _records(conn, node, linked_ids)).values())
        await _write(conn, records)
        await notify(conn, node, [record.id for record in records])
        await move_position(conn, node, replace(held, turn=held.turn + 1))
