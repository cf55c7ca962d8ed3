"""What the call records tell the watchdog: how much each trunk calls, its last call, and who waits now."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, Date, Integer, Row, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.record import CallState
from pbx112.domain.traffic import WEEKS, HourCount, Traffic, Usual, usual
from pbx112.domain.watch import WaitingCall
from pbx112.storage.tables import calls

MOST_WAITING = 500


async def trunk_traffic(conn: AsyncConnection, node: str, zone: ZoneInfo, now: datetime) -> Traffic:
    """What is usual on this node's trunks after the last four weeks, by the centre's clock; drills do not count."""
    local = func.timezone(zone.key, calls.c.received_at)
    day, hour = cast(local, Date), cast(func.date_part("hour", local), Integer)
    hours = (
        select(calls.c.trunk, day.label("day"), hour.label("hour"), func.count().label("calls"))
        .where(*_from_carriers(node), calls.c.received_at >= now - timedelta(weeks=WEEKS), calls.c.received_at <= now)
        .group_by(calls.c.trunk, day, hour)
        .subquery()
    )
    # A row a trunk, and the sums in a thread: thousands of rows would hold up the event loop, and with it the calls.
    arrays = [func.array_agg(column) for column in (hours.c["day"], hours.c["hour"], hours.c["calls"])]
    found = (await conn.execute(select(hours.c.trunk, *arrays).group_by(hours.c.trunk))).all()
    last = await last_calls(conn, node, since=now - timedelta(weeks=WEEKS), now=now)
    until = {trunk: at.astimezone(zone).date() for trunk, at in last.items()}
    return Traffic(await asyncio.to_thread(_usual, found, until), last)


def _usual(found: Sequence[Row[Any]], until: Mapping[str, date]) -> dict[str, Usual]:
    counts = (HourCount(row[0], *hour) for row in found for hour in zip(*row[1:], strict=True))
    return usual(counts, until=until)


async def last_calls(conn: AsyncConnection, node: str, *, since: datetime, now: datetime) -> dict[str, datetime]:
    """Each trunk's last call of this node between the two moments; a trunk without one is missing."""
    rows = (
        select(calls.c.trunk, func.max(calls.c.received_at).label("at"))
        .where(*_from_carriers(node), calls.c.received_at >= since, calls.c.received_at <= now)
        .group_by(calls.c.trunk)
    )
    return {row.trunk: row.at for row in await conn.execute(rows)}


async def waiting_calls(conn: AsyncConnection, node: str) -> tuple[WaitingCall, ...]:
    """This node's calls that wait for an operator, the longest first; those that ring an overflow list too."""
    since = func.coalesce(calls.c.queued_at, calls.c.received_at)
    rows = (
        select(calls.c.linkedid, calls.c.queue, since.label("since"))
        .where(calls.c.node == node, calls.c.state == CallState.QUEUED.value, ~calls.c.drill, calls.c.queue.isnot(None))
        .order_by(since)
        .limit(MOST_WAITING)
    )
    return tuple(WaitingCall(row.queue, row.linkedid, row.since) for row in await conn.execute(rows))


def _from_carriers(node: str) -> tuple[ColumnElement[bool], ...]:
    return calls.c.node == node, calls.c.direction == "inbound", ~calls.c.drill, calls.c.trunk.isnot(None)
