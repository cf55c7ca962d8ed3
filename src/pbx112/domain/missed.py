"""Who misses offers in a row, whether he may be paused for it, and what the supervisor is told. Pure."""

from collections.abc import Collection, Mapping
from typing import Literal

from pbx112.domain.configuration import Configuration
from pbx112.domain.doing import doing_of
from pbx112.domain.live import LiveState, Missed, OperatorState
from pbx112.domain.watch import WORKING, Finding, operators_in

REASON = "missed"
"""The pause's reason, as Asterisk and the API tell it; people read it in their own language."""

_RUNG = frozenset({OperatorState.FREE, OperatorState.RINGING})


def missed_in(live: LiveState) -> Mapping[str, Missed]:
    """What each operator who is there and not paused has missed in a row, over all his queues."""
    found: dict[str, Missed] = {}
    for queue in live.queues:
        for member in operators_in(queue):
            if member.missed is not None and not member.paused:
                known = found.get(member.operator)
                found[member.operator] = max(known or member.missed, member.missed, key=lambda missed: missed.count)
    return found


def is_due(missed: Missed, configuration: Configuration) -> bool:
    """True when these are as many as the queue of the last one allows."""
    queue = configuration.queue(missed.queue)
    return queue is not None and 0 < queue.missed_offers <= missed.count


def alone_in(operator: str, live: LiveState, paused: Collection[str] = ()) -> list[str]:
    """His queues in which nobody else could be rung now. A colleague in a talk is no help to who calls meanwhile.

    `paused` are those whose pause was ordered, though the board may not show it yet.
    """
    return [
        queue.name
        for queue in live.queues
        if any(member.operator == operator for member in queue.members)
        and not any(
            member.operator != operator
            and member.operator not in paused
            and not member.paused
            and doing_of(member).state in _RUNG
            for member in operators_in(queue)
        )
    ]


def paused_for_it(live: LiveState) -> list[str]:
    """Who is paused for missing offers, in any of his queues."""
    return list(
        dict.fromkeys(
            member.operator
            for queue in live.queues
            for member in operators_in(queue)
            if member.paused and member.paused_reason == REASON
        )
    )


def findings(live: LiveState, kept: Mapping[str, Missed], failed: Collection[str] = ()) -> list[Finding]:
    """What the supervisor must know: who is paused for it, and who (`kept`) is not although he misses his offers.

    `failed` are those of them whose pause went wrong.
    """
    paused = paused_for_it(live)
    found = [Finding(_key(name), "warning", "missed_paused", {"operator": name}) for name in paused]
    for name in kept.keys() - {*paused}:
        told = {"operator": name, "queue": kept[name].queue, "count": kept[name].count}
        words = "missed_failed" if name in failed else "missed_kept"
        level: Literal["warning", "critical"] = "critical" if is_needed(name, live) else "warning"
        found.append(Finding(_key(name), level, words, told))
    return found


def _key(operator: str) -> str:
    return f"missed-offers:{operator}"


def is_needed(operator: str, live: LiveState) -> bool:
    """True when his phone works and a queue of his has no colleague who can be rung, now or after his talk."""
    for queue in live.queues:
        people = operators_in(queue)
        others = [m for m in people if m.operator != operator and not m.paused and m.device in WORKING]
        if not others and any(m.operator == operator and m.device in WORKING for m in people):
            return True
    return False
