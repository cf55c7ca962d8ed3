"""The alarm board: what is wrong now. Each change is logged, put on the live feed, and told to the webhook.

Who finds something wrong says so as often as he likes; only changes are told. Everything here is in memory and at once.
"""

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import structlog

from pbx112.services.feed import Feed
from pbx112.services.ports import AlarmLevel

log = structlog.get_logger(__name__)

AlarmState = Literal["raised", "cleared"]

_MOST = 200
_SECONDS_BETWEEN = 60.0
"""An alarm that goes and comes is told to the webhook once in this time, not each time."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm. `since` is when it was raised, `last_at` when it was last said, `count` how often it was raised."""

    key: str
    level: AlarmLevel
    text: str
    since: datetime
    last_at: datetime
    count: int = 1


@dataclass(frozen=True, slots=True)
class Notice:
    """A change of an alarm, for those who are not looking at the board."""

    key: str
    level: AlarmLevel
    text: str
    state: AlarmState
    node: str
    at: datetime


@dataclass(slots=True)
class _Past:
    """What is remembered of an alarm: how often it was raised, how it was last, and what the webhook heard of it."""

    count: int = 0
    last: Alarm | None = None
    heard: AlarmLevel | None = None
    heard_at: float = float("-inf")


def utc_now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


class Alarms:
    """All alarms of this node. Implements AlarmBoard; used from one event loop.

    `tell` takes notices for the webhook (it must return at once), `changed` is called when the board changed.
    """

    def __init__(
        self,
        feed: Feed,
        node: str,
        *,
        tell: Callable[[Notice], None] | None = None,
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._feed = feed
        self._node = node
        self._tell = tell
        self._changed = changed
        self._clock = clock
        self._monotonic = monotonic
        self._up: dict[str, Alarm] = {}
        self._past: OrderedDict[str, _Past] = OrderedDict()
        self.refused = 0

    @property
    def current(self) -> tuple[Alarm, ...]:
        """The alarms that are up: critical ones first, then the oldest first."""
        return tuple(sorted(self._up.values(), key=lambda alarm: (alarm.level != "critical", alarm.since, alarm.key)))

    def set(self, key: str, level: AlarmLevel, text: str) -> None:
        """The alarm `key` is up. Only a first time or another level is a change; a new text is shown, not told."""
        now, up = self._clock(), self._up.get(key)
        if up is not None:
            self._up[key] = replace(up, level=level, text=text, last_at=now)
            if up.level != level:
                self._publish("raised", self._up[key], worse=level == "critical")
            return
        if len(self._up) >= _MOST:
            self.refused += 1
            return
        past = self._past.setdefault(key, _Past())
        past.count += 1
        self._up[key] = Alarm(key, level, text, now, now, past.count)
        self._publish("raised", self._up[key], worse=True)

    def clear(self, key: str) -> None:
        """The alarm `key` is over, or never was."""
        up = self._up.pop(key, None)
        if up is not None:
            self._publish("cleared", up, worse=False)

    def untold(self, key: str) -> None:
        """The receiver did not get the last notice of this alarm: it is told again, not before a minute."""
        past = self._past.get(key)
        if past is not None:
            past.heard, past.heard_at = None, self._monotonic()

    def settle(self) -> None:
        """Tell the webhook what it was not told because it had heard of the alarm a moment before. Each second."""
        for key, past in self._past.items():
            self._tell_webhook(key, past)

    def _publish(self, state: AlarmState, alarm: Alarm, *, worse: bool) -> None:
        write = log.info if state == "cleared" else log.error if worse and alarm.level == "critical" else log.warning
        write("An alarm changed.", alarm=alarm.key, level=alarm.level, state=state, text=alarm.text, count=alarm.count)
        past = self._past.setdefault(alarm.key, _Past(count=alarm.count))
        past.last = alarm
        self._past.move_to_end(alarm.key)
        self._forget()
        event = {"type": "alarm", "state": state, "node": self._node, "at": self._clock(), **public_alarm(alarm)}
        self._feed.publish(event)
        self._tell_webhook(alarm.key, past)
        self._changed()

    def _tell_webhook(self, key: str, past: _Past) -> None:
        """Bring the receiver up to date, unless it was told a moment ago that this very alarm is up."""
        up, now = self._up.get(key), self._monotonic()
        level = up.level if up is not None else None
        if self._tell is None or past.last is None or past.heard == level:
            return
        worse = level == "critical" and past.heard == "warning"
        if level is not None and not worse and now - past.heard_at < _SECONDS_BETWEEN:
            return
        past.heard = level
        if level is not None:
            past.heard_at = now
        shown = up or past.last
        state: AlarmState = "cleared" if up is None else "raised"
        self._tell(Notice(key, shown.level, shown.text, state, self._node, self._clock()))

    def _forget(self) -> None:
        """Keep the memory of alarms that are over bounded."""
        if len(self._past) > _MOST * 2:
            for key in [key for key in self._past if key not in self._up][: len(self._past) - _MOST * 2]:
                del self._past[key]


def public_alarm(alarm: Alarm) -> dict[str, object]:
    """An alarm by its public names."""
    return {
        "key": alarm.key,
        "level": alarm.level,
        "text": alarm.text,
        "since": alarm.since,
        "last_at": alarm.last_at,
        "count": alarm.count,
    }
