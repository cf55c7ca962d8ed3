"""Asterisk's own count of its phone and carrier channels: a number that no line shows was not written.

chan_pjsip ends each channel's name with a number of eight hexadecimal digits (`PJSIP/op1-0000002a`). It begins at 0
when Asterisk starts and rises by one, and each such channel writes a CHAN_START. (The number at the end of unique ids
is no such proof: a conference's announcer takes two of those, and writes no CHAN_START.)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pbx112.domain.events import JournalEvent

_NUMBERED = re.compile(r"PJSIP/.*-([0-9a-f]{8})")
_SETTLED = timedelta(seconds=5)
"""Channels that begin together may be written in another order, within milliseconds."""

_LATE = 8
"""A number at most so far below the newest is a late line, one further below a new life of Asterisk.

So what a new life loses within the first numbers goes unseen if the old life had no more of them: rather that than a
gap where there is none.
"""


@dataclass(frozen=True, slots=True)
class Missing:
    """The numbers `first` to `last`, which no line was read of; their channels began between the two times."""

    first: int
    last: int
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class ChannelCount:
    """The next channel is number `following`, the newest began at `at`; `waiting` are numbers that may come yet.

    While `paused` nothing is counted: what is read was written before what was counted.
    """

    following: int
    at: datetime
    waiting: tuple[Missing, ...] = ()
    paused: bool = False


def count_channels(
    count: ChannelCount | None, events: Iterable[JournalEvent]
) -> tuple[ChannelCount | None, tuple[Missing, ...]]:
    """Count on with the next events of a journal; also what is missing for good. None: begin with the next channel."""
    lost: list[Missing] = []
    for event in () if count is not None and count.paused else events:
        if count is not None and count.waiting:
            # Either way: a clock that was set back must not make it wait for an hour.
            due = [one for one in count.waiting if abs(event.at - one.until) >= _SETTLED]
            lost += due
            count = replace(count, waiting=tuple(one for one in count.waiting if one not in due))
        found = _NUMBERED.fullmatch(event.channel) if event.kind == "CHAN_START" else None
        if found is not None:
            count = _with(count, int(found[1], 16), event.at)
    return count, tuple(lost)


def _with(count: ChannelCount | None, number: int, at: datetime) -> ChannelCount:
    if count is None:
        return ChannelCount(number + 1, at)
    for one in count.waiting:
        if one.first <= number <= one.last:
            parts = (replace(one, last=number - 1), replace(one, first=number + 1))
            rest = tuple(other for other in count.waiting if other != one)
            return replace(count, waiting=(*rest, *(part for part in parts if part.first <= part.last)))
    if count.following - _LATE <= number < count.following:
        return count
    first = count.following if number >= count.following else 0
    waiting = count.waiting
    if first < number:
        waiting = (*waiting, Missing(first, number - 1, min(count.at, at), max(count.at, at)))
    return ChannelCount(number + 1, at, waiting)
