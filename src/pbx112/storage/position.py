"""Where the journal's reader of each node is: committed together with what it read."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.channels import ChannelCount, Missing
from pbx112.storage.tables import journal_position


@dataclass(frozen=True, slots=True)
class Position:
    """Everything before byte `offset` of the file `file_id` is in the database.

    `file_id` is None before the first line. `last_at` is the time of the last event read. `turn` counts the
    transactions that changed this node's events; it tells a reader that somebody else was here. `channels` is how far
    Asterisk's channels are counted; None: not counted up to this place.
    """

    file_id: str | None = None
    name: str | None = None
    inode: int | None = None
    offset: int = 0
    last_at: datetime | None = None
    turn: int = 0
    channels: ChannelCount | None = None


async def get_position(conn: AsyncConnection, node: str) -> Position | None:
    """The node's position without a lock; None when its journal was never read."""
    found = await conn.execute(_select(node))
    row = found.first()
    return None if row is None else _position(row)


async def lock_position(conn: AsyncConnection, node: str) -> Position:
    """The node's position, held against every other reader until the transaction ends; made when there is none."""
    row = (await conn.execute(_select(node).with_for_update())).first()
    if row is None:
        await conn.execute(insert(journal_position).values(node=node).on_conflict_do_nothing())
        row = (await conn.execute(_select(node).with_for_update())).one()
    return _position(row)


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
            channels=_stored(to),
            updated=func.now(),
        )
    )


def _select(node: str) -> Select[Any]:
    table = journal_position.c
    return select(
        table.file_id, table.name, table.inode, table.offset, table.last_at, table.turn, table.channels
    ).where(table.node == node)


def _position(row: Any) -> Position:
    position = Position(*row[:-1])
    return replace(position, channels=_counted(row.channels, position))


def _stored(position: Position) -> dict[str, Any] | None:
    count = position.channels
    if count is None:
        return None
    return {
        "file_id": position.file_id,
        "offset": position.offset,
        "following": count.following,
        "at": count.at.isoformat(),
        "paused": count.paused,
        "waiting": [[one.first, one.last, one.since.isoformat(), one.until.isoformat()] for one in count.waiting],
    }


def _counted(stored: dict[str, Any] | None, position: Position) -> ChannelCount | None:
    if stored is None or (stored["file_id"], stored["offset"]) != (position.file_id, position.offset):
        return None
    waiting = (
        Missing(first, last, datetime.fromisoformat(since), datetime.fromisoformat(until))
        for first, last, since, until in stored["waiting"]
    )
    at = datetime.fromisoformat(stored["at"])
    return ChannelCount(stored["following"], at, tuple(waiting), stored["paused"])
