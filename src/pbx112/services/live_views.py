"""What people and programs see of the centre now: the configuration joined with the live state."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pbx112.domain.configuration import Configuration, Operator, Queue
from pbx112.domain.doing import doing_of, operator_state
from pbx112.domain.live import Doing, LiveQueue, LiveState
from pbx112.domain.record import call_id
from pbx112.services.alarms import Alarm


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
        "drift": dict(live.drift),
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
                **_doing(doing_of(member)),
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
    doing = live.doing.get(operator.name) or Doing(operator_state([member for _, member in places]))
    times = [member.logged_in_at for _, member in places if member.logged_in_at is not None]
    return {
        "name": operator.name,
        "display_name": operator.display_name,
        "extension": operator.extension,
        "language": operator.language,
        "queues": [{"queue": place.queue, "penalty": place.penalty} for place in operator.memberships],
        **_doing(doing),
        "logged_in": [name for name, _ in places],
        "paused": paused is not None,
        "paused_reason": paused.paused_reason if paused else None,
        "logged_in_at": min(times, default=None),
        "calls_taken": sum(member.calls_taken for _, member in places),
    }


def live_queue(live: LiveState, name: str) -> LiveQueue:
    """The live part of a queue; empty when Asterisk tells of none."""
    return next((queue for queue in live.queues if queue.name == name), LiveQueue(name))


def _doing(doing: Doing) -> dict[str, Any]:
    return {"state": doing.state, "since": doing.since, "until": doing.until}
