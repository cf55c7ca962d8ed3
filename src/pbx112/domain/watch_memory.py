"""What the watchdog remembers from look to look: since when something is so. Pure."""

from datetime import datetime

from pbx112.domain.configuration import Queue
from pbx112.domain.doing import wrap_up_of
from pbx112.domain.live import LiveMember, LiveQueue, LiveWaiting
from pbx112.domain.watch import RECORDS_LATE_MS, WORKING, Facts, Seen, Waits, knows_board, live_queues, operators_in

_RINGING = frozenset({"ringing", "ringinuse"})
_TALKING = frozenset({"inuse", "busy", "onhold"})
_LONGEST_SECONDS = 86_400.0
_WHOLE_SECOND = 1.0
"""Asterisk tells the end of the last call in whole seconds."""


def look(before: Seen, facts: Facts) -> Seen:
    """What is seen now, with the second since when it is so. A board that is not of now is forgotten."""
    if not knows_board(facts):
        return Seen(waiting=_waiting(before, facts), talked=before.talked)
    now, queues = facts.seconds, list(live_queues(facts))
    talked = dict(before.talked)
    talked.update((m.operator, now) for _, live in queues for m in operators_in(live) if _talks(m))
    there = {member.operator for _, live in queues for member in live.members}
    return Seen(
        waiting=_waiting(before, facts),
        unoffered={
            caller.linkedid: before.unoffered.get(caller.linkedid, Waits(queue.name, now))
            for queue, live in queues
            for caller in _unoffered(facts, live)
        },
        ready={
            (queue.name, member.operator): before.ready.get(
                (queue.name, member.operator), _ready_at(facts, queue, member, talked)
            )
            for queue, live in queues
            for member in operators_in(live)
            if _is_free(member)
        },
        talked={name: at for name, at in talked.items() if name in there},
        empty={
            queue.name: before.empty.get(queue.name, now)
            for queue, live in queues
            if not any(member.device in WORKING for member in operators_in(live))
        },
    )


def _waiting(before: Seen, facts: Facts) -> dict[str, Waits]:
    """All callers that wait, by board or by record: one who rings the overflow list is in no queue of Asterisk's.

    How long one has waited is read off the wall once, when he is first seen: then a change of the clock is none of his.
    """
    found: dict[str, tuple[str, datetime]] = {}
    talking: set[str | None] = set()
    if knows_board(facts):
        for _, live in live_queues(facts):
            found.update((caller.linkedid, (live.name, caller.since)) for caller in _real(facts, live))
            talking.update(member.call for member in live.members if member.in_call)
    if facts.recorded is not None and facts.journal_late_ms <= RECORDS_LATE_MS:
        for call in facts.recorded:
            if call.linkedid not in talking:
                found.setdefault(call.linkedid, (call.queue, call.since))
    return {
        linkedid: Waits(queue, before.waiting[linkedid].since if linkedid in before.waiting else _second(facts, since))
        for linkedid, (queue, since) in found.items()
    }


def _second(facts: Facts, since: datetime) -> float:
    """The second of a moment that was just told; not in the future, whatever the clock says."""
    return facts.seconds - min(max((facts.at - since).total_seconds(), 0.0), _LONGEST_SECONDS)


def _real(facts: Facts, live: LiveQueue) -> list[LiveWaiting]:
    """The callers who are no drill."""
    drills = tuple(f"PJSIP/{trunk.name}-" for trunk in facts.configuration.trunks if trunk.drill)
    return [caller for caller in live.waiting if not caller.channel.startswith(drills)]


def _unoffered(facts: Facts, live: LiveQueue) -> list[LiveWaiting]:
    """The callers for whom no phone rings. A phone that rings for nobody knows whom may ring for any of them."""
    ringing = {member.call for member in live.members if member.call is not None or member.device in _RINGING}
    return [] if None in ringing else [caller for caller in _real(facts, live) if caller.linkedid not in ringing]


def _talks(member: LiveMember) -> bool:
    return member.in_call or member.device in _TALKING


def _is_free(member: LiveMember) -> bool:
    return member.device == "not_inuse" and not member.paused and not member.in_call and member.call is None


def _ready_at(facts: Facts, queue: Queue, member: LiveMember, talked: dict[str, float]) -> float:
    """When a member who has just been seen free can be rung: after his wrap-up."""
    seconds = wrap_up_of(queue.name, facts.configuration).total_seconds()
    wrap_up = seconds + _WHOLE_SECOND if seconds else 0.0
    ends = [facts.seconds]
    if member.operator in talked:
        ends.append(talked[member.operator] + wrap_up)
    if member.last_call_at is not None:
        ends.append(_second(facts, member.last_call_at) + wrap_up)
    return max(ends)
