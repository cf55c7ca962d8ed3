"""The live board: what the telephone line tells, folded into one LiveState. Pure: no clock, no I/O.

Each function takes a state and a fact and gives the next state; a fact that changes nothing gives the same object.
Facts that come twice, or late after a snapshot that contains them already, do no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pbx112.domain.live import LiveMember, LiveQueue, LiveState, LiveWaiting, Missed

RINGING = "ringing"
_ENGAGED = frozenset({"inuse", "busy", "ringing", "ringinuse"})

_A_CHANCE_MS = 5000
_AT_ONCE = timedelta(seconds=0.1)


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """A queue's member as app_queue sees him now: logged in, paused, or his phone changed."""

    queue: str
    member: LiveMember


@dataclass(frozen=True, slots=True)
class MemberLeft:
    """An operator logged out of a queue."""

    queue: str
    operator: str


@dataclass(frozen=True, slots=True)
class CallerJoined:
    """A caller began to wait, at `waiting.position` (not always the last: by priority)."""

    queue: str
    waiting: LiveWaiting


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """A caller waits no more, for whatever reason."""

    queue: str
    unique_id: str
    linkedid: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OperatorRung:
    """A call was offered to an operator: his phone is being rung."""

    operator: str
    linkedid: str


@dataclass(frozen=True, slots=True)
class OperatorAnswered:
    """An operator took a queue's call."""

    operator: str
    linkedid: str


@dataclass(frozen=True, slots=True)
class OperatorReleased:
    """The offer or the talk is over for this operator."""

    operator: str
    linkedid: str


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """An operator's talk with a caller of this queue is over."""

    queue: str
    operator: str
    linkedid: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OfferMissed:
    """A call was offered to an operator and he did not take it: he let it ring, refused it, or was busy."""

    queue: str
    operator: str
    linkedid: str
    at: datetime
    ring_ms: int


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    """Everything as Asterisk listed it; it replaces what was known."""

    at: datetime
    queues: tuple[LiveQueue, ...]
    channels: int
    warnings: tuple[str, ...] = ()


LiveFact = (
    MemberSeen
    | MemberLeft
    | CallerJoined
    | CallerLeft
    | OperatorRung
    | OperatorAnswered
    | OperatorReleased
    | TalkEnded
    | OfferMissed
    | SnapshotTaken
)


def told(state: LiveState, fact: LiveFact) -> LiveState:
    """The state after a fact."""
    match fact:
        case MemberSeen(queue, member):
            after = _with_queue(state, queue, lambda now: _member_seen(now, member))
        case MemberLeft(queue, operator):
            after = _with_queue(state, queue, lambda now: _without_member(now, operator))
        case CallerJoined(queue, waiting):
            after = _with_queue(state, queue, lambda now: _joined(now, waiting))
        case CallerLeft(queue, unique_id, linkedid, at):
            after = _offer_over(_with_queue(state, queue, lambda now: _left(now, unique_id)), linkedid, at)
        case OperatorRung(operator, linkedid):
            after = _operator(state, operator, lambda member: _rung(member, linkedid))
        case OperatorAnswered(operator, linkedid):
            after = _operator(state, operator, lambda member: _answered(member, linkedid))
        case OperatorReleased(operator, linkedid):
            after = _operator(state, operator, lambda member: _released(member, linkedid))
        case TalkEnded(queue, operator, linkedid, at):
            after = _operator(state, operator, lambda member: _released(member, linkedid))
            after = _with_queue(after, queue, lambda now: _talk_ended(now, operator, at))
        case OfferMissed():
            after = _operator(state, fact.operator, lambda member: _missed(_released(member, fact.linkedid), fact))
        case SnapshotTaken():
            after = _snapshot(state, fact)
    return after


def _snapshot(state: LiveState, fact: SnapshotTaken) -> LiveState:
    since = {caller.unique_id: caller.since for queue in state.queues for caller in queue.waiting}
    known = {(queue.name, member.operator): member for queue in state.queues for member in queue.members}
    queues = tuple(
        replace(
            queue,
            members=tuple(_remembered(member, known.get((queue.name, member.operator))) for member in queue.members),
            # Asterisk tells waits in whole seconds; the moment of the join, where it was seen, is finer.
            waiting=tuple(replace(c, since=since.get(c.unique_id, c.since)) for c in queue.waiting),
        )
        for queue in fact.queues
    )
    return replace(state, at=fact.at, connected=True, queues=queues, channels=fact.channels, warnings=fact.warnings)


def _remembered(seen: LiveMember, known: LiveMember | None) -> LiveMember:
    """The member with what Asterisk does not tell of him. Who comes back from a pause has missed nothing yet."""
    if known is None or (known.call_ended_at is None and known.missed is None):
        return seen
    came_back = known.paused and not seen.paused
    return replace(seen, call_ended_at=known.call_ended_at, missed=None if came_back else known.missed)


