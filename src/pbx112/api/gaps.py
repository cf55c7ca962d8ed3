"""The times in which call data may be missing."""

from datetime import datetime
from typing import Annotated

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pbx112.api.answers import answer
from pbx112.api.inputs import Time, refuse_repeats
from pbx112.api.parts import Parts
from pbx112.services.gaps import public_gap
from pbx112.storage.engine import reading
from pbx112.storage.events import gaps_between


class GapQuery(BaseModel):
    """Which gaps: those that touch this time."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[Time | None, Field(description="gaps that end at or after this time")] = None
    until: Annotated[Time | None, Field(description="gaps that begin before this time")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class GapShape(BaseModel):
    """A time in which journal lines may be missing: calls of it may be incomplete, wrong or absent."""

    node: str
    since: datetime | None
    until: datetime | None
    reason: str
    noticed_at: datetime


class GapList(BaseModel):
    """The gaps that touch the time that was asked for, the newest first."""

    items: list[GapShape]


async def get_gaps(request: Request, query: Annotated[GapQuery, Query()], parts: Parts) -> Response:
    """Times in which journal lines may be missing, newest first: figures that cover one may be too low."""
    refuse_repeats(request)
    async with reading(parts.engine) as connection:
        found = await gaps_between(connection, query.since, query.until, limit=query.limit)
    return answer({"items": [public_gap(gap) for gap in found]})
