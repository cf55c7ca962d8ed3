"""The answers' shapes, for the documentation. Answers themselves are written without them, for speed;
a test holds both together."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from pbx112.domain.caller import CallerClass
from pbx112.domain.configuration import AnswerMode, NumberFormat, Strategy, Tier, TierKind, Widening
from pbx112.domain.live import OperatorState
from pbx112.domain.record import CallState, HangupBy, Intake, OfferResult, Outcome, RecordingKind
from pbx112.domain.transfer import (
    LineResult,
    Party,
    RequestedBy,
    ReturnReason,
    TransferMode,
    TransferResult,
    TransferState,
)
from pbx112.services.annotation import Disposition


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """RFC 9457: what went wrong; `type` is stable, the rest is for people."""

    type: str = Field(examples=["urn:pbx112:problem:no-such-call"])
    title: str
    status: int
    detail: str


class Token(_Shape):
    """A bearer token and whom it stands for."""

    access_token: str
    token_type: str
    expires_in: int
    name: str
    role: str
    operator: str | None


class Caller(_Shape):
    """Who called, as far as the trunk can be believed."""

    class_: CallerClass = Field(alias="class")
    number: str | None
    raw_number: str | None
    callback_number: str | None
    withheld: bool
    imei: str | None
    cpc: str | None
    warnings: list[str]


class Offer(_Shape):
    """One ringing of one operator."""

    operator: str
    at: datetime
    result: OfferResult | None
    ring_ms: int | None


class Marks(_Shape):
    """What the INVITE said of the emergency; `forwarded_by` is never the caller."""

    priority: str | None
    resource_priority: list[str]
    additional_data: list[str]
    forwarded_by: list[str]


class Reordered(_Shape):
    """Why the caller queued at another priority than the queue's own."""

    usual: int
    given: int
    reason: str
    score: float
    seconds: int


class SilentCheck(_Shape):
    """A silent caller was asked to press a key; `digits` is what he pressed."""

    at: datetime
    digits: str | None


class Overflow(_Shape):
    """A step of the overflow chain that the caller came to; `target` is the next queue, or the number called."""

    at: datetime
    kind: TierKind
    target: str | None


class Recording(_Shape):
    """A sound file below Asterisk's monitor folder; `started_at` is its first sound.

    `expected_ms` is what it should last; null when nobody can say. `state` (ok, missing, short), `bytes`,
    `duration_ms` and `sha256` are found some seconds after its end, at `checked_at`.
    """

    kind: RecordingKind
    file: str
    started_at: datetime
    ended_at: datetime | None
    expected_ms: int | None
    state: Literal["ok", "missing", "short"] | None
    bytes: int | None
    duration_ms: int | None
    sha256: str | None
    checked_at: datetime | None


class TransferAttempt(_Shape):
    """One ringing of one of the agency's lines; `ring_ms` lasts until somebody lifted, or to its end."""

    line: str
    at: datetime
    result: LineResult | None
    cause: int | None
    answered_at: datetime | None
    key: str | None
    ring_ms: int | None


class Conversation(_Shape):
    """Who of the three heard each other, and when; `until` is null while it lasts."""

    parties: list[Party]
    from_: datetime = Field(alias="from")
    until: datetime | None


class Transfer(_Shape):
    """The caller was, or is, handed over to an agency; `line` is the one that took the call at `answered_at`.

    `dispatch_ms` lasts from the caller's answer to the agency's; `hold_ms` is how long nobody was with the caller.
    `returned` says why he went back to the head of the queue.
    """

    id: UUID
    agency: str | None
    line: str | None
    mode: TransferMode | None
    by: RequestedBy | None
    operator: str | None
    state: TransferState
    result: TransferResult | None
    requested_at: datetime
    answered_at: datetime | None
    handed_over_at: datetime | None
    ended_at: datetime | None
    returned: ReturnReason | None
    dispatch_ms: int | None
    hold_ms: int
    attempts: list[TransferAttempt]
    conversations: list[Conversation]


class Related(_Shape):
    """Another call of this caller. `same_pseudo_number` and `same_claimed_number` are hints only."""

    call_id: UUID
    why: str


