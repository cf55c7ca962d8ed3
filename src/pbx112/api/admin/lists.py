"""The lists of queues, operators, agencies, trunks and calendars: what each row tells."""

from collections.abc import Iterable, Mapping
from typing import Any

from pbx112.api.admin.words import words
from pbx112.domain.configuration import Configuration, Membership, Shift, Skill, Tier
from pbx112.domain.configuration_choices import choice
from pbx112.domain.configuration_edit import Kind, parts
from pbx112.domain.configuration_words import FIELDS, label, spoken

_COLUMNS: Mapping[Kind, tuple[str, ...]] = {
    "queues": ("display_name", "strategy", "ring_seconds", "skill", "tiers"),
    "operators": ("display_name", "extension", "memberships", "skills", "supervisor"),
    "agencies": ("display_name", "lines"),
    "trunks": ("display_name", "sources", "trusted", "outbound"),
    "calendars": ("display_name", "shifts"),
}


def columns(kind: Kind, lang: str) -> list[str]:
    """The headings of a list, behind the account's name."""
    heads = [_head(field, lang) for field in _COLUMNS[kind]]
    return [*heads, words("members", lang)] if kind == "queues" else heads


def rows(configuration: Configuration, kind: Kind, lang: str) -> list[tuple[str, list[str]]]:
    """Each part's name and what the list tells of it."""
    found = []
    for part in parts(configuration, kind):
        cells = [told(field, getattr(part, field), lang) for field in _COLUMNS[kind]]
        if kind == "queues":
            cells.append(_list(_members(configuration, part.name)))
        found.append((part.name, cells))
    return found


def _head(field: str, lang: str) -> str:
    unit = spoken(FIELDS[field].unit, lang)
    return f"{label(field, lang)} ({unit})" if unit else label(field, lang)


def _members(configuration: Configuration, queue: str) -> Iterable[str]:
    for operator in configuration.operators:
        if any(membership.queue == queue for membership in operator.memberships):
            yield operator.name


def told(field: str, value: Any, lang: str) -> str:
    """A value of the configuration for people."""
    if isinstance(value, bool):
        return words("yes" if value else "no", lang)
    if isinstance(value, tuple):
        return _list(told(field, one, lang) for one in value)
    match value:
        case Tier():
            target = f" {value.target}" if value.target else ""
            return f"{value.after_seconds} s: {choice('kind', value.kind, lang)}{target}"
        case Membership():
            return value.queue + (f" ({label('penalty', lang).lower()} {value.penalty})" if value.penalty else "")
        case Skill():
            return f"{value.name} {value.level}"
        case Shift():
            return f"{value.name} {value.start}-{value.end}"
    return words("none", lang) if value in (None, "") else choice(field, str(value), lang)


def _list(found: Iterable[str]) -> str:
    return ", ".join(found) or "-"
