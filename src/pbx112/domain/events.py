"""A line of Asterisk's journal (CEL), as the fold reads it.

Source: https://docs.asterisk.org/Configuration/Reporting/Channel-Event-Logging-CEL/
The user events that the dialplan and the intake add start with `PBX112_`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

ARRIVAL = "PBX112_ARRIVAL"
INTAKE = "PBX112_INTAKE"
QUEUE_JOIN = "PBX112_QUEUE_JOIN"
QUEUE_LEAVE = "PBX112_QUEUE_LEAVE"
OVERFLOW = "PBX112_OVERFLOW"
TRANSFER = "PBX112_TRANSFER"
OPERATOR = "PBX112_OPERATOR"
SILENT = "PBX112_SILENT"
CALLBACK = "PBX112_CALLBACK"
RECORDING = "PBX112_RECORDING"
LOST = "PBX112_LOST"
"""Added by the service, never by Asterisk: the PBX died under this call."""

NAMING_THEIR_CALL = frozenset({TRANSFER})
"""Kinds whose payload names the call that they belong to: an agency's channels have a linked id of their own."""

TRUNK_CONTEXT = "from-trunk"
"""The dialplan context where carriers' calls arrive; nothing else may start a channel there."""

_DISORDER = timedelta(milliseconds=100)  # more is the clock: lines were never seen a whole millisecond out of order
_LONGEST_SHIFT = timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """One event: `at` is UTC with microseconds; `extra` is CEL's EventExtra, or a user event's payload."""

    kind: str
    at: datetime
    unique_id: str
    linked_id: str
    channel: str = ""
    context: str = ""
    exten: str = ""
    app: str = ""
    app_data: str = ""
    caller_name: str = ""
    caller_num: str = ""
    dnid: str = ""
    account: str = ""
    peer: str = ""
    user_field: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def on_caller_channel(self) -> bool:
        """True when the event happened on the channel that started the call."""
        return self.unique_id == self.linked_id


def in_order(events: Iterable[JournalEvent]) -> list[JournalEvent]:
    """Order events by time; a clock that was set back under the call must not put its end before its begin.

    Lines behind such a step are moved on by it, so times and durations of the record go on from where they were.
    """
    steps: list[list[JournalEvent]] = [[]]
    lost: list[JournalEvent] = []
    newest: datetime | None = None
    shift = timedelta()
    for event in events:
        if event.kind == LOST:
            lost.append(event)  # it says "no end was written", so it counts after all that was
            continue
        at = event.at + shift
        if newest is not None and newest - at > _DISORDER:
            shift = min(shift + (newest - at), _LONGEST_SHIFT)
            at = event.at + shift
            steps.append([])  # a millisecond's disorder behind the step is no place before it
        newest = at if newest is None else max(newest, at)
        steps[-1].append(replace(event, at=at) if shift else event)
    ordered = [event for lines in steps for event in sorted(lines, key=lambda event: event.at)]
    return _not_back(ordered + lost)


def _not_back(events: list[JournalEvent]) -> list[JournalEvent]:
    """The same with no time before its forerunner's: a step's last disorder, and a loss dated by the other clock."""
    latest: datetime | None = None
    for place, event in enumerate(events):
        if latest is not None and event.at < latest:
            events[place] = replace(event, at=latest)
        else:
            latest = event.at
    return events
