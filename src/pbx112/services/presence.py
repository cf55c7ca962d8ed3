"""The live state with what each operator does, and since when; a wrap-up's end, of which Asterisk tells nothing, too.

It remembers what it saw: after a start of the service a state is as old as the service, where nothing tells better.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from pbx112.domain.configuration import Configuration
from pbx112.domain.doing import member_doing, together, wrap_up_of
from pbx112.domain.live import Doing, LiveMember, LiveQueue, LiveState, OperatorState
from pbx112.services.alarms import utc_now
from pbx112.services.ports import LiveSource

_LOOK_SECONDS = 0.05
_LONGEST_SLEEP = 0.5
"""The wall clock, by which a wrap-up ends, may be set meanwhile."""

_Key = tuple[str, str]


class Presence:
    """Implements LiveSource over the telephone line's own. `changed` is called when a state ended by itself."""

    def __init__(
        self,
        source: LiveSource,
        configuration: Callable[[], Configuration],
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._source = source
        self._configuration = configuration
        self._changed = changed
        self._clock = clock
        self._news = asyncio.Event()
        self._raw: LiveState | None = None
        self._followed: Configuration | None = None
        self._until: datetime | None = None
        self._memory: dict[_Key, Doing] = {}
        self._shown: dict[_Key, tuple[LiveMember, LiveMember]] = {}
        self._state = source.state

    @property
    def state(self) -> LiveState:
        """The present live state, with `doing` of each member and of each operator."""
        raw, configuration, now = self._source.state, self._configuration(), self._clock()
        ended = self._until is not None and now >= self._until
        if ended or raw is not self._raw or configuration is not self._followed:
            self._look(raw, configuration, now)
        if ended:
            self._changed()
        return self._state

    def wake(self) -> None:
        """Say that the live state changed (a callback for the AMI link; never blocks)."""
        self._news.set()

    async def run(self) -> None:
        """For ever: look whenever something was told, so that times are exact, and when a wrap-up ends."""
        while True:
            _ = self.state
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._sleep()):
                    await self._news.wait()
            if self._news.is_set():
                await asyncio.sleep(_LOOK_SECONDS)
                self._news.clear()

    def _sleep(self) -> float | None:
        if self._until is None:
            return None
        return min(max((self._until - self._clock()).total_seconds(), 0.0), _LONGEST_SLEEP)

    def _look(self, raw: LiveState, configuration: Configuration, now: datetime) -> None:
        moment = raw.at if raw is not self._raw else now
        memory: dict[_Key, Doing] = {}
        shown: dict[_Key, tuple[LiveMember, LiveMember]] = {}
        before = self._shown if configuration is self._followed else {}

        def dated(key: _Key, doing: Doing) -> Doing:
            memory[key] = _dated(doing, self._memory.get(key), moment)
            return memory[key]

        def of_queue(queue: LiveQueue) -> LiveQueue:
            wrap_up = wrap_up_of(queue.name, configuration)
            for member in queue.members:
                key = queue.name, member.operator
                known = before.get(key)
                doing = self._memory.get(key)
                if known is not None and known[0] is member and doing is not None and doing.until is None:
                    memory[key], shown[key] = doing, known  # most stay as they were: a look costs little
                    continue
                doing = dated(key, member_doing(member, wrap_up, now))
                shown[key] = member, replace(member, doing=doing)
            return replace(queue, members=tuple(shown[queue.name, member.operator][1] for member in queue.members))

        queues = tuple(map(of_queue, raw.queues))
        places: dict[str, list[Doing]] = {operator.name: [] for operator in configuration.operators}
        for (_, operator), doing in list(memory.items()):
            places.setdefault(operator, []).append(doing)
        doings = {name: dated(("", name), together(several)) for name, several in places.items()}
        until = min((doing.until for doing in memory.values() if doing.until is not None), default=None)
        if until != self._until:
            self._news.set()  # another may have looked than `run`, which then sleeps for too long
        self._until = until
        self._memory, self._shown = (memory, shown) if raw.at is not None else ({}, {})
        self._raw, self._followed = raw, configuration
        self._state = replace(raw, queues=queues, doing=doings)


def _dated(doing: Doing, before: Doing | None, moment: datetime | None) -> Doing:
    """The same with the moment since when it is so, where that was seen."""
    if before is not None and before.state is doing.state and before.until == doing.until:
        return before
    if doing.state is OperatorState.WRAP_UP:
        return doing
    if before is None:
        return replace(doing, since=doing.since or moment)
    ended = before.until is not None and (moment is None or before.until <= moment)
    return replace(doing, since=before.until if ended else moment)
