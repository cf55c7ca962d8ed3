"""What operators found callers' calls to be, counted by caller. A mark's time is when its call came in."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Double, case, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.nuisance import HIGHEST, oldest_counted
from pbx112.domain.rules import DISPOSITIONS, NuisanceRules
from pbx112.storage.tables import call_annotations, calls

MOST_CALLERS = 50_000
"""Of so many callers the score is told, the highest first."""

MOST_MARKS = 2_000
"""So many of one caller's marks are counted, the newest."""

_LOWEST = 0.01
_DAY_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class StoredMark:
    """One call of a caller and what it was found to be."""

    call_id: UUID
    disposition: str
    at: datetime


async def decayed_scores(
    conn: AsyncConnection, rules: NuisanceRules, *, now: datetime, limit: int = MOST_CALLERS
) -> Mapping[str, float]:
    """The callers' scores by number's key, as `domain.nuisance.score` counts them; nobody's whose score is nothing."""
    total = func.sum(_weight_now(rules, now))
    highest = (
        select(calls.c.number_key, func.least(total, HIGHEST).label("score"))
        .join(call_annotations, call_annotations.c.call_id == calls.c.id)
        .where(*_counted(rules, now), calls.c.number_key.isnot(None), func.strpos(calls.c.number_key, ":") == 0)
        .group_by(calls.c.number_key)
        .having(total >= _LOWEST)
        .order_by(total.desc(), calls.c.number_key)
        .limit(limit)
        .subquery()
    )
    # One row of two arrays: many thousand rows would hold up the event loop, and with it the calls, for too long.
    arrays = select(func.array_agg(highest.c.number_key), func.array_agg(highest.c.score))
    keys, scores = (await conn.execute(arrays)).one()
    return dict(zip(keys or (), scores or (), strict=True))


async def marks_of(
    conn: AsyncConnection, key: str, rules: NuisanceRules, *, now: datetime, limit: int = MOST_MARKS
) -> list[StoredMark]:
    """The marks of the caller with this number's key that still count, newest first."""
    rows = (
        select(calls.c.id, call_annotations.c.disposition, calls.c.received_at)
        .join(call_annotations, call_annotations.c.call_id == calls.c.id)
        .where(*_counted(rules, now), calls.c.number_key == key)
        .order_by(calls.c.received_at.desc(), calls.c.id.desc())
        .limit(limit)
    )
    return [StoredMark(row.id, str(row.disposition), row.received_at) for row in await conn.execute(rows)]


def _counted(rules: NuisanceRules, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Calls from the trunk that have a disposition and are not forgotten; a drill says nothing of its caller."""
    return (
        call_annotations.c.disposition.in_(DISPOSITIONS),
        calls.c.received_at >= oldest_counted(now, rules),
        calls.c.direction == "inbound",
        ~calls.c.drill,
    )


def _weight_now(rules: NuisanceRules, now: datetime) -> ColumnElement[float]:
    seconds = func.date_part("epoch", literal(now) - calls.c.received_at)
    half_lives = func.greatest(seconds, 0.0) / (rules.half_life_days * _DAY_SECONDS)
    weights = {name: literal(rules.weights.weight_of(name), Double) for name in DISPOSITIONS}
    weight = case(weights, value=call_annotations.c.disposition, else_=literal(0.0, Double))
    return weight * func.power(literal(0.5, Double), half_lives)
