"""What an operator does now: from his phone, his pause and the end of his last call. Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from pbx112.domain.configuration import Configuration
from pbx112.domain.live import STATE_OF_DEVICE, Doing, LiveMember, OperatorState

_BEFORE_ALL_OTHERS = (
    OperatorState.TALKING,
    OperatorState.RINGING,
    OperatorState.PAUSED,
    OperatorState.WRAP_UP,
    OperatorState.FREE,
    OperatorState.OFFLINE,
)
"""Which state counts when an operator has several, in several queues: a call in progress before a pause."""


def wrap_up_of(queue: str, configuration: Configuration) -> timedelta:
    """How long an operator has after a call of this queue; in a surge he has none."""
    configured = configuration.queue(queue)
    return timedelta(seconds=0 if configured is None or configuration.surge else configured.wrapup_seconds)


def member_doing(member: LiveMember, wrap_up: timedelta, at: datetime) -> Doing:
    """What a queue's member does at that moment; `since` is told where it is known from the member alone.

    The wrap-up is ours: app_queue rings a member before its end in some cases (its issue #1006), and then he rings.
    """
    state = STATE_OF_DEVICE.get(member.device, OperatorState.OFFLINE)
    if state is not OperatorState.FREE:
        return Doing(state)
    if member.paused:
        return Doing(OperatorState.PAUSED, member.paused_at)
    # Asterisk's own time is in whole seconds, and stands alone when the end was not seen.
    ended = max((at for at in (member.call_ended_at, member.last_call_at) if at is not None), default=None)
    if ended is not None and ended <= at < ended + wrap_up:
        return Doing(OperatorState.WRAP_UP, ended, ended + wrap_up)
    return Doing(OperatorState.FREE)


def together(doings: Sequence[Doing]) -> Doing:
    """One state from all queues an operator is in; without any he is offline."""
    if len(doings) == 1:
        return doings[0]
    states = {doing.state for doing in doings}
    state = next((state for state in _BEFORE_ALL_OTHERS if state in states), OperatorState.OFFLINE)
    same = [doing for doing in doings if doing.state is state]
    since = [doing.since for doing in same if doing.since is not None]
    until = [doing.until for doing in same if doing.until is not None]
    return Doing(state, max(since, default=None), max(until, default=None))


def doing_of(member: LiveMember) -> Doing:
    """What was found out that he does; without a look at times, what his phone and his pause tell."""
    return member.doing or Doing(_state(member))


def operator_state(places: Sequence[LiveMember]) -> OperatorState:
    """The state of an operator over all his places in queues."""
    return together([doing_of(member) for member in places]).state


def _state(member: LiveMember) -> OperatorState:
    state = STATE_OF_DEVICE.get(member.device, OperatorState.OFFLINE)
    return OperatorState.PAUSED if member.paused and state is OperatorState.FREE else state
