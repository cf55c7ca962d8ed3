"""Call records: what the fold made of the journal, and what people wrote beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Row, RowMapping, Select, Text, bindparam, func, insert, or_, select, update
from sqlalchemy import tuple_ as row_of
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.caller import Caller, imei_key, number_key
from pbx112.domain.errors import BadInput, EditConflict, NoSuchCall
from pbx112.domain.location import Location
from pbx112.domain.marks import Marks
from pbx112.domain.record import CallRecord, CallState, Offer, Recording
from pbx112.storage.cells import locate
from pbx112.storage.recordings import add_measures
from pbx112.storage.related import relate
from pbx112.storage.tables import OPEN_TRANSFERS, call_annotations, calls, events
from pbx112.storage.transfer_rows import public_transfers, read_transfers

_OPEN_STATES = [state.value for state in CallState if state is not CallState.ENDED]  # `<> 'ended'` has no index
_CLOCKS_DIFFER = timedelta(minutes=1)  # the node's and the database's, if they are two machines

ANNOTATION_FIELDS = ("category", "notes", "disposition")
_FOLDED = tuple(field.name for field in fields(CallRecord))
_OF_CALLER = tuple(field.name for field in fields(Caller) if field.name != "caller_class")
_OF_OFFER = tuple(field.name for field in fields(Offer))
_OF_LOCATION = tuple(field.name for field in fields(Location))
_OF_RECORDING = tuple(field.name for field in fields(Recording))
_OF_MARKS = tuple(field.name for field in fields(Marks))
_WITH_TIMES = ("offers", "silent_checks", "overflows", "recordings")
_SHAPED = (*_WITH_TIMES, "caller", "location", "marks", "reordered", "transfers")
_PLAIN = tuple(name for name in _FOLDED if name not in _SHAPED)

# Only a record that really changed is written: most journal lines change nothing that a record shows.
_insert = pg_insert(calls)
_changing = {column.name: _insert.excluded[column.name] for column in calls.c if column.name != "id"}
_UPSERT = _insert.on_conflict_do_update(
    index_elements=[calls.c.id],
    set_=_changing,
    where=row_of(*(calls.c[name] for name in _changing)).is_distinct_from(row_of(*_changing.values())),
)


async def upsert_calls(conn: AsyncConnection, records: Sequence[CallRecord]) -> None:
    """Write the records; one that is there already with the same content is not touched."""
    if records:
        await conn.execute(_UPSERT, [_row(record) for record in records])


def public(record: CallRecord) -> dict[str, Any]:
    """The fold's part of a public call record, by the public names; times are datetimes, ids UUID.

    Tuples become lists. Written out, because dataclasses.asdict copies every value
    and was a third of the work of reading a journal.
    """
    caller = {name: getattr(record.caller, name) for name in _OF_CALLER}
    caller["class"] = record.caller.caller_class
    caller["warnings"] = list(record.caller.warnings)
    offers = [{name: getattr(offer, name) for name in _OF_OFFER} for offer in record.offers]
    location = [{name: _listed(getattr(place, name)) for name in _OF_LOCATION} for place in record.location]
    marks = {name: _listed(getattr(record.marks, name)) for name in _OF_MARKS}
    return {name: getattr(record, name) for name in _PLAIN} | {
        "caller": caller,
        "offers": offers,
        "location": location,
        "marks": marks,
        "reordered": None if record.reordered is None else asdict(record.reordered),
        "silent_checks": [{"at": check.at, "digits": check.digits} for check in record.silent_checks],
        "overflows": [{"at": step.at, "kind": step.kind, "target": step.target} for step in record.overflows],
        "recordings": [{name: getattr(one, name) for name in _OF_RECORDING} for one in record.recordings],
        "transfers": public_transfers(record.transfers),
    }


_KEYS = ("number_key", "imei_key")


def keys_of(record: CallRecord) -> dict[str, str | None]:
    """By what this call's caller is known again."""
    return {"number_key": number_key(record.caller), "imei_key": imei_key(record.caller)}


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _row(record: CallRecord) -> dict[str, Any]:
    raw = public(record)
    return {
        **raw,
        **keys_of(record),
        "caller_class": raw["caller"]["class"],
        "number": raw["caller"]["number"],
    }


def _folded(row: RowMapping | Mapping[str, Any]) -> dict[str, Any]:
    """The same as `public`, from the table."""
    return (
        {name: row[name] for name in _FOLDED}
        | {name: _timed(row[name]) for name in _WITH_TIMES}
        | {"transfers": read_transfers(row["transfers"])}
    )


def _timed(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: _time(name, value) for name, value in row.items()} for row in rows]


def _time(name: str, value: Any) -> Any:
    """JSON holds times as text."""
    return datetime.fromisoformat(value) if value is not None and (name == "at" or name.endswith("_at")) else value


def public_row(row: Row[Any]) -> dict[str, Any]:
    """A public call record from a row of `selected`; `related` is still to be filled."""
    raw = row._mapping
    return {
        **_folded(raw),
        **{name: raw[name] for name in ANNOTATION_FIELDS},
        "related": [],
        "version": raw["version"] or 0,
    }


