"""The watchdog's rules: what callers and their centre would call wrong. Pure: facts and times in, findings out.

A rule returns what it finds wrong, nothing when all is well, and None when it cannot tell (then its alarms stay as they
are). Durations are measured by a clock that no clock change moves (`seconds`), moments of the day by the wall (`at`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from pbx112.domain.configuration import Configuration, Queue, Strategy, Trunk
from pbx112.domain.demo import DRILL_ACCOUNT
from pbx112.domain.live import LiveMember, LiveQueue, LiveState
from pbx112.domain.skills import rung_after
from pbx112.domain.traffic import Traffic, expected, needed

WORKING = frozenset({"not_inuse", "inuse", "busy", "ringing", "ringinuse", "onhold"})
"""Device states of a phone that can be rung now or after its talk."""

RECORDS_LATE_MS = 5000
"""When the records are later than that they do not tell who waits now."""

_GAP_SECONDS = 2.0
_LATE_MS, _VERY_LATE_MS = 5000, 60_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How long is too long, in seconds. `trunk_calls`: so many expected calls missing are no chance; 0 asks nothing."""

    free_seconds: float = 5.0
    wait_seconds: float = 60.0
    empty_queue: bool = True
    empty_queue_seconds: float = 60.0
    trunk_calls: float = 5.0
    trunk_seconds: float = 300.0
    part_seconds: float = 15.0
    agi_seconds: float = 5.0
    canary_failures: int = 2


@dataclass(frozen=True, slots=True)
class WaitingCall:
    """A call that waits for an operator, by the records."""

    queue: str
    linkedid: str
    since: datetime


@dataclass(frozen=True, slots=True)
class Waits:
    """A caller waits in this queue since that second."""

    queue: str
    since: float


@dataclass(frozen=True, slots=True)
class Seen:
    """What the looks so far saw, each with the second since when it is so.

    `waiting` and `unoffered` (nobody's phone rings for him) by linked id; `ready` (can be rung, wrap-up over) by queue
    and operator; `talked` when an operator was last seen in a talk; `empty` by queue without a working phone.
    """

    waiting: Mapping[str, Waits] = field(default_factory=dict)
    unoffered: Mapping[str, Waits] = field(default_factory=dict)
    ready: Mapping[tuple[str, str], float] = field(default_factory=dict)
    talked: Mapping[str, float] = field(default_factory=dict)
    empty: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything a look knows. `recorded` and `traffic` are None while the database cannot tell.

    `ami_down`, `database_away`, `agi_down`: for how many seconds; 0 while the part works.
    """

    at: datetime
    seconds: float
    configuration: Configuration
    live: LiveState
    limits: Limits = field(default_factory=Limits)
    seen: Seen = field(default_factory=Seen)
    recorded: tuple[WaitingCall, ...] | None = None
    traffic: Traffic | None = None
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Asia/Jakarta"))
    journal_late_ms: int = 0
    journal_problem: str | None = None
    ami_down: float = 0.0
    database_away: float = 0.0
    agi_down: float = 0.0
    canary_failures: int = 0
    canary_problem: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong: the alarm's key and level, and which words (`domain/watch_words.py`) say it with which facts."""

    key: str
    level: Literal["warning", "critical"]
    words: str
    facts: Mapping[str, object] = field(default_factory=dict)


Rule = Callable[[Facts], "Iterable[Finding] | None"]


def live_queues(facts: Facts) -> Iterable[tuple[Queue, LiveQueue]]:
    """The configured queues with their live part."""
    live = {queue.name: queue for queue in facts.live.queues}
    return [(queue, live.get(queue.name, LiveQueue(queue.name))) for queue in facts.configuration.queues]


def operators_in(queue: LiveQueue) -> list[LiveMember]:
    """The members who are people."""
    return [member for member in queue.members if member.operator != DRILL_ACCOUNT]


def knows_board(facts: Facts) -> bool:
    """True while the live board is that of now."""
    return facts.live.connected and facts.live.at is not None


def caller_not_offered(facts: Facts) -> list[Finding] | None:
    """A caller waits, a member is free, and still nobody's phone rings for him: the queue does not do its work."""
    if not knows_board(facts):
        return None
    found = []
    for queue, live in live_queues(facts):
        callers = live.waiting[:1] if queue.strategy is Strategy.RINGALL else live.waiting  # it serves one at a time
        unserved = [
            (max(facts.seen.unoffered[caller.linkedid].since, since), operator)
            for caller in callers
            if caller.linkedid in facts.seen.unoffered
            for since, operator in _ready_for(facts, queue, live, caller.linkedid)
        ]
        if not unserved:
            continue
        since, operator = min(unserved)
        both = facts.seconds - since
        if both > facts.limits.free_seconds + max(queue.retry_seconds - 1, 0):
            told = {"queue": queue.name, "operator": operator, "seconds": round(both)}
            found.append(Finding(f"queue-unserved:{queue.name}", "critical", "queue_unserved", told))
    return found


def _ready_for(facts: Facts, queue: Queue, live: LiveQueue, linkedid: str) -> Iterable[tuple[float, str]]:
    """Who could be rung for this caller, and since when: by his skill it may be later than he was free."""
    waits = facts.seen.waiting.get(linkedid)
    for member in operators_in(live):
        ready = facts.seen.ready.get((queue.name, member.operator))
        if ready is None:
            continue
        operator = facts.configuration.operator(member.operator)
        if waits is not None and queue.skill is not None and operator is not None:
            ready = max(ready, waits.since + rung_after(queue, operator))
        if ready <= facts.seconds:
            yield ready, member.operator


