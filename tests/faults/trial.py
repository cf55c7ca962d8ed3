"""One trial: callers come, faults happen to the centre one after another, it heals, and the oracle judges."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psutil

from tests.faults.faults import Fault
from tests.faults.load import Load, callers
from tests.faults.oracle import Row, Verdict, verdict
from tests.faults.rig import Rig

RATE = 10.0
UNDISTURBED = "undisturbed"
MOST_MS = 1500.0
SHARE, FLOOR_MS = 1.2, 5.0
"""Others' median time to the queue may be 20 % longer than undisturbed, or 5 ms: it is about 5 ms by itself."""

GROWN_MB, PEAK_MB = 32.0, 64.0
"""The first burst of AMI events leaves about 20 MB with the allocator; the next ones find them there."""


@dataclass(frozen=True, slots=True)
class Window:
    """What happened to the callers of one fault."""

    name: str
    queue_ms: Sequence[float]
    peak_mb: float

    @property
    def median_ms(self) -> float:
        """The median time to the queue."""
        return statistics.median(self.queue_ms)

    @property
    def worst_ms(self) -> float:
        """The longest."""
        return max(self.queue_ms)

    def __str__(self) -> str:
        if not self.queue_ms:
            return f"{self.name}: no call"
        at = f"median {self.median_ms:.0f} ms, worst {self.worst_ms:.0f} ms"
        return f"{self.name}: {len(self.queue_ms)} calls, to the queue {at}; service at most {self.peak_mb:.0f} MB"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it."""

    verdict: Verdict
    windows: Mapping[str, Window]
    before_mb: float
    after_mb: float

    def problems(self, *, steady: bool, floor_ms: float = FLOOR_MS) -> list[str]:
        """What is not as promised, in words; `steady`: the calls must not feel the faults, but for `floor_ms`."""
        found = [] if self.verdict.holds else [str(self.verdict)]
        slow = [row for row in self.verdict.rows if row.queue_ms is not None and row.queue_ms >= MOST_MS]
        found += [f"{row.sip_call_id} took {row.queue_ms:.0f} ms to the queue" for row in slow]
        found += [f"{w.name}: no call came" for w in self.windows.values() if not w.queue_ms]
        if steady and not found:
            found += self._felt(floor_ms)
        if self.after_mb > self.before_mb + GROWN_MB:
            found.append(f"the service grew from {self.before_mb:.0f} to {self.after_mb:.0f} MB")
        peak = max(window.peak_mb for window in self.windows.values())
        if peak > self.before_mb + PEAK_MB:
            found.append(f"the service took {peak:.0f} MB at its worst, from {self.before_mb:.0f}")
        return found

    def _felt(self, floor_ms: float) -> list[str]:
        usual = self.windows[UNDISTURBED].median_ms
        most = max(usual * SHARE, usual + floor_ms)
        return [f"{w}; undisturbed {usual:.1f} ms" for w in self.windows.values() if w.median_ms > most]

    def __str__(self) -> str:
        memory = f"service {self.before_mb:.0f} MB before, {self.after_mb:.0f} MB after"
        return "\n".join([f"{self.verdict} {memory}.", *(f"  {window}" for window in self.windows.values())])


@dataclass
class Memory:
    """The most memory the service took since it was last asked."""

    most_mb: float = 0.0

    def taken(self) -> float:
        """The peak until now; the next one begins here."""
        most, self.most_mb = self.most_mb, 0.0
        return most


@contextlib.asynccontextmanager
async def watched_memory(rig: Rig) -> AsyncIterator[Memory]:
    """Look at the service's memory ten times a second."""
    memory = Memory()

    async def watch() -> None:
        while True:
            with contextlib.suppress(AssertionError, psutil.Error):
                service = rig.service
                while True:
                    memory.most_mb = max(memory.most_mb, service.memory_info().rss / 2**20)
                    await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(watch())
    try:
        yield memory
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@dataclass
class _Times:
    """When a fault was there, and the memory meanwhile."""

    name: str
    since: datetime
    until: datetime = field(default_factory=lambda: datetime.now(UTC))
    peak_mb: float = 0.0

    def window(self, rows: Sequence[Row]) -> Window:
        """The callers who came meanwhile."""
        mine = [row for row in rows if self.since <= row.received_at < self.until]
        return Window(self.name, [row.queue_ms for row in mine if row.queue_ms is not None], self.peak_mb)


async def undisturbed(rig: Rig, seconds: float) -> None:
    """Nothing happens."""
    await asyncio.sleep(seconds)


async def trial(rig: Rig, faults: Mapping[str, Fault], seconds: float, *, rate: float = RATE) -> Trial:
    """Each fault for so many seconds, after as many undisturbed ones; then heal and judge."""
    before_mb = rig.memory_mb()
    times: list[_Times] = []
    async with watched_memory(rig) as memory:
        async with callers(rig.centre, rate) as load:
            await asyncio.sleep(0.3)  # SIPp's first calls
            for name, fault in {UNDISTURBED: undisturbed, **faults}.items():
                began = datetime.now(UTC)
                await fault(rig, seconds)
                times.append(_Times(name, began, peak_mb=memory.taken()))
        return await judged(rig, load, times, before_mb)


async def judged(rig: Rig, load: Load, times: Sequence[_Times], before_mb: float) -> Trial:
    """Wait until the service is ready, and let the oracle speak."""
    await rig.ready()
    found = await verdict(load.calls, lambda: rig.rows(load.since))
    windows = {at.name: at.window(found.rows) for at in times}
    return Trial(found, windows, before_mb, rig.memory_mb())
