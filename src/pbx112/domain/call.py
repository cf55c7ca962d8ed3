"""`record = fold(events)`: a call record is a pure function of its call's journal events."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from pbx112.domain import events as kinds
from pbx112.domain.addresses import UNREADABLE
from pbx112.domain.caller import Caller, CallerClass, SipIdentity, classify
from pbx112.domain.configuration import TierKind
from pbx112.domain.events import TRUNK_CONTEXT, JournalEvent, in_order
from pbx112.domain.legs import (
    PHONE_CHANNEL,
    Course,
    Leg,
    cause_of,
    channel_ended,
    offer_result,
    pbx_died,
    text_of,
)
from pbx112.domain.location import read_locations
from pbx112.domain.marks import read_marks
from pbx112.domain.outbound import fold_callback
from pbx112.domain.record import (
    CallRecord,
    CallState,
    HangupBy,
    Intake,
    OfferResult,
    Outcome,
    Overflow,
    Reordered,
    SilentCheck,
    call_id,
)

ARRIVAL_BYTES = 160
"""So much of P-Asserted-Identity and From the dialplan writes into the arrival: see intake.conf."""

PRIORITY_STEP = 10
"""The dialplan gives app_queue ten times the priority, and five more to those who wait longer: see queue.conf."""


def fold(node: str, events: Iterable[JournalEvent]) -> CallRecord | None:
    """Fold one linked id's events into its record; None for neither a 112 call from a trunk nor a call back.

    The events come in the order of their place in the journal. Lines of one call may stand a millisecond out of
    order there, so they are put in the order of their times.
    """
    ordered = in_order(events)
    if not any(_is_arrival(event) for event in ordered):
        return fold_callback(node, ordered)
    folding = _Folding(node, ordered[0].linked_id, received_at=_received_at(ordered))
    for event in ordered:
        step = _STEPS.get(event.kind)
        if step is not None:
            step(folding, event)
    return folding.record()


def _is_arrival(event: JournalEvent) -> bool:
    return event.on_caller_channel and (event.context == TRUNK_CONTEXT or event.kind == kinds.ARRIVAL)


def _received_at(ordered: list[JournalEvent]) -> datetime:
    return next(event.at for event in ordered if event.on_caller_channel)


@dataclass(slots=True)
class _Folding(Course):
    """What is known so far; each step below adds one event to it."""

    node: str
    linkedid: str
    received_at: datetime
    identity: SipIdentity = field(default_factory=SipIdentity)
    trusted: bool = False
    headers: dict[str, str] = field(default_factory=dict)
    headers_by: str = ""
    reordered: Reordered | None = None
    silent_checks: list[SilentCheck] = field(default_factory=list)
    overflows: list[Overflow] = field(default_factory=list)
    answered_outside: bool = False
    caller: Caller | None = None
    intake: Intake = Intake.NONE
    sip_call_id: str | None = None
    trunk: str | None = None
    service: str = "sos"
    drill: bool = False
    queue: str | None = None
    priority: int | None = None
    queued_at: datetime | None = None
    operator: str | None = None
    cause: int | None = None
    hangup_source: str = ""
    caller_channel: str = ""
    legs: dict[str, Leg] = field(default_factory=dict)
    bridges: dict[str, dict[str, None]] = field(default_factory=dict)  # members in order: a set's order is by chance

    def record(self) -> CallRecord:
        return CallRecord(
            id=call_id(self.node, self.linkedid),
            node=self.node,
            linkedid=self.linkedid,
            received_at=self.received_at,
            state=self._state(),
            caller=self.caller or self._unrouted_caller(),
            intake=self.intake,
            sip_call_id=self.sip_call_id,
            trunk=self.trunk,
            service=self.service,
            drill=self.drill,
            queue=self.queue,
            priority=self.priority,
            outcome=self._outcome(),
            operator=self.operator,
            queued_at=self.queued_at,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
            wait_ms=self.wait_ms(self.received_at),
            talk_ms=self.talk_ms(),
            hangup_cause=self.cause,
            hangup_by=self._hangup_by(),
            location=read_locations(self.headers, trusted=self.trusted),
            marks=read_marks(self.headers),
            reordered=self.reordered,
            silent_checks=tuple(self.silent_checks),
            overflows=tuple(self.overflows),
            offers=tuple(leg.offer(self.ended_at) for leg in self.legs.values() if not leg.outside),
        )

    def _unrouted_caller(self) -> Caller:
        """Who calls, by the arrival line alone: without the trunk's own rules no number is good for a call back."""
        identity = replace(self.identity, asserted=_whole(self.identity.asserted), from_=_whole(self.identity.from_))
        caller = classify(identity, trusted=self.trusted)
        if caller.callback_number is None:
            return caller
        return replace(caller, callback_number=None, warnings=(*caller.warnings, "number_unverified"))

    def _state(self) -> CallState:
        if self.ended_at is not None:
            return CallState.ENDED
        if self.talking_since is not None:
            return CallState.TALKING
        return CallState.QUEUED if self.queued_at is not None else CallState.RINGING

    def _outcome(self) -> Outcome | None:
        if self.ended_at is None:
            return None
        if self.lost:
            return Outcome.LOST
        if self.answered_at is not None:
            return Outcome.OVERFLOWED_OUT if self.answered_outside else Outcome.ANSWERED
        return Outcome.ABANDONED if self._hangup_by() is HangupBy.CALLER else Outcome.FAILED

    def _hangup_by(self) -> HangupBy | None:
        if self.ended_at is None:
            return None
        if self.lost or not self.hangup_source:
            return HangupBy.SYSTEM
        if self.hangup_source == self.caller_channel:
            return HangupBy.CALLER
        if any(leg.channel == self.hangup_source and not leg.outside for leg in self.legs.values()):
            return HangupBy.OPERATOR
        return HangupBy.SYSTEM


