"""The disks under the journal, the recordings, the logs and the database: said before they are full, and when they are.

Asterisk says nothing when it cannot write a journal line (seen by strace: the write fails, the error is dropped). So
this room tries a write of its own in the journal's folder every two seconds, and notes the time in which it failed.
"""

import asyncio
import contextlib
import errno
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable
from pbx112.services.health import PartHealth
from pbx112.services.metrics import Metrics
from pbx112.services.ports import AlarmBoard, AlarmLevel
from pbx112.storage.engine import transaction
from pbx112.storage.events import insert_gap

log = structlog.get_logger(__name__)

UNWRITABLE = "journal:unwritable"
_LOOK_SECONDS = 2.0
_SILENT_SECONDS = 4.0
_SETTLED_SECONDS = 5.0
"""A disk that is full again a moment later had one gap, not two."""

_PROBE_NAME = ".write-probe"
_FAULTS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES, errno.EPERM, errno.ENOENT, errno.EFBIG}
)
_PROBE_BYTES = 4096
_MIB = 1024**2
_LOW: tuple[tuple[AlarmLevel, float, int, int], ...] = (
    ("critical", 0.02, 256 * _MIB, 1_000),
    ("warning", 0.10, 2048 * _MIB, 10_000),
)
"""Level, share, bytes, inodes: less than the share and less than the number free. A small disk has its share only."""

Lang = Literal["id", "en"]
_TEXTS: Mapping[Lang, Mapping[str, str]] = {
    "en": {
        "low": "Only {free} of {total} free ({inodes} inodes) at {path}, which holds: {names}. Free some space there; "
        "calls go on, but on a full disk their records and recordings are lost.",
        "unwritable": "Asterisk's journal cannot be written in {path} ({reason}). Calls go on, but what is not written "
        "is lost for their records. Free some space there now.",
        "silent": "The disks give no answer. Look at their mounts; calls go on while Asterisk needs none of them.",
        "gap": "The journal could not be written ({reason}); calls of this time may be incomplete, have a wrong "
        "outcome, or be absent.",
        "well": "{free} free where it is scarcest.",
    },
    "id": {
        "low": "Hanya tersisa {free} dari {total} ({inodes} inode) di {path}, tempat: {names}. Kosongkan ruang di "
        "sana; panggilan tetap berjalan, tetapi pada disk penuh catatan dan rekamannya hilang.",
        "unwritable": "Jurnal Asterisk tidak dapat ditulis di {path} ({reason}). Panggilan tetap berjalan, tetapi yang "
        "tidak tertulis hilang dari catatan. Kosongkan ruang di sana sekarang.",
        "silent": "Disk tidak menjawab. Periksa mount-nya; panggilan tetap berjalan selama Asterisk tidak "
        "membutuhkannya.",
        "gap": "Jurnal tidak dapat ditulis ({reason}); panggilan pada waktu ini mungkin tidak lengkap, hasilnya salah, "
        "atau tidak ada.",
        "well": "Tersisa {free} di tempat yang paling sempit.",
    },
}


@dataclass(frozen=True, slots=True)
class FileSystem:
    """A file system with what lives on it; `inodes` is 0 where they are not counted."""

    names: tuple[str, ...]
    path: Path
    total: int
    free: int
    inodes: int
    free_inodes: int

    @property
    def level(self) -> AlarmLevel | None:
        """How bad it is; None while there is room."""
        for level, share, least_bytes, least_inodes in _LOW:
            few_bytes = self.free < min(least_bytes, self.total * share)
            few_inodes = self.inodes > 0 and self.free_inodes < min(least_inodes, self.inodes * share)
            if few_bytes or few_inodes:
                return level
        return None


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found; `fault` is why the journal cannot be written, or None."""

    systems: tuple[FileSystem, ...]
    fault: str | None


def file_systems(places: Mapping[str, Path]) -> tuple[FileSystem, ...]:
    """The file systems of these places, each once. A place that is not there yet counts where it will be made."""
    found: dict[int, tuple[list[str], Path]] = {}
    for name, place in places.items():
        with contextlib.suppress(OSError):  # one place that is gone must not hide the others
            here = next(path for path in (place, *place.parents) if path.exists())
            found.setdefault(here.stat().st_dev, ([], here))[0].append(name)
    return tuple(_measure(tuple(names), path) for names, path in found.values())


def _measure(names: tuple[str, ...], path: Path) -> FileSystem:
    said = os.statvfs(path)
    # What an ordinary user gets: the blocks kept for root are not there for Asterisk.
    return FileSystem(
        names, path, said.f_blocks * said.f_frsize, said.f_bavail * said.f_frsize, said.f_files, said.f_favail
    )


def write_fault(folder: Path) -> str | None:
    """Why nothing can be written in a folder; None when it can (quotas and read-only mounts show only so)."""
    probe = folder / _PROBE_NAME
    try:
        try:
            with probe.open("wb", buffering=0) as file:
                if file.write(b"\0" * _PROBE_BYTES) < _PROBE_BYTES:
                    return "No space left on device"
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        # Only what Asterisk would meet too: that we ourselves have no descriptor left is no fault of the disk.
        return (error.strerror or str(error)) if error.errno in _FAULTS else None
    return None


def look(places: Mapping[str, Path], journal: Path) -> Look:
    """Look at all of it; blocking, a millisecond on a disk that answers."""
    # The journal first: a place that does not answer must not hide that it cannot be written.
    fault = write_fault(journal.parent)
    return Look(file_systems(places), fault)


def readable(size: float) -> str:
    """A number of bytes for people."""
    for unit in ("B", "KiB", "MiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


@dataclass(slots=True)
class Unwritten:
    """Notes the times in which the journal could not be written: each becomes a gap when it is over."""

    good_at: datetime | None = None
    lost_since: datetime | None = None
    lost_until: datetime | None = None
    reason: str = ""
    over: list[tuple[datetime | None, datetime, str]] = field(default_factory=list)

    def saw(self, fault: str | None, at: datetime, written_at: datetime | None) -> None:
        """One look's result; `written_at`, when the journal was last written, is for a watch that began too late."""
        if fault is not None:
            if self.lost_until is None:
                self.lost_since = self.good_at or written_at
            self.lost_until, self.reason = at, fault
            return
        self.good_at = at
        if self.lost_until is None:
            return
        if (at - self.lost_until).total_seconds() >= _SETTLED_SECONDS:
            # The first good look came within two seconds after the last bad one.
            since = self.lost_since if self.lost_since is None else min(self.lost_since, at)
            self.over.append((since, at, self.reason))
            self.lost_until = None
        elif at < self.lost_until:
            self.lost_until = at  # the clock was set back


