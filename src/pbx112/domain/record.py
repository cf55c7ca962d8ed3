"""The call record: what is kept of one 112 call. Its names are public (CLI, HTTP)."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from pbx112.domain.caller import Caller
from pbx112.domain.configuration import TierKind
from pbx112.domain.location import Location
from pbx112.domain.marks import Marks
from pbx112.domain.transfer import Transfer

_CALLS = uuid.UUID("1e6f0a52-3c1e-5b8e-9f0b-112112112112")


class CallState(StrEnum):
    """Where a call is."""

    RINGING = "ringing"
    QUEUED = "queued"
    TALKING = "talking"
    TRANSFERRING = "transferring"
    ENDED = "ended"


class Outcome(StrEnum):
    """How a call ended; exactly one for every call that has ended.

    `overflowed_out`: a number outside (a neighbour centre) answered it, no operator.
    """

    ANSWERED = "answered"
    ABANDONED = "abandoned"
    OVERFLOWED_OUT = "overflowed_out"
    FAILED = "failed"
    LOST = "lost"


class HangupBy(StrEnum):
    """Which side ended the call."""

    CALLER = "caller"
    OPERATOR = "operator"
    AGENCY = "agency"
    SYSTEM = "system"


class OfferResult(StrEnum):
    """What became of one ringing of one operator."""

    ANSWERED = "answered"
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"


class Intake(StrEnum):
    """Which intake routed the call; `none`: the dialplan alone."""

    FASTAGI = "fastagi"
    CLASSIC = "classic"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Offer:
    """One ringing of one operator; `result` is None while it rings."""

    operator: str
    at: datetime
    result: OfferResult | None = None
    ring_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Reordered:
    """Why a caller queued at another priority than his queue's, for so many seconds at most.

    `score` is what the reason was worth.
    """

    usual: int
    given: int
    reason: str
    score: float
    seconds: int


@dataclass(frozen=True, slots=True)
class SilentCheck:
    """A caller who said nothing was asked to press a key; `digits` is what he pressed, None for nothing."""

    at: datetime
    digits: str | None = None


@dataclass(frozen=True, slots=True)
class Overflow:
    """A step of his queue's overflow chain that a caller came to.

    `target` is the next queue or the number that was called, None for the other kinds.
    """

    at: datetime
    kind: TierKind
    target: str | None = None


class RecordingKind(StrEnum):
    """`caller`: the caller's channel, all of the call; `briefing`: an operator with an agency, the caller on hold."""

    CALLER = "caller"
    BRIEFING = "briefing"


@dataclass(frozen=True, slots=True)
class Recording:
    """A file below Asterisk's monitor folder. `started_at` is its first sound, `expected_ms` what it should last.

    Both of `ended_at` and `expected_ms` are None while it runs; the latter also when nobody can say.
    """

    kind: RecordingKind
    file: str
    started_at: datetime
    ended_at: datetime | None = None
    expected_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A call, as far as the journal tells. Times are UTC; durations are whole milliseconds."""

    id: uuid.UUID
    node: str
    linkedid: str
    received_at: datetime
    state: CallState
    caller: Caller
    intake: Intake = Intake.NONE
    sip_call_id: str | None = None
    trunk: str | None = None
    direction: str = "inbound"
    service: str = "sos"
    drill: bool = False
    queue: str | None = None
    priority: int | None = None
    outcome: Outcome | None = None
    operator: str | None = None
    queued_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    wait_ms: int | None = None
    talk_ms: int | None = None
    hangup_cause: int | None = None
    hangup_by: HangupBy | None = None
    offers: tuple[Offer, ...] = ()
    location: tuple[Location, ...] = ()
    marks: Marks = field(default_factory=Marks)
    reordered: Reordered | None = None
    silent_checks: tuple[SilentCheck, ...] = ()
    overflows: tuple[Overflow, ...] = ()
    recordings: tuple[Recording, ...] = ()
    transfers: tuple[Transfer, ...] = ()
    callback_of: uuid.UUID | None = None


def call_id(node: str, linkedid: str) -> uuid.UUID:
    """The id of a call: the same whenever it is computed from the same journal."""
    return uuid.uuid5(_CALLS, f"{node}/{linkedid}")
