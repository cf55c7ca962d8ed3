"""What was asked of transfers from a desk: a row each, committed before Asterisk is asked."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.storage.tables import transfer_commands as commands

REQUESTED, SENT, REFUSED, NOT_SENT, UNKNOWN = "requested", "sent", "refused", "not_sent", "unknown"
"""`sent`: Asterisk has taken it; `refused`: it said no; `not_sent`: it certainly did nothing; `unknown`: either."""

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended(CAST(:call AS text), 1126))")


async def lock(conn: AsyncConnection, call: UUID) -> datetime:
    """Let nobody else ask for this call's transfers until the transaction's end; the time then.

    Not the call's row: the journal writes that.
    """
    await conn.execute(_LOCK, {"call": str(call)})
    now: datetime = (await conn.execute(select(func.clock_timestamp()))).scalar_one()
    return now


async def by_key(conn: AsyncConnection, call: UUID, who: str, key: str) -> dict[str, Any] | None:
    """What this user asked for this call with this key."""
    rows = select(commands).where(commands.c.call_id == call, commands.c.requested_by == who, commands.c.key == key)
    row = (await conn.execute(rows)).mappings().first()
    return None if row is None else dict(row)


async def lately(conn: AsyncConnection, call: UUID, now: datetime, within: timedelta) -> Sequence[Mapping[str, Any]]:
    """What was asked for this call a short time ago and may have reached Asterisk, the newest first."""
    rows = (
        select(commands)
        .where(
            commands.c.call_id == call,
            commands.c.requested_at > now - within,
            commands.c.state.in_((REQUESTED, SENT, UNKNOWN)),
        )
        .order_by(commands.c.requested_at.desc())
    )
    return [dict(row) for row in (await conn.execute(rows)).mappings()]


async def request(conn: AsyncConnection, values: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """Write the intent down."""
    row = {**values, "requested_at": now, "state": REQUESTED, "error": None, "told": None}
    await conn.execute(insert(commands).values(**row))
    return row


async def settle(conn: AsyncConnection, id: UUID, state: str, error: str | None, told: str | None) -> None:  # noqa: A002
    """Say what became of it, with the error's slug and words that were told, if any."""
    await conn.execute(update(commands).where(commands.c.id == id).values(state=state, error=error, told=told))
