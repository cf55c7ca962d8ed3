"""Callers who left before an operator was reached, until somebody has reached them or closed the case."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Column, ColumnElement, Uuid, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.caller import CallerClass, imei_key, is_person, number_key
from pbx112.domain.record import CallRecord, CallState
from pbx112.storage.tables import abandoned

MOST_OPEN = 5000
"""Open calls of each kind that are looked at, the newest; more than that is a number."""

# A number that is a person's (domain/caller.py), and a handset that stands for one: only where there is no number, on
# both sides, as IMEIs can be copied.
_PERSON = "a.number_key IS NOT NULL AND position(':' in a.number_key) = 0"
_HANDSET = f"NOT coalesce({_PERSON}, false) AND position(':' in a.imei_key) = 0"

# A caller who spoke with an operator since is no abandoned caller, whichever node's journal came first. (A call back
# does not count: an answering machine lifts too. The operator who called says what came of it.)
_SINCE_REACHED = f"""
    ({_PERSON} AND EXISTS (
        SELECT 1 FROM calls c WHERE c.number_key = a.number_key
        AND c.answered_at >= a.received_at AND c.direction = 'inbound' AND NOT c.drill))
    OR ({_HANDSET} AND EXISTS (
        SELECT 1 FROM calls c WHERE c.imei_key = a.imei_key AND c.caller_class = 'device_only'
        AND c.answered_at >= a.received_at AND c.direction = 'inbound' AND NOT c.drill))
"""  # noqa: S608 - constants of this file
_SHOWN = """
    c.id, c.trunk, c.service, c.direction, c.drill, c.state, c.callback_of, c.caller, c.location, c.outcome,
    c.received_at, c.ended_at, c.wait_ms, a.number_key, a.imei_key
