"""The journal is renamed when it is large or old, and old files go when all of them is in the database.

A rename loses nothing: Asterisk opens the file by its name for each line and writes the line at once, so a line is
whole in the one file or in the other. Nothing has to follow the rename: the reader finds the files by what stands in
them, so a kill at any moment leaves nothing half done.
"""

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.journal.seen import forget, look, note_gone
from pbx112.journal.split import split
from pbx112.journal.tail import JournalFile, base_id, list_files, renewed
from pbx112.storage.engine import reading
from pbx112.storage.events import last_place
from pbx112.storage.position import get_position

log = structlog.get_logger(__name__)

_OLDEST_SECONDS = 24 * 3600
_LOOK_SECONDS = 5.0
_DELETE_EVERY_SECONDS = 60.0
_DAY = 24 * 3600
_LINE = 256 * 1024
"""Bytes that are read to find the end of a file's last line: more than the longest record."""


@dataclass(frozen=True, slots=True)
class KeepRules:
    """When the journal is renamed (bytes; a day in any case), and how long an old file stays."""

    max_bytes: int
    keep_seconds: float

    @classmethod
    def of(cls, max_mb: float, keep_days: float) -> "KeepRules":
        """From what the environment says."""
        return cls(round(max_mb * 1024 * 1024), keep_days * _DAY)


def rotate(path: Path, rules: KeepRules) -> Path | None:
    """Rename the journal when it is due; the new name, or None. Raises OSError."""
    live = next((file for file in list_files(path) if file.live), None)
    if live is None or (live.size < rules.max_bytes and time.time() - live.first_at < _OLDEST_SECONDS):
        return None
    to = path.with_name(f"{path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    if to.exists():
        return None
    path.rename(to)
    log.info("The journal goes on in a new file.", old=to.name, bytes=live.size)
    return to


async def delete_old(engine: AsyncEngine, node: str, path: Path, rules: KeepRules) -> list[Path]:
    """Delete old files that are wholly in the database and have not grown for the time they are kept.

    Raises OSError and DatabaseUnavailable. A file that holds a line the database has not is never deleted.
    """
    before = time.time() - rules.keep_seconds
    old = [file for file in list_files(path) if not file.live and file.path.stat().st_mtime <= before]
    deleted: list[Path] = []
    if not old:
        return deleted
    # One moment for all: else the reader comes to a file's end between the look at its position and at its lines.
    async with reading(engine, snapshot=True) as conn:
        held = await get_position(conn, node)
        for file in old:
            # A reader that starts looks for the file of its position: that one stays, read or not.
            if held is None or file.file_id == base_id(held.file_id):
                continue
            if await is_committed(conn, node, file):
                file.path.unlink()
                deleted.append(file.path)
            else:
                log.warning("An old journal file is not wholly read; it is kept.", file=file.path.name)
    if deleted:
        log.info("Old journal files are deleted; all of them is in the database.", files=[p.name for p in deleted])
    return deleted


async def is_committed(conn: AsyncConnection, node: str, file: JournalFile) -> bool:
    """True when the last line of the file is in the database, and nothing stands behind it."""
    place = await last_place(conn, node, file.file_id)
    again = renewed(file.file_id)
    while (later := await last_place(conn, node, again)) is not None:
        place, again = later, renewed(again)  # it was cut, and goes on under another identity
    if place is None or place >= file.size:
        return False
    with file.path.open("rb", buffering=0) as opened:
        opened.seek(place)
        rest = opened.read(_LINE)
    pieces, covered = split(rest, base=place, most=2, at_end=True)
    return len(pieces) == 1 and place + covered == file.size


class JournalKeeper:
    """Renames, remembers and deletes in its own time, beside the reader; faults are logged and tried again."""

    def __init__(self, engine: AsyncEngine, *, node: str, path: Path, rules: KeepRules) -> None:
        self._engine = engine
        self._node = node
        self._path = path
        self._rules = rules
        self._delete_at = 0.0
        self._problem: str | None = None

    async def run(self) -> None:
        """Work for ever."""
        while True:
            try:
                await self._step()
                self._problem = None
            except (OSError, DatabaseUnavailable) as error:
                if self._problem is None:
                    log.warning("The journal's old files wait; calls and reading go on.", reason=str(error))
                self._problem = str(error)
            await asyncio.sleep(_LOOK_SECONDS)

    async def _step(self) -> None:
        await asyncio.to_thread(rotate, self._path, self._rules)
        try:
            gone = await asyncio.to_thread(look, self._path)
            if gone:
                settled = await note_gone(self._engine, self._node, gone)
                if settled:
                    await asyncio.to_thread(forget, self._path, settled)
        finally:
            # Also when the list could not be written: that the disk is full is a reason to delete, not to wait.
            if time.monotonic() >= self._delete_at:
                await delete_old(self._engine, self._node, self._path, self._rules)
                self._delete_at = time.monotonic() + _DELETE_EVERY_SECONDS
