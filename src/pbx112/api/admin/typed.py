"""What somebody typed into a form, as texts by field, and back: rows added, removed, and left empty."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from starlette.datastructures import FormData

from pbx112.api.admin.fields import Field

Values = dict[str, Any]
"""By field: a text, True or False, or a list of rows, which are texts or values of their own."""


def shown(part: Any, fields: Sequence[Field]) -> Values:
    """A part of the configuration as its form shows it."""
    return _shown(asdict(part), fields)


def _shown(raw: Mapping[str, Any], fields: Sequence[Field]) -> Values:
    found: Values = {}
    for field in fields:
        value = raw[field.name]
        if field.widget == "rows":
            plain = field.columns[0].name == ""
            found[field.name] = [str(row) if plain else _shown(row, field.columns) for row in value]
        elif field.widget == "check":
            found[field.name] = bool(value)
        else:
            found[field.name] = "" if value is None else str(value)
    return found


def empty(fields: Sequence[Field]) -> Values:
    """A form that nobody has filled in yet."""
    return {field.name: [] if field.widget == "rows" else field.default for field in fields}


def typed(form: FormData, fields: Sequence[Field], before: str = "") -> Values:
    """What a form holds; a field that was not sent counts as empty."""
    found: Values = {}
    for field in fields:
        name = f"{before}{field.name}"
        if field.widget == "rows":
            found[field.name] = [_row(form, field, f"{name}.{number}") for number in _numbers(form, name)]
        elif field.widget == "check":
            found[field.name] = name in form
        else:
            found[field.name] = _text(form, name)
    return found


def _row(form: FormData, field: Field, name: str) -> Any:
    return _text(form, name) if field.columns[0].name == "" else typed(form, field.columns, f"{name}.")


def _text(form: FormData, name: str) -> str:
    value = form.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _numbers(form: FormData, name: str) -> list[int]:
    """The numbers of the rows that were sent, in their order."""
    found = {key.removeprefix(f"{name}.").partition(".")[0] for key in form if key.startswith(f"{name}.")}
    return sorted(int(one) for one in found if one.isascii() and one.isdigit() and len(one) < 5)


def with_row(values: Values, fields: Sequence[Field], wish: str) -> tuple[Values, str]:
    """The same after `add:FIELD` or `drop:FIELD:NUMBER`, and which field is the next to be filled in."""
    act, _, rest = wish.partition(":")
    name, _, number = rest.partition(":")
    field = next((one for one in fields if one.name == name and one.widget == "rows"), None)
    if field is None:
        return values, ""
    rows = list(values[name])
    if act == "add":
        rows.append("" if field.columns[0].name == "" else empty(field.columns))
        first = field.columns[0].name
        return {**values, name: rows}, f"{name}.{len(rows) - 1}.{first}".removesuffix(".")
    if number.isascii() and number.isdigit() and int(number) < len(rows):
        del rows[int(number)]
    return {**values, name: rows}, f"{name}:add"


def without_empty_rows(values: Values, fields: Sequence[Field]) -> Values:
    """The same without the rows that were added and left as they were."""
    return {
        field.name: [row for row in values[field.name] if not _is_empty(row, field)]
        if field.widget == "rows"
        else values[field.name]
        for field in fields
    }


def _is_empty(row: Any, field: Field) -> bool:
    if isinstance(row, str):
        return not row
    # A list of kinds always has one chosen.
    return all(row[column.name] in ("", column.default) for column in field.columns if not column.enum)


def body_of(values: Values, fields: Sequence[Field]) -> dict[str, Any]:
    """The values as a client of the API would send them: what is empty and may be is None, or its default."""
    found: dict[str, Any] = {}
    for field in fields:
        value = values[field.name]
        if field.widget == "rows":
            plain = field.columns[0].name == ""
            found[field.name] = [row if plain else body_of(row, field.columns) for row in value]
        elif value == "" and field.none:
            found[field.name] = None
        else:
            found[field.name] = value
    return found
