"""Which database errors mean "not now" and which mean "not these rows"."""

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pbx112.domain.errors import DatabaseUnavailable, Pbx112Error

_NOT_NOW = ("08", "53", "57", "58", "28", "3D", "40", "XX", "F0")
"""SQLSTATE classes: connection, resources (disk full too), operator intervention (shutdown, statement time-out),
system error, authorisation, no such database, rollback (deadlock), internal error, configuration file."""

_NOT_NOW_STATES = frozenset({"55P03", "25P03", "25P02", "25006"})
"""Lock not available, idle in transaction, aborted transaction, read-only server (a fail-over on its way)."""

_NOT_THESE_ROWS = ("21", "22", "23", "54")
"""Bad data, broken constraint, a value above PostgreSQL's limits: the same rows would fail again."""

FAULTS = (OSError, TimeoutError, DBAPIError, PoolTimeout, asyncpg.PostgresError, asyncpg.InterfaceError)
"""Everything `translate` knows about."""


class RowsRefused(Pbx112Error):
    """PostgreSQL refuses these rows for what they hold; sending them again cannot succeed."""

    slug = "rows-refused"


def sql_state(error: BaseException | None) -> str | None:
    """The SQLSTATE of an error or of the driver's error below it."""
    while error is not None:
        for known in (error, getattr(error, "orig", None)):
            state = getattr(known, "sqlstate", None) or getattr(known, "pgcode", None)
            if isinstance(state, str):
                return state
        error = error.__cause__
    return None


def translate(error: Exception) -> Exception:
    """The error to raise instead: DatabaseUnavailable, RowsRefused, or the same when it is a fault of our code."""
    text = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    state = sql_state(error)
    if state == "22023" and "role" in text:
        return DatabaseUnavailable(f"The database is not prepared ({text}); run `pbx112 migrate` first.")
    if state is not None:
        if state.startswith(_NOT_NOW) or state in _NOT_NOW_STATES:
            return DatabaseUnavailable(f"PostgreSQL cannot work now: {text}")
        if state.startswith(_NOT_THESE_ROWS):
            return RowsRefused(f"PostgreSQL refuses the rows: {text}")
        return error
    if isinstance(error, PoolTimeout):
        return DatabaseUnavailable("All connections to PostgreSQL are in use; try again.")
    disconnected = isinstance(error, DBAPIError) and error.connection_invalidated
    if disconnected or isinstance(error, (OSError, TimeoutError, InterfaceError, asyncpg.InterfaceError)):
        return DatabaseUnavailable(f"PostgreSQL does not answer: {text}")
    return error
