"""What a configuration must not hold when it becomes Asterisk's files: names, numbers and ranges that are unsafe there.

These are the last checks, for whatever way a configuration came; people are told more, and earlier.
"""

import ipaddress
import re
from collections.abc import Iterable, Mapping
from itertools import pairwise

from pbx112.domain.configuration import MOST_LEVEL, Configuration, Operator, Queue, Tier, TierKind, Trunk
from pbx112.domain.demo import DRILL_ACCOUNT
from pbx112.domain.errors import ConfigurationInvalid
from pbx112.domain.skills import MOST_PENALTY

LATEST_SECONDS = 3600
"""No step of an overflow chain or of widening is later: it would be no step for anybody who waits."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}\Z")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?=[A-Za-z]){_LABEL}\Z")
_NUMBER = re.compile(r"\+?[0-9]{3,15}\Z")
_SILENT_WAIT, _SILENT_REPEATS = range(1, 31), range(1, 6)
_MOST_TIERS = 20
_OURS = frozenset({"sounds", "moh"})
"""Folders beside those of a centre's own prompts."""


def check(configuration: Configuration) -> None:
    """Raises ConfigurationInvalid, in words that say what to do."""
    _check_names(configuration)
    for queue in configuration.queues:
        _check_silent(queue)
        _check_widening(queue)
        _check_tiers(queue, configuration)
    _check_chains(configuration)
    for operator in configuration.operators:
        _check_places(operator)
    for trunk in configuration.trunks:
        _check_outbound(trunk)


def _check_names(configuration: Configuration) -> None:
    named: list[tuple[str, str]] = [("trunk", trunk.name) for trunk in configuration.trunks]
    named += [("queue", queue.name) for queue in configuration.queues]
    named += [("operator", operator.name) for operator in configuration.operators]
    named += [("operator's extension", operator.extension) for operator in configuration.operators]
    named += [("agency line", line) for agency in configuration.agencies for line in agency.accounts]
    named += [("overflow phone", name) for queue in configuration.queues for name in queue.overflow]
    named += [("operator's queue", m.queue) for operator in configuration.operators for m in operator.memberships]
    named += [("comfort prompt", queue.comfort) for queue in configuration.queues if queue.comfort]
    for what, name in named:
        if not _NAME.match(name):
            raise ConfigurationInvalid(
                f"The {what} {name!r} cannot be an Asterisk name: use letters, digits, '-' and '_', at most 40."
            )
    if configuration.queue(configuration.default_queue) is None:
        raise ConfigurationInvalid(
            f"The default queue {configuration.default_queue!r} does not exist: 112 would ring nobody. Create it first."
        )
    extensions = [(operator.extension, f"operator {operator.name}") for operator in configuration.operators]
    _check_unique("extension", extensions)
    # One duplicate account, and Asterisk drops every account of the file.
    accounts = [(trunk.name, f"trunk {trunk.name}") for trunk in configuration.trunks]
    accounts += [(operator.name, f"operator {operator.name}") for operator in configuration.operators]
    accounts += [(line, f"line of {agency.name}") for agency in configuration.agencies for line in agency.accounts]
    _check_unique("SIP account", [*accounts, (DRILL_ACCOUNT, "drill")])


def _check_silent(queue: Queue) -> None:
    # Operator and caller are apart as long as it lasts.
    if queue.silent_wait_seconds not in _SILENT_WAIT or queue.silent_repeats not in _SILENT_REPEATS:
        raise ConfigurationInvalid(
            f"The queue {queue.name} would ask a silent caller {queue.silent_repeats} times and wait "
            f"{queue.silent_wait_seconds} s each time: choose 1 to {_SILENT_REPEATS[-1]} times and 1 to "
            f"{_SILENT_WAIT[-1]} s."
        )


def _check_widening(queue: Queue) -> None:
    steps = queue.widening
    ranged = all(0 <= s.after_seconds <= LATEST_SECONDS and 0 <= s.level <= MOST_LEVEL for s in steps)
    if not ranged or any(later.after_seconds <= earlier.after_seconds for earlier, later in pairwise(steps)):
        raise ConfigurationInvalid(
            f"The steps by which queue {queue.name} widens must come one after the other, at 0 to {LATEST_SECONDS} s, "
            f"with levels from 0 to {MOST_LEVEL}."
        )
    if queue.comfort in _OURS:
        raise ConfigurationInvalid(f"The comfort prompt of queue {queue.name} needs another name than {queue.comfort}.")


