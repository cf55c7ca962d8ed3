"""The payloads of our own journal events: one word each, made by the dialplan or by the intake.

The dialplan cannot make JSON of hostile text, so it joins base64 fields by dots behind `v1.` (and `v2.`, for what one
line of the journal does not hold); the intake (Python) sends base64 of JSON. This file is the only one that knows
these forms.
"""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from pbx112.domain import events as kinds

PREFIX = "PBX112_"
_FIRST, _SECOND = "v1.", "v2."

DOTTED_FIELDS: Mapping[str, tuple[str, ...]] = {
    kinds.ARRIVAL: ("sip_call_id", "trunk", "flags", "asserted", "from", "contact"),
    kinds.QUEUE_JOIN: ("queue", "priority", "stage"),
    kinds.QUEUE_LEAVE: ("queue", "status"),
    kinds.OVERFLOW: ("queue", "kind", "target"),
    kinds.OPERATOR: ("operator", "action", "queue", "reason"),
    kinds.SILENT: ("step", "digits"),
    kinds.CALLBACK: ("trunk", "number"),
    kinds.RECORDING: ("call", "kind", "file", "step"),
    kinds.TRANSFER: ("call", "transfer", "step", "one", "two", "three"),
}
"""The order of the base64 fields behind `v1.`, by kind; missing ones at the end are empty."""

SECOND_FIELDS: Mapping[str, tuple[str, ...]] = {kinds.ARRIVAL: ("from", "contact")}
"""The same behind `v2.`."""


class Undecodable(ValueError):
    """A payload that is not what its kind should carry; the event itself is kept."""


def read_payload(kind: str, extra: str) -> dict[str, Any]:
    """Read CEL's EventExtra of an event of ours, `{"extra": word}`. Raises Undecodable."""
    word = read_json(extra).get("extra")
    if not isinstance(word, str):
        raise Undecodable("no word in EventExtra")
    text = word if word.startswith((_FIRST, _SECOND)) else to_text(_decode(word))
    if text.startswith(_SECOND):
        return _dotted(kind, text.removeprefix(_SECOND), SECOND_FIELDS.get(kind))
    if text.startswith(_FIRST):
        fields = _dotted(kind, text.removeprefix(_FIRST), DOTTED_FIELDS.get(kind))
        return _AFTER.get(kind, _as_it_is)(fields)
    return read_json(text)


def _dotted(kind: str, text: str, names: tuple[str, ...] | None) -> dict[str, str]:
    if names is None:
        raise Undecodable(f"{kind} has no dotted form")
    values = text.split(".")
    if len(values) > len(names):
        raise Undecodable(f"{len(values)} fields where {kind} has {len(names)}")
    values += [""] * (len(names) - len(values))
    return {name: _field(value) for name, value in zip(names, values, strict=True)}


def _field(value: str) -> str:
    """One field's text; "" for one that a hostile value has cut: it must not take the others with it."""
    try:
        return _without_guard(to_text(_decode(value)))
    except Undecodable:
        return ""


def _without_guard(value: str) -> str:
    """A field without what the dialplan puts before it: BASE64_ENCODE refuses an empty text, and counts parentheses."""
    return _GUARD.sub("", value, count=1)


def read_json(text: str) -> dict[str, Any]:
    """A JSON object that PostgreSQL can store. Raises Undecodable."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise Undecodable(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Undecodable("not a JSON object")
    storable: dict[str, Any] = _storable(value) if "\\u0000" in text else value
    return storable


def to_text(raw: bytes) -> str:
    """Bytes as text that PostgreSQL can store: what is not UTF-8, and NUL, become visible escapes."""
    return raw.decode("utf-8", "backslashreplace").replace("\x00", "\\x00")


def _decode(word: str) -> bytes:
    plain = word.translate(_STANDARD).rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Undecodable("not base64") from error


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\\x00")
    if isinstance(value, list):
        return [_storable(item) for item in value]
    if isinstance(value, dict):
        return {_storable(key): _storable(item) for key, item in value.items()}
    return value


def _arrival(fields: dict[str, str]) -> dict[str, Any]:
    flags = fields.pop("flags")
    return {**fields, "trusted": "t" in flags, "drill": "d" in flags}


def _queue_join(fields: dict[str, str]) -> dict[str, Any]:
    priority = fields["priority"]
    whole = priority.isascii() and priority.removeprefix("-").isdigit() and len(priority) < 10
    return {**fields, "priority": int(priority) if whole else None}


def _as_it_is(fields: dict[str, str]) -> dict[str, Any]:
    return dict(fields)


_AFTER: Mapping[str, Callable[[dict[str, str]], dict[str, Any]]] = {
    kinds.ARRIVAL: _arrival,
    kinds.QUEUE_JOIN: _queue_join,
}
_STANDARD = str.maketrans("-_", "+/")
_GUARD = re.compile(r"^\(*\.")
