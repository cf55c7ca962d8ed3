"""Call records: list, read, annotate."""

from typing import Annotated, Any

from fastapi import Query, Request, Response

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import CallEdit, CallQuery, call_id_in, refuse_repeats, version_in
from pbx112.api.parts import Parts
from pbx112.domain.errors import NoSuchCall
from pbx112.services.annotation import annotate
from pbx112.storage.call_list import list_calls
from pbx112.storage.calls import call_events, get_call
from pbx112.storage.engine import reading, transaction


async def get_calls(request: Request, query: Annotated[CallQuery, Query()], parts: Parts) -> Response:
    """Call records, newest first, a page at a time."""
    refuse_repeats(request)
    async with reading(parts.engine) as connection:
        page = await list_calls(connection, query.filter(), cursor=query.cursor, limit=query.limit)
    return answer({"items": page.items, "next_cursor": page.next_cursor})


async def get_one_call(id: str, parts: Parts) -> Response:  # noqa: A002 - the public name of the path
    """One call record; its ETag is the version that an edit must name."""
    id_ = call_id_in(id)
    async with reading(parts.engine) as connection:
        call = await get_call(connection, id_)
    if call is None:
        raise NoSuchCall(f"There is no call {id_}.")
    return _with_etag(call)


async def get_call_events(id: str, parts: Parts) -> Response:  # noqa: A002
    """The journal's events of a call, in order: what the record was folded from."""
    id_ = call_id_in(id)
    async with reading(parts.engine) as connection:
        events = await call_events(connection, id_)
    return answer({"items": events})


async def patch_call(id: str, request: Request, edit: CallEdit, parts: Parts, who: Who) -> Response:  # noqa: A002
    """Set category, notes or disposition. Needs If-Match with the call's ETag."""
    id_ = call_id_in(id)
    version = version_in(request)
    async with transaction(parts.engine) as connection:
        call = await annotate(connection, id_, expected_version=version, changes=edit.changes(), who=who.name)
    parts.nuisance_changed()
    return _with_etag(call)


def _with_etag(call: dict[str, Any]) -> Response:
    return answer(call, headers={"ETag": f'"{call["version"]}"'})
