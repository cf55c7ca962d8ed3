"""Web users and their password hashes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput, NotFound
from pbx112.storage.tables import users


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A person who may log in; `operator` names his operator account. `created_at` is set by the database."""

    name: str
    role: str
    password_hash: str
    operator: str | None = None
    created_at: datetime | None = None


async def get_user(conn: AsyncConnection, name: str) -> StoredUser | None:
    """The user of this name, or None."""
    row = (await conn.execute(_COLUMNS.where(users.c.name == name))).first()
    return None if row is None else StoredUser(*row)


async def add_user(conn: AsyncConnection, user: StoredUser) -> None:
    """Add a user. Raises BadInput when the name is taken."""
    added = await conn.execute(
        pg_insert(users)
        .values(name=user.name, role=user.role, password_hash=user.password_hash, operator=user.operator)
        .on_conflict_do_nothing(index_elements=[users.c.name])
    )
    if added.rowcount != 1:
        raise BadInput(f"There is a user {user.name} already.")


async def set_password_hash(conn: AsyncConnection, name: str, password_hash: str) -> None:
    """Change a password. Raises NotFound when there is no such user."""
    changed = await conn.execute(update(users).where(users.c.name == name).values(password_hash=password_hash))
    if changed.rowcount != 1:
        raise NotFound(f"There is no user {name}.")


async def list_users(conn: AsyncConnection) -> list[StoredUser]:
    """All users by name."""
    return [StoredUser(*row) for row in await conn.execute(_COLUMNS.order_by(users.c.name))]


_COLUMNS = select(users.c.name, users.c.role, users.c.password_hash, users.c.operator, users.c.created_at)