"""
_OPEN = f"""
SELECT {_SHOWN} FROM abandoned a JOIN calls c ON c.id = a.call_id
WHERE a.closed_at IS NULL AND {{which}} AND NOT ({_SINCE_REACHED})
ORDER BY a.received_at DESC, c.id LIMIT {MOST_OPEN}
"""  # noqa: S608 - constants of this file
# Two lists, so that a flood of callers without a number cannot push out those who can be called back.
_OPEN_PERSONS = text(_OPEN.format(which=f"({_PERSON})"))
_OPEN_OTHERS = text(_OPEN.format(which=f"NOT coalesce({_PERSON}, false)"))
_CLOSED = text(f"""
SELECT {_SHOWN}, a.closed_at, a.closed_by, a.result, a.note
FROM abandoned a JOIN calls c ON c.id = a.call_id
WHERE a.closed_at IS NOT NULL
ORDER BY a.closed_at DESC, c.id LIMIT :most
""")  # noqa: S608 - constants of this file
# Rows are locked in one order, so that two who close at once wait for each other and do not lock each other out.
_REACHED = text(f"""
WITH chosen AS (
    SELECT a.call_id, r.operator
    FROM abandoned a JOIN unnest(
        CAST(:ids AS uuid[]), CAST(:numbers AS text[]), CAST(:imeis AS text[]), CAST(:operators AS text[]),
        CAST(:times AS timestamptz[])) AS r(id, number_key, imei_key, operator, at)
      ON a.received_at <= r.at AND (a.call_id = r.id OR (a.number_key = r.number_key AND {_PERSON})
                                    OR (a.imei_key = r.imei_key AND {_HANDSET}))
    WHERE a.closed_at IS NULL ORDER BY a.call_id FOR UPDATE OF a
)
UPDATE abandoned a SET closed_at = now(), closed_by = chosen.operator, result = 'reached'
FROM chosen WHERE a.call_id = chosen.call_id
""")  # noqa: S608 - constants of this file
_CLOSE = text(f"""
WITH chosen AS (SELECT number_key, imei_key, received_at, call_id FROM abandoned WHERE call_id = ANY(:ids)),
theirs AS (
    SELECT a.call_id FROM abandoned a
    WHERE a.closed_at IS NULL AND EXISTS (
        SELECT 1 FROM chosen ch WHERE a.received_at <= ch.received_at
        AND (a.call_id = ch.call_id OR (a.number_key = ch.number_key AND {_PERSON})
             OR (a.imei_key = ch.imei_key AND {_HANDSET})))
    ORDER BY a.call_id FOR UPDATE
)
UPDATE abandoned a SET closed_at = now(), closed_by = :who, result = :result, note = :note
FROM theirs WHERE a.call_id = theirs.call_id RETURNING a.call_id
""")  # noqa: S608 - constants of this file
_CALLBACKS = text("""
SELECT callback_of, id, operator, received_at, outcome, talk_ms, hangup_cause FROM calls
WHERE callback_of = ANY(:ids) ORDER BY received_at DESC
""")

_new = insert(abandoned)
# A better reading of the caller (a rebuild) reaches a case that is still open.
_INSERT = _new.on_conflict_do_update(
    index_elements=[abandoned.c.call_id],
    set_={"number_key": _new.excluded.number_key, "imei_key": _new.excluded.imei_key},
    where=abandoned.c.closed_at.is_(None),
)


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
        await conn.execute(_INSERT, rows)
    reached = [record for record in real if record.answered_at is not None and record.direction == "inbound"]
    if reached:
        await conn.execute(_REACHED, _columns(reached))


def _columns(reached: Sequence[CallRecord]) -> dict[str, list[Any]]:
    numbers = [number_key(record.caller) for record in reached]
    handsets = [record.caller.caller_class is CallerClass.DEVICE_ONLY for record in reached]
    return {
        "ids": [record.id for record in reached],
        "numbers": [number if is_person(number) else None for number in numbers],
        "imeis": [imei_key(r.caller) if handset else None for r, handset in zip(reached, handsets, strict=True)],
        "operators": [record.operator for record in reached],
        "times": [record.answered_at for record in reached],
    }


async def open_abandoned(conn: AsyncConnection) -> list[dict[str, Any]]:
    """The open calls, those of persons first, each kind newest first and at most MOST_OPEN; without a time window."""
    persons, others = [(await conn.execute(rows)).mappings().all() for rows in (_OPEN_PERSONS, _OPEN_OTHERS)]
    return [dict(row) for row in (*persons, *others)]


async def closed_abandoned(conn: AsyncConnection, *, most: int) -> list[dict[str, Any]]:
    """The calls closed last: who worked them, with what result."""
    return [dict(row) for row in (await conn.execute(_CLOSED, {"most": most})).mappings()]


async def close_abandoned(
    conn: AsyncConnection, call_ids: Sequence[UUID], *, who: str, result: str, note: str | None
) -> list[UUID]:
    """Close these calls, and the open ones of the same callers up to them; the ids of all that were closed.

    A call that came after the chosen one stays open: whoever closes has not seen it.
    """
    values = {"ids": list(call_ids), "who": who, "result": result, "note": note}
    return list((await conn.execute(_CLOSE, values)).scalars())


async def reopen_abandoned(conn: AsyncConnection, call_ids: Sequence[UUID]) -> list[UUID]:
    """Put closed calls back onto the list; the ids of those that were closed."""
    opening = (
        update(abandoned)
        .where(abandoned.c.closed_at.isnot(None), _among(abandoned.c.call_id, call_ids))
        .values(closed_at=None, closed_by=None, result=None, note=None)
        .returning(abandoned.c.call_id)
    )
    return list((await conn.execute(opening)).scalars())


async def calls_back_of(conn: AsyncConnection, call_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The records of the calls back to each of these calls, newest first: who, when, with what outcome."""
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in (await conn.execute(_CALLBACKS, {"ids": list(call_ids)})).mappings():
        made = dict(row)
        found.setdefault(made.pop("callback_of"), []).append(made)
    return found


async def are_abandoned(conn: AsyncConnection, call_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these calls are or were on the list."""
    rows = select(abandoned.c.call_id).where(_among(abandoned.c.call_id, call_ids))
    return set((await conn.execute(rows)).scalars())


def _among(column: Column[UUID], ids: Sequence[UUID]) -> ColumnElement[bool]:
    return column == func.any(bindparam("ids", list(ids), ARRAY(Uuid)))
