"""The list of abandoned callers: one item a caller, however often he tried, and what was done about him."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.caller import is_person
from pbx112.domain.errors import NoSuchCall
from pbx112.storage import abandoned as storage
from pbx112.storage import audit
from pbx112.storage.callbacks import attempts_of

MOST_CALLS = 20
"""Calls of one caller that are listed; their number is told whole."""


class AbandonedResult(StrEnum):
    """What became of an abandoned caller."""

    REACHED = "reached"
    UNREACHABLE = "unreachable"
    NO_NEED = "no_need"
    DUPLICATE = "duplicate"
    OTHER = "other"


Row = Mapping[str, Any]


async def abandoned_list(conn: AsyncConnection, *, limit: int) -> dict[str, Any]:
    """Who is still to be reached: `items` can be called back, `groups` cannot, by caller class; newest first.

    `open_calls` counts calls. Without a time window; only the newest 5,000 calls are looked at.
    """
    rows = await storage.open_abandoned(conn)
    found = merge(rows)
    reachable = [item for item in found if item["callback_number"]]
    others = [item for item in found if not item["callback_number"]]
    await _tell_attempts(conn, reachable[:limit])
    for item in others:
        item |= {"attempts": [], "held_by": None}  # nobody can have called them back
    return {
        "items": reachable[:limit],
        "groups": group(others, limit),
        "total": len(reachable),
        "open_calls": len(rows),
        "complete": len(rows) < storage.MOST_OPEN,
    }


def merge(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """One item a caller out of calls that come newest first; his newest call speaks for him.

    Only an asserted number or a handset's IMEI is a caller: two anonymous, pseudo or claimed ones are never one.
    """
    items: dict[str, dict[str, Any]] = {}
    for row in rows:
        item = items.setdefault(_person(row), {"calls": [], "count": 0})
        if not item["count"]:
            item.update(_item(row))
        item["count"] += 1
        item["first_at"] = row["received_at"]
        item["longest_wait_ms"] = max(item["longest_wait_ms"] or 0, row["wait_ms"] or 0)
        if len(item["calls"]) < MOST_CALLS:
            item["calls"].append({name: row[name] for name in ("id", "received_at", "wait_ms", "outcome")})
    return list(items.values())


def group(items: Sequence[dict[str, Any]], limit: int) -> list[dict[str, Any]]:
    """Callers whom nobody can call back, by their class."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for item in items:
        groups.setdefault(item["caller"]["class"], []).append(item)
    return [
        {"caller_class": name, "callers": len(found), "items": found[:limit]}
        for name, found in sorted(groups.items(), key=lambda pair: -len(pair[1]))
    ]


async def closed_list(conn: AsyncConnection, *, limit: int) -> list[dict[str, Any]]:
    """The calls closed last, with who worked them, when, with what result."""
    rows = await storage.closed_abandoned(conn, most=limit)
    kept = ("id", "received_at", "caller", "wait_ms", "outcome", "closed_at", "closed_by", "result", "note")
    return [{name: row[name] for name in kept} for row in rows]


async def close(
    conn: AsyncConnection, call_ids: Sequence[UUID], *, who: str, result: str, note: str | None
) -> list[UUID]:
    """Take these callers off the list, with all their open calls; audited, the caller commits.

    Closing what is closed already changes nothing. Raises NoSuchCall when one was never abandoned.
    """
    missing = set(call_ids) - await storage.are_abandoned(conn, call_ids)
    if missing:
        raise NoSuchCall(f"Not an abandoned call: {', '.join(sorted(map(str, missing)))}; nothing was changed.")
    closed = await storage.close_abandoned(conn, call_ids, who=who, result=result, note=note)
    for call in closed:
        await audit.append(
            conn, who=who, action="abandoned.close", subject=str(call), after={"result": result, "note": note}
        )
    return closed


def _person(row: Row) -> str:
    if is_person(row["number_key"]):
        return str(row["number_key"])
    return str(row["imei_key"] or row["id"])


def _item(row: Row) -> dict[str, Any]:
    return {
        "call_id": row["id"],
        "caller": row["caller"],
        "callback_number": row["caller"]["callback_number"],
        "trunk": row["trunk"],
        "service": row["service"],
        "location": row["location"],
        "last_at": row["received_at"],
        "longest_wait_ms": row["wait_ms"],
    }


async def _tell_attempts(conn: AsyncConnection, items: Sequence[dict[str, Any]]) -> None:
    calls = [call["id"] for item in items for call in item["calls"]]
    worked(items, await attempts_of(conn, calls), datetime.now(UTC))


def worked(
    items: Iterable[dict[str, Any]], attempts: Mapping[UUID, Sequence[Mapping[str, Any]]], now: datetime
) -> None:
    """Put the calls back that were tried into each item, newest first, and who holds him now."""
    for item in items:
        tried = [dict(attempt) for call in item["calls"] for attempt in attempts.get(call["id"], ())]
        tried.sort(key=lambda attempt: attempt["requested_at"], reverse=True)
        newest = tried[0] if tried else None
        held = newest is not None and newest["lease_until"] > now and newest["state"] != "not_placed"
        item["attempts"] = tried
        item["held_by"] = newest["operator"] if newest is not None and held else None
