"""Parts of a configuration as a client or a form sends them, read strictly: every fault by its field."""

from collections.abc import Hashable, Mapping
from dataclasses import asdict, is_dataclass
from functools import cache
from typing import Any, TypeVar, cast

from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError

from pbx112.domain.configuration import Configuration, EntryRule
from pbx112.domain.configuration_edit import PART_OF, Kind, Part

_Read = TypeVar("_Read")


def part_in(kind: Kind, name: str, body: Mapping[str, Any]) -> Part:
    """A queue, an operator .. of this name. Raises RequestValidationError."""
    if body.get("name", name) != name:
        raise _faulty([("name", "the body names another one than the URL; a name never changes")])
    return read(PART_OF[kind], {**body, "name": name})


def rules_in(body: Any) -> tuple[EntryRule, ...]:
    """The list of entry rules. Raises RequestValidationError."""
    return read(tuple[EntryRule, ...], body)


def configuration_in(body: Any) -> Configuration:
    """A whole configuration, as GET /v1/config gives it. Raises RequestValidationError."""
    return read(Configuration, body)


def read(shape: type[_Read], body: Any) -> _Read:
    """The body in this shape, with nothing left over. Raises RequestValidationError."""
    try:
        found: _Read = _adapter(cast(Hashable, shape)).validate_python(body)
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False, include_input=False)) from error
    unknown = list(_left_over(body, found, ()))
    if unknown:
        raise _faulty([(".".join(place), "there is no such field") for place in unknown])
    return found


@cache
def _adapter(shape: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast(Any, shape))


def _left_over(raw: Any, found: Any, place: tuple[str, ...]) -> Any:
    """What was sent and has no place in what was read: a misspelt field must not be ignored."""
    if is_dataclass(found) and not isinstance(found, type) and isinstance(raw, Mapping):
        known = asdict(found)
        for key, value in raw.items():
            if key not in known:
                yield (*place, str(key)[:64])
            else:
                yield from _left_over(value, getattr(found, key), (*place, str(key)))
    elif isinstance(found, tuple) and isinstance(raw, (list, tuple)):
        for number, (value, read_value) in enumerate(zip(raw, found, strict=True)):
            yield from _left_over(value, read_value, (*place, str(number)))


def _faulty(faults: list[tuple[str, str]]) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", *field.split(".")), "msg": words} for field, words in faults])
