"""The watchdog: looks each second at what callers would notice, and keeps the alarm board.

It only looks. The board is looked at without any wait; what the database tells is asked beside it, with a deadline.
The rules stand in `domain/watch.py`.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import Pbx112Error
from pbx112.domain.traffic import Traffic
from pbx112.domain.watch import RULES, Facts, Finding, Limits, Seen, WaitingCall, trunk_silent
from pbx112.domain.watch_memory import look
from pbx112.domain.watch_words import say
from pbx112.services.alarms import Alarms, utc_now
from pbx112.services.canary import Canary
from pbx112.services.metrics import Metrics
from pbx112.services.ports import JournalLagView, LiveSource
from pbx112.storage.engine import reading
from pbx112.storage.traffic import last_calls, trunk_traffic, waiting_calls

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0
_ASK_SECONDS = 2.0
_ASK_DEADLINE = 4.0
_TRUNK_SECONDS = 30.0
_HISTORY_SECONDS = 600.0
_SETTLE_SECONDS = 60.0
"""The journal's lines of before the start are in the records by then; so long no trunk is called silent."""

_OVERLAP = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Watched:
    """What the watchdog looks at, each from memory and at once; `agi` is True while the intake serves."""

    live: LiveSource
    configuration: Callable[[], Configuration]
    journal: Callable[[], JournalLagView]
    agi: Callable[[], bool]
    canary: Canary


@dataclass(slots=True)
class _Since:
    """The second since when the parts are away; None while they work."""

    ami: float | None
    agi: float | None
    database: float


@dataclass(slots=True)
class _Asked:
    """What the database told last: the history and the trunks' last calls at which second, and when that was judged."""

    recorded: tuple[WaitingCall, ...] | None = None
    traffic: Traffic | None = None
    history_at: float = float("-inf")
    last_at: float = float("-inf")
    judged_at: float = float("-inf")


@dataclass(slots=True)
class Watchdog:
    """Keeps the alarms of one node. Run `look_for_ever` and `ask_for_ever` each in a task; neither ends by itself."""

    engine: AsyncEngine
    node: str
    zone: ZoneInfo
    lang: str
    watched: Watched
    alarms: Alarms
    metrics: Metrics
    limits: Limits = field(default_factory=Limits)
    clock: Callable[[], datetime] = utc_now
    monotonic: Callable[[], float] = time.monotonic
    _seen: Seen = field(default_factory=Seen)
    _asked: _Asked = field(default_factory=_Asked)
    _since: _Since = field(init=False)
    _started: float = field(init=False)
    _raised: dict[str, set[str]] = field(default_factory=dict)
    _faulty: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._started = now = self.monotonic()
        self._since = _Since(now, now, now)

    async def look_for_ever(self) -> None:
        """One look each second."""
        while True:
            began = time.perf_counter()
            self.look()
            self.metrics.watchdog_look(time.perf_counter() - began)
            await asyncio.sleep(_LOOK_SECONDS)

    async def ask_for_ever(self) -> None:
        """Ask the database every two seconds who waits, and now and then how the trunks are doing."""
        while True:
            await self.ask()
            await asyncio.sleep(_ASK_SECONDS)

    def look(self) -> None:
        """Judge what is so now. Never raises, never waits."""
        try:
            facts = self._facts()
            self._seen = look(facts.seen, facts)
            facts = replace(facts, seen=self._seen)
            for name, rule in RULES.items():
                self._judge(name, partial(rule, facts))
            self.alarms.settle()
        except Exception:
            self._complain("look")

    async def ask(self) -> None:
        """Ask the database, once and with a deadline. Never raises."""
        try:
            async with asyncio.timeout(_ASK_DEADLINE), reading(self.engine) as connection:
                self._asked.recorded = await waiting_calls(connection, self.node)
            self._since.database = self.monotonic()
        except (Pbx112Error, TimeoutError):
            self._asked.recorded = None
            return
        except Exception:
            self._asked.recorded = None
            self._complain("ask")
            return
        try:
            await self._ask_history()
            await self._judge_trunks()
        except (Pbx112Error, TimeoutError) as error:
            log.warning("The trunks' history cannot be read; the last known one stands.", reason=str(error))
        except Exception:
            self._complain("history")

    async def _ask_history(self) -> None:
        """Seldom, and apart from who waits: a slow answer here must not look like a database that is away."""
        now, second, asked = self.clock(), self.monotonic(), self._asked
        due = second - asked.history_at >= _HISTORY_SECONDS
        if not due and second - asked.last_at < _TRUNK_SECONDS:
            return
        if due:
            asked.history_at = second  # a question that fails is asked again at the next time, too
        async with asyncio.timeout(_ASK_DEADLINE), reading(self.engine) as connection:
            if due:
                asked.traffic = await trunk_traffic(connection, self.node, self.zone, now)
            elif asked.traffic is not None:
                since = now - _OVERLAP - timedelta(seconds=second - asked.last_at)
                last = await last_calls(connection, self.node, since=since, now=now)
                asked.traffic = replace(asked.traffic, last_call={**asked.traffic.last_call, **last})
            asked.last_at = second

    async def _judge_trunks(self) -> None:
        """A trunk at a time: each sums up as many hours as it was silent."""
        asked = self._asked
        if asked.judged_at == asked.last_at or self.monotonic() - self._started < _SETTLE_SECONDS:
            return
        asked.judged_at = asked.last_at
        facts = self._facts()
        trunks = {f"trunk {trunk.name}": trunk for trunk in facts.configuration.trunks}
        for name in self._raised.keys() - RULES.keys() - trunks.keys():
            self._judge(name, list)  # a trunk that is gone is not silent
        for name, trunk in trunks.items():
            self._judge(name, partial(trunk_silent, facts, trunk))
            await asyncio.sleep(0)

    def _facts(self) -> Facts:
        now, watched, since = self.monotonic(), self.watched, self._since
        state, lag, canary = watched.live.state, watched.journal(), watched.canary
        since.ami = None if state.connected else now if since.ami is None else since.ami
        since.agi = None if watched.agi() else now if since.agi is None else since.agi
        return Facts(
            at=self.clock(),
            seconds=now,
            configuration=watched.configuration(),
            live=state,
            limits=self.limits,
            seen=self._seen,
            recorded=self._asked.recorded,
            traffic=self._asked.traffic,
            zone=self.zone,
            journal_late_ms=lag.oldest_unread_ms or 0,
            journal_problem=lag.problem,
            ami_down=0.0 if since.ami is None else now - since.ami,
            database_away=now - since.database,
            agi_down=0.0 if since.agi is None else now - since.agi,
            canary_failures=canary.failures,
            canary_problem=canary.problem,
        )

    def _judge(self, name: str, rule: Callable[[], Iterable[Finding] | None]) -> None:
        """Bring the board to what a rule finds. A rule that cannot tell leaves its alarms as they are."""
        try:
            findings = rule()
            found = None if findings is None else [(one.key, one.level, say(one, self.lang)) for one in findings]
        except Exception:
            self._complain(name)
            return
        if found is None:
            return
        keys = {key for key, _, _ in found}
        for key in self._raised.get(name, set()) - keys:
            self.alarms.clear(key)
        for key, level, text in found:
            self.alarms.set(key, level, text)
        self._raised[name] = keys

    def _complain(self, name: str) -> None:
        # Once, with its traceback; after that it is only counted: a look a second must not fill the log.
        self.metrics.watchdog_fault()
        if name not in self._faulty:
            self._faulty.add(name)
            log.exception("A rule of the watchdog failed; the others go on.", rule=name)