def selected() -> Select[Any]:
    """Calls with their annotations, for `public_row`; the caller adds WHERE and ORDER BY."""
    written = [call_annotations.c[name] for name in (*ANNOTATION_FIELDS, "version")]
    return select(calls, *written).outerjoin(call_annotations, call_annotations.c.call_id == calls.c.id)


_ONE = selected().where(calls.c.id == bindparam("call"))


async def get_call(conn: AsyncConnection, id: UUID) -> dict[str, Any] | None:  # noqa: A002
    """The public record of a call, or None."""
    row = (await conn.execute(_ONE, {"call": id})).first()
    if row is None:
        return None
    record = public_row(row)
    await complete(conn, [record])
    return record


async def complete(conn: AsyncConnection, records: Sequence[dict[str, Any]]) -> None:
    """Add to public records what other tables tell: the caller's other calls, where the cells are, recorded files."""
    await relate(conn, records)
    await locate(conn, records)
    await add_measures(conn, records)


async def folded_calls(conn: AsyncConnection, node: str, linked_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """What is stored of these calls by linked id: `public` and `keys_of`."""
    rows = select(calls).where(
        calls.c.node == node, calls.c.linkedid == func.any(bindparam("ids", list(linked_ids), ARRAY(Text)))
    )
    return {
        row["linkedid"]: _folded(row) | {name: row[name] for name in _KEYS}
        for row in (await conn.execute(rows)).mappings()
    }


async def call_without_events(conn: AsyncConnection, node: str) -> list[UUID]:
    """Ids of call records that no event stands behind: the journal never wrote them."""
    behind = select(events.c.id).where(events.c.node == calls.c.node, events.c.linked_id == calls.c.linkedid)
    rows = select(calls.c.id).where(calls.c.node == node, ~behind.exists()).order_by(calls.c.id)
    return list((await conn.execute(rows)).scalars())


async def open_calls(conn: AsyncConnection, node: str, *, before: datetime) -> list[str]:
    """Linked ids of the node's calls that came in before that moment and have not ended, for all who were in them.

    That is also an operator who talks with an agency when the caller has gone. A call of the future came by a clock
    that was set back since, so it came before that moment too.
    """
    ahead = calls.c.received_at > func.clock_timestamp() + _CLOCKS_DIFFER
    rows = select(calls.c.linkedid).where(
        calls.c.node == node,
        or_(calls.c.state.in_(_OPEN_STATES), OPEN_TRANSFERS),
        or_(calls.c.received_at < before, ahead),
    )
    return list((await conn.execute(rows)).scalars())


async def call_events(conn: AsyncConnection, id: UUID) -> list[dict[str, Any]]:  # noqa: A002
    """The journal of a call in order: at, kind, unique_id, linked_id, channel, and the fields that are not empty.

    Raises NoSuchCall.
    """
    of_call = select(calls.c.node, calls.c.linkedid).where(calls.c.id == id)
    known = (await conn.execute(of_call)).first()
    if known is None:
        raise NoSuchCall(f"There is no call {id}.")
    rows = (
        select(events)
        .where(events.c.node == known.node, events.c.linked_id == known.linkedid)
        .order_by(events.c.at, events.c.id)
    )
    shown = ("id", "at", "kind", "unique_id", "linked_id", "channel")
    return [{**{n: row[n] for n in shown}, **row["body"]} for row in (await conn.execute(rows)).mappings()]


async def annotate_call(
    conn: AsyncConnection,
    id: UUID,  # noqa: A002
    *,
    expected_version: int,
    changes: Mapping[str, str | None],
    who: str,
) -> dict[str, Any]:
    """Write category, notes or disposition beside a call; return its public record with the next version.

    Raises NoSuchCall, BadInput for another field, and EditConflict when the version is not the expected one.
    """
    unknown = set(changes) - set(ANNOTATION_FIELDS)
    if unknown:
        raise BadInput(f"These cannot be changed: {', '.join(sorted(unknown))}.")
    # The lock makes two first edits of the same call wait for each other: there is no annotation row to lock yet.
    held = await conn.execute(select(calls.c.id).where(calls.c.id == id).with_for_update(key_share=True))
    if held.first() is None:
        raise NoSuchCall(f"There is no call {id}.")
    of_call = call_annotations.c.call_id == id
    version = (await conn.execute(select(call_annotations.c.version).where(of_call))).scalar() or 0
    if version != expected_version:
        raise EditConflict(f"Somebody else edited this call (version {version}); read it again and repeat the edit.")
    values = {**changes, "version": version + 1, "updated_by": who, "updated_at": func.now()}
    if version == 0:
        await conn.execute(insert(call_annotations).values(call_id=id, **values))
    else:
        await conn.execute(update(call_annotations).where(of_call).values(values))
    edited = await get_call(conn, id)
    assert edited is not None  # noqa: S101  (its row is locked above)
    return edited
