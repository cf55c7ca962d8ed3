"""Brings a database to this version's tables: alembic under a lock, so that any number of starts may race.

Most starts find nothing to do. They ask one question, and do not import alembic: that is a tenth of a start's time.
"""

# ruff: noqa: PLC0415

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import MigrationFailed
from pbx112.storage.engine import make_engine, transaction
from pbx112.storage.faults import sql_state
from pbx112.storage.tables import SERVICE_ROLE

_T = TypeVar("_T")

_LOCK = 1_126_112  # any number; the same for all processes that migrate this database
_LOCK_SECONDS = 120
_STATEMENT_SECONDS = 600
_DENIED = "42501"
_EXISTS = ("42710", "23505")


async def migrate(url: str, *, migrations: Path) -> None:
    """Make or upgrade the tables, the service's role and its rights; do nothing when all is there.

    `url` is the owner's. Raises MigrationFailed in words (what a DBA must run, where rights are missing) and
    DatabaseUnavailable.
    """
    try:
        await _in_transaction(url, lambda conn: _migrate(conn, migrations))
    except DBAPIError as error:
        raise MigrationFailed(f"The tables could not be made: {error.orig}. Nothing was changed.") from error
    except OSError as error:
        raise MigrationFailed(
            f"The migrations in {migrations} cannot be used: {error}. Nothing was changed."
        ) from error


async def check_migrations(url: str, *, migrations: Path) -> list[str]:
    """Differences between the tables that the code uses and those that the migrations made; empty is good."""
    from pbx112.storage import revisions

    newest = await asyncio.to_thread(revisions.newest, migrations)
    current = await current_revision(url)
    if current != newest:
        return [f"The database is at revision {current}, and the newest is {newest}; run `pbx112 migrate`."]
    found = await _in_transaction(url, lambda conn: conn.run_sync(revisions.differences))
    return [repr(difference) for difference in found]


async def current_revision(url: str) -> str | None:
    """The revision the database is at; None for an empty one."""
    from pbx112.storage import revisions

    return await _in_transaction(url, lambda conn: conn.run_sync(revisions.current))


async def _in_transaction(url: str, work: Callable[[AsyncConnection], Awaitable[_T]]) -> _T:
    engine = make_engine(url, role=None, pool_size=1, statement_timeout_ms=_STATEMENT_SECONDS * 1000)
    try:
        async with transaction(engine) as conn:
            return await work(conn)
    finally:
        await engine.dispose()


async def _migrate(conn: AsyncConnection, migrations: Path) -> None:
    await conn.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
    if await _is_done(conn, migrations):
        return
    from pbx112.storage import revisions

    await conn.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    await _ensure_role(conn)
    await conn.run_sync(lambda sync: revisions.upgrade(sync, migrations))


async def _is_done(conn: AsyncConnection, migrations: Path) -> bool:
    """True when tables and role are there. A revision's file has its number in front of its name."""
    newest = max((file.name.partition("_")[0] for file in (migrations / "versions").glob("*.py")), default=None)
    if (await conn.execute(text("SELECT to_regclass('alembic_version')"))).scalar() is None:
        return False
    revisions = list((await conn.execute(text("SELECT version_num FROM alembic_version"))).scalars())
    role = text("SELECT pg_has_role(oid, 'MEMBER') FROM pg_roles WHERE rolname = :role")
    return revisions == [newest] and bool((await conn.execute(role, {"role": SERVICE_ROLE})).scalar())


async def _ensure_role(conn: AsyncConnection) -> None:
    """Make the service's role where it is missing, and let the migrating login work as it."""
    me = (await conn.execute(text("SELECT current_user"))).scalar_one()
    quoted = str(me).replace('"', '""')
    exists = text("SELECT 1 FROM pg_roles WHERE rolname = :role")
    if (await conn.execute(exists, {"role": SERVICE_ROLE})).scalar() is None:
        await _as_dba(conn, f"CREATE ROLE {SERVICE_ROLE} NOLOGIN", also=f'GRANT {SERVICE_ROLE} TO "{quoted}"')
    if not (await conn.execute(text("SELECT pg_has_role(:role, 'MEMBER')"), {"role": SERVICE_ROLE})).scalar_one():
        await _as_dba(conn, f'GRANT {SERVICE_ROLE} TO "{quoted}"')


async def _as_dba(conn: AsyncConnection, sql: str, *, also: str = "") -> None:
    """Run what only some logins may. Another database of the same server may have done it at the same moment."""
    try:
        async with conn.begin_nested():
            await conn.execute(text(sql))
    except DBAPIError as error:
        if sql_state(error) in _EXISTS:
            return
        if sql_state(error) != _DENIED:
            raise
        asked = "; ".join(part for part in (sql, also) if part)
        raise MigrationFailed(
            f"This login may not prepare the role {SERVICE_ROLE}. Ask the database's administrator to run: {asked};"
        ) from error
