"""How much a carrier usually calls, and how sure it is that its silence now is not chance. Pure."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

WEEKS = 4
LEAST_DAYS = 7
"""Fewer whole days of history than that say nothing of what is usual."""

_DAYS_BETWEEN_FALSE_ALARMS = 100.0
_HOUR = timedelta(hours=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class HourCount:
    """So many calls of a trunk came in within one hour of one day, by the centre's clock."""

    trunk: str
    day: date
    hour: int
    calls: int


@dataclass(frozen=True, slots=True)
class Usual:
    """A trunk's calls an hour, by the hour of the day, on working days and at weekends; `days` were counted."""

    days: int = 0
    working_day: tuple[float, ...] = (0.0,) * 24
    weekend: tuple[float, ...] = (0.0,) * 24

    def at(self, local: datetime) -> float:
        """Calls an hour that are usual at this local time."""
        return (self.weekend if local.weekday() >= _SATURDAY else self.working_day)[local.hour]

    @property
    def calls_a_day(self) -> float:
        """The busier kind of day."""
        return max(sum(self.working_day), sum(self.weekend))


@dataclass(frozen=True, slots=True)
class Traffic:
    """What the records say of the trunks: what is usual, and each one's last call."""

    usual: Mapping[str, Usual] = field(default_factory=dict)
    last_call: Mapping[str, datetime] = field(default_factory=dict)


def usual(counts: Iterable[HourCount], *, until: Mapping[str, date]) -> dict[str, Usual]:
    """What is usual, by trunk, from the hours that had calls (the others had none).

    Counted are the whole days between a trunk's first call and the day in `until` (of its last call, or today), so
    that neither the time before it was connected nor the silence in question count as usual.
    """
    found: dict[str, dict[date, dict[int, int]]] = {}
    for count in counts:
        found.setdefault(count.trunk, {}).setdefault(count.day, {})[count.hour] = count.calls
    return {trunk: _usual(days, until[trunk]) for trunk, days in found.items() if trunk in until}


def _usual(calls: Mapping[date, Mapping[int, int]], until: date) -> Usual:
    first = min(calls) + timedelta(days=1)
    days = [first + timedelta(days=n) for n in range((until - first).days)]
    if len(days) < LEAST_DAYS:
        return Usual(len(days))
    rates = []
    for weekend in (False, True):
        alike = [day for day in days if (day.weekday() >= _SATURDAY) == weekend]
        rates.append(tuple(min(_rate(calls, days, hour), _rate(calls, alike or days, hour)) for hour in range(24)))
    return Usual(len(days), *rates)


def _rate(calls: Mapping[date, Mapping[int, int]], days: list[date], hour: int) -> float:
    """The mean of that hour, its busiest quarter cut down to the rest: one big fire must not be what is usual."""
    counts = sorted(calls.get(day, {}).get(hour, 0) for day in days)
    most = max(counts[(len(counts) * 3) // 4 - 1], 1)
    return sum(min(count, most) for count in counts) / len(counts)


def expected(usual: Usual, since: datetime, now: datetime, zone: ZoneInfo) -> float:
    """How many calls the trunk would usually have sent between the two moments."""
    return sum(
        usual.at(begin.astimezone(zone)) * ((end - begin) / _HOUR) for begin, end in _local_hours(since, now, zone)
    )


def needed(usual: Usual, least: float) -> float:
    """How many expected calls must be missing before it is no chance: `least`, and more for a busy trunk.

    A busy trunk has many gaps a day, each a chance for a long one: with `n` calls a day, gaps of `ln(100 n)` expected
    calls come by chance once in a hundred days.
    """
    return max(least, math.log(max(_DAYS_BETWEEN_FALSE_ALARMS * usual.calls_a_day, 1.0)))


def _local_hours(since: datetime, now: datetime, zone: ZoneInfo) -> Iterator[tuple[datetime, datetime]]:
    """The span cut at the full hours of the centre's clock. No more than four weeks of it."""
    begin, now = max(since, now - timedelta(weeks=WEEKS)).astimezone(UTC), now.astimezone(UTC)
    while begin < now:
        local = begin.astimezone(zone)
        left = _HOUR - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
        end = min(begin + left, now)
        yield begin, end
        begin = end
