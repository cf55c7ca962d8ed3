"""The live board: what is so now. Built from AMI events and snapshots; it never alters a call record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class OperatorState(StrEnum):
    """What an operator is doing, as the queue sees his phone."""

    OFFLINE = "offline"
    FREE = "free"
    RINGING = "ringing"
    TALKING = "talking"
    WRAP_UP = "wrap-up"
    PAUSED = "paused"


STATE_OF_DEVICE: Mapping[str, OperatorState] = {
    "not_inuse": OperatorState.FREE,
    "inuse": OperatorState.TALKING,
    "busy": OperatorState.TALKING,
    "onhold": OperatorState.TALKING,
    "ringing": OperatorState.RINGING,
    "ringinuse": OperatorState.RINGING,
}
"""Any other device (unavailable, invalid, unknown) cannot be rung: the operator is offline."""


@dataclass(frozen=True, slots=True)
class Doing:
    """What an operator does, since when as far as was seen, and `until` when, if it ends by itself (the wrap-up)."""

    state: OperatorState
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Missed:
    """Offers that an operator missed in a row. The last was of this queue, for this call, and ended then."""

    count: int
    queue: str
    call: str
    at: datetime
    ring_ms: int = 0


@dataclass(frozen=True, slots=True)
class LiveMember:
    """An operator logged in to a queue; `device` is Asterisk's device state in words (`not_inuse`, `ringing` ..).

    Asterisk tells `busy` for a phone that rings as for one that talks; here `ringing` is told apart.
    `call` is the linkedid of the call that his phone rings for or is in, when it is known; `in_call` is True while
    he talks to a caller of a queue. The end of his last call of this queue is `last_call_at` by Asterisk's whole
    seconds and `call_ended_at` as it was seen (for the wrap-up). `missed` counts over all his queues. `doing` is
    None on a board that nobody has looked at yet for what the operators do.
    """

    operator: str
    device: str
    paused: bool = False
    paused_reason: str | None = None
    calls_taken: int = 0
    logged_in_at: datetime | None = None
    penalty: int = 0
    in_call: bool = False
    call: str | None = None
    last_call_at: datetime | None = None
    call_ended_at: datetime | None = None
    paused_at: datetime | None = None
    missed: Missed | None = None
    doing: Doing | None = None


@dataclass(frozen=True, slots=True)
class LiveWaiting:
    """A caller waiting in a queue; `position` counts from 1."""

    linkedid: str
    channel: str
    position: int
    since: datetime
    unique_id: str = ""


@dataclass(frozen=True, slots=True)
class LiveChannel:
    """A channel that exists now; `state` is Asterisk's word (`Ring`, `Ringing`, `Up`, `Down` ..)."""

    name: str
    unique_id: str
    linkedid: str
    state: str
    context: str = ""
    exten: str = ""
    application: str = ""


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """A queue's members (by operator name) and waiting callers in order."""

    name: str
    members: tuple[LiveMember, ...] = ()
    waiting: tuple[LiveWaiting, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything live; `at` is None before the first snapshot, `connected` False while the AMI link is down.

    While the link is down the queues are those last seen. `channels` is as of the last snapshot; `tainted_events`
    counts what was quarantined since the service started, `drift` what snapshots had to correct, by kind;
    `asterisk_started_at` is exact to a second. `doing` is what each operator does, over all his queues.
    """

    at: datetime | None = None
    connected: bool = False
    asterisk_version: str | None = None
    channels: int = 0
    queues: tuple[LiveQueue, ...] = ()
    tainted_events: int = 0
    warnings: tuple[str, ...] = field(default=())
    asterisk_started_at: datetime | None = None
    drift: Mapping[str, int] = field(default_factory=dict)
    doing: Mapping[str, Doing] = field(default_factory=dict)
