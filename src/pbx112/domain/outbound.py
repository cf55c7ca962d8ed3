"""A call back, folded: the operator's phone is rung first, then the caller's; both under one linked id.

It is known by the account code of its first channel, which only the call file of the service sets (and which the
journal has from the answer on, or from the end): no other call that an operator makes becomes a record.
"""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pbx112.domain import events as kinds
from pbx112.domain.caller import Caller, CallerClass
from pbx112.domain.events import JournalEvent
from pbx112.domain.legs import PHONE_CHANNEL, Course, Leg, channel_ended, offer_result, pbx_died
from pbx112.domain.readings import cause_of, text_of
from pbx112.domain.record import CallRecord, CallState, HangupBy, OfferResult, Outcome, call_id
from pbx112.domain.recordings import Recordings

NOT_RUNG = "OutgoingSpoolFailed"
"""The channel that stands in for a phone that could not be rung at all (callback.conf, `failed`)."""

_ACCOUNT = re.compile(r"callback-([0-9a-f]{32})-[0-9a-f]{8}")
_NUMBER = re.compile(r"\+?[0-9]{3,20}")


def account_of(call: uuid.UUID, attempt: uuid.UUID) -> str:
    """The account code of an attempt to call back the caller of `call`."""
    return f"callback-{call.hex}-{attempt.hex[:8]}"


def fold_callback(node: str, ordered: Sequence[JournalEvent]) -> CallRecord | None:
    """Fold the events of a linked id, in order; None when they are no call back."""
    first = next((event for event in ordered if event.on_caller_channel and event.channel), None)
    called_back = next((found for event in ordered if (found := _called_back(event))), None)
    if first is None or called_back is None:
        return None
    if first.channel == NOT_RUNG and not any(event.kind == kinds.CALLBACK for event in ordered):
        return None  # Asterisk's note beside a phone that rang in vain, which has its own lines
    folding = _Folding(node, first.linked_id, called_back, first.at, _first_leg(first))
    for event in ordered:
        folding.recordings.note(event)
        step = _STEPS.get(event.kind)
        if step is not None:
            step(folding, event)
    return folding.record()


def _called_back(event: JournalEvent) -> uuid.UUID | None:
    found = _ACCOUNT.fullmatch(event.account) if event.on_caller_channel else None
    return uuid.UUID(found[1]) if found is not None else None


def _first_leg(first: JournalEvent) -> Leg:
    found = PHONE_CHANNEL.match(first.channel)
    leg = Leg(found["account"] if found else "", first.channel, first.at)
    if first.channel == NOT_RUNG:
        leg.result = OfferResult.UNAVAILABLE
    return leg


@dataclass(slots=True)
class _Folding(Course):
    """What is known so far; `phone` is the operator's. Each step below adds one event to it."""

    node: str
    linkedid: str
    callback_of: uuid.UUID
    received_at: datetime
    phone: Leg
    trunk: str | None = None
    number: str | None = None
    caller_channel: str = ""
    caller_cause: int | None = None
    cause: int | None = None
    hangup_source: str = ""
    bridges: dict[str, set[str]] = field(default_factory=dict)
    recordings: Recordings = field(default_factory=Recordings)

    def record(self) -> CallRecord:
        return CallRecord(
            id=call_id(self.node, self.linkedid),
            node=self.node,
            linkedid=self.linkedid,
            received_at=self.received_at,
            state=self._state(),
            caller=self._called(),
            direction="outbound",
            trunk=self.trunk,
            outcome=self._outcome(),
            operator=self.phone.operator or None,
            answered_at=self.answered_at,
            ended_at=self.ended_at,
            wait_ms=self.wait_ms(self.received_at),
            talk_ms=self.talk_ms(),
            hangup_cause=self._cause(),
            hangup_by=self._hangup_by(),
            offers=(self.phone.offer(self.ended_at),) if self.phone.operator else (),
            recordings=self.recordings.found(),
            callback_of=self.callback_of,
        )

    def _called(self) -> Caller:
        """Who is called; the journal knows the number once the operator has answered."""
        if self.number is None:
            return Caller(CallerClass.ANONYMOUS)
        return Caller(CallerClass.ASSERTED, number=self.number, callback_number=self.number)

    def _state(self) -> CallState:
        if self.ended_at is not None:
            return CallState.ENDED
        return CallState.TALKING if self.answered_at is not None else CallState.RINGING

    def _outcome(self) -> Outcome | None:
        if self.ended_at is None:
            return None
        if self.lost:
            return Outcome.LOST
        return Outcome.ANSWERED if self.answered_at is not None else Outcome.FAILED

    def _hangup_by(self) -> HangupBy | None:
        if self.ended_at is None:
            return None
        if self.lost or not self.hangup_source:
            return HangupBy.SYSTEM
        by = {self.phone.channel: HangupBy.OPERATOR, self.caller_channel: HangupBy.CALLER}
        return by.get(self.hangup_source, HangupBy.SYSTEM)

    def _cause(self) -> int | None:
        """The cause on the leg that explains the end: the caller's when only he was not reached."""
        if self.ended_at is None:
            return None
        only_caller = self.phone.answered_at is not None and self.answered_at is None
        return (self.caller_cause if only_caller else None) or self.cause or None  # 0: not defined


def _channel_started(call: _Folding, event: JournalEvent) -> None:
    if not event.on_caller_channel:
        call.caller_channel = call.caller_channel or event.channel


def _answered(call: _Folding, event: JournalEvent) -> None:
    if event.on_caller_channel and event.channel != NOT_RUNG and call.phone.answered_at is None:
        call.phone.answered_at = event.at
        call.phone.result = OfferResult.ANSWERED


def _told(call: _Folding, event: JournalEvent) -> None:
    """Our own line: whom the operator is about to be connected with; of a phone that was not rung, also whose."""
    call.trunk = text_of(event.extra, "trunk") or call.trunk
    number = text_of(event.extra, "number")
    call.number = number if _NUMBER.fullmatch(number) else call.number
    call.phone.operator = call.phone.operator or event.user_field


def _bridge_entered(call: _Folding, event: JournalEvent) -> None:
    members = call.bridges.setdefault(str(event.extra.get("bridge_id", "")), set())
    members.add(event.unique_id)
    if call.linkedid in members and len(members) > 1 and call.talking_since is None and call.ended_at is None:
        call.begin_talking(event.at)


def _bridge_left(call: _Folding, event: JournalEvent) -> None:
    members = call.bridges.get(str(event.extra.get("bridge_id", "")), set())
    members.discard(event.unique_id)
    if call.linkedid not in members or len(members) < 2:
        call.stop_talking(event.at)


def _hung_up(call: _Folding, event: JournalEvent) -> None:
    cause = cause_of(event.extra)
    if not event.on_caller_channel:
        call.caller_cause = cause
        return
    call.cause = cause
    call.hangup_source = str(event.extra.get("hangupsource", ""))
    by_phone = call.hangup_source == call.phone.channel
    call.phone.result = call.phone.result or offer_result(cause, by_phone=by_phone)
    call.end(event.at)


_STEPS: dict[str, Callable[[_Folding, JournalEvent], None]] = {
    "CHAN_START": _channel_started,
    "ANSWER": _answered,
    "BRIDGE_ENTER": _bridge_entered,
    "BRIDGE_EXIT": _bridge_left,
    "HANGUP": _hung_up,
    "CHAN_END": channel_ended,
    kinds.CALLBACK: _told,
    kinds.LOST: pbx_died,
}
