"""What can be wrong with one part of a configuration: a queue, an operator, an agency, a trunk, a rule, a calendar.

Pure. Each check gives the faults with places counted from the part; a fault is a word of `configuration_words`.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise

from pbx112.domain.configuration import (
    MOST_LEVEL,
    Agency,
    Calendar,
    Configuration,
    EntryRule,
    Operator,
    Queue,
    Tier,
    TierKind,
    Trunk,
)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
NUMBER = re.compile(r"\+?[0-9]{3,15}")
LANGUAGES = ("id", "en")
RESERVED_PROMPTS = frozenset({"sounds", "moh"})
"""Folders beside those of a centre's own prompts."""

RANGES: Mapping[str, tuple[int, int]] = {
    "ring_seconds": (3, 120),
    "retry_seconds": (0, 30),
    "wrapup_seconds": (0, 900),
    "answer_after_seconds": (1, 60),
    "priority": (-100, 100),
    "service_level_seconds": (1, 300),
    "silent_wait_seconds": (1, 30),
    "silent_repeats": (1, 5),
    "missed_offers": (0, 20),
    "penalty": (0, 99),
    "level": (1, MOST_LEVEL),
    "after_seconds": (1, 3600),
}
"""The least and the most of each number."""

_EXTENSION = re.compile(r"[0-9]{2,8}")
_RESERVED = frozenset({"112", "0112", "62112"})
_SERVICE = re.compile(r"sos(\.[a-z0-9-]{1,20}){0,4}")
_LANGUAGE = re.compile(r"[a-z]{2,3}")
_DIALLED = re.compile(r"[+0-9A-Za-z:.]{1,40}")
_CODE = re.compile(r"[0-9]{1,2}")
_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}")
_MOST_TIERS = 20
_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where (`queues.112.tiers.0.target`), which (a key of the words), and what it speaks of."""

    where: str
    problem: str
    told: Mapping[str, object] = field(default_factory=dict)


def within(where: str, faults_there: Iterable[Fault]) -> Iterator[Fault]:
    for fault in faults_there:
        yield Fault(f"{where}.{fault.where}", fault.problem, fault.told)


def _named(name: str, display_name: str) -> Iterator[Fault]:
    if not NAME.fullmatch(name):
        yield Fault("name", "name", {"name": name})
    if not display_name.strip() or len(display_name) > 60 or not display_name.isprintable():
        yield Fault("display_name", "display_name")


def _numbers(part: object, *names: str) -> Iterator[Fault]:
    for name in names:
        least, most = RANGES[name]
        if not least <= getattr(part, name) <= most:
            yield Fault(name, "range", {"least": least, "most": most, "value": getattr(part, name)})


def queue_faults(queue: Queue, configuration: Configuration) -> Iterator[Fault]:
    yield from _named(queue.name, queue.display_name)
    yield from _numbers(
        queue,
        "ring_seconds",
        "retry_seconds",
        "wrapup_seconds",
        "answer_after_seconds",
        "priority",
        "service_level_seconds",
        "silent_wait_seconds",
        "silent_repeats",
        "missed_offers",
    )
    yield from _language(queue.language)
    operators = {operator.name for operator in configuration.operators}
    for name in queue.overflow:
        if name not in operators:
            yield Fault("overflow", "no_operator", {"operator": name})
    if queue.skill is not None and not NAME.fullmatch(queue.skill):
        yield Fault("skill", "name", {"name": queue.skill})
    if queue.comfort and not NAME.fullmatch(queue.comfort):
        yield Fault("comfort", "name", {"name": queue.comfort})
    if queue.comfort in RESERVED_PROMPTS:
        yield Fault("comfort", "reserved", {"name": queue.comfort})
    yield from _widening(queue)
    for place, tier in enumerate(queue.tiers):
        yield from within(f"tiers.{place}", _tier(tier, queue, configuration))
    if len(queue.tiers) > _MOST_TIERS:
        yield Fault("tiers", "too_many", {"most": _MOST_TIERS})
    if any(earlier.after_seconds > later.after_seconds for earlier, later in pairwise(queue.tiers)):
        yield Fault("tiers", "not_ascending")
    if any(tier.kind is TierKind.QUEUE for tier in queue.tiers[:-1]):
        yield Fault("tiers", "queue_not_last")


def _widening(queue: Queue) -> Iterator[Fault]:
    if queue.widening and queue.skill is None:
        yield Fault("widening", "widening_without_skill")
    for place, step in enumerate(queue.widening):
        if not 0 <= step.after_seconds <= RANGES["after_seconds"][1]:
            told = {"least": 0, "most": RANGES["after_seconds"][1], "value": step.after_seconds}
            yield Fault(f"widening.{place}.after_seconds", "range", told)
        if not 0 <= step.level <= MOST_LEVEL:
            yield Fault(f"widening.{place}.level", "range", {"least": 0, "most": MOST_LEVEL, "value": step.level})
    if any(b.after_seconds <= a.after_seconds or b.level >= a.level for a, b in pairwise(queue.widening)):
        yield Fault("widening", "widening_order")


def _tier(tier: Tier, queue: Queue, configuration: Configuration) -> Iterator[Fault]:
    yield from _numbers(tier, "after_seconds")
    if tier.kind is TierKind.QUEUE:
        if configuration.queue(tier.target) is None:
            yield Fault("target", "no_queue", {"queue": tier.target})
        elif tier.target == queue.name:
            yield Fault("target", "loop", {"queues": f"{queue.name} → {queue.name}"})
    if tier.kind is TierKind.NUMBER:
        if not NUMBER.fullmatch(tier.target):
            yield Fault("target", "number", {"number": tier.target})
        trunk = configuration.trunk(tier.trunk)
        if trunk is None:
            yield Fault("trunk", "no_such_trunk", {"trunk": tier.trunk})
        elif trunk.outbound is None or trunk.drill:
            yield Fault("trunk", "no_outbound", {"trunk": tier.trunk})


def operator_faults(operator: Operator, queues: set[str]) -> Iterator[Fault]:
    yield from _named(operator.name, operator.display_name)
    if not _EXTENSION.fullmatch(operator.extension) or operator.extension in _RESERVED:
        yield Fault("extension", "extension", {"extension": operator.extension})
    yield from _language(operator.language)
    for place, membership in enumerate(operator.memberships):
        if membership.queue not in queues:
            yield Fault(f"memberships.{place}.queue", "no_queue", {"queue": membership.queue})
        yield from within(f"memberships.{place}", _numbers(membership, "penalty"))
    yield from _once("memberships", (membership.queue for membership in operator.memberships))
    for place, skill in enumerate(operator.skills):
        if not NAME.fullmatch(skill.name):
            yield Fault(f"skills.{place}.name", "name", {"name": skill.name})
        yield from within(f"skills.{place}", _numbers(skill, "level"))
    yield from _once("skills", (skill.name for skill in operator.skills))


def _once(where: str, names: Iterable[str]) -> Iterator[Fault]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Fault(where, "twice", {"name": name})


def _language(language: str) -> Iterator[Fault]:
    if language not in LANGUAGES:
        yield Fault("language", "language", {"language": language, "languages": ", ".join(LANGUAGES)})


def agency_faults(agency: Agency, configuration: Configuration) -> Iterator[Fault]:
    yield from _named(agency.name, agency.display_name)
    yield from _numbers(agency, "ring_seconds")
    if agency.code and not _CODE.fullmatch(agency.code):
        yield Fault("code", "code", {"code": agency.code})
    for place, line in enumerate(agency.lines):
        number, at, name = line.partition("@")
        if not at and not NAME.fullmatch(line):
            yield Fault(f"lines.{place}", "name", {"name": line})
        if at:
            yield from _outside(f"lines.{place}", number, name, configuration)


def _outside(where: str, number: str, name: str, configuration: Configuration) -> Iterator[Fault]:
    """A number and the trunk that leads to it."""
    if not NUMBER.fullmatch(number):
        yield Fault(where, "number", {"number": number})
    trunk = configuration.trunk(name)
    if trunk is None:
        yield Fault(where, "no_such_trunk", {"trunk": name})
    elif trunk.outbound is None or trunk.drill:
        yield Fault(where, "no_outbound", {"trunk": name})


def trunk_faults(trunk: Trunk) -> Iterator[Fault]:
    yield from _named(trunk.name, trunk.display_name)
    if not trunk.sources:
        yield Fault("sources", "no_source", {"trunk": trunk.name})
    for place, source in enumerate(trunk.sources):
        if network(source) is None and not _HOST.fullmatch(source):
            yield Fault(f"sources.{place}", "source", {"source": source})
    for place, pattern in enumerate(trunk.pseudo_patterns):
        if not _is_pattern(pattern):
            yield Fault(f"pseudo_patterns.{place}", "pattern", {"pattern": pattern})
    if trunk.outbound is not None and not is_address(trunk.outbound):
        yield Fault("outbound", "address", {"address": trunk.outbound})


def _is_pattern(pattern: str) -> bool:
    # A few characters and no nested repeats: it is matched against what callers send, while they wait.
    if len(pattern) > 100 or re.search(r"[*+}][)]?[*+{]", pattern):
        return False
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def is_address(text: str) -> bool:
    """Whether this is `host:port` (a name, an IPv4 address, or an IPv6 one in brackets)."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536):
        return False
    try:
        if host.startswith("[") and host.endswith("]"):
            return IPv6Address(host[1:-1]).scope_id is None
        return ip_address(host).version == 4
    except ValueError:
        return _HOST.fullmatch(host) is not None