class Call(_Shape):
    """A call record. Times are UTC, durations whole milliseconds; `version` is the ETag."""

    id: UUID
    node: str
    linkedid: str
    sip_call_id: str | None
    trunk: str | None
    direction: str
    service: str
    drill: bool
    caller: Caller
    location: list[dict[str, Any]]
    queue: str | None
    priority: int | None
    state: CallState
    outcome: Outcome | None
    operator: str | None
    received_at: datetime
    queued_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    wait_ms: int | None
    talk_ms: int | None
    hangup_cause: int | None
    hangup_by: HangupBy | None
    offers: list[Offer]
    transfers: list[Transfer]
    recordings: list[Recording]
    related: list[Related]
    marks: Marks
    reordered: Reordered | None
    silent_checks: list[SilentCheck]
    overflows: list[Overflow]
    callback_of: UUID | None
    category: str | None
    notes: str | None
    disposition: Disposition | None
    intake: Intake
    version: int


class CallPage(_Shape):
    """A page of calls; `next_cursor` is null on the last."""

    items: list[Call]
    next_cursor: str | None


class AbandonedCall(_Shape):
    """One of a caller's abandoned calls."""

    id: UUID
    received_at: datetime
    wait_ms: int | None
    outcome: Outcome


class Attempt(_Shape):
    """One try to call back."""

    id: UUID
    operator: str
    requested_by: str
    requested_at: datetime
    lease_until: datetime
    state: str


class Callback(_Shape):
    """An attempt to call back that was handed to Asterisk; what came of it is in a call record of its own."""

    id: UUID
    call_id: UUID
    operator: str
    number: str
    trunk: str
    state: str
    requested_at: datetime
    lease_until: datetime


class CallBack(_Shape):
    """The record of a call back, in short."""

    id: UUID
    operator: str | None
    received_at: datetime
    outcome: Outcome | None
    talk_ms: int | None
    hangup_cause: int | None


class Abandoned(_Shape):
    """A caller who is still to be reached; `call_id` is his newest call, `calls` the newest 20 of `count`.

    `cannot_call_back` says why not, in the centre's language. `held_by` is the operator who is calling him back just
    now; `attempts` are the tries, `callbacks` the records that came of them.
    """

    call_id: UUID
    caller: Caller
    cannot_call_back: str | None
    trunk: str | None
    service: str
    location: list[dict[str, Any]]
    first_at: datetime
    last_at: datetime
    longest_wait_ms: int
    count: int
    calls: list[AbandonedCall]
    attempts: list[Attempt]
    callbacks: list[CallBack]
    held_by: str | None


class AbandonedGroup(_Shape):
    """Callers whom nobody can call back, of one class; each anonymous call is a caller of its own."""

    caller_class: CallerClass
    callers: int
    items: list[Abandoned]


class AbandonedList(_Shape):
    """`complete` is false when there are more than 5,000 open calls: older ones are then not looked at."""

    items: list[Abandoned]
    groups: list[AbandonedGroup]
    total: int
    open_calls: int
    complete: bool


class ClosedCall(_Shape):
    """An abandoned call that somebody worked."""

    id: UUID
    received_at: datetime
    caller: Caller
    wait_ms: int | None
    outcome: Outcome
    closed_at: datetime
    closed_by: str | None
    result: str
    note: str | None


class ClosedCalls(_Shape):
    """The abandoned calls closed last."""

    items: list[ClosedCall]


class Closed(_Shape):
    """The calls that were closed by this."""

    closed: list[UUID]


class Reopened(_Shape):
    """The calls that are on the list again."""

    reopened: list[UUID]


class Member(_Shape):
    """An operator who is logged in to a queue."""

    operator: str
    state: OperatorState
    since: datetime | None
    until: datetime | None
    device: str
    paused: bool
    paused_reason: str | None
    calls_taken: int
    logged_in_at: datetime | None


class Waiting(_Shape):
    """A caller who waits."""

    call_id: UUID
    linkedid: str
    position: int
    since: datetime


