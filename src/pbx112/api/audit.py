"""The audit over the web door: who did what, and whether its chain is whole."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from pbx112.api.answers import answer
from pbx112.api.inputs import refuse_repeats
from pbx112.api.parts import ApiParts, Parts
from pbx112.domain.errors import Overloaded
from pbx112.services.audit import Head, Verdict, verify
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading

_BIGGEST_ID = 2**63 - 1
_one_at_a_time = asyncio.Lock()


class AuditQuery(BaseModel):
    """A page of the audit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Annotated[int | None, Field(ge=1, le=_BIGGEST_ID, description="`next_cursor` of the page before")] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class VerifyQuery(BaseModel):
    """What the chain is held against."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    expect: Annotated[
        str | None,
        Field(pattern=r"^\d{1,18}:[0-9a-fA-F]{64}$", description="POSITION:HASH, a head that was written down"),
    ] = None


class Act(BaseModel):
    """One act. `position` and `hash` (SHA-256) are its place in the chain; null: it is older than the chain."""

    model_config = ConfigDict(extra="forbid")

    id: int
    at: datetime
    who: str
    action: str
    subject: str
    before: Any
    after: Any
    position: int | None
    hash: str | None


class AuditPage(BaseModel):
    """A page of the audit, the newest first; `next_cursor` is null on the last."""

    model_config = ConfigDict(extra="forbid")

    items: list[Act]
    next_cursor: int | None


class ChainHead(BaseModel):
    """The chain's last row."""

    model_config = ConfigDict(extra="forbid")

    position: int
    hash: str


class ChainVerdict(BaseModel):
    """`fault` says which row does not fit; `head` is the last that does. `rows_before` are older than the chain."""

    model_config = ConfigDict(extra="forbid")

    whole: bool
    rows: int
    rows_before: int
    head: ChainHead
    fault: str | None


async def get_audit(request: Request, query: Annotated[AuditQuery, Query()], parts: Parts) -> Response:
    """Who did what, when, with what was before and after; newest first."""
    refuse_repeats(request)
    async with reading(parts.engine) as connection:
        found = await list_audit(connection, query.limit + 1, before_id=query.cursor)
    items, more = found[: query.limit], len(found) > query.limit
    return answer({"items": items, "next_cursor": items[-1]["id"] if more else None})


async def get_audit_verify(request: Request, query: Annotated[VerifyQuery, Query()], parts: Parts) -> Response:
    """Hash the whole audit anew and say whether every row fits; one check at a time."""
    refuse_repeats(request)
    expect = None if query.expect is None else Head.of(query.expect)
    return answer((await checked(parts, expect)).to_json())


async def checked(parts: ApiParts, expect: Head | None) -> Verdict:
    """What a check of the whole chain finds. Raises Overloaded while another is under way."""
    if _one_at_a_time.locked():
        raise Overloaded("The audit is being checked just now; try again in a moment.")
    async with _one_at_a_time:
        return await verify(parts.engine, expect=expect)
