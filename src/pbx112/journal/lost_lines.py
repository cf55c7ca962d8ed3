"""What proves that lines of the journal are missing becomes a gap, in the transaction of the lines that prove it."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.channels import ChannelCount, Missing
from pbx112.journal.batch import Batch, find_tears
from pbx112.storage.events import insert_gap
from pbx112.storage.position import Position

_IN_ORDER = timedelta(seconds=5)
"""Lines at a file's begin may be older than the last of the file before, by less than this."""


async def note_tears(conn: AsyncConnection, node: str, batch: Batch, last_at: datetime | None) -> list[str]:
    """A gap for each torn line: whole ones beside it are missing. What was said. `last_at` is of the event before."""
    said: list[str] = []
    for tear in find_tears(batch):
        what = f"A line was torn at byte {tear.offset} of {batch.file_name}: the disk was full, or a writer died."
        until = tear.until or datetime.now(UTC)
        await insert_gap(conn, node, since=tear.since or last_at, until=until, reason=what)
        said.append(what)
    return said


async def note_missing(conn: AsyncConnection, node: str, missing: Iterable[Missing]) -> list[str]:
    """A gap for channels that Asterisk counted and the journal does not show; what was said."""
    said: list[str] = []
    for one in missing:
        what = (
            f"Asterisk counted {one.last - one.first + 1} channels ({one.first:08x} to {one.last:08x}) that no line of "
            "its journal shows: the disk was full, or lines were taken away."
        )
        await insert_gap(conn, node, since=one.since, until=one.until, reason=what)
        said.append(what)
    return said


def count_into(held: Position, first_at: float) -> ChannelCount | None:
    """The count with which the next file is begun; `first_at`, of its first event, is a Unix time.

    A file that is older than what was read (put back by somebody) is not counted, nor held against the one after it.
    """
    if held.last_at is not None and first_at < (held.last_at - _IN_ORDER).timestamp():
        return ChannelCount(0, held.last_at, paused=True)
    return None if held.channels is not None and held.channels.paused else held.channels
