"""Where the journal's reader of each node is: committed together with what it read."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.storage.tables import journal_position


@dataclass(frozen=True, slots=True)
class Position:
    """Everything before byte `offset` of the file `file_id` is in the database.

    `file_id` is None before the first line. `last_at` is the time of the last event read. `turn` counts the
    transactions that changed this node's events; it tells a reader that somebody else was here.
    """

    file_id: str | None = None
    name: str | None = None
    inode: int | None = None
    offset: int = 0
    last_at: datetime | None = None
    turn: int = 0


async def get_position(conn: AsyncConnection, node: str) -> Position | None:
    """The node's position without a lock; None when its journal was never read."""
    found = await conn.execute(_select(node))
    row = found.first()
    return None if row is None else Position(*row)


async def lock_position(conn: AsyncConnection, node: str) -> Position:
    """The node's position, held against every other reader until the transaction ends; made when there is none."""
    row = (await conn.execute(_select(node).with_for_update())).first()
    if row is None:
        await conn.execute(insert(journal_position).values(node=node).on_conflict_do_nothing())
        row = (await conn.execute(_select(node).with_for_update())).one()
    return Position(*row)


async def move_position(conn: AsyncConnection, node: str, to: Position) -> None:
    """Write the position; its row must be locked by this transaction."""
    await conn.execute(
        update(journal_position)
        .where(journal_position.c.node == node)
        .values(
            file_id=to.file_id,
            name=to.name,
            inode=to.inode,
            offset=to.offset,
            last_at=to.last_at,
            turn=to.turn,
            updated=func.now(),
        )
    )


def _select(node: str) -> Select[Any]:
    table = journal_position.c
    return select(table.file_id, table.name, table.inode, table.offset, table.last_at, table.turn).where(
        table.node == node
    )
