"""The list of calls: filters, and a cursor that stays right while new calls come in."""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput
from pbx112.storage.calls import complete, public_row, selected
from pbx112.storage.tables import call_annotations, calls

MOST = 500
"""The longest page."""


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls to list; None is no condition. `until` itself is not included; `q` is looked for in the caller's
    numbers, IMEI, SIP Call-ID, linked id and notes.
    """

    since: datetime | None = None
    until: datetime | None = None
    state: str | None = None
    outcome: str | None = None
    queue: str | None = None
    operator: str | None = None
    caller_class: str | None = None
    number: str | None = None
    q: str | None = None
    drill: bool | None = None


@dataclass(frozen=True, slots=True)
class CallPage:
    """A page of public call records, newest first; `next_cursor` is None on the last page."""

    items: list[dict[str, Any]]
    next_cursor: str | None


_EQUAL = ("state", "outcome", "queue", "operator", "caller_class", "number", "drill")
_SEARCHED: tuple[ColumnElement[str | None], ...] = (
    calls.c.number,
    calls.c.caller["raw_number"].astext,
    calls.c.caller["callback_number"].astext,
    calls.c.caller["imei"].astext,
    calls.c.sip_call_id,
    calls.c.linkedid,
    call_annotations.c.notes,
)


async def list_calls(
    conn: AsyncConnection,
    filter: CallFilter,  # noqa: A002
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> CallPage:
    """A page of calls, newest first. Raises BadInput for a broken cursor or a limit outside 1..500."""
    if not 1 <= limit <= MOST:
        raise BadInput(f"The limit is from 1 to {MOST}.")
    rows = selected().order_by(calls.c.received_at.desc(), calls.c.id.desc()).limit(limit + 1)
    rows = rows.where(*_conditions(filter))
    if cursor is not None:
        rows = rows.where(tuple_(calls.c.received_at, calls.c.id) < tuple_(*_read_cursor(cursor)))
    found = (await conn.execute(rows)).all()
    items = [public_row(row) for row in found[:limit]]
    await complete(conn, items)
    more = len(found) > limit
    return CallPage(items, _cursor(items[-1]["received_at"], items[-1]["id"]) if more else None)


def _conditions(filter: CallFilter) -> Iterator[ColumnElement[bool]]:  # noqa: A002
    if filter.since is not None:
        yield calls.c.received_at >= filter.since
    if filter.until is not None:
        yield calls.c.received_at < filter.until
    for name in _EQUAL:
        value = getattr(filter, name)
        if value is not None:
            yield calls.c[name] == (_text(value) if isinstance(value, str) else value)
    if filter.q:
        yield or_(*(column.icontains(_text(filter.q), autoescape=True) for column in _SEARCHED))


def _text(value: str) -> str:
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise BadInput("The text to look for has characters that no call can have.")
    return value


def _cursor(received_at: datetime, id: UUID) -> str:  # noqa: A002
    return base64.urlsafe_b64encode(f"{received_at.isoformat()} {id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, UUID]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        at, _, call = base64.urlsafe_b64decode(padded).decode("ascii").partition(" ")
        return datetime.fromisoformat(at).astimezone(UTC), UUID(call)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise BadInput("The cursor is not one that this service gave out; begin without it.") from error
