"""Keeps the board: a bounded inbox, filled while AMI is read, and one consumer that applies it in order."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from pbx112.ami import translate
from pbx112.ami.snapshot import snapshot
from pbx112.domain.live import LiveChannel, LiveState
from pbx112.services import board
from pbx112.services.drift import differences

log = structlog.get_logger(__name__)

Headers = Mapping[str, str]

BATCH = 200
"""Events applied before other tasks have their turn (about two milliseconds) .."""

BATCH_SECONDS = 0.002
""".. and no longer than this, as an event costs the more the more callers wait: the intake of calls shares the loop."""


@dataclass(slots=True)
class LinkCounters:
    """What the link has counted since the service started."""

    events: int = 0
    tainted: int = 0
    unreadable: int = 0
    logins: int = 0
    reconnects: int = 0
    actions_timed_out: int = 0
    overflows: int = 0
    snapshots: int = 0
    snapshot_differences: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """The answer of QueueStatus, in its place among the events; `whole` is False when part of it was quarantined."""

    rows: Sequence[Headers]
    channels: tuple[LiveChannel, ...]
    whole: bool
    shown: asyncio.Event = field(default_factory=asyncio.Event, compare=False)
    """Set when the board shows it; never for one that could not be read."""


@dataclass(slots=True)
class Keeper:
    """The board's state and its inbox. Events before a connection's first snapshot are in that snapshot already."""

    clock: Callable[[], datetime]
    on_change: Callable[[LiveState], None] | None
    limit: int
    counters: LinkCounters = field(default_factory=LinkCounters)
    state: LiveState = field(default_factory=LiveState)
    _inbox: "asyncio.Queue[Headers | Listed]" = field(init=False)
    _ready: bool = False
    _faults: int = 0

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A new connection: what the last one left unapplied is forgotten."""
        self._inbox = asyncio.Queue(self.limit)
        self._ready = False

    def put(self, item: Headers | Listed) -> bool:
        """Put an event or a list away, at once. False when the inbox is full: then only a new snapshot helps."""
        try:
            self._inbox.put_nowait(item)
        except asyncio.QueueFull:
            self.counters.overflows += 1
            return False
        return True

    async def run(self) -> None:
        """Apply what comes, in order, for ever."""
        while True:
            first = await self._inbox.get()
            end = time.perf_counter() + BATCH_SECONDS
            state = self._after(self.state, first)  # not before the wait: others change the state too
            for _ in range(BATCH):
                if self._inbox.empty() or time.perf_counter() > end:
                    break
                state = self._after(state, self._inbox.get_nowait())
            self.change(state)
            await asyncio.sleep(0)

    def change(self, state: LiveState) -> None:
        """Make this the present state, and tell it if it is another."""
        if state is self.state:
            return
        self.state = state
        if self.on_change is None:
            return
        try:
            self.on_change(state)
        except Exception as error:
            self._complain("The live state could not be passed on; the AMI link stays up.", error)

    def _complain(self, what: str, error: Exception) -> None:
        # Whole tracebacks only of the first: a fault that comes with every event must not hold up the events.
        self._faults += 1
        log.error(what, error=repr(error), faults=self._faults, exc_info=self._faults == 1)

    def _after(self, state: LiveState, item: Headers | Listed) -> LiveState:
        try:
            return self._after_list(state, item) if isinstance(item, Listed) else self._after_event(state, item)
        except (KeyError, ValueError, OverflowError, OSError) as error:
            self.counters.unreadable += 1
            self._complain("What AMI told could not be read; the next snapshot mends the board.", error)
            return state

    def _after_event(self, state: LiveState, event: Headers) -> LiveState:
        self.counters.events += 1
        now = self.clock()
        fact = translate.fact_of(event, now) if self._ready else None
        if fact is None:
            return state
        told = board.told(state, fact)
        return state if told is state else replace(told, at=now)

    def _after_list(self, state: LiveState, listed: Listed) -> LiveState:
        fact = snapshot(listed.rows, listed.channels, self.clock(), whole=listed.whole)
        told = board.told(state, fact)
        if self._ready:  # what happened while there was no link is no drift
            found = differences(state, told)
            self.counters.snapshot_differences += sum(found.values())
            if found:
                log.info("A snapshot corrected the live board.", **found)
                told = replace(told, drift=Counter(state.drift) + Counter(found))
        self.counters.snapshots += 1
        self._ready = True
        listed.shown.set()
        return told
