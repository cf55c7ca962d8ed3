"""A record of the journal -> JournalEvent. Raw text does not leave this room."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pbx112.domain.events import NAMING_THEIR_CALL, JournalEvent
from pbx112.journal.payload import PREFIX, Undecodable, read_json, read_payload, to_text
from pbx112.journal.split import FIELDS, Piece

_LONGEST_ID = 150
"""Asterisk's own bound of a unique id (AST_MAX_UNIQUEID); longer ones could not stand in an index."""

_UNDECODABLE_KEPT = 2000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 4_102_444_800  # the year 2100


class NotAnEvent(ValueError):
    """A record whose fields make no event; the message says why."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """An event; `rest` are the fields no fold reads; `fault` says why its payload could not be read, or is None."""

    event: JournalEvent
    rest: Mapping[str, str]
    fault: str | None = None


def parse(piece: Piece) -> Parsed:
    """Read one record. Raises NotAnEvent, nothing else."""
    fields = _fields(piece.raw)
    (kind, time, name, num, ani, dnid, exten, context, channel, app, app_data, account) = fields[:12]
    unique_id, linked_id, peer, peer_account, user_field, raw_extra = fields[12:]
    for word, said in (("unique id", unique_id), ("linked id", linked_id)):
        if not 0 < len(said) <= _LONGEST_ID:
            raise NotAnEvent(f"no usable {word}")
    extra, fault = _extra(kind, raw_extra)
    own_linked_id, linked_id = linked_id, _call_of(kind, extra, unique_id) or linked_id
    event = JournalEvent(
        kind=kind,
        at=_time(time),
        unique_id=unique_id,
        linked_id=linked_id,
        channel=channel,
        context=context,
        exten=exten,
        app=app,
        app_data=app_data,
        caller_name=name,
        caller_num=num,
        dnid=dnid,
        account=account,
        peer=peer,
        user_field=user_field,
        extra=extra,
    )
    rest = {"ani": ani, "peer_account": peer_account}
    if own_linked_id != linked_id:
        rest["own_linked_id"] = own_linked_id
    return Parsed(event, rest, fault)


def _call_of(kind: str, extra: Mapping[str, Any], unique_id: str) -> str | None:
    """The linked id of the call that an event of ours names; None for none, and for what this Asterisk cannot have."""
    if kind not in NAMING_THEIR_CALL:
        return None
    named, own = _ID.fullmatch(str(extra.get("call", ""))), _ID.fullmatch(unique_id)
    return named[0] if named is not None and own is not None and named["system"] == own["system"] else None


_ID = re.compile(r"(?P<system>(?:.*-)?)[0-9]{1,12}\.[0-9]{1,12}", re.ASCII)
"""Asterisk makes ids of its system name, the second, and a count."""


def _fields(raw: bytes) -> list[str]:
    try:
        fields = next(csv.reader([to_text(raw)], strict=True))
    except (csv.Error, StopIteration) as error:
        raise NotAnEvent(f"not CSV: {error}") from error
    if len(fields) != FIELDS:
        raise NotAnEvent(f"{len(fields)} fields instead of {FIELDS}")
    return fields


def _time(text: str) -> datetime:
    seconds, _, micros = text.partition(".")
    if int(seconds) > _LAST_SECOND:
        raise NotAnEvent("a time behind the year 2100")
    return _EPOCH + timedelta(seconds=int(seconds), microseconds=int(micros.ljust(6, "0")))


def _extra(kind: str, raw: str) -> tuple[dict[str, Any], str | None]:
    if not raw:
        return {}, None
    try:
        return (read_payload(kind, raw) if kind.startswith(PREFIX) else read_json(raw)), None
    except Undecodable as error:
        return {"undecodable": raw[:_UNDECODABLE_KEPT]}, f"payload: {error}"