class Queue(_Shape):
    """A queue's configuration, members and waiting callers."""

    name: str
    display_name: str
    strategy: Strategy
    ring_seconds: int
    retry_seconds: int
    wrapup_seconds: int
    answer_mode: AnswerMode
    answer_after_seconds: int
    priority: int
    language: str
    overflow: list[str]
    service_level_seconds: int
    silent_wait_seconds: int
    silent_repeats: int
    skill: str | None
    widening: list[Widening]
    tiers: list[Tier]
    missed_offers: int
    comfort: str
    recording: bool
    members: list[Member]
    waiting: list[Waiting]


class Place(_Shape):
    """An operator's place in a queue."""

    queue: str
    penalty: int


class Operator(_Shape):
    """An operator's configuration and state: `since` when, and `until` when if it ends by itself (the wrap-up)."""

    name: str
    display_name: str
    extension: str
    language: str
    queues: list[Place]
    state: OperatorState
    since: datetime | None
    until: datetime | None
    logged_in: list[str]
    paused: bool
    paused_reason: str | None
    logged_in_at: datetime | None
    calls_taken: int


class Agency(_Shape):
    """An agency: its lines in ringing order, and how operators' phones reach it."""

    name: str
    display_name: str
    lines: list[str]
    code: str
    ring_seconds: int
    confirm: bool
    blind: bool


class Trunk(_Shape):
    """A carrier's trunk."""

    name: str
    display_name: str
    sources: list[str]
    trusted: bool
    number_format: NumberFormat
    pseudo_patterns: list[str]
    drill: bool
    from_trusted: bool
    outbound: str | None


class QueueList(_Shape):
    """All queues."""

    items: list[Queue]


class OperatorList(_Shape):
    """All operators."""

    items: list[Operator]


class AgencyList(_Shape):
    """All agencies."""

    items: list[Agency]


class TrunkList(_Shape):
    """All trunks."""

    items: list[Trunk]


class Live(_Shape):
    """The live board. `drift`: what snapshots had to correct on it since the service started, by kind."""

    at: datetime | None
    node: str
    connected: bool
    asterisk_version: str | None
    channels: int
    queues: list[Queue]
    operators: list[Operator]
    drift: dict[str, int]
    warnings: list[str]


class Alarm(_Shape):
    """Something that is wrong. `count`: how often it was raised; `last_at`: when it was last seen to be so."""

    key: str
    level: Literal["warning", "critical"]
    text: str
    since: datetime
    last_at: datetime
    count: int


class AlarmList(_Shape):
    """The alarms that are up on this node."""

    node: str
    items: list[Alarm]


class Part(_Shape):
    """One part's health."""

    ok: bool
    detail: str


class Ready(_Shape):
    """Every part's health by name; `gaps` are the journal's of the last day, as in `GET /v1/gaps`.

    `alarms` are those that are up; they alone do not make the service unready: it works, and says what is wrong.
    """

    status: str
    node: str
    parts: dict[str, Part]
    alarms: list[Alarm]
    gaps: list[dict[str, Any]]


class Weights(_Shape):
    """What one call of each disposition adds to its caller's score."""

    prank: float
    ghost: float
    test: float
    information: float
    other: float
    real: float


class NuisanceRules(_Shape):
    """How nuisance callers are treated: always a warning, another order only with `reorder`, never a block."""

    weights: Weights
    half_life_days: float
    threshold: float
    reorder: bool
    step: int
    floor: int
    longest_seconds: int


class Rules(_Shape):
    """What an admin decides beside Asterisk's configuration; `version` is the ETag, 0 for the defaults."""

    version: int
    repeat_window_minutes: int
    nuisance: NuisanceRules


class ScoreMark(_Shape):
    """One call of a caller, and what is left of its weight."""

    call_id: UUID
    disposition: Disposition
    at: datetime
    weight_now: float


class CallerScore(_Shape):
    """A number's nuisance score and the newest marks that it is made of; `warned`: operators see a warning."""

    number: str
    score: float
    threshold: float
    warned: bool
    marks: list[ScoreMark]
