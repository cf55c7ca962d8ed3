"""The abandoned callers: who is still to be reached, and closing their cases."""

from typing import Annotated

from fastapi import Query, Request, Response

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import AbandonedCalls, AbandonedClosing, AbandonedQuery, refuse_repeats
from pbx112.api.parts import Parts
from pbx112.services import abandoned
from pbx112.storage.engine import reading, transaction


async def get_abandoned(request: Request, query: Annotated[AbandonedQuery, Query()], parts: Parts) -> Response:
    """Callers who left before an operator was reached, without a time window: one item a caller, newest first.

    `items` can be called back, `groups` holds by caller class those who cannot. Who reached an operator since is gone.
    """
    refuse_repeats(request)
    async with reading(parts.engine) as connection:
        found = await abandoned.abandoned_list(connection, parts.configuration(), lang=parts.lang, limit=query.limit)
    return answer(found)


async def get_closed(request: Request, query: Annotated[AbandonedQuery, Query()], parts: Parts) -> Response:
    """The abandoned calls closed last: who worked them, when, and with what result."""
    refuse_repeats(request)
    async with reading(parts.engine) as connection:
        return answer({"items": await abandoned.closed_list(connection, limit=query.limit)})


async def close_abandoned(closing: AbandonedClosing, parts: Parts, who: Who) -> Response:
    """Take callers off the list, each with his calls up to the named one; the answer names all that were closed."""
    async with transaction(parts.engine) as connection:
        closed = await abandoned.close(
            connection, closing.call_ids, who=who.name, result=closing.result, note=closing.note or None
        )
    return answer({"closed": closed})


async def reopen_abandoned(calls: AbandonedCalls, parts: Parts, who: Who) -> Response:
    """Put closed calls back onto the list; the answer names those that were closed."""
    async with transaction(parts.engine) as connection:
        reopened = await abandoned.reopen(connection, calls.call_ids, who=who.name)
    return answer({"reopened": reopened})
