"""The live board: what the telephone line tells, folded into one LiveState. Pure: no clock, no I/O.

Each function takes a state and a fact and gives the next state; a fact that changes nothing gives the same object.
Facts that come twice, or late after a snapshot that contains them already, do no harm.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from pbx112.domain.live import LiveMember, LiveQueue, LiveState, LiveWaiting

RINGING = "ringing"
_ENGAGED = frozenset({"inuse", "busy", "ringing", "ringinuse"})


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
    | SnapshotTaken
)


def told(state: LiveState, fact: LiveFact) -> LiveState:
    """The state after a fact."""
    match fact:
        case MemberSeen(queue, member):
            return _with_queue(state, queue, lambda now: _member_seen(now, member))
        case MemberLeft(queue, operator):
            return _with_queue(state, queue, lambda now: _without_member(now, operator))
        case CallerJoined(queue, waiting):
            return _with_queue(state, queue, lambda now: _joined(now, waiting))
        case CallerLeft(queue, unique_id, linkedid):
            return _offer_over(_with_queue(state, queue, lambda now: _left(now, unique_id)), linkedid)
        case OperatorRung(operator, linkedid):
            return _operator(state, operator, lambda member: _rung(member, linkedid))
        case OperatorAnswered(operator, linkedid):
            return _operator(state, operator, lambda member: _answered(member, linkedid))
        case OperatorReleased(operator, linkedid):
            return _operator(state, operator, lambda member: _released(member, linkedid))
        case SnapshotTaken():
            return _snapshot(state, fact)


def differences(before: LiveState, after: LiveState) -> int:
    """How many members and waiting callers a snapshot had to correct (times do not count)."""
    old, new = dict(_essence(before)), dict(_essence(after))
    return sum(old.get(key) != new.get(key) for key in old.keys() | new.keys())


def _essence(state: LiveState) -> Iterable[tuple[tuple[str, str, str], tuple[object, ...]]]:
    for queue in state.queues:
        for member in queue.members:
            yield ("member", queue.name, member.operator), (member.device, member.paused, member.in_call)
        for caller in queue.waiting:
            yield ("waiting", queue.name, caller.unique_id), (caller.position,)


def _snapshot(state: LiveState, fact: SnapshotTaken) -> LiveState:
    since = {caller.unique_id: caller.since for queue in state.queues for caller in queue.waiting}
    queues = tuple(
        replace(
            queue,
            # Asterisk tells waits in whole seconds; the moment of the join, where it was seen, is finer.
            waiting=tuple(replace(c, since=since.get(c.unique_id, c.since)) for c in queue.waiting),
        )
        for queue in fact.queues
    )
    return replace(state, at=fact.at, connected=True, queues=queues, channels=fact.channels, warnings=fact.warnings)


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
        seen,
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
    return replace(member, call=linkedid, in_call=True, device="inuse")


def _released(member: LiveMember, linkedid: str) -> LiveMember:
    return replace(member, call=None, in_call=False) if member.call == linkedid else member


def _offer_over(state: LiveState, linkedid: str) -> LiveState:
    """The caller left the queue: nobody is rung for him any more (who answered is told after it)."""
    return _each_member(
        state, lambda member: replace(member, call=None) if member.call == linkedid and not member.in_call else member
    )
