"""What a form asks for, made from the configuration's dataclasses and the words that the domain has for each field."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, is_dataclass
from dataclasses import fields as dataclass_fields
from enum import StrEnum
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pbx112.domain.configuration import MOST_LEVEL, Configuration
from pbx112.domain.configuration_choices import choice
from pbx112.domain.configuration_parts import LANGUAGES, RANGES
from pbx112.domain.configuration_words import FIELDS, FieldWords, spoken

Widget = Literal["text", "number", "check", "choice", "rows", "password"]
Choices = tuple[tuple[str, str], ...]

_WIDENING_RANGES = {"after_seconds": (0, RANGES["after_seconds"][1]), "level": (0, MOST_LEVEL)}

_WORDS_OF = {
    ("Skill", "name"): "skill_name",
    ("Shift", "name"): "shift_name",
    ("EntryRule", "language"): "caller_language",
    ("EntryRule", "priority"): "rule_priority",
    ("Tier", "trunk"): "number_trunk",
}
"""Fields that mean something else than others of the same name."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form. `none`: left empty it is None; `enum`: it always has one of its `choices`.

    `suggestions` may be typed or not; `columns` are those of repeatable rows. Rows of plain texts have one column,
    whose name is empty.
    """

    name: str
    label: str
    unit: str = ""
    meaning: str = ""
    widget: Widget = "text"
    optional: bool = False
    none: bool = False
    enum: bool = False
    least: int | None = None
    most: int | None = None
    choices: Choices = ()
    suggestions: tuple[str, ...] = ()
    columns: tuple["Field", ...] = ()
    default: str | bool = ""


def fields_of(shape: type, configuration: Configuration, lang: str) -> tuple[Field, ...]:
    """The fields of a queue, an operator .. in the order of the dataclass."""
    hints = get_type_hints(shape)
    return tuple(
        _field(shape, one.name, hints[one.name], default=_default(one), configuration=configuration, lang=lang)
        for one in dataclass_fields(shape)
    )


def _default(one: Any) -> Any:
    return None if one.default is MISSING else one.default


def _field(shape: type, name: str, hint: Any, *, default: Any, configuration: Configuration, lang: str) -> Field:
    words = FIELDS.get(_WORDS_OF.get((shape.__name__, name), name), FieldWords((name, name)))
    label, unit, meaning = (spoken(pair, lang) for pair in (words.label, words.unit, words.meaning))
    none = NoneType in get_args(hint)
    kind = next(one for one in get_args(hint) if one is not NoneType) if none else hint
    named: dict[str, Any] = {"name": name, "label": label, "unit": unit, "meaning": meaning, "none": none}
    optional = none or default == ""
    if get_origin(kind) is tuple:
        return Field(**named, widget="rows", columns=_columns(shape, name, get_args(kind)[0], configuration, lang))
    if kind is bool:
        return Field(**named, widget="check", default=bool(default))
    if kind is int:
        least, most = _WIDENING_RANGES[name] if shape.__name__ == "Widening" else RANGES[name]
        begins = "" if default is None else str(default)
        return Field(**named, widget="number", optional=optional, least=least, most=most, default=begins)
    begins = "" if default is None else str(default)
    choices = _choices(shape, name, kind, configuration, lang)
    if choices is not None:
        enum = isinstance(kind, type) and issubclass(kind, StrEnum)
        return Field(**named, widget="choice", optional=optional, enum=enum, choices=choices, default=begins)
    return Field(**named, optional=optional, default=begins, suggestions=_suggestions(shape, name, configuration))


def _columns(shape: type, name: str, item: Any, configuration: Configuration, lang: str) -> tuple[Field, ...]:
    if is_dataclass(item):
        return fields_of(item if isinstance(item, type) else type(item), configuration, lang)
    choices = _references(configuration).get((shape.__name__, name))
    label = spoken(FIELDS[name].label, lang)
    return (Field("", label, widget="text" if choices is None else "choice", choices=choices or ()),)


def _choices(shape: type, name: str, kind: Any, configuration: Configuration, lang: str) -> Choices | None:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return tuple((one.value, choice(name, one.value, lang)) for one in kind)
    if name == "language" and shape.__name__ != "EntryRule":
        return tuple((one, choice(name, one, lang)) for one in LANGUAGES)
    return _references(configuration).get((shape.__name__, name))


def _references(configuration: Configuration) -> Mapping[tuple[str, str], Choices]:
    """Fields that name another part of the configuration."""
    queues = _named(configuration.queues)
    carriers = [trunk for trunk in configuration.trunks if not trunk.drill]
    return {
        ("Queue", "overflow"): _named(configuration.operators),
        ("Membership", "queue"): queues,
        ("EntryRule", "queue"): queues,
        ("EntryRule", "trunk"): _named(carriers),
        ("Tier", "trunk"): _named([trunk for trunk in carriers if trunk.outbound is not None]),
    }


def _named(parts: Any) -> Choices:
    return tuple((one.name, f"{one.name} ({one.display_name})") for one in parts)


def _suggestions(shape: type, name: str, configuration: Configuration) -> tuple[str, ...]:
    skills = {skill.name for operator in configuration.operators for skill in operator.skills}
    skills |= {queue.skill for queue in configuration.queues if queue.skill}
    known = {
        ("Queue", "skill"): tuple(sorted(skills)),
        ("Skill", "name"): tuple(sorted(skills)),
        ("Tier", "target"): tuple(queue.name for queue in configuration.queues),
        ("EntryRule", "service"): ("sos", "sos.ambulance", "sos.fire", "sos.police"),
    }
    return known.get((shape.__name__, name), ())
