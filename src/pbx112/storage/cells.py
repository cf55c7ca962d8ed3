"""The table of cells: where the cells of the networks stand, as an admin imported them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from operator import attrgetter
from typing import Any

import asyncpg
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput
from pbx112.domain.place import CellKey, KnownCell, cell_key, with_cells
from pbx112.storage.tables import cells

_BATCH = 5_000
_IMPORT_SECONDS = 120
"""For the statements of an import; all others of the service have five seconds."""


@dataclass(frozen=True, slots=True)
class CellRow:
    """A cell of an imported file. `line` is its line there: of two lines for one cell the later counts."""

    line: int
    mcc: str
    mnc: str
    tac: int
    cell_id: int
    lat: float
    lon: float
    radius_m: float | None
    name: str | None


@dataclass(frozen=True, slots=True)
class CellsImported:
    """What an import did, in cells; `repeated` lines had another line for the same cell after them."""

    added: int
    changed: int
    unchanged: int
    removed: int
    repeated: int


_INCOMING = "cells_incoming"
_CREATE = f"""
CREATE TEMPORARY TABLE {_INCOMING} (
    line BIGINT, mcc TEXT, mnc TEXT, tac BIGINT, cell_id BIGINT,
    lat DOUBLE PRECISION, lon DOUBLE PRECISION, radius_m DOUBLE PRECISION, name TEXT
) ON COMMIT DROP
"""

# `xmax` is zero in a row that was inserted, and the lock of ON CONFLICT in one that was changed.
_MERGE = f"""
WITH latest AS (
    SELECT DISTINCT ON (mcc, mnc, tac, cell_id) mcc, mnc, tac, cell_id, lat, lon, radius_m, name
    FROM {_INCOMING} ORDER BY mcc, mnc, tac, cell_id, line DESC
), put AS (
    INSERT INTO cells AS known (mcc, mnc, tac, cell_id, lat, lon, radius_m, name)
    SELECT mcc, mnc, tac, cell_id, lat, lon, radius_m, name FROM latest
    ON CONFLICT (mcc, mnc, tac, cell_id) DO UPDATE
    SET lat = excluded.lat, lon = excluded.lon, radius_m = excluded.radius_m, name = excluded.name
    WHERE (known.lat, known.lon, known.radius_m, known.name)
        IS DISTINCT FROM (excluded.lat, excluded.lon, excluded.radius_m, excluded.name)
    RETURNING known.xmax = 0 AS added
)
SELECT (SELECT count(*) FROM latest) AS all,
    count(*) FILTER (WHERE added) AS added, count(*) FILTER (WHERE NOT added) AS changed FROM put
"""  # noqa: S608 - the table's name is a constant

_REMOVE = f"""
DELETE FROM cells AS known WHERE NOT EXISTS (
    SELECT FROM {_INCOMING} AS wanted
    WHERE (wanted.mcc, wanted.mnc, wanted.tac, wanted.cell_id) = (known.mcc, known.mnc, known.tac, known.cell_id)
)
"""  # noqa: S608 - the table's name is a constant

_FIND = text("""
SELECT mcc, mnc, tac, cell_id, lat, lon, radius_m, name FROM cells JOIN unnest(
    CAST(:mccs AS text[]), CAST(:mncs AS text[]), CAST(:tacs AS bigint[]), CAST(:ids AS bigint[])
) AS wanted (mcc, mnc, tac, cell_id) USING (mcc, mnc, tac, cell_id)
""")


async def import_cells(conn: AsyncConnection, rows: Iterable[CellRow], *, replace: bool) -> CellsImported:
    """Add and change cells by these rows, in one go; with `replace` remove all others.

    The rows are taken a few thousand at a time. Two imports at once wait for each other; readers do not wait.
    """
    await conn.execute(text(f"SET LOCAL statement_timeout = '{_IMPORT_SECONDS}s'"))
    driver = await _driver(conn)
    await driver.execute("LOCK TABLE cells IN SHARE ROW EXCLUSIVE MODE", timeout=_IMPORT_SECONDS)
    await conn.execute(text(_CREATE))
    taken = await _copy(driver, rows)
    if not taken:
        raise BadInput("The file has no cell; nothing was changed.")
    # Without its statistics PostgreSQL takes a new table for a tiny one.
    await driver.execute(f"ANALYZE {_INCOMING}", timeout=_IMPORT_SECONDS)
    put = await driver.fetchrow(_MERGE, timeout=_IMPORT_SECONDS)
    assert put is not None  # noqa: S101 - it counts, so it has a row
    removed = await driver.execute(_REMOVE, timeout=_IMPORT_SECONDS) if replace else "DELETE 0"
    return CellsImported(
        added=put["added"],
        changed=put["changed"],
        unchanged=put["all"] - put["added"] - put["changed"],
        removed=int(removed.split()[-1]),
        repeated=taken - put["all"],
    )


async def find_cells(conn: AsyncConnection, keys: Collection[CellKey]) -> dict[CellKey, KnownCell]:
    """Those of these cells that the table knows, in one statement; none without a key."""
    if not keys:
        return {}
    mccs, mncs, tacs, ids = zip(*set(keys), strict=True)
    wanted = {"mccs": list(mccs), "mncs": list(mncs), "tacs": list(tacs), "ids": list(ids)}
    return {
        (row.mcc, row.mnc, row.tac, row.cell_id): KnownCell(row.lat, row.lon, row.radius_m, row.name)
        for row in await conn.execute(_FIND, wanted)
    }


async def count_cells(conn: AsyncConnection) -> dict[str, int]:
    """How many cells the table has of each network, by MCC and MNC (`510-10`)."""
    network = cells.c.mcc + "-" + cells.c.mnc
    rows = await conn.execute(select(network, func.count()).group_by(network).order_by(network))
    return {row[0]: row[1] for row in rows}


async def locate(conn: AsyncConnection, records: Sequence[dict[str, Any]]) -> None:
    """Fill the cells in the `location` of public call records with place and name, and put the best first anew.

    One query for all the records; none when they have no cell that was read.
    """
    keys = {key for record in records for one in record["location"] if (key := cell_key(one)) is not None}
    if not keys:
        return
    table = await find_cells(conn, keys)
    if not table:
        return
    for record in records:
        record["location"] = with_cells(record["location"], table)


async def _copy(driver: "asyncpg.Connection[asyncpg.Record]", rows: Iterable[CellRow]) -> int:
    columns = [field.name for field in fields(CellRow)]
    source = map(attrgetter(*columns), rows)
    taken = 0
    while batch := list(islice(source, _BATCH)):
        await driver.copy_records_to_table(_INCOMING, records=batch, columns=columns, timeout=_IMPORT_SECONDS)
        taken += len(batch)
    return taken


async def _driver(conn: AsyncConnection) -> "asyncpg.Connection[asyncpg.Record]":
    """asyncpg's own connection, for COPY and for statements that may take long; the transaction is the same."""
    raw: Any = (await conn.get_raw_connection()).driver_connection
    connection: asyncpg.Connection[asyncpg.Record] = raw
    return connection