def _whole(field_: str) -> str:
    """A field of the arrival, which the dialplan cuts: what stands behind its last address may be half a number."""
    if len(field_.encode("utf-8", "replace")) < ARRIVAL_BYTES:
        return field_
    return field_[: max(field_.rfind("@"), field_.rfind(">")) + 1] or UNREADABLE


def _channel_started(call: _Folding, event: JournalEvent) -> None:
    if event.on_caller_channel:
        call.caller_channel = event.channel
        return
    found = PHONE_CHANNEL.match(event.channel)
    if found is not None:
        call.legs[event.unique_id] = Leg(found["account"], event.channel, event.at)


def _arrived(call: _Folding, event: JournalEvent) -> None:
    """The arrival stands in two lines, as one is too short for everything: the second holds From and Contact."""
    facts = event.extra
    call.caller_channel = call.caller_channel or event.channel
    call.sip_call_id = text_of(facts, "sip_call_id") or call.sip_call_id
    call.trunk = text_of(facts, "trunk") or call.trunk
    call.drill = call.drill or bool(facts.get("drill"))
    call.trusted = call.trusted or bool(facts.get("trusted"))
    call.identity = SipIdentity(
        asserted=text_of(facts, "asserted") or call.identity.asserted,
        from_=text_of(facts, "from") or call.identity.from_,
        contact=text_of(facts, "contact") or call.identity.contact,
    )


def _taken_in(call: _Folding, event: JournalEvent) -> None:
    facts = event.extra
    if text_of(facts, "by") in {Intake.FASTAGI, Intake.CLASSIC}:
        call.intake = Intake(text_of(facts, "by"))
    call.service = text_of(facts, "service") or call.service
    _read_headers(call, facts)
    _read_order(call, facts)
    raw = facts.get("caller")
    if isinstance(raw, dict) and text_of(raw, "class") in set(CallerClass):
        warnings = raw.get("warnings")
        call.caller = Caller(
            caller_class=CallerClass(text_of(raw, "class")),
            number=text_of(raw, "number") or None,
            raw_number=text_of(raw, "raw_number") or None,
            callback_number=text_of(raw, "callback_number") or None,
            withheld=bool(raw.get("withheld")),
            imei=text_of(raw, "imei") or None,
            cpc=text_of(raw, "cpc") or None,
            warnings=tuple(str(word) for word in warnings) if isinstance(warnings, list) else (),
        )


def _read_headers(call: _Folding, facts: Mapping[str, Any]) -> None:
    """What the intake found beside the caller; a header that one word did not hold goes on in the next."""
    if call.headers_by != facts.get("by"):  # the intake before this one did not come to its end
        call.headers_by = text_of(facts, "by")
        call.headers = {}
        call.reordered = None
    headers = facts.get("headers")
    if isinstance(headers, dict):
        for name, value in headers.items():
            if isinstance(name, str) and isinstance(value, str):
                call.headers[name] = call.headers.get(name, "") + value


