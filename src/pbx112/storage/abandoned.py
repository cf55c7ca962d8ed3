"""Callers who left before an operator was reached, until somebody has reached them or closed the case."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.caller import imei_key, is_person, number_key
from pbx112.domain.record import CallRecord, CallState
from pbx112.storage.tables import abandoned, calls

MOST_OPEN = 5000
"""Open calls that are looked at, the newest; more than that is a number."""

# A caller who spoke with an operator since is no abandoned caller, whichever node's journal came first.
_SINCE_REACHED = """
    EXISTS (SELECT 1 FROM calls c WHERE c.number_key = a.number_key AND position(':' in a.number_key) = 0
            AND c.answered_at >= a.received_at AND NOT c.drill)
    OR EXISTS (SELECT 1 FROM calls c WHERE c.imei_key = a.imei_key AND c.answered_at >= a.received_at AND NOT c.drill)
"""
_OPEN = text(f"""
SELECT c.id, c.trunk, c.service, c.caller, c.location, c.outcome, c.received_at, c.ended_at, c.wait_ms,
       a.number_key, a.imei_key
FROM abandoned a JOIN calls c ON c.id = a.call_id
WHERE a.closed_at IS NULL AND NOT ({_SINCE_REACHED})
ORDER BY a.received_at DESC, c.id LIMIT {MOST_OPEN}
""")  # noqa: S608 - constants of this file
_CLOSED = text("""
SELECT c.id, c.trunk, c.service, c.caller, c.location, c.outcome, c.received_at, c.ended_at, c.wait_ms,
       a.number_key, a.imei_key, a.closed_at, a.closed_by, a.result, a.note
FROM abandoned a JOIN calls c ON c.id = a.call_id
WHERE a.closed_at IS NOT NULL
ORDER BY a.closed_at DESC, c.id LIMIT :most
""")
_REACHED = text("""
UPDATE abandoned a SET closed_at = now(), closed_by = r.operator, result = 'reached'
FROM unnest(CAST(:ids AS uuid[]), CAST(:numbers AS text[]), CAST(:imeis AS text[]), CAST(:operators AS text[]),
            CAST(:times AS timestamptz[])) AS r(id, number_key, imei_key, operator, at)
WHERE a.closed_at IS NULL AND a.received_at <= r.at
  AND (a.call_id = r.id OR a.number_key = r.number_key OR a.imei_key = r.imei_key)
""")


async def keep_abandoned(conn: AsyncConnection, records: Sequence[CallRecord]) -> None:
    """Note which of these records ended without an operator, and close what the others reached."""
    real = [record for record in records if not record.drill]
    left = [r for r in real if r.state is CallState.ENDED and r.answered_at is None and r.direction == "inbound"]
    if left:
        rows = [
            {
                "call_id": record.id,
                "received_at": record.received_at,
                "number_key": number_key(record.caller),
                "imei_key": imei_key(record.caller),
            }
            for record in left
        ]
        await conn.execute(insert(abandoned).on_conflict_do_nothing(), rows)
    reached = [record for record in real if record.answered_at is not None]
    if reached:
        await conn.execute(_REACHED, _columns(reached))


def _columns(reached: Sequence[CallRecord]) -> dict[str, list[Any]]:
    numbers = [number_key(record.caller) for record in reached]
    return {
        "ids": [record.callback_of or record.id for record in reached],
        "numbers": [number if is_person(number) else None for number in numbers],
        "imeis": [imei_key(record.caller) for record in reached],
        "operators": [record.operator for record in reached],
        "times": [record.answered_at for record in reached],
    }


async def open_abandoned(conn: AsyncConnection) -> list[dict[str, Any]]:
    """The open calls, newest first, at most MOST_OPEN; without a time window."""
    return [dict(row) for row in (await conn.execute(_OPEN)).mappings()]


async def count_open(conn: AsyncConnection) -> int:
    """How many calls are open, those reached since included."""
    rows = select(func.count()).select_from(abandoned).where(abandoned.c.closed_at.is_(None))
    return int((await conn.execute(rows)).scalar_one())


async def closed_abandoned(conn: AsyncConnection, *, most: int) -> list[dict[str, Any]]:
    """The calls closed last: who worked them, with what result."""
    return [dict(row) for row in (await conn.execute(_CLOSED, {"most": most})).mappings()]


async def close_abandoned(
    conn: AsyncConnection, call_ids: Sequence[UUID], *, who: str, result: str, note: str | None
) -> list[UUID]:
    """Close these calls, and those of the same callers up to now that are open; the ids of all that were closed."""
    chosen = select(abandoned.c.number_key, abandoned.c.imei_key).where(
        abandoned.c.call_id == func.any(bindparam("ids", list(call_ids), ARRAY(Uuid)))
    )
    keys = (await conn.execute(chosen)).all()
    numbers = [row.number_key for row in keys if is_person(row.number_key)]
    imeis = [row.imei_key for row in keys if row.imei_key is not None]
    same = (
        (abandoned.c.call_id == func.any(bindparam("chosen", list(call_ids), ARRAY(Uuid))))
        | (abandoned.c.number_key == func.any(bindparam("numbers", numbers, ARRAY(Text))))
        | (abandoned.c.imei_key == func.any(bindparam("imeis", imeis, ARRAY(Text))))
    )
    closing = (
        update(abandoned)
        .where(abandoned.c.closed_at.is_(None), same)
        .values(closed_at=func.now(), closed_by=who, result=result, note=note)
        .returning(abandoned.c.call_id)
    )
    return list((await conn.execute(closing)).scalars())


async def are_abandoned(conn: AsyncConnection, call_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these calls are or were on the list."""
    rows = select(calls.c.id).join(abandoned, abandoned.c.call_id == calls.c.id)
    found = await conn.execute(rows.where(calls.c.id == func.any(bindparam("ids", list(call_ids), ARRAY(Uuid)))))
    return set(found.scalars())
