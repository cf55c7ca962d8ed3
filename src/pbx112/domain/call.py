"""`record = fold(events)`: a call record is a pure function of its call's journal events."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime

from pbx112.domain import events as kinds
from pbx112.domain.company import Company
from pbx112.domain.events import TRUNK_CONTEXT, JournalEvent, in_order
from pbx112.domain.handing import Transfers
from pbx112.domain.legs import PHONE_CHANNEL, Leg, channel_ended, offer_result, pbx_died
from pbx112.domain.location import read_locations
from pbx112.domain.marks import read_marks
from pbx112.domain.outbound import fold_callback
from pbx112.domain.readings import cause_of, text_of
from pbx112.domain.record import CallRecord, CallState, HangupBy, OfferResult, Outcome, call_id
from pbx112.domain.recordings import Recordings
from pbx112.domain.told import Told, arrived, overflowed, silent_checked, taken_in

PRIORITY_STEP = 10
"""The dialplan gives app_queue ten times the priority, and five more to those who wait longer: see queue.conf."""

AGENCY_CONTEXT = "from-agency"
"""The dialplan context of agencies' phones, none of which is an operator's, and of numbers outside."""


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
        folding.recordings.note(event)
        step = _STEPS.get(event.kind)
        if step is not None:
            step(folding, event)
    return folding.record()


def _is_arrival(event: JournalEvent) -> bool:
    return event.on_caller_channel and (event.context == TRUNK_CONTEXT or event.kind == kinds.ARRIVAL)


def _received_at(ordered: list[JournalEvent]) -> datetime:
    return next(event.at for event in ordered if event.on_caller_channel)


@dataclass(slots=True)
class _Folding(Told):
    """What is known so far; each step below adds one event to it."""

    node: str
    linkedid: str
    received_at: datetime
    recordings: Recordings = field(default_factory=Recordings)
    answered_outside: bool = False
    queue: str | None = None
    priority: int | None = None
    queued_at: datetime | None = None
    operator: str | None = None
    cause: int | None = None
    hangup_source: str = ""
    legs: dict[str, Leg] = field(default_factory=dict)
    company: Company = field(default_factory=Company)
    with_caller: tuple[str, ...] = ()
    left_by: tuple[str, ...] = ()
    """Who talked with the caller last, while nobody has since and he is in no queue again."""

    transfers: Transfers = field(init=False)

    def __post_init__(self) -> None:
        self.transfers = Transfers(call_id(self.node, self.linkedid), self.linkedid)

    def record(self) -> CallRecord:
        return CallRecord(
            id=call_id(self.node, self.linkedid),
            node=self.node,
            linkedid=self.linkedid,
            received_at=self.received_at,
            state=self._state(),
            caller=self.caller or self.unrouted_caller(),
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
            recordings=self.recordings.found(),
            transfers=self.transfers.folded(self.answered_at),
            offers=tuple(leg.offer(self.ended_at) for leg in self.legs.values() if not leg.outside),
        )

    def _state(self) -> CallState:
        if self.ended_at is not None:
            return CallState.ENDED
        if any(who in self.legs for who in self.with_caller):
            return CallState.TALKING
        if self.transfers.under_way:
            return CallState.TRANSFERRING
        if self.with_caller:
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
        return self._ended_by_partner()

    def _ended_by_partner(self) -> HangupBy:
        """Who ended the last talk, when the dialplan has ended the call because of that; else the system."""
        legs = [self.legs[who] for who in self.left_by if who in self.legs and not self.legs[who].outside]
        if any(leg.hung_up for leg in legs):
            return HangupBy.OPERATOR
        return HangupBy.AGENCY if not legs and self.transfers.agency_hung_up(self.left_by) else HangupBy.SYSTEM

    def look(self, at: datetime) -> None:
        """See who is with the caller now, after any line that may have changed it."""
        now = () if self.ended_at is not None else self._company()
        before, self.with_caller = self.with_caller, now
        if now and not before:
            self.begin_talking(at)
            self.transfers.no_more_alone(at)
        elif before and not now:
            self.stop_talking(at)
            self.left_by = before
            self.transfers.alone(at)
        if self.ended_at is not None:
            self.transfers.no_more_alone(at)
            self.transfers.caller_gone()
        if not any(who in self.legs for who in before):
            self._answered_by(next((self.legs[who] for who in now if who in self.legs), None))
        self.transfers.observe(at, self.company)

    def _company(self) -> tuple[str, ...]:
        others = self.company.with_(self.linkedid)
        return tuple(who for who in others if who in self.legs or self.transfers.has(who))

    def _answered_by(self, leg: Leg | None) -> None:
        if leg is None:
            return
        if not leg.outside:
            self.operator = leg.operator
        self.answered_outside = self.operator is None


def _channel_started(call: _Folding, event: JournalEvent) -> None:
    if event.on_caller_channel:
        call.caller_channel = event.channel
        return
    found = PHONE_CHANNEL.match(event.channel)
    if found is None:
        return
    leg = Leg(found["account"], event.channel, event.at)
    if leg.outside or event.context != AGENCY_CONTEXT:
        call.legs[event.unique_id] = leg


def _queue_joined(call: _Folding, event: JournalEvent) -> None:
    call.queue = text_of(event.extra, "queue") or call.queue
    call.transfers.no_more_alone(event.at)
    call.left_by = ()
    priority = event.extra.get("priority")
    if isinstance(priority, int) and call.answered_at is None:  # who comes back from a transfer is at the head
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
    call.company.enter(event.unique_id, text_of(event.extra, "bridge_id"), text_of(event.extra, "bridge_technology"))
    call.transfers.place(call.company)
    call.look(event.at)


def _bridge_left(call: _Folding, event: JournalEvent) -> None:
    call.company.leave(event.unique_id, text_of(event.extra, "bridge_id"))
    call.look(event.at)


def _transferred(call: _Folding, event: JournalEvent) -> None:
    leg = call.legs.get(event.unique_id)
    call.transfers.take(event, call.company, leg.operator if leg is not None and not leg.outside else None)
    call.look(event.at)


def _channel_ended(call: _Folding, event: JournalEvent) -> None:
    channel_ended(call, event)
    call.company.gone(event.unique_id)
    call.look(event.at)


def _died(call: _Folding, event: JournalEvent) -> None:
    pbx_died(call, event)
    call.transfers.lost(event.at)
    call.look(event.at)


def _hung_up(call: _Folding, event: JournalEvent) -> None:
    cause = cause_of(event.extra)
    source = str(event.extra.get("hangupsource", ""))
    if event.on_caller_channel:
        call.end(event.at)
        call.cause = cause or None  # 0: not defined
        call.hangup_source = source
    call.company.gone(event.unique_id)
    leg = call.legs.get(event.unique_id)
    if leg is not None:
        leg.ended_at = leg.ended_at or event.at
        leg.hangup_source = source
        leg.result = leg.result or offer_result(cause, by_phone=source == leg.channel)
    call.look(event.at)


_STEPS: dict[str, Callable[[_Folding, JournalEvent], None]] = {
    "CHAN_START": _channel_started,
    "ANSWER": _answered,
    "APP_START": _application_started,
    "BRIDGE_ENTER": _bridge_entered,
    "BRIDGE_EXIT": _bridge_left,
    "HANGUP": _hung_up,
    "CHAN_END": _channel_ended,
    kinds.ARRIVAL: arrived,
    kinds.INTAKE: taken_in,
    kinds.QUEUE_JOIN: _queue_joined,
    kinds.SILENT: silent_checked,
    kinds.OVERFLOW: overflowed,
    kinds.TRANSFER: _transferred,
    kinds.LOST: _died,
}
