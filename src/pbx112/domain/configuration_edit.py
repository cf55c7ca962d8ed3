"""Edits of a configuration: a part is put in its place, or taken out. Pure; what comes of it is checked elsewhere."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

from pbx112.domain.configuration import Agency, Calendar, Configuration, EntryRule, Operator, Queue, Trunk
from pbx112.domain.errors import NotFound

Kind = Literal["queues", "operators", "agencies", "trunks", "calendars"]
Part = Queue | Operator | Agency | Trunk | Calendar

KINDS: tuple[Kind, ...] = get_args(Kind)
PART_OF: dict[Kind, type[Part]] = {
    "queues": Queue,
    "operators": Operator,
    "agencies": Agency,
    "trunks": Trunk,
    "calendars": Calendar,
}


def parts(configuration: Configuration, kind: Kind) -> tuple[Part, ...]:
    """All parts of a kind in their order."""
    found: tuple[Part, ...] = getattr(configuration, kind)
    return found


def part(configuration: Configuration, kind: Kind, name: str) -> Part:
    """The part of this name. Raises NotFound."""
    found = next((one for one in parts(configuration, kind) if one.name == name), None)
    if found is None:
        raise NotFound(f"There is no {name} among the {kind}.")
    return found


def put(configuration: Configuration, kind: Kind, new: Part) -> Configuration:
    """The same with this part in the place of the one of its name, or behind the others."""
    old = parts(configuration, kind)
    if any(one.name == new.name for one in old):
        return _with(configuration, kind, [new if one.name == new.name else one for one in old])
    return _with(configuration, kind, [*old, new])


def remove(configuration: Configuration, kind: Kind, name: str) -> Configuration:
    """The same without this part. Raises NotFound."""
    gone = part(configuration, kind, name)
    return _with(configuration, kind, [one for one in parts(configuration, kind) if one is not gone])


def with_rules(configuration: Configuration, rules: Sequence[EntryRule]) -> Configuration:
    """The same with these entry rules, in this order."""
    return replace(configuration, entry_rules=tuple(rules))


def _with(configuration: Configuration, kind: Kind, new: Sequence[Any]) -> Configuration:
    changed: dict[str, Any] = {kind: tuple(new)}
    return replace(configuration, **changed)
