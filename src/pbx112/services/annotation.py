"""What people add to a call record: category, notes, disposition. The journal's facts are never edited."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import NoSuchCall
from pbx112.storage import audit
from pbx112.storage.calls import annotate_call, get_call


class Disposition(StrEnum):
    """What a call turned out to be."""

    REAL = "real"
    PRANK = "prank"
    GHOST = "ghost"
    TEST = "test"
    INFORMATION = "information"
    OTHER = "other"


async def annotate(
    connection: AsyncConnection, id_: UUID, *, expected_version: int, changes: Mapping[str, str | None], who: str
) -> dict[str, Any]:
    """Change a call's annotations and write the audit; the caller commits. Returns the new record.

    Raises NoSuchCall, and EditConflict when the record is no longer at `expected_version`.
    """
    before = await get_call(connection, id_)
    if before is None:
        raise NoSuchCall(f"There is no call {id_}.")
    after = await annotate_call(connection, id_, expected_version=expected_version, changes=changes, who=who)
    await audit.append(
        connection,
        who=who,
        action="call.annotate",
        subject=str(id_),
        before={name: before[name] for name in changes},
        after={name: after[name] for name in changes},
    )
    return after
