"""Tokens of programs: only their SHA-256 is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import NoSuchToken
from pbx112.storage.tables import api_tokens


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A program's token; `hint` is how it begins. Without `expires_at` it never ends by itself."""

    id: int
    name: str
    role: str
    hash: bytes
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


async def add_token(
    conn: AsyncConnection, *, name: str, role: str, hash_: bytes, hint: str, who: str, expires_at: datetime | None
) -> StoredToken:
    """Add a token."""
    values = {"name": name, "role": role, "hash": hash_, "hint": hint, "created_by": who, "expires_at": expires_at}
    return _token((await conn.execute(insert(api_tokens).values(values).returning(*_COLUMNS))).one())


async def revoke_token(conn: AsyncConnection, id_: int) -> StoredToken:
    """Make a token void; it stays in the list. Raises NoSuchToken when there is none, or it is void already."""
    wanted = update(api_tokens).where(api_tokens.c.id == id_, api_tokens.c.revoked_at.is_(None))
    row = (await conn.execute(wanted.values(revoked_at=func.now()).returning(*_COLUMNS))).first()
    if row is None:
        raise NoSuchToken(f"There is no token {id_} that is still good.")
    return _token(row)


async def list_tokens(conn: AsyncConnection) -> list[StoredToken]:
    """All tokens, the newest first, void ones too."""
    return [_token(row) for row in await conn.execute(select(*_COLUMNS).order_by(api_tokens.c.id.desc()))]


async def good_tokens(conn: AsyncConnection) -> list[StoredToken]:
    """The tokens that are neither revoked nor over."""
    rows = select(*_COLUMNS).where(
        api_tokens.c.revoked_at.is_(None),
        or_(api_tokens.c.expires_at.is_(None), api_tokens.c.expires_at > func.now()),
    )
    return [_token(row) for row in await conn.execute(rows)]


async def note_used(conn: AsyncConnection, used: Mapping[int, datetime]) -> None:
    """Remember when tokens were last used, by id."""
    latest = func.greatest(api_tokens.c.last_used_at, bindparam("used_at"))
    statement = update(api_tokens).where(api_tokens.c.id == bindparam("token")).values(last_used_at=latest)
    await conn.execute(statement, [{"token": id_, "used_at": at} for id_, at in used.items()])


def _token(row: Sequence[Any]) -> StoredToken:
    return StoredToken(*row)


_COLUMNS = (
    api_tokens.c.id,
    api_tokens.c.name,
    api_tokens.c.role,
    api_tokens.c.hash,
    api_tokens.c.hint,
    api_tokens.c.created_by,
    api_tokens.c.created_at,
    api_tokens.c.expires_at,
    api_tokens.c.revoked_at,
    api_tokens.c.last_used_at,
)