def _check_tiers(queue: Queue, configuration: Configuration) -> None:
    if len(queue.tiers) > _MOST_TIERS:
        raise ConfigurationInvalid(f"Queue {queue.name} has more than {_MOST_TIERS} overflow tiers: leave some out.")
    if any(later.after_seconds < earlier.after_seconds for earlier, later in pairwise(queue.tiers)):
        raise ConfigurationInvalid(f"The overflow tiers of queue {queue.name} must stand in the order of their times.")
    for tier in queue.tiers:
        fault = _fault_of(tier, configuration)
        if fault:
            raise ConfigurationInvalid(f"An overflow tier of queue {queue.name} ({tier.kind}) {fault}")


def _fault_of(tier: Tier, configuration: Configuration) -> str:
    """What makes a tier unusable, in words; nothing for a good one."""
    if not 0 < tier.after_seconds <= LATEST_SECONDS:
        return f"must come after 1 to {LATEST_SECONDS} s."
    if tier.kind is TierKind.QUEUE and configuration.queue(tier.target) is None:
        return f"leads to the queue {tier.target!r}, which does not exist: create it or choose another."
    if tier.kind is not TierKind.NUMBER:
        return ""
    if not _NUMBER.match(tier.target):
        return f"cannot call {tier.target!r}: write 3 to 15 digits, with a leading + or without."
    trunk = configuration.trunk(tier.trunk)
    if trunk is None or trunk.outbound is None or trunk.drill:
        return f"calls by the trunk {tier.trunk!r}, by which nobody can be called: give it an outbound address."
    return ""


def _check_chains(configuration: Configuration) -> None:
    """A caller must not be sent round in a circle of queues."""
    onward = {q.name: [t.target for t in q.tiers if t.kind is TierKind.QUEUE] for q in configuration.queues}
    for name, targets in onward.items():
        if name in _reached(targets, onward):
            raise ConfigurationInvalid(
                f"The overflow tiers lead from queue {name} back to it: end the chain somewhere."
            )


def _reached(begin: Iterable[str], onward: Mapping[str, list[str]]) -> set[str]:
    """All queues that a chain which begins with these can lead to."""
    found: set[str] = set()
    ahead = list(begin)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += onward.get(name, [])
    return found


def _check_places(operator: Operator) -> None:
    for membership in operator.memberships:
        if not 0 <= membership.penalty <= MOST_PENALTY:
            raise ConfigurationInvalid(
                f"The penalty of operator {operator.name} in queue {membership.queue} is {membership.penalty}: choose "
                f"0 to {MOST_PENALTY}. Beyond are the levels of skills, and the drill's operator."
            )
    for skill in operator.skills:
        if not 0 < skill.level <= MOST_LEVEL:
            raise ConfigurationInvalid(
                f"Operator {operator.name}: the level of {skill.name} must be 1 to {MOST_LEVEL}."
            )


def _check_outbound(trunk: Trunk) -> None:
    if trunk.outbound is None:
        return
    host, _, port = trunk.outbound.rpartition(":")
    whole_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if not (whole_port and _is_host(host)):
        raise ConfigurationInvalid(
            f"The address for calls back of trunk {trunk.name}, {trunk.outbound!r}, is none: write host and port, such "
            "as 10.1.2.3:5060, [2001:db8::1]:5060 or sbc.carrier.id:5060, or leave it out."
        )


def _is_host(host: str) -> bool:
    try:
        if host.startswith("[") and host.endswith("]"):
            return ipaddress.IPv6Address(host[1:-1]).scope_id is None
        ipaddress.IPv4Address(host)
    except ValueError:
        return _HOST.match(host) is not None
    return True


def _check_unique(what: str, named: list[tuple[str, str]]) -> None:
    seen: dict[str, str] = {}
    for name, owner in named:
        if name in seen:
            raise ConfigurationInvalid(f"The {what} {name!r} is used twice, by {seen[name]} and {owner}: change one.")
        seen[name] = owner