def _with_queue(state: LiveState, name: str, change: Callable[[LiveQueue], LiveQueue]) -> LiveState:
    """Change one queue; an unknown one is added, as after a reload that made it."""
    for place, queue in enumerate(state.queues):
        if queue.name == name:
            changed = change(queue)
            if changed is queue:
                return state
            return replace(state, queues=(*state.queues[:place], changed, *state.queues[place + 1 :]))
    return replace(state, queues=(*state.queues, change(LiveQueue(name))))


def _operator(state: LiveState, name: str, change: Callable[[LiveMember], LiveMember]) -> LiveState:
    return _each_member(state, lambda member: change(member) if member.operator == name else member)


def _each_member(state: LiveState, change: Callable[[LiveMember], LiveMember]) -> LiveState:
    queues = tuple(_changed_members(queue, change) for queue in state.queues)
    same = all(new is old for new, old in zip(queues, state.queues, strict=True))
    return state if same else replace(state, queues=queues)


def _changed_members(queue: LiveQueue, change: Callable[[LiveMember], LiveMember]) -> LiveQueue:
    members = tuple(change(member) for member in queue.members)
    same = all(new is old for new, old in zip(members, queue.members, strict=True))
    return queue if same else replace(queue, members=members)


def _member_seen(queue: LiveQueue, seen: LiveMember) -> LiveQueue:
    known = next((member for member in queue.members if member.operator == seen.operator), None)
    if known is None:
        return replace(queue, members=(*queue.members, seen))
    # The phone's state comes by another way than the offer: either may be first.
    engaged = seen.device in _ENGAGED
    call = None if known.device == RINGING and not engaged else known.call
    merged = replace(
        _remembered(seen, known),
        call=call,
        in_call=known.in_call if call is not None else seen.in_call,
        device=RINGING if call is not None and not known.in_call and engaged else seen.device,
    )
    if merged == known:
        return queue
    return replace(queue, members=tuple(merged if m is known else m for m in queue.members))


def _without_member(queue: LiveQueue, operator: str) -> LiveQueue:
    members = tuple(member for member in queue.members if member.operator != operator)
    return queue if len(members) == len(queue.members) else replace(queue, members=members)


def _joined(queue: LiveQueue, caller: LiveWaiting) -> LiveQueue:
    if any(known.unique_id == caller.unique_id for known in queue.waiting):
        return queue
    place = max(0, caller.position - 1)
    return replace(queue, waiting=_numbered((*queue.waiting[:place], caller, *queue.waiting[place:])))


def _left(queue: LiveQueue, unique_id: str) -> LiveQueue:
    waiting = tuple(caller for caller in queue.waiting if caller.unique_id != unique_id)
    return queue if len(waiting) == len(queue.waiting) else replace(queue, waiting=_numbered(waiting))


def _numbered(waiting: tuple[LiveWaiting, ...]) -> tuple[LiveWaiting, ...]:
    return tuple(
        caller if caller.position == position else replace(caller, position=position)
        for position, caller in enumerate(waiting, start=1)
    )


def _rung(member: LiveMember, linkedid: str) -> LiveMember:
    if member.in_call:
        return member
    return replace(member, call=linkedid, device=RINGING if member.device in _ENGAGED else member.device)


def _answered(member: LiveMember, linkedid: str) -> LiveMember:
    return replace(member, call=linkedid, in_call=True, device="inuse", missed=None)


def _released(member: LiveMember, linkedid: str) -> LiveMember:
    return replace(member, call=None, in_call=False) if member.call == linkedid else member


def _talk_ended(queue: LiveQueue, operator: str, at: datetime) -> LiveQueue:
    return _changed_members(
        queue, lambda member: replace(member, call_ended_at=at) if member.operator == operator else member
    )


def _missed(member: LiveMember, offer: OfferMissed) -> LiveMember:
    count = member.missed.count + 1 if member.missed is not None else 1
    return replace(member, missed=Missed(count, offer.queue, offer.linkedid, offer.at, offer.ring_ms))


def _offer_over(state: LiveState, linkedid: str, at: datetime | None) -> LiveState:
    """The caller left the queue: nobody is rung for him any more (who answered is told after it)."""

    def over(member: LiveMember) -> LiveMember:
        if member.call == linkedid and not member.in_call:
            member = replace(member, call=None)
        missed = member.missed
        if missed is not None and missed.call == linkedid and _was_taken_back(missed, at):
            fewer = replace(missed, count=missed.count - 1, call="") if missed.count > 1 else None
            member = replace(member, missed=fewer)
        return member

    return _each_member(state, over)


def _was_taken_back(missed: Missed, at: datetime | None) -> bool:
    """A ring that ended early, and with it the caller's wait here: he was moved on, and the operator had no chance."""
    return at is not None and missed.ring_ms < _A_CHANCE_MS and at - missed.at < _AT_ONCE
