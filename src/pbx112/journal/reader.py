"""The journal's reader: every line becomes a row exactly once, and its call's record follows in the same transaction.

Being down means being late. The position is in the database, so a killed reader, a database that was away, and a
second reader beside this one (an old and a new service at an update) all end in the same rows.
"""

import asyncio
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain.channels import count_channels
from pbx112.domain.errors import DatabaseUnavailable
from pbx112.journal.batch import Batch, make_batch
from pbx112.journal.health import Health, JournalLag
from pbx112.journal.lost_lines import count_into, note_missing, note_tears
from pbx112.journal.split import split
from pbx112.journal.tail import JournalFile, OpenFile, base_id, first_after, is_boundary, list_files, renewed
from pbx112.services.records import CallMemory, record_batch
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import insert_dead_letters, insert_gap, read_files
from pbx112.storage.faults import RowsRefused
from pbx112.storage.position import Position, lock_position, move_position

log = structlog.get_logger(__name__)

MOST_LINES = 250
_QUIET_SECONDS = 1.0
"""A renamed file that has not grown for so long, beside a newer one, is finished.

Asterisk opens, writes and closes the file for each line, one line after the other (strace, and its source, say so): who
has begun the next file has closed this one. The second is for writers of another kind.
"""

_LOOK_SECONDS = 0.1
"""Between two looks into a folder that had nothing to read."""

_SETTLED_SECONDS = 5.0
"""After so long without a line, lines that were written in another order are all there."""

_BACKOFF_SECONDS = (0.1, 2.0)


class Overtaken(Exception):
    """Another reader or a rebuild changed this node's events since we looked; everything is loaded again."""