def _read_order(call: _Folding, facts: Mapping[str, Any]) -> None:
    """Why the caller does not queue at his queue's own priority."""
    order = facts.get("order")
    if not isinstance(order, dict):
        return
    usual, given, seconds = (order.get(name) for name in ("usual", "given", "seconds"))
    score = order.get("score")
    if isinstance(usual, int) and isinstance(given, int) and isinstance(seconds, int):
        worth = float(score) if isinstance(score, int | float) else 0.0
        call.reordered = Reordered(usual, given, text_of(order, "reason"), worth, seconds)


def _silent_checked(call: _Folding, event: JournalEvent) -> None:
    """The dialplan writes two lines: that the caller is asked, and what he pressed."""
    if text_of(event.extra, "step") == "asked":
        call.silent_checks.append(SilentCheck(event.at))
    elif call.silent_checks:
        call.silent_checks[-1] = replace(call.silent_checks[-1], digits=text_of(event.extra, "digits") or None)


def _overflowed(call: _Folding, event: JournalEvent) -> None:
    """A step of the overflow chain begins; what comes of it, other lines tell."""
    kind = text_of(event.extra, "kind")
    if kind in set(TierKind):
        call.overflows.append(Overflow(event.at, TierKind(kind), text_of(event.extra, "target") or None))


def _queue_joined(call: _Folding, event: JournalEvent) -> None:
    call.queue = text_of(event.extra, "queue") or call.queue
    priority = event.extra.get("priority")
    if isinstance(priority, int):
        call.priority = priority // PRIORITY_STEP


def _application_started(call: _Folding, event: JournalEvent) -> None:
    if event.on_caller_channel and event.app == "Queue" and call.queued_at is None:
        call.queued_at = event.at
        call.queue = call.queue or event.app_data.split(",", 1)[0] or None


def _answered(call: _Folding, event: JournalEvent) -> None:
    leg = call.legs.get(event.unique_id)
    if leg is not None and leg.answered_at is None:
        leg.answered_at = event.at
        leg.result = OfferResult.ANSWERED


def _bridge_entered(call: _Folding, event: JournalEvent) -> None:
    members = call.bridges.setdefault(str(event.extra.get("bridge_id", "")), {})
    members[event.unique_id] = None
    other = next((call.legs[member] for member in members if member in call.legs), None)
    if other is None or call.linkedid not in members or call.talking_since is not None:
        return
    call.begin_talking(event.at)
    call.answered_outside = other.outside
    call.operator = None if other.outside else other.operator


def _bridge_left(call: _Folding, event: JournalEvent) -> None:
    members = call.bridges.get(str(event.extra.get("bridge_id", "")), {})
    had_caller = call.linkedid in members
    members.pop(event.unique_id, None)
    still = call.linkedid in members and any(member in call.legs for member in members)
    if had_caller and not still:
        call.stop_talking(event.at)


def _hung_up(call: _Folding, event: JournalEvent) -> None:
    cause = cause_of(event.extra)
    source = str(event.extra.get("hangupsource", ""))
    if event.on_caller_channel:
        call.end(event.at)
        call.cause = cause or None  # 0: not defined
        call.hangup_source = source
        return
    leg = call.legs.get(event.unique_id)
    if leg is not None:
        leg.ended_at = leg.ended_at or event.at
        leg.result = leg.result or offer_result(cause, by_phone=source == leg.channel)


_STEPS: dict[str, Callable[[_Folding, JournalEvent], None]] = {
    "CHAN_START": _channel_started,
    "ANSWER": _answered,
    "APP_START": _application_started,
    "BRIDGE_ENTER": _bridge_entered,
    "BRIDGE_EXIT": _bridge_left,
    "HANGUP": _hung_up,
    "CHAN_END": channel_ended,
    kinds.ARRIVAL: _arrived,
    kinds.INTAKE: _taken_in,
    kinds.QUEUE_JOIN: _queue_joined,
    kinds.SILENT: _silent_checked,
    kinds.OVERFLOW: _overflowed,
    kinds.LOST: pbx_died,
}
