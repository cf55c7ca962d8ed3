"""The list of abandoned callers: one item a caller, however often he tried, and what was done about him."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.callback import refusal
from pbx112.domain.caller import is_person
from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import NoSuchCall
from pbx112.storage import abandoned as storage
from pbx112.storage import audit
from pbx112.storage.callbacks import NOT_PLACED, attempts_of
from pbx112.storage.cells import locate

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


async def abandoned_list(
    conn: AsyncConnection, configuration: Configuration, *, lang: str, limit: int
) -> dict[str, Any]:
    """Who is still to be reached: `items` can be called back, `groups` cannot, by caller class; newest first.

    Without a time window; of the callers with a number, and of the others, the newest 5,000 calls are looked at.
    """
    rows = await storage.open_abandoned(conn)
    found = merge(rows)
    for item in found:
        trunk = configuration.trunk(item["trunk"] or "")
        item["cannot_call_back"] = refusal(item.pop("call"), trunk, lang)
    reachable = [item for item in found if item["cannot_call_back"] is None]
    groups = group([item for item in found if item["cannot_call_back"] is not None], limit)
    shown = [*reachable[:limit], *(item for one in groups for item in one["items"])]
    await locate(conn, shown)
    await _tell_attempts(conn, shown)
    return {
        "items": reachable[:limit],
        "groups": groups,
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
    """Take these callers off the list, with their open calls up to these; audited, the caller commits.

    Closing what is closed already changes nothing. Raises NoSuchCall when one was never abandoned.
    """
    missing = set(call_ids) - await storage.are_abandoned(conn, call_ids)
    if missing:
        raise NoSuchCall(f"Not an abandoned call: {', '.join(sorted(map(str, missing)))}; nothing was changed.")
    closed = await storage.close_abandoned(conn, call_ids, who=who, result=result, note=note)
    if closed:
        facts = {"result": result, "note": note, "calls": sorted(map(str, closed))}
        await audit.append(conn, who=who, action="abandoned.close", subject=str(call_ids[0]), after=facts)
    return closed


def _person(row: Row) -> str:
    if is_person(row["number_key"]):
        return str(row["number_key"])
    return str(row["imei_key"] if is_person(row["imei_key"]) else row["id"])


def _item(row: Row) -> dict[str, Any]:
    return {
        "call_id": row["id"],
        "caller": row["caller"],
        "call": row,
        "trunk": row["trunk"],
        "service": row["service"],
        "location": row["location"],
        "last_at": row["received_at"],
        "longest_wait_ms": row["wait_ms"],
    }


async def reopen(conn: AsyncConnection, call_ids: Sequence[UUID], *, who: str) -> list[UUID]:
    """Put closed calls back onto the list; audited, the caller commits. What is open already stays as it is."""
    reopened = await storage.reopen_abandoned(conn, call_ids)
    if reopened:
        facts = {"calls": sorted(map(str, reopened))}
        await audit.append(conn, who=who, action="abandoned.reopen", subject=str(call_ids[0]), after=facts)
    return reopened


async def _tell_attempts(conn: AsyncConnection, items: Sequence[dict[str, Any]]) -> None:
    """Put into each item who tried to call back and what came of it, newest first, and who holds the caller now."""
    calls = [call["id"] for item in items for call in item["calls"]]
    attempts, made = await attempts_of(conn, calls), await storage.calls_back_of(conn, calls)
    for item in items:
        item["attempts"] = _of(item, attempts, "requested_at")
        item["callbacks"] = _of(item, made, "received_at")
        item["held_by"] = _holder(item["attempts"], datetime.now(UTC))


def _of(item: Mapping[str, Any], by_call: Mapping[UUID, Sequence[dict[str, Any]]], time: str) -> list[dict[str, Any]]:
    found = [one for call in item["calls"] for one in by_call.get(call["id"], ())]
    return sorted(found, key=lambda one: one[time], reverse=True)


def _holder(attempts: Sequence[Mapping[str, Any]], now: datetime) -> str | None:
    if not attempts or attempts[0]["lease_until"] <= now or attempts[0]["state"] == NOT_PLACED:
        return None
    return str(attempts[0]["operator"])
