"""Web users and their password hashes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, ColumnElement, delete, func, select, update
from sqlalchemy import cast as sql_cast
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput, NoSuchUser
from pbx112.storage.tables import audit, users

REMOVED = "user.remove"
"""The audit's word for a removed user."""


@dataclass(frozen=True, slots=True)
class StoredUser:
    """A person who may sign in; `operator` names his operator account. `created_at` is set by the database.

    Tokens that carry a smaller number than `token_epoch` are void.
    """

    name: str
    role: str
    password_hash: str
    operator: str | None = None
    created_at: datetime | None = None
    disabled: bool = False
    token_epoch: int = 0


async def get_user(conn: AsyncConnection, name: str, *, lock: bool = False) -> StoredUser | None:
    """The user of this name, or None; with `lock` nobody else changes him until this transaction ends."""
    wanted = _COLUMNS.where(users.c.name == name)
    row = (await conn.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else StoredUser(*row)


async def add_user(conn: AsyncConnection, user: StoredUser) -> None:
    """Add a user. Raises BadInput when the name is taken."""
    added = await conn.execute(
        pg_insert(users)
        .values(
            name=user.name,
            role=user.role,
            password_hash=user.password_hash,
            operator=user.operator,
            disabled=user.disabled,
            # Beyond any epoch that a removed user of this name can have had.
            token_epoch=_epoch_now(),
        )
        .on_conflict_do_nothing(index_elements=[users.c.name])
    )
    if added.rowcount != 1:
        raise BadInput(f"There is a user {user.name} already.")


async def set_password_hash(conn: AsyncConnection, name: str, password_hash: str) -> None:
    """Change a password, and make all tokens of this user void. Raises NoSuchUser."""
    await _change(conn, name, password_hash=password_hash, token_epoch=_next_epoch())


async def set_rights(conn: AsyncConnection, name: str, *, role: str, operator: str | None, disabled: bool) -> None:
    """Change what a user may do; disabling makes all tokens of this user void. Raises NoSuchUser."""
    epoch = {"token_epoch": _next_epoch()} if disabled else {}
    await _change(conn, name, role=role, operator=operator, disabled=disabled, **epoch)


async def remove_user(conn: AsyncConnection, name: str) -> None:
    """Remove a user. Raises NoSuchUser."""
    if (await conn.execute(delete(users).where(users.c.name == name))).rowcount != 1:
        raise NoSuchUser(f"There is no user {name}.")


async def lock_enabled_admins(conn: AsyncConnection) -> set[str]:
    """The admins who may sign in; until this transaction ends nobody else takes that from any of them."""
    admins = select(users.c.name).where(users.c.role == "admin", ~users.c.disabled).order_by(users.c.name)
    return set((await conn.execute(admins.with_for_update())).scalars())


async def list_users(conn: AsyncConnection) -> list[StoredUser]:
    """All users by name."""
    return [StoredUser(*row) for row in await conn.execute(_COLUMNS.order_by(users.c.name))]


async def removed_users(conn: AsyncConnection) -> set[str]:
    """Names of users who were removed at any time, as the audit tells."""
    return set((await conn.execute(select(audit.c.subject).where(audit.c.action == REMOVED).distinct())).scalars())


async def _change(conn: AsyncConnection, name: str, **values: object) -> None:
    if (await conn.execute(update(users).where(users.c.name == name).values(**values))).rowcount != 1:
        raise NoSuchUser(f"There is no user {name}.")


def _epoch_now() -> ColumnElement[int]:
    # Microseconds: several changes fit into a second, and none may give a number that was used before.
    return sql_cast(func.floor(func.extract("epoch", func.clock_timestamp()) * 1_000_000), BigInteger)


def _next_epoch() -> ColumnElement[int]:
    return func.greatest(users.c.token_epoch + 1, _epoch_now())


_COLUMNS = select(
    users.c.name,
    users.c.role,
    users.c.password_hash,
    users.c.operator,
    users.c.created_at,
    users.c.disabled,
    users.c.token_epoch,
)