def nobody_in_queue(facts: Facts) -> list[Finding] | None:
    """No operator with a working phone is logged in to a queue."""
    if not knows_board(facts):
        return None
    found = []
    for queue, _ in live_queues(facts):
        since = facts.seen.empty.get(queue.name)
        meant = queue.overflow and not any(
            place.queue == queue.name for operator in facts.configuration.operators for place in operator.memberships
        )
        if since is None or meant:
            continue
        key, empty = f"queue-nobody:{queue.name}", facts.seconds - since
        callers = _callers(facts, queue.name)
        told = {"queue": queue.name, "callers": len(callers), "overflow": ", ".join(queue.overflow)}
        overflow = "overflow" if queue.overflow else "no_overflow"
        if callers and empty > _GAP_SECONDS:
            found.append(Finding(key, "critical", f"queue_nobody_waiting_{overflow}", told))
        elif facts.limits.empty_queue and empty > facts.limits.empty_queue_seconds:
            found.append(Finding(key, "warning", f"queue_nobody_{overflow}", told))
    return found


def everybody_paused(facts: Facts) -> list[Finding] | None:
    """Callers wait, and every operator who is there is paused: nobody will ever be rung for them."""
    if not knows_board(facts):
        return None
    found = []
    for queue, live in live_queues(facts):
        there = [member for member in operators_in(live) if member.device in WORKING]
        waited = max(_callers(facts, queue.name), default=0.0)
        if there and all(m.paused and m.device == "not_inuse" for m in there) and waited > facts.limits.free_seconds:
            told = {"queue": queue.name, "operators": ", ".join(sorted(member.operator for member in there)[:5])}
            found.append(Finding(f"queue-paused:{queue.name}", "critical", "queue_paused", told))
    return found


def caller_waits_long(facts: Facts) -> list[Finding] | None:
    """A caller waits for longer than anybody should."""
    if not knows_board(facts) and facts.recorded is None:
        return None
    found = []
    for queue in facts.configuration.queues:
        long = [waited for waited in _callers(facts, queue.name) if waited > facts.limits.wait_seconds]
        if long:
            told = {"queue": queue.name, "callers": len(long), "seconds": round(max(long))}
            found.append(Finding(f"caller-waiting:{queue.name}", "warning", "caller_waiting", told))
    return found


def _callers(facts: Facts, queue: str) -> list[float]:
    """How long each caller of a queue has waited."""
    return [facts.seconds - caller.since for caller in facts.seen.waiting.values() if caller.queue == queue]


def trunk_silent(facts: Facts, trunk: Trunk) -> list[Finding] | None:
    """A carrier has sent no call for longer than chance explains at these hours."""
    if trunk.drill or not facts.limits.trunk_calls:
        return []
    late = facts.journal_problem is not None or facts.journal_late_ms > _VERY_LATE_MS
    if facts.traffic is None or late or not knows_board(facts):
        return None
    usual, last = facts.traffic.usual.get(trunk.name), facts.traffic.last_call.get(trunk.name)
    if usual is None or last is None:
        return []
    # While Asterisk was away no call could come: that silence is not the carrier's.
    since = max(last, facts.live.asterisk_started_at or last)
    if facts.at - since < timedelta(seconds=facts.limits.trunk_seconds):
        return []
    missing, least = expected(usual, since, facts.at, facts.zone), needed(usual, facts.limits.trunk_calls)
    if missing < least:
        return []
    since_then = last.astimezone(facts.zone).strftime("%Y-%m-%d %H:%M")
    told = {"trunk": trunk.name, "since": since_then, "missing": round(missing)}
    level: Literal["warning", "critical"] = "critical" if missing >= 2 * least else "warning"
    return [Finding(f"trunk-silent:{trunk.name}", level, "trunk_silent", told)]


def canary_failed(facts: Facts) -> list[Finding]:
    """The drill calls that the service places itself do not come through: other callers may not either."""
    if facts.canary_failures < facts.limits.canary_failures:
        return []
    told = {"times": facts.canary_failures, "problem": facts.canary_problem or "?"}
    return [Finding("canary", "critical", "canary", told)]


def journal_late(facts: Facts) -> list[Finding]:
    """Records come late."""
    if facts.journal_late_ms <= _LATE_MS:
        return []
    told = {"seconds": facts.journal_late_ms // 1000, "problem": facts.journal_problem or ""}
    level: Literal["warning", "critical"] = "critical" if facts.journal_late_ms > _VERY_LATE_MS else "warning"
    return [Finding("journal-late", level, "journal_late", told)]


def parts_away(facts: Facts) -> list[Finding]:
    """A part that the service works with is away."""
    limits = facts.limits
    away = (
        ("ami-down", facts.ami_down, limits.part_seconds),
        ("database-away", facts.database_away, limits.part_seconds),
        ("agi-down", facts.agi_down, limits.agi_seconds),
    )
    return [
        Finding(key, "critical", key.replace("-", "_"), {"seconds": round(seconds)})
        for key, seconds, most in away
        if seconds > most
    ]


RULES: Mapping[str, Rule] = {
    "caller not offered": caller_not_offered,
    "nobody in queue": nobody_in_queue,
    "everybody paused": everybody_paused,
    "caller waits long": caller_waits_long,
    "canary failed": canary_failed,
    "journal late": journal_late,
    "parts away": parts_away,
}
"""The rules of each look. `trunk_silent` is asked more rarely: it sums up hours."""
