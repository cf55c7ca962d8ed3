"""Transfers of call records: as they are public, and as the table keeps them."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from pbx112.domain.transfer import Attempt, Conversation, Transfer

_SHAPED = ("attempts", "conversations")
_NOT_SHOWN = ("together",)
_PLAIN = tuple(field.name for field in fields(Transfer) if field.name not in (*_SHAPED, *_NOT_SHOWN))
_OF_ATTEMPT = tuple(field.name for field in fields(Attempt))
_TIMES = frozenset({"at", "from", "until"})


def public_transfers(transfers: Sequence[Transfer]) -> list[dict[str, Any]]:
    """The transfers by their public names; times are datetimes, ids UUID."""
    return [
        {name: getattr(one, name) for name in _PLAIN}
        | {
            "attempts": [{name: getattr(attempt, name) for name in _OF_ATTEMPT} for attempt in one.attempts],
            "conversations": [_public_talk(talk) for talk in one.conversations],
        }
        for one in transfers
    ]


def _public_talk(talk: Conversation) -> dict[str, Any]:
    return {"parties": list(talk.parties), "from": talk.since, "until": talk.until}


def read_transfers(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The same from the table, where times and ids are texts."""
    return [_timed(row) | {"id": UUID(row["id"])} | {name: _all_timed(row[name]) for name in _SHAPED} for row in rows]


def _all_timed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [_timed(row) for row in rows]


def _timed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: datetime.fromisoformat(value) if value and (name in _TIMES or name.endswith("_at")) else value
        for name, value in row.items()
    }