class DiskWatch:
    """Looks every two seconds, and tells the alarm board, the metrics, /health/ready and the table of gaps."""

    def __init__(
        self,
        engine: AsyncEngine,
        alarms: AlarmBoard,
        metrics: Metrics,
        *,
        node: str,
        lang: Lang,
        places: Mapping[str, Path],
        journal: Path,
    ) -> None:
        """`places` names the folders to watch; `journal` is the file that Asterisk appends to."""
        self._engine = engine
        self._alarms = alarms
        self._metrics = metrics
        self._node = node
        self._texts = _TEXTS[lang]
        self._places = places
        self._journal = journal
        self._looking: asyncio.Task[Look] | None = None
        self._unwritten = Unwritten()
        self._up: set[str] = set()
        self._said: dict[str, tuple[AlarmLevel, str]] = {}
        self._free = ""
        self._failed = ""

    def health(self) -> PartHealth:
        """The part `disk`: well as long as nothing is critical."""
        critical = [text for level, text in self._said.values() if level == "critical"]
        others = [text for level, text in self._said.values() if level != "critical"]
        well = self._texts["well"].format(free=self._free) if self._free else ""
        return PartHealth("disk", not critical, " ".join([*critical, *others]) or well)

    async def run(self) -> None:
        """Watch for ever."""
        while True:
            began = time.monotonic()
            try:
                await self._step()
            except Exception as error:
                # A watch that died would not see the next full disk, and would take the service with it.
                if repr(error) != self._failed:
                    log.exception("The disks could not be watched; it is tried again.")
                self._failed = repr(error)
            else:
                self._failed = ""
            await asyncio.sleep(max(_LOOK_SECONDS - (time.monotonic() - began), 0.5))

    async def _step(self) -> None:
        found = await self._look()
        self._said = self._judge(found)
        for key, (level, text) in self._said.items():
            self._alarms.set(key, level, text)
        for key in self._up - self._said.keys():
            self._alarms.clear(key)
        self._up = set(self._said)
        if found is not None:
            self._unwritten.saw(found.fault, datetime.now(UTC), _written_at(self._journal))
            self._metrics.journal_writable(found.fault is None)
            self._metrics.disks({one.names[0]: (one.free, one.free_inodes) for one in found.systems})
        await self._note_gaps()

    async def _look(self) -> Look | None:
        """One look, in a thread; None while a disk does not answer. A look that hangs is waited for, not repeated."""
        if self._looking is None:
            work = asyncio.to_thread(look, dict(self._places), self._journal)
            self._looking = asyncio.create_task(work, name="disk look")
        done, _ = await asyncio.wait({self._looking}, timeout=_SILENT_SECONDS)
        if not done:
            return None
        looked, self._looking = self._looking, None
        try:
            return looked.result()
        except OSError as error:
            log.warning("The disks could not be looked at.", reason=str(error))
            return None

    def _judge(self, found: Look | None) -> dict[str, tuple[AlarmLevel, str]]:
        """The alarms that are right now."""
        if found is None:
            return {"disk:silent": ("critical", self._texts["silent"])}
        said: dict[str, tuple[AlarmLevel, str]] = {}
        if found.fault is not None:
            path = self._journal.parent
            said[UNWRITABLE] = ("critical", self._texts["unwritable"].format(path=path, reason=found.fault))
        for one in found.systems:
            if one.level is not None:
                said[f"disk:{one.names[0]}"] = (one.level, self._low(one))
        self._free = readable(min((one.free for one in found.systems), default=0))
        return said

    def _low(self, one: FileSystem) -> str:
        return self._texts["low"].format(
            free=readable(one.free),
            total=readable(one.total),
            inodes=one.free_inodes,
            path=one.path,
            names=", ".join(one.names),
        )

    async def _note_gaps(self) -> None:
        """Write the gaps that are over; while the database is away (its disk may be the full one) they wait."""
        try:
            while self._unwritten.over:
                since, until, reason = self._unwritten.over[0]
                text = self._texts["gap"].format(reason=reason)
                async with transaction(self._engine) as conn:
                    await insert_gap(conn, self._node, since=since, until=until, reason=text)
                self._unwritten.over.pop(0)
                log.error("The journal could not be written for a time.", since=since, until=until, reason=reason)
        except DatabaseUnavailable:
            return


def _written_at(journal: Path) -> datetime | None:
    try:
        return datetime.fromtimestamp(journal.stat().st_mtime, UTC)
    except OSError:
        return None
