"""The live board: what is so now. Built from AMI events and snapshots; it never alters a call record."""

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


@dataclass(frozen=True, slots=True)
class LiveMember:
    """An operator logged in to a queue; `device` is Asterisk's device state in words (`not_inuse`, `ringing` ..).

    Asterisk tells `busy` for a phone that rings as for one that talks; here `ringing` is told apart.
    `call` is the linkedid of the call that his phone rings for or is in, when it is known; `in_call` is True while
    he talks to a caller of a queue; `last_call_at` is the end of his last queue call (for the wrap-up).
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
    counts what was quarantined since the service started; `asterisk_started_at` is exact to a second.
    """

    at: datetime | None = None
    connected: bool = False
    asterisk_version: str | None = None
    channels: int = 0
    queues: tuple[LiveQueue, ...] = ()
    tainted_events: int = 0
    warnings: tuple[str, ...] = field(default=())
    asterisk_started_at: datetime | None = None
