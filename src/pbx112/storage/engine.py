"""The connection pool, and the two ways to use it: `transaction` and `reading`.

Every wait here has a deadline: for a place in the pool, for a connection, for a statement (in PostgreSQL, and on our
side for a server that is gone without a word).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from pbx112.domain.errors import BadInput, DatabaseUnavailable
from pbx112.storage.faults import FAULTS, translate
from pbx112.storage.tables import SERVICE_ROLE

_CONNECT_SECONDS = 3
_POOL_SECONDS = 2
_SILENCE_SECONDS = 2
"""How much longer than PostgreSQL's own statement time-out we wait for any answer at all."""


def database_url(url: str) -> URL:
    """Read `postgresql://..` as people write it, `sslmode` included. Raises BadInput for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise BadInput("The database URL is not one; write postgresql://user:password@host:5432/database") from error
    if parsed.drivername not in {"postgresql", "postgres", "postgresql+asyncpg"}:
        raise BadInput(f"{parsed.drivername} is not supported; the database is PostgreSQL: postgresql://..")
    query = dict(parsed.query)
    if "sslmode" in query:  # libpq's name; asyncpg's argument is called `ssl` and means the same
        query["ssl"] = query.pop("sslmode")
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def connect_arguments(url: str) -> dict[str, Any]:
    """asyncpg.connect's keyword arguments for the same URL, for connections beside the pool."""
    parsed = database_url(url)
    _, keywords = parsed.get_dialect()().create_connect_args(parsed)
    return dict(keywords)


def server_settings(*, role: str | None, statement_timeout_ms: int) -> dict[str, str]:
    """What every connection tells PostgreSQL when it starts."""
    settings = {
        "application_name": "pbx112",
        "timezone": "UTC",
        "statement_timeout": str(statement_timeout_ms),
        "idle_in_transaction_session_timeout": str(max(statement_timeout_ms * 2, 10_000)),
    }
    return settings if role is None else {**settings, "role": role}


def make_engine(
    url: str, *, role: str | None = SERVICE_ROLE, pool_size: int = 5, statement_timeout_ms: int = 5000
) -> AsyncEngine:
    """Make the pool; nothing is connected yet. `role` is taken on at connect, None keeps the login's own rights.

    Raises BadInput when `url` is not a PostgreSQL URL.
    """
    return create_async_engine(
        database_url(url),
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_SECONDS,
        pool_pre_ping=True,
        pool_recycle=1800,
        json_serializer=lambda value: orjson.dumps(value).decode(),
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": _CONNECT_SECONDS,
            "command_timeout": statement_timeout_ms / 1000 + _SILENCE_SECONDS,
            "server_settings": server_settings(role=role, statement_timeout_ms=statement_timeout_ms),
        },
    )


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Give a connection in a transaction that is committed at the end, rolled back on any exception.

    Raises DatabaseUnavailable when PostgreSQL does not answer (whether the commit happened is then unknown), and
    RowsRefused when it refuses what was sent.
    """
    async with _translated(), engine.connect() as connection, _work(connection):
        yield connection


@asynccontextmanager
async def reading(engine: AsyncEngine, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
    """Give a connection that can only read; with `snapshot` all its statements see the same moment.

    Raises DatabaseUnavailable when PostgreSQL does not answer.
    """
    options: dict[str, Any] = {"postgresql_readonly": True}
    if snapshot:
        options["isolation_level"] = "REPEATABLE READ"
    async with _translated(), engine.connect() as plain:
        connection = await plain.execution_options(**options)
        async with _work(connection):
            yield connection


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except FAULTS as error:
        other = translate(error)
        if other is error:
            raise
        raise other from error


@asynccontextmanager
async def _work(connection: AsyncConnection) -> AsyncIterator[None]:
    # Inside for the statements, before the rollback; outside for the commit.
    async with _discarded_when_silent(connection), connection.begin(), _discarded_when_silent(connection):
        yield


@asynccontextmanager
async def _discarded_when_silent(connection: AsyncConnection) -> AsyncIterator[None]:
    """A connection that did not answer in time is thrown away: a rollback on it would only wait once more."""
    try:
        yield
    except TimeoutError:
        await connection.invalidate()
        raise


async def check(engine: AsyncEngine) -> None:
    """Ask PostgreSQL for a sign of life. Raises DatabaseUnavailable."""
    async with reading(engine) as connection:
        if await connection.exec_driver_sql("SELECT 1") is None:
            raise DatabaseUnavailable("PostgreSQL gives no answer.")
