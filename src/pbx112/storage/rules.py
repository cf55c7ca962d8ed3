"""The admin's rules: one row, with a version that grows with every save."""

from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import EditConflict
from pbx112.domain.rules import InvalidRules, Rules
from pbx112.storage import tables as t

log = structlog.get_logger(__name__)

# Two first saves must wait for each other, and there is no row to lock yet.
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pbx112 rules', 0))")
_ROW = select(t.rules.c.version, t.rules.c.body)


@dataclass(frozen=True, slots=True)
class StoredRules:
    """The rules as saved last; version 0 and the defaults when none ever were."""

    version: int
    rules: Rules

    def to_json(self) -> dict[str, Any]:
        """The rules by their public names, with their version."""
        return {"version": self.version, **self.rules.to_json()}


async def load(conn: AsyncConnection) -> StoredRules:
    """The rules. When the row cannot be read (edited by hand, or by a later version) the defaults stand for it."""
    row = (await conn.execute(_ROW)).first()
    if row is None:
        return StoredRules(0, Rules())
    try:
        return StoredRules(row.version, Rules.from_json(row.body))
    except InvalidRules as error:
        log.error(  # noqa: TRY400 - the sentence says it all
            "The stored rules cannot be read; the defaults are used until they are saved anew.", reason=str(error)
        )
        return StoredRules(row.version, Rules())


async def save(conn: AsyncConnection, rules: Rules, *, expected_version: int) -> StoredRules:
    """Replace the rules; the caller commits. Raises EditConflict when they are not at `expected_version`."""
    await conn.execute(_LOCK)
    version = (await conn.execute(select(t.rules.c.version))).scalar() or 0
    if version != expected_version:
        raise EditConflict(
            f"The rules are at version {version}, and this edit began from {expected_version}; "
            "read them again and repeat the edit."
        )
    values = {"version": version + 1, "body": rules.to_json()}
    row = pg_insert(t.rules).values(one=True, **values)
    await conn.execute(row.on_conflict_do_update(index_elements=[t.rules.c.one], set_=values))
    return StoredRules(version + 1, rules)
