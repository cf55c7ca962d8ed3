"""What people and programs see of the centre now: the configuration joined with the live state."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from pbx112.domain.configuration import Configuration, Operator, Queue
from pbx112.domain.live import LiveMember, LiveQueue, LiveState, OperatorState
from pbx112.domain.record import call_id
from pbx112.services.alarms import Alarm

_STATE_OF_DEVICE: Mapping[str, OperatorState] = {
    "not_inuse": OperatorState.FREE,
    "inuse": OperatorState.TALKING,
    "busy": OperatorState.TALKING,
    "onhold": OperatorState.TALKING,
    "ringing": OperatorState.RINGING,
    "ringinuse": OperatorState.RINGING,
}
"""Any other device (unavailable, invalid, unknown) cannot be rung: the operator is offline."""


def live_view(configuration: Configuration, live: LiveState, node: str, alarms: Iterable[Alarm] = ()) -> dict[str, Any]:
    """The whole board as plain values: link, operators, queues with members and waiting callers, what is wrong."""
    return {
        "at": live.at,
        "node": node,
        "connected": live.connected,
        "asterisk_version": live.asterisk_version,
        "channels": live.channels,
        "queues": [queue_view(queue, live, node) for queue in configuration.queues],
        "operators": [operator_view(operator, live) for operator in configuration.operators],
        "warnings": [*live.warnings, *(alarm.text for alarm in alarms)],
    }


def queue_view(queue: Queue, live: LiveState, node: str) -> dict[str, Any]:
    """A queue's configuration, its members who are logged in, and its waiting callers in order."""
    now = live_queue(live, queue.name)
    return {
        **asdict(queue),
        "members": [
            {
                "operator": member.operator,
                "state": member_state(member),
                "device": member.device,
                "paused": member.paused,
                "paused_reason": member.paused_reason,
                "calls_taken": member.calls_taken,
                "logged_in_at": member.logged_in_at,
            }
            for member in now.members
        ],
        "waiting": [
            {
                "call_id": call_id(node, caller.linkedid),
                "linkedid": caller.linkedid,
                "position": caller.position,
                "since": caller.since,
            }
            for caller in now.waiting
        ],
    }


def operator_view(operator: Operator, live: LiveState) -> dict[str, Any]:
    """An operator's configuration, and what he is doing now over all his queues."""
    places = [
        (queue.name, member) for queue in live.queues for member in queue.members if member.operator == operator.name
    ]
    paused = next((member for _, member in places if member.paused), None)
    times = [member.logged_in_at for _, member in places if member.logged_in_at is not None]
    return {
        "name": operator.name,
        "display_name": operator.display_name,
        "extension": operator.extension,
        "language": operator.language,
        "queues": [{"queue": place.queue, "penalty": place.penalty} for place in operator.memberships],
        "state": operator_state([member for _, member in places]),
        "logged_in": [name for name, _ in places],
        "paused": paused is not None,
        "paused_reason": paused.paused_reason if paused else None,
        "logged_in_at": min(times, default=None),
        "calls_taken": sum(member.calls_taken for _, member in places),
    }


def operator_state(places: list[LiveMember]) -> OperatorState:
    """One state from all queues the operator is in; a call in progress counts before a pause."""
    states = {member_state(member) for member in places}
    order = (OperatorState.TALKING, OperatorState.RINGING, OperatorState.PAUSED, OperatorState.WRAP_UP)
    for state in (*order, OperatorState.FREE):
        if state in states:
            return state
    return OperatorState.OFFLINE


def member_state(member: LiveMember) -> OperatorState:
    """What a queue's member is doing, from his device and his pause."""
    state = _STATE_OF_DEVICE.get(member.device, OperatorState.OFFLINE)
    return OperatorState.PAUSED if member.paused and state is OperatorState.FREE else state


def live_queue(live: LiveState, name: str) -> LiveQueue:
    """The live part of a queue; empty when Asterisk tells of none."""
    return next((queue for queue in live.queues if queue.name == name), LiveQueue(name))