Network = IPv4Network | IPv6Network


def network(source: str) -> Network | None:
    """A trunk's source as a network; None for a host name."""
    try:
        return ip_network(source, strict=False)
    except ValueError:
        return None


def rule_faults(rule: EntryRule, configuration: Configuration) -> Iterator[Fault]:
    if configuration.queue(rule.queue) is None:
        yield Fault("queue", "no_queue", {"queue": rule.queue})
    if rule.trunk is not None and configuration.trunk(rule.trunk) is None:
        yield Fault("trunk", "no_such_trunk", {"trunk": rule.trunk})
    if rule.dialled is not None and not _DIALLED.fullmatch(rule.dialled):
        yield Fault("dialled", "dialled", {"dialled": rule.dialled})
    if rule.service is not None and not _SERVICE.fullmatch(rule.service):
        yield Fault("service", "service", {"service": rule.service})
    if rule.language is not None and not _LANGUAGE.fullmatch(rule.language):
        yield Fault("language", "rule_language", {"language": rule.language})
    if rule.priority is not None:
        yield from _numbers(rule, "priority")


def calendar_faults(calendar: Calendar) -> Iterator[Fault]:
    yield from _named(calendar.name, calendar.display_name)
    if not calendar.shifts:
        yield Fault("shifts", "no_shift")
        return
    whole = True
    for place, shift in enumerate(calendar.shifts):
        if not shift.name.strip() or len(shift.name) > 40:
            yield Fault(f"shifts.{place}.name", "display_name")
        for name in ("start", "end"):
            if not _TIME.fullmatch(getattr(shift, name)):
                whole = False
                yield Fault(f"shifts.{place}.{name}", "time", {"time": getattr(shift, name)})
    if whole:
        following = (*calendar.shifts[1:], calendar.shifts[0])
        gap = any(a.end != b.start for a, b in zip(calendar.shifts, following, strict=True))
        lasts = sum((_minutes(shift.end) - _minutes(shift.start)) % _DAY or _DAY for shift in calendar.shifts)
        if gap or lasts != _DAY:
            yield Fault("shifts", "shift_gap")


def _minutes(time: str) -> int:
    return int(time[:2]) * 60 + int(time[3:])
