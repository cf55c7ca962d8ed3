"""Who changed what: only ever added to, and chained row by row (`domain/audit_chain.py`) as transactions commit."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Text, cast, insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.audit_chain import Entry, Link
from pbx112.storage.tables import audit, audit_chain


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


async def list_audit(conn: AsyncConnection, limit: int = 100, *, before_id: int | None = None) -> list[dict[str, Any]]:
    """The newest acts first: id, at, who, action, subject, before, after, position, hash (hexadecimal).

    `before_id` gives the acts that are older than that one. Rows of before the chain have no position and no hash.
    """
    rows = select(audit, audit_chain.c.position, audit_chain.c.hash).outerjoin(
        audit_chain, audit_chain.c.audit_id == audit.c.id
    )
    if before_id is not None:
        rows = rows.where(audit.c.id < before_id)
    found = (await conn.execute(rows.order_by(audit.c.id.desc()).limit(limit))).mappings()
    # Plain keys: SQLAlchemy's own kind of text is none to the JSON writer.
    return [{str(name): _hex(value) if name == "hash" else value for name, value in row.items()} for row in found]


async def chain_head(conn: AsyncConnection) -> tuple[int, bytes] | None:
    """Position and hash of the chain's last row; None when nothing is chained yet."""
    newest = select(audit_chain.c.position, audit_chain.c.hash).order_by(audit_chain.c.position.desc()).limit(1)
    row = (await conn.execute(newest)).first()
    return None if row is None else (row.position, row.hash)


async def as_texts(conn: AsyncConnection) -> None:
    """Let this transaction write times as the chain's hashes have them."""
    await conn.execute(text("SET LOCAL datestyle = 'ISO, YMD'"))
    await conn.execute(text("SET LOCAL timezone = 'UTC'"))


async def links(conn: AsyncConnection, *, after: int, limit: int) -> list[Link]:
    """The chain's rows behind position `after`, in order; `as_texts` first."""
    rows = (
        select(*audit_chain.c, *_TEXTS)
        .outerjoin(audit, audit.c.id == audit_chain.c.audit_id)
        .where(audit_chain.c.position > after)
        .order_by(audit_chain.c.position)
        .limit(limit)
    )
    found = (await conn.execute(rows)).all()
    return [Link(row[0], row[1], row[2], row[3], _entry(row[4:]) if row[4] is not None else None) for row in found]


async def unchained(conn: AsyncConnection, *, after: int | None, limit: int) -> list[Entry]:
    """Rows of the audit that the chain does not have, by id; `as_texts` first."""
    rows: Select[Any] = (
        select(*_TEXTS)
        .outerjoin(audit_chain, audit_chain.c.audit_id == audit.c.id)
        .where(audit_chain.c.position.is_(None))
        .order_by(audit.c.id)
        .limit(limit)
    )
    if after is not None:
        rows = rows.where(audit.c.id > after)
    return [_entry(row) for row in (await conn.execute(rows)).all()]


def _hex(value: bytes | None) -> str | None:
    return None if value is None else value.hex()


def _entry(row: Sequence[Any]) -> Entry:
    return Entry(*row)


_TEXTS = (
    audit.c.id,
    cast(audit.c.at, Text),
    audit.c.who,
    audit.c.action,
    audit.c.subject,
    cast(audit.c.before, Text),
    cast(audit.c.after, Text),
)
