"""What is different between two configurations, for people and for programs."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pbx112.domain.configuration import Configuration
from pbx112.domain.configuration_choices import choice
from pbx112.domain.configuration_words import FIELDS, KINDS, label, spoken

Act = Literal["added", "removed", "changed"]

_NAMED = ("queues", "operators", "agencies", "trunks", "calendars")
_WORDS: Mapping[Act, tuple[str, str]] = {
    "added": ("ditambahkan", "added"),
    "removed": ("dihapus", "removed"),
    "changed": ("berubah", "changed"),
}


@dataclass(frozen=True, slots=True)
class Change:
    """One difference: of `kind` (`queues` ..), of the part `name` (empty: the whole), and of its field, if of one."""

    act: Act
    kind: str
    name: str = ""
    field: str = ""
    before: Any = None
    after: Any = None

    def say(self, lang: str) -> str:
        """The difference in a sentence."""
        part = f"{spoken(KINDS[self.kind], lang)} {self.name}".strip()
        if not self.field:
            known = "" if self.kind in _NAMED else f": {self._values(self.kind, lang)}"
            return f"{part} {spoken(_WORDS[self.act], lang)}{known}"
        unit = spoken(FIELDS[self.field].unit, lang) if self.field in FIELDS else ""
        return f"{part}, {label(self.field, lang)}: {self._values(self.field, lang)} {unit}".rstrip()

    def _values(self, field: str, lang: str) -> str:
        return f"{_value(field, self.before, lang)} → {_value(field, self.after, lang)}"


def changes(before: Configuration, after: Configuration) -> tuple[Change, ...]:
    """Every difference from one to the other, but for the version's number."""
    old, new = before.to_json(), after.to_json()
    found: list[Change] = []
    for kind in _NAMED:
        found += _parts(kind, old[kind], new[kind])
    for kind in ("entry_rules", "default_queue", "surge"):
        if old[kind] != new[kind]:
            found.append(Change("changed", kind, before=_plain(old[kind]), after=_plain(new[kind])))
    return tuple(found)


def _parts(kind: str, old: Any, new: Any) -> Iterator[Change]:
    was, now = ({part["name"]: part for part in parts} for parts in (old, new))
    for name in was.keys() - now.keys():
        yield Change("removed", kind, name, before=_plain(was[name]))
    for name, part in now.items():
        if name not in was:
            yield Change("added", kind, name, after=_plain(part))
            continue
        for key, value in part.items():
            if was[name][key] != value:
                yield Change("changed", kind, name, key, _plain(was[name][key]), _plain(value))


def _plain(value: Any) -> Any:
    """Without what is empty, so that a sentence stays one."""
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, dict):
        return {key: one for key, one in value.items() if one not in (None, "", ())}
    return value


def _value(field: str, value: Any, lang: str) -> str:
    if value in (None, "", [], ()):
        return "-"
    if isinstance(value, bool):
        return spoken(("ya", "yes") if value else ("tidak", "no"), lang)
    if isinstance(value, list):
        return "; ".join(_value(field, one, lang) for one in value)
    if isinstance(value, dict):
        return ", ".join(_named(key, one, lang) for key, one in value.items())
    return choice(field, str(value), lang)


def _named(key: str, value: Any, lang: str) -> str:
    said = _value(key, value, lang)
    if key in _SPEAKS_FOR_ITSELF:
        return said
    unit = spoken(FIELDS[key].unit, lang) if key in FIELDS else ""
    return f"{label(key, lang).lower()} {said} {unit}".rstrip()


_SPEAKS_FOR_ITSELF = frozenset({"name", "kind"})
