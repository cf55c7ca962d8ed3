"""JSON as the public names promise it: UTC times with microseconds and `Z`, `null` for absent facts."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME


def json_bytes(value: Any, *, indent: bool = False) -> bytes:
    """Plain values, UUIDs, enums and aware datetimes as JSON; with `indent` for people."""
    return orjson.dumps(value, default=_other, option=_OPTIONS | (orjson.OPT_INDENT_2 if indent else 0))


def time_text(at: datetime) -> str:
    """RFC 3339, UTC, always six digits of a second: `2025-01-31T17:00:00.000000Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _other(value: object) -> object:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, UUID):  # asyncpg's own class of it
        return str(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in an answer")
