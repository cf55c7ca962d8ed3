"""Who changed what: only ever added to."""

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.storage.tables import audit


async def append(
    conn: AsyncConnection,
    *,
    who: str,
    action: str,
    subject: str,
    before: Any = None,
    after: Any = None,
) -> None:
    """Add one act, in the transaction of the change itself. `before` and `after` are plain JSON values."""
    await conn.execute(insert(audit).values(who=who, action=action, subject=subject, before=before, after=after))


async def list_audit(conn: AsyncConnection, limit: int = 100) -> list[dict[str, Any]]:
    """The newest acts first: id, at, who, action, subject, before, after."""
    rows = select(audit).order_by(audit.c.id.desc()).limit(limit)
    return [dict(row) for row in (await conn.execute(rows)).mappings()]
