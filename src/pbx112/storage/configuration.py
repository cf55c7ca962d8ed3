"""What a centre configures, as rows; every saved state is kept as a version."""

from dataclasses import replace
from typing import Any

from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.configuration import (
    Agency,
    AnswerMode,
    Configuration,
    Membership,
    NumberFormat,
    Operator,
    Queue,
    Strategy,
    Trunk,
)
from pbx112.domain.errors import EditConflict, NotFound
from pbx112.storage import audit
from pbx112.storage import tables as t

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pbx112 configuration', 0))")
_CHILDREN_FIRST = (t.configuration, t.memberships, t.agency_lines, t.agencies, t.operators, t.queues, t.trunks)


async def load_configuration(conn: AsyncConnection) -> Configuration | None:
    """The configuration as saved last; None on an empty database."""
    head = (await conn.execute(select(t.configuration.c.version, t.configuration.c.default_queue))).first()
    if head is None:
        return None
    members: dict[str, list[Membership]] = {}
    for row in await conn.execute(select(t.memberships).order_by(t.memberships.c.operator, t.memberships.c.position)):
        members.setdefault(row.operator, []).append(Membership(row.queue, row.penalty))
    lines: dict[str, list[str]] = {}
    for row in await conn.execute(select(t.agency_lines).order_by(t.agency_lines.c.agency, t.agency_lines.c.position)):
        lines.setdefault(row.agency, []).append(row.name)
    return Configuration(
        version=head.version,
        trunks=tuple(_trunk(row) for row in await _rows(conn, t.trunks)),
        queues=tuple(_queue(row) for row in await _rows(conn, t.queues)),
        operators=tuple(
            Operator(**{**row, "memberships": tuple(members.get(row["name"], ()))})
            for row in await _rows(conn, t.operators)
        ),
        agencies=tuple(
            Agency(**{**row, "lines": tuple(lines.get(row["name"], ()))}) for row in await _rows(conn, t.agencies)
        ),
        default_queue=head.default_queue,
    )


async def save_configuration(conn: AsyncConnection, configuration: Configuration, *, who: str) -> Configuration:
    """Replace everything by this configuration, keep it as a version, write the audit; return it as saved.

    `configuration.version` is the version it was edited from; the returned one has the next. On an empty database
    its version is taken as it is. Raises EditConflict when somebody else saved in between.
    """
    await conn.execute(_LOCK)
    before = await load_configuration(conn)
    if before is not None and before.version != configuration.version:
        raise EditConflict(
            f"The configuration is at version {before.version}, and this edit began from {configuration.version}; "
            "read it again and repeat the edit."
        )
    saved = configuration if before is None else replace(configuration, version=configuration.version + 1)
    for table in _CHILDREN_FIRST:
        await conn.execute(delete(table))
    await _insert_all(conn, saved)
    body = saved.to_json()
    await conn.execute(insert(t.configuration_versions).values(id=saved.version, who=who, body=body))
    await audit.append(
        conn,
        who=who,
        action="configuration.save",
        subject=f"version {saved.version}",
        before=None if before is None else before.to_json(),
        after=body,
    )
    return saved


async def list_versions(conn: AsyncConnection, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest versions first: id, who, at."""
    table = t.configuration_versions
    rows = select(table.c.id, table.c.who, table.c.at).order_by(table.c.id.desc()).limit(limit)
    return [dict(row) for row in (await conn.execute(rows)).mappings()]


async def get_version(conn: AsyncConnection, version: int) -> Configuration:
    """A saved version. Raises NotFound."""
    table = t.configuration_versions
    body = (await conn.execute(select(table.c.body).where(table.c.id == version))).scalar()
    if body is None:
        raise NotFound(f"There is no version {version} of the configuration.")
    return Configuration.from_json(body)


async def _rows(conn: AsyncConnection, table: Any) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name != "position"]
    return [dict(row) for row in (await conn.execute(select(*columns).order_by(table.c.position))).mappings()]


def _trunk(row: dict[str, Any]) -> Trunk:
    return Trunk(
        **{
            **row,
            "sources": tuple(row["sources"]),
            "number_format": NumberFormat(row["number_format"]),
            "pseudo_patterns": tuple(row["pseudo_patterns"]),
        }
    )


def _queue(row: dict[str, Any]) -> Queue:
    return Queue(
        **{
            **row,
            "strategy": Strategy(row["strategy"]),
            "answer_mode": AnswerMode(row["answer_mode"]),
            "overflow": tuple(row["overflow"]),
        }
    )


async def _insert_all(conn: AsyncConnection, saved: Configuration) -> None:
    raw = saved.to_json()
    members = [
        {"operator": operator["name"], "position": place, **member}
        for operator in raw["operators"]
        for place, member in enumerate(operator.pop("memberships"))
    ]
    lines = [
        {"agency": agency["name"], "position": place, "name": line}
        for agency in raw["agencies"]
        for place, line in enumerate(agency.pop("lines"))
    ]
    for table, rows in (
        (t.trunks, _numbered(raw["trunks"])),
        (t.queues, _numbered(raw["queues"])),
        (t.operators, _numbered(raw["operators"])),
        (t.agencies, _numbered(raw["agencies"])),
        (t.memberships, members),
        (t.agency_lines, lines),
        (t.configuration, [{"version": saved.version, "default_queue": saved.default_queue}]),
    ):
        if rows:
            await conn.execute(pg_insert(table), rows)


def _numbered(rows: Any) -> list[dict[str, Any]]:
    return [{**row, "position": place} for place, row in enumerate(rows)]
