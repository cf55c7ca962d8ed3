"""Facts for the watchdog's rules: a second that can be moved, boards in one line, looks one after the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pbx112.domain.configuration import Configuration
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.domain.live import LiveMember, LiveQueue, LiveState, LiveWaiting
from pbx112.domain.watch import RULES, Facts, Finding, Rule
from pbx112.domain.watch_memory import look

NOON = datetime(2025, 3, 12, 5, 0, 0, tzinfo=UTC)
"""A Wednesday, 12:00 in Jakarta."""

FREE, TALKING, RINGING = "not_inuse", "inuse", "ringing"


def member(name: str = "op1", device: str = FREE, **more: Any) -> LiveMember:
    return LiveMember(name, device, **more)


def caller(number: int = 1, since: datetime = NOON, trunk: str = "carrier-a") -> LiveWaiting:
    return LiveWaiting(f"n-{number}", f"PJSIP/{trunk}-0000000{number}", number, since, f"n-{number}")


def board(*members: LiveMember, waiting: tuple[LiveWaiting, ...] = (), **more: Any) -> LiveState:
    queue = LiveQueue("112", members, waiting)
    return replace(LiveState(at=NOON, connected=True, queues=(queue,)), **more)


@dataclass
class Looks:
    """Looks at boards, `step` seconds apart, as the watchdog makes them."""

    configuration: Configuration = DEMO_CENTRE
    second: float = 1000.0
    at: datetime = NOON
    facts: Facts = field(init=False)

    def __post_init__(self) -> None:
        self.facts = Facts(self.at, self.second, self.configuration, LiveState())

    def see(self, live: LiveState, *, times: int = 1, step: float = 1.0, **more: Any) -> Facts:
        """Look so often at this board, and give the facts of the last look."""
        for _ in range(times):
            self.second += step
            self.at += timedelta(seconds=step)
            now = replace(self.facts, at=self.at, seconds=self.second, live=live, **more)
            self.facts = replace(now, seen=look(self.facts.seen, now))
        return self.facts


def found(rule: Rule, facts: Facts) -> list[tuple[str, str]] | None:
    """Keys and levels of what a rule finds."""
    findings = rule(facts)
    return None if findings is None else [(one.key, one.level) for one in findings]


def all_found(facts: Facts) -> list[Finding]:
    """What all rules find."""
    return [finding for rule in RULES.values() for finding in rule(facts) or ()]
