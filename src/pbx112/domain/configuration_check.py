"""What is wrong with a configuration, every fault with its field: what no draft may hold, and what must not go live.

Pure. `broken` are faults that the database or Asterisk's files cannot carry; `unreachable` are those by which a 112
call would ring nobody.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from pbx112.domain.configuration import Configuration, Queue, TierKind, Trunk
from pbx112.domain.configuration_parts import (
    Fault,
    Network,
    agency_faults,
    calendar_faults,
    network,
    operator_faults,
    queue_faults,
    rule_faults,
    trunk_faults,
    within,
)
from pbx112.domain.demo import DRILL_ACCOUNT, DRILL_SOURCE

MOST = 1000
"""So many queues, operators, lines .. at most: what a form can show and Asterisk can reload in seconds."""


def faults(configuration: Configuration) -> tuple[Fault, ...]:
    """Everything that is wrong, in the order of a form."""
    return (*broken(configuration), *unreachable(configuration))


def broken(configuration: Configuration) -> tuple[Fault, ...]:
    """What no draft may hold."""
    queues = {queue.name for queue in configuration.queues}
    found = list(_uniqueness(configuration))
    for queue in configuration.queues:
        found += within(f"queues.{queue.name}", queue_faults(queue, configuration))
    for operator in configuration.operators:
        found += within(f"operators.{operator.name}", operator_faults(operator, queues))
    for agency in configuration.agencies:
        found += within(f"agencies.{agency.name}", agency_faults(agency, configuration))
    for trunk in configuration.trunks:
        found += within(f"trunks.{trunk.name}", trunk_faults(trunk))
    for place, rule in enumerate(configuration.entry_rules):
        found += within(f"entry_rules.{place}", rule_faults(rule, configuration))
    for calendar in configuration.calendars:
        found += within(f"calendars.{calendar.name}", calendar_faults(calendar))
    if configuration.default_queue not in queues:
        found.append(Fault("default_queue", "no_queue", {"queue": configuration.default_queue}))
    found += _sources(configuration.trunks)
    return tuple(found)


def unreachable(configuration: Configuration) -> tuple[Fault, ...]:
    """Why a 112 call could ring nobody; with one of these nothing is applied."""
    found: list[Fault] = []
    carriers = [trunk for trunk in configuration.trunks if not trunk.drill]
    if not carriers:
        found.append(Fault("trunks", "no_trunk"))
    if not any(trunk.drill and trunk.sources == (DRILL_SOURCE,) for trunk in configuration.trunks):
        found.append(Fault("trunks", "no_drill_trunk"))
    for queue in configuration.queues:
        if _leads_to(queue.name, configuration) and not _is_served(queue, configuration):
            found.append(Fault(f"queues.{queue.name}", "nobody", {"queue": queue.name}))
    found += loops(configuration)
    if not any(operator.supervisor for operator in configuration.operators):
        for queue in configuration.queues:
            for place, tier in enumerate(queue.tiers):
                if tier.kind is TierKind.SUPERVISORS:
                    found.append(Fault(f"queues.{queue.name}.tiers.{place}", "no_supervisor"))
    return tuple(found)


def _uniqueness(configuration: Configuration) -> Iterator[Fault]:
    for what in ("queues", "operators", "agencies", "trunks", "calendars"):
        parts = getattr(configuration, what)
        if len(parts) > MOST:
            yield Fault(what, "too_many", {"most": MOST})
        for name, count in Counter(part.name for part in parts).items():
            if count > 1:
                yield Fault(f"{what}.{name}", "twice", {"name": name})
    # One duplicate account, and Asterisk drops every account of the file.
    accounts = [(f"trunks.{trunk.name}", trunk.name) for trunk in configuration.trunks]
    accounts += [(f"operators.{operator.name}", operator.name) for operator in configuration.operators]
    accounts += [(f"agencies.{agency.name}", line) for agency in configuration.agencies for line in agency.accounts]
    seen = {DRILL_ACCOUNT}
    for where, account in accounts:
        if account in seen:
            yield Fault(where, "account_twice", {"name": account})
        seen.add(account)
    # A code that begins another would never let that be heard whole.
    codes = [(agency.name, agency.code) for agency in configuration.agencies if agency.code]
    for name, code in codes:
        if any(other != name and of_other.startswith(code) for other, of_other in codes):
            yield Fault(f"agencies.{name}.code", "code_twice", {"code": code})
    extensions = Counter(operator.extension for operator in configuration.operators)
    for operator in configuration.operators:
        if extensions[operator.extension] > 1:
            yield Fault(f"operators.{operator.name}.extension", "extension_twice", {"extension": operator.extension})


def _sources(trunks: Iterable[Trunk]) -> Iterator[Fault]:
    """Two carriers of one address: Asterisk would take whichever it finds first."""
    known: list[tuple[str, Network]] = []
    for trunk in trunks:
        for place, source in enumerate(trunk.sources):
            mine = network(source)
            for other, theirs in known if mine is not None else ():
                if mine.version == theirs.version and mine.overlaps(theirs):  # type: ignore[union-attr]
                    yield Fault(
                        f"trunks.{trunk.name}.sources.{place}", "source_twice", {"source": source, "trunk": other}
                    )
            if mine is not None:
                known.append((trunk.name, mine))


def _leads_to(name: str, configuration: Configuration) -> bool:
    """Whether a caller can come to this queue."""
    entries = {configuration.default_queue, *(rule.queue for rule in configuration.entry_rules)}
    entries |= {tier.target for queue in configuration.queues for tier in queue.tiers if tier.kind is TierKind.QUEUE}
    return name in entries


def _is_served(queue: Queue, configuration: Configuration) -> bool:
    """Whether somebody can ever be rung for its callers: a member, the overflow list, or a tier that leads on."""
    member = any(m.queue == queue.name for operator in configuration.operators for m in operator.memberships)
    onward = any(tier.kind is not TierKind.ANNOUNCEMENT for tier in queue.tiers)
    if queue.name == configuration.default_queue:
        return member or bool(queue.overflow)  # the last resort must be one of its own
    return member or bool(queue.overflow) or onward


def loops(configuration: Configuration) -> Iterator[Fault]:
    """Chains that send a caller round in a circle of queues."""
    onward = {
        queue.name: next((tier.target for tier in queue.tiers if tier.kind is TierKind.QUEUE), None)
        for queue in configuration.queues
    }
    for start, first in onward.items():
        way, here = [start], first
        while here is not None and here not in way:
            way.append(here)
            here = onward.get(here)
        if here == start and len(way) > 1:  # a queue of its own target is told where it stands
            yield Fault(f"queues.{start}.tiers", "loop", {"queues": " → ".join([*way, start])})