class JournalReader:
    """Reads one node's journal into PostgreSQL, in batches of at most 250 lines, each one transaction."""

    def __init__(self, engine: AsyncEngine, *, node: str, path: Path, poll_seconds: float = 0.02) -> None:
        """`path` is the file that Asterisk appends to; `tail.list_files` names the rotated ones beside it."""
        self._engine = engine
        self._node = node
        self._path = path
        self._poll_seconds = poll_seconds
        self._held: Position | None = None
        self._shown = Position()
        self._file: OpenFile | None = None
        self._memory = CallMemory()
        self._health = Health()
        self._step_lock = asyncio.Lock()
        self._most = MOST_LINES
        self._seen_size = -1
        self._torn_size = -1
        self._grew_at = 0.0
        self._look_again_at = 0.0
        self._told_gone = False

    async def run(self) -> None:
        """Read for ever. Faults of the database or the disk are waited out; only a cancellation ends this."""
        wait = _BACKOFF_SECONDS[0]
        try:
            while True:
                if await self._try_step():
                    wait = _BACKOFF_SECONDS[0]
                    # A long catch-up must leave the event loop to the intake of calls now and then.
                    await asyncio.sleep(0)
                elif self._health.problem_now is None:
                    wait = _BACKOFF_SECONDS[0]
                    await asyncio.sleep(self._poll_seconds)
                else:
                    await asyncio.sleep(wait)
                    wait = min(wait * 2, _BACKOFF_SECONDS[1])
        finally:
            self._close()

    async def drain(self, deadline_s: float) -> bool:
        """Read and commit everything that is written now; False when that was not done within the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                while True:
                    idle = not await self._try_step() and self._health.problem_now is None
                    if idle and not await self._newer_waits():
                        return True
                    await asyncio.sleep(self._poll_seconds / 10)
        except TimeoutError:
            return False
        finally:
            async with self._step_lock:
                self._close()

    def lag(self) -> JournalLag:
        """How far behind the reader is, and what is wrong; cheap."""
        return self._health.lag(self._shown.offset, self._shown.name, self._bytes_behind())

    async def _try_step(self) -> bool:
        """Do one step; True when something was done. Faults are noted, logged once, and make it False."""
        async with self._step_lock:
            try:
                progressed = await self._step()
            except Overtaken:
                self._reload()
                return True
            except RowsRefused as error:
                self._reload()
                self._most = 1  # to find the line it is
                log.warning("PostgreSQL refused a batch of journal lines; they go in one by one.", reason=str(error))
                return True
            except DatabaseUnavailable as error:
                self._reload()
                self._health.fault(f"The database is away: {error}")
            except OSError as error:
                self._close()
                self._health.fault(f"The journal cannot be read: {error}")
            except asyncio.CancelledError:
                self._reload()
                raise
            except Exception as error:
                # Whatever it is, the lines are still in the file; a reader that died would not read the next ones.
                self._reload()
                if self._health.fault(f"The journal's reader failed: {error!r}"):
                    log.exception("The journal's reader failed; it tries again.", node=self._node)
            else:
                self._health.works()
                return progressed
            return False

    async def _step(self) -> bool:
        if self._held is None:
            async with transaction(self._engine) as conn:
                self._held = self._shown = await lock_position(conn, self._node)
            if self._file is not None and self._file.file_id != self._held.file_id:
                self._close()
        if self._file is None and not await self._open_next():
            return False
        assert self._file is not None  # noqa: S101  (opened above)
        size = self._file.size()
        if size < self._held.offset or not self._file.is_itself():
            self._close()  # cut or emptied while it was open; opening it again notes the gap
            return True
        if size != self._seen_size:
            quiet = self._file.quiet_seconds() if self._seen_size < 0 else 0.0
            self._seen_size, self._grew_at = size, time.monotonic() - quiet
        if size > self._held.offset and size != self._torn_size:
            if await self._read_on(at_end=False):
                return True
            self._torn_size = size
        return await self._finish_file() or await self._settle_channels()

    async def _read_on(self, *, at_end: bool) -> bool:
        """Commit the next batch of the open file; False when it holds no whole line."""
        assert self._held is not None and self._file is not None  # noqa: S101
        data = self._file.read(self._held.offset)
        pieces, covered = split(data, base=self._held.offset, most=self._most, at_end=at_end)
        if not pieces:
            self._health.waits_for_writer()
            return False
        self._health.has_unread()
        if not self._file.is_itself():
            return True  # emptied between the look at it and the read; the next step sees it
        batch = make_batch(pieces, self._file.file_id, self._file.name)
        try:
            await self._commit(batch, self._held.offset + covered)
        except RowsRefused as error:
            if self._most > 1:
                raise
            self._memory.forget()
            batch = batch.refused(str(error))
            await self._commit(batch, self._held.offset + covered)
        self._most = min(self._most * 2, MOST_LINES)
        self._health.committed(all_read=covered == len(data), last_at=self._held.last_at)
        if batch.letters:
            first = batch.letters[0]
            log.warning(
                "Journal lines could not be read; they are kept in dead_letters.",
                pieces=len(batch.letters),
                file=first.file_name,
                offset=first.offset,
                reason=first.reason,
            )
        return True

    async def _commit(self, batch: Batch, offset: int) -> None:
        assert self._held is not None and self._file is not None  # noqa: S101
        held = self._held
        channels, missing = count_channels(held.channels, (row.event for row in batch.rows))
        moved = replace(held, offset=offset, turn=held.turn + 1, channels=channels)
        if batch.rows:
            moved = replace(moved, last_at=batch.rows[-1].event.at)
        async with transaction(self._engine) as conn:
            await self._lock(conn, held)
            await record_batch(conn, self._node, batch.rows, self._memory)
            await insert_dead_letters(conn, self._node, batch.letters)
            said = await note_tears(conn, self._node, batch, held.last_at)
            said += await note_missing(conn, self._node, missing)
            await move_position(conn, self._node, moved)
        self._held = self._shown = moved
        self._tell(said)

    async def _settle_channels(self) -> bool:
        """Nothing was written for a while: what the journal does not show of Asterisk's channels does not come."""
        held = self._held
        if held is None or held.channels is None or not held.channels.waiting:
            return False
        if time.monotonic() - self._grew_at < _SETTLED_SECONDS:
            return False
        moved = replace(held, turn=held.turn + 1, channels=replace(held.channels, waiting=()))
        async with transaction(self._engine) as conn:
            await self._lock(conn, held)
            said = await note_missing(conn, self._node, held.channels.waiting)
            await move_position(conn, self._node, moved)
        self._held = self._shown = moved
        self._tell(said)
        return True

    def _tell(self, gaps: list[str]) -> None:
        for what in gaps:
            self._health.gap(f"{what} Lines may be lost; see journal_gaps.")
            log.error("The journal has a gap.", reason=what, node=self._node)

    async def _lock(self, conn: AsyncConnection, held: Position) -> None:
        if (await lock_position(conn, self._node)).turn != held.turn:
            raise Overtaken

    async def _finish_file(self) -> bool:
        """Go on to the next file, when Asterisk has begun one and this one is at its end for good."""
        assert self._held is not None and self._file is not None  # noqa: S101
        if self._file.is_at(self._path) or time.monotonic() - self._grew_at < _QUIET_SECONDS:
            return False
        following = await self._unread_files()
        if not following:
            return False
        if self._file.size() > self._held.offset and await self._read_on(at_end=True):
            return True
        log.info("A journal file is read to its end.", file=self._file.name, node=self._node)
        self._start(following[0], following[0].file_id, offset=0)
        return True

    async def _open_next(self) -> bool:
        """Open the file the position names, or the oldest unread one; False when there is none yet."""
        assert self._held is not None  # noqa: S101
        if self._held.file_id is None:
            following = await self._unread_files()
            if following:
                self._start(following[0], following[0].file_id, offset=0)
            return bool(following)
        base = base_id(self._held.file_id)
        here = next((file for file in list_files(self._path) if file.file_id == base), None)
        if here is None:
            return await self._go_on_without()
        if here.size < self._held.offset or not is_boundary(here.path, self._held.offset):
            # A power cut takes what was not yet on the disk. What is left was read, and new lines stand behind it.
            last = self._held.last_at.timestamp() if self._held.last_at is not None else 0.0
            begin = await asyncio.to_thread(first_after, here.path, last)
            await self._gap(f"The journal file {here.path.name} was cut.", here, renewed(self._held.file_id), begin)
        elif not here.live and here.inode != self._held.inode == self._live_inode():
            # `copytruncate`: the copy has the lines, but not those that came between the copying and the emptying.
            what = f"The journal was copied to {here.path.name} and emptied."
            await self._gap(what, here, self._held.file_id, self._held.offset)
        else:
            self._start(here, self._held.file_id, offset=self._held.offset)
        return True

    async def _go_on_without(self) -> bool:
        """The file of the position is gone: read the next one, and say that lines may be missing."""
        assert self._held is not None  # noqa: S101
        following = await self._unread_files()
        if not following:
            # No gap yet: a folder that is mounted late looks the same.
            if not self._told_gone:
                self._told_gone = True
                log.error("The journal file that was read last is gone.", file=self._held.name, node=self._node)
            return False
        await self._gap(
            f"The journal file {self._held.name} is gone (deleted or emptied).", following[0], following[0].file_id, 0
        )
        return True

    async def _gap(self, what: str, file: JournalFile, file_id: str, offset: int) -> None:
        """Note that lines were lost, and move the position, in one transaction; then go on in `file`."""
        held = self._held
        assert held is not None  # noqa: S101
        self._start(file, file_id, offset=offset)
        until = datetime.fromtimestamp(file.first_at, UTC) if offset == 0 else datetime.now(UTC)
        # The channels of the gap are not looked for a second time.
        moved = replace(self._held or held, turn=held.turn + 1, channels=None)
        async with transaction(self._engine) as conn:
            await self._lock(conn, held)
            await note_missing(conn, self._node, held.channels.waiting if held.channels is not None else ())
            await insert_gap(conn, self._node, since=held.last_at, until=until, reason=what)
            await move_position(conn, self._node, moved)
        self._held = self._shown = moved
        self._health.gap(f"{what} Lines of it may be lost; see journal_gaps.")
        log.error("The journal has a gap.", reason=what, since=held.last_at, until=until, node=self._node)

    async def _unread_files(self) -> list[JournalFile]:
        """Files nothing was read of yet, in the order to read them."""
        if time.monotonic() < self._look_again_at:
            return []
        current = base_id(self._held.file_id) if self._held is not None else None
        others = [file for file in list_files(self._path) if file.file_id != current]
        if others:
            async with reading(self._engine) as conn:
                known = await read_files(conn, self._node, [file.file_id for file in others])
            others = [file for file in others if file.file_id not in known]
        if not others:
            self._look_again_at = time.monotonic() + _LOOK_SECONDS
        return others

    def _start(self, file: JournalFile, file_id: str, *, offset: int) -> None:
        assert self._held is not None  # noqa: S101
        self._close()
        self._file = OpenFile(file, file_id)
        held = self._held
        channels = held.channels if file_id == held.file_id else count_into(held, file.first_at)
        self._held = replace(
            held, file_id=file_id, name=file.path.name, inode=file.inode, offset=offset, channels=channels
        )
        self._told_gone = False

    def _live_inode(self) -> int | None:
        try:
            return self._path.stat().st_ino
        except FileNotFoundError:
            return None

    async def _newer_waits(self) -> bool:
        """True when there is more to read than the open file: also when its file, or the folder, is not there."""
        if self._file is None:
            return self._held is not None and self._held.file_id is not None
        if self._file.is_at(self._path):
            return False
        self._look_again_at = 0.0
        return bool(await self._unread_files())

    def _bytes_behind(self) -> int:
        """From the disk alone, so that it is right while the database is away too."""
        try:
            live = self._path.stat()
            if live.st_ino == self._shown.inode:
                return max(live.st_size - self._shown.offset, 0)
            here = 0 if self._file is None else self._file.size() - self._shown.offset
            return live.st_size + max(here, 0)
        except OSError:
            return 0

    def _reload(self) -> None:
        """Trust nothing that is remembered: the next step begins from the database."""
        self._held = None
        self._memory.forget()
        # The file stays open: it may be deleted by now, and what is unread in it would be lost.

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._seen_size = self._torn_size = -1
