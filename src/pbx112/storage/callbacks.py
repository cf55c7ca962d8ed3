"""Attempts to call a caller back: one row each, written before Asterisk is asked, and whose work he is meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import NoSuchCall
from pbx112.storage.tables import callbacks, calls

REQUESTED, PLACED, NOT_PLACED = "requested", "placed", "not_placed"
"""`requested`: Asterisk may have been asked. `not_placed`: it certainly did not call."""

_SHOWN = ("id", "operator", "requested_by", "requested_at", "lease_until", "state")

_UP = text("""
SELECT operator, received_at FROM calls
WHERE direction = 'outbound' AND state <> 'ended' AND (callback_of = :call OR number = :number)
ORDER BY received_at DESC LIMIT 1
""")

_ON_THE_LINE = text("""
SELECT id, received_at FROM calls
WHERE number_key = :number AND direction = 'inbound' AND state <> 'ended' ORDER BY received_at DESC LIMIT 1
""")

# Another operator's lease, unless he did not lift his own phone: then he is not at work on it. Or the same operator's
# own attempt while his phone may still ring: until then the journal does not know of it. What has its ended record is
# over; a record that ended before was another attempt's. A lease of the future was given before a clock was set back.
_HELD = text("""
SELECT operator, requested_at, lease_until FROM callbacks a
WHERE (call_id = :call OR number = :number) AND state <> 'not_placed'
    AND requested_at < clock_timestamp() + interval '1 minute' AND (
    (operator <> :operator AND lease_until > clock_timestamp() AND NOT EXISTS (
        SELECT 1 FROM calls c WHERE c.callback_of = a.call_id AND c.operator = a.operator AND c.state = 'ended'
        AND c.ended_at > a.requested_at AND c.offers -> 0 ->> 'result' <> 'answered'))
    OR (operator = :operator AND requested_at > clock_timestamp() - CAST(:rings AS interval) AND NOT EXISTS (
        SELECT 1 FROM calls c WHERE c.callback_of = a.call_id AND c.operator = :operator AND c.state = 'ended'
        AND c.ended_at > a.requested_at)))
ORDER BY operator = :operator, requested_at DESC LIMIT 1
""")
_LOCK_NUMBER = text("SELECT pg_advisory_xact_lock(hashtextextended(:number, 112))")


@dataclass(frozen=True, slots=True)
class Held:
    """A caller is another's work: `until` is None for as long as that operator's call back lasts."""

    operator: str
    since: datetime
    until: datetime | None


async def lock_call(conn: AsyncConnection, call: UUID) -> None:
    """Let nobody else begin a call back of this call until the transaction's end. Raises NoSuchCall."""
    held = await conn.execute(select(calls.c.id).where(calls.c.id == call).with_for_update(key_share=True))
    if held.first() is None:
        raise NoSuchCall(f"There is no call {call}.")


async def holder(conn: AsyncConnection, call: UUID, number: str, operator: str, *, rings: timedelta) -> Held | None:
    """Who keeps this operator from calling this number back, himself included; None when nobody does.

    Callers are known by their number too: one who called twice is still one person. Takes a lock on the number to the
    end of the transaction.
    """
    await conn.execute(_LOCK_NUMBER, {"number": number})
    up = (await conn.execute(_UP, {"call": call, "number": number})).first()
    if up is not None:
        return Held(up.operator or operator, up.received_at, None)
    values = {"call": call, "number": number, "operator": operator, "rings": rings}
    held = (await conn.execute(_HELD, values)).first()
    if held is None:
        return None
    return Held(held.operator, held.requested_at, None if held.operator == operator else held.lease_until)


async def on_the_line(conn: AsyncConnection, number: str) -> tuple[UUID, datetime] | None:
    """The call that this (asserted) number has on 112 just now, and since when; None when it has none."""
    row = (await conn.execute(_ON_THE_LINE, {"number": number})).first()
    return None if row is None else (row.id, row.received_at)


async def request(
    conn: AsyncConnection,
    id: UUID,  # noqa: A002
    *,
    call: UUID,
    operator: str,
    number: str,
    trunk: str,
    who: str,
    lease: timedelta,
) -> dict[str, Any]:
    """Write the intent down, with its lease; the public attempt."""
    now = func.statement_timestamp()  # not now(): this transaction may have waited for the one before it
    values = {"id": id, "call_id": call, "operator": operator, "number": number, "trunk": trunk, "requested_by": who}
    row = await conn.execute(
        insert(callbacks)
        .values(**values, requested_at=now, lease_until=now + lease, state=REQUESTED)
        .returning(callbacks.c.requested_at, callbacks.c.lease_until)
    )
    return {**values, **row.one()._mapping, "state": REQUESTED}


async def settle(conn: AsyncConnection, id: UUID, state: str) -> None:  # noqa: A002
    """Say what became of an attempt: PLACED or NOT_PLACED, which gives the lease back."""
    await conn.execute(update(callbacks).where(callbacks.c.id == id).values(state=state))


async def attempts_of(conn: AsyncConnection, call_ids: Sequence[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """The attempts on each of these calls, newest first, by their public names (a call without any is left out)."""
    rows = (
        select(callbacks)
        .where(callbacks.c.call_id == func.any(bindparam("ids", list(call_ids), ARRAY(Uuid))))
        .order_by(callbacks.c.requested_at.desc(), callbacks.c.id)
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for row in (await conn.execute(rows)).mappings():
        found.setdefault(row["call_id"], []).append({name: row[name] for name in _SHOWN})
    return found
