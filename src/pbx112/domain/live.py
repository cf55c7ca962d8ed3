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
    """An operator logged in to a queue; `device` is Asterisk's device state in words (`not_inuse`, `ringing` ..)."""

    operator: str
    device: str
    paused: bool = False
    paused_reason: str | None = None
    calls_taken: int = 0
    logged_in_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LiveWaiting:
    """A caller waiting in a queue; `position` counts from 1."""

    linkedid: str
    channel: str
    position: int
    since: datetime


@dataclass(frozen=True, slots=True)
class LiveQueue:
    """A queue's members (by operator name) and waiting callers in order."""

    name: str
    members: tuple[LiveMember, ...] = ()
    waiting: tuple[LiveWaiting, ...] = ()


@dataclass(frozen=True, slots=True)
class LiveState:
    """Everything live; `at` is None before the first snapshot, `connected` False while the AMI link is down."""

    at: datetime | None = None
    connected: bool = False
    asterisk_version: str | None = None
    channels: int = 0
    queues: tuple[LiveQueue, ...] = ()
    tainted_events: int = 0
    warnings: tuple[str, ...] = field(default=())
