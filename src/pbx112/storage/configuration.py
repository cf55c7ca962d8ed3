"""What a centre configures, as rows; every saved state is kept as a version."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from sqlalchemy import delete, func, insert, select, text
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.configuration import Agency, Calendar, Configuration, EntryRule, Operator, Queue, Trunk
from pbx112.domain.configuration_diff import changes
from pbx112.domain.errors import EditConflict, NotFound
from pbx112.storage import audit
from pbx112.storage import tables as t

_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('pbx112 configuration', 0))")
_CHILDREN_FIRST = (
    t.configuration,
    t.entry_rules,
    t.memberships,
    t.agency_lines,
    t.agencies,
    t.operators,
    t.queues,
    t.trunks,
    t.calendars,
)


async def load_configuration(conn: AsyncConnection) -> Configuration | None:
    """The configuration as saved last; None on an empty database."""
    head = (await conn.execute(select(t.configuration))).first()
    if head is None:
        return None
    members: dict[str, list[dict[str, Any]]] = {}
    for row in await conn.execute(select(t.memberships).order_by(t.memberships.c.operator, t.memberships.c.position)):
        members.setdefault(row.operator, []).append({"queue": row.queue, "penalty": row.penalty})
    lines: dict[str, list[str]] = {}
    for row in await conn.execute(select(t.agency_lines).order_by(t.agency_lines.c.agency, t.agency_lines.c.position)):
        lines.setdefault(row.agency, []).append(row.name)
    return Configuration(
        version=head.version,
        trunks=tuple(map(Trunk.of, await _rows(conn, t.trunks))),
        queues=tuple(map(Queue.of, await _rows(conn, t.queues))),
        operators=tuple(
            Operator.of({**row, "memberships": members.get(row["name"], ())}) for row in await _rows(conn, t.operators)
        ),
        agencies=tuple(
            Agency.of({**row, "lines": lines.get(row["name"], ())}) for row in await _rows(conn, t.agencies)
        ),
        default_queue=head.default_queue,
        entry_rules=tuple(EntryRule(**row) for row in await _rows(conn, t.entry_rules)),
        calendars=tuple(map(Calendar.of, await _rows(conn, t.calendars))),
        surge=head.surge,
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
        before=None if before is None else {"version": before.version},
        after=body if before is None else {"changes": [asdict(change) for change in changes(before, saved)]},
    )
    return saved


async def record_application(
    conn: AsyncConnection,
    version: int,
    *,
    node: str,
    who: str,
    state: Literal["applied", "failed"],
    told: Sequence[str],
) -> None:
    """Keep that a node tried to apply a version, and what came of it; also in the audit."""
    values = {"version": version, "node": node, "who": who, "state": state, "told": list(told)}
    await conn.execute(insert(t.configuration_applications).values(values))
    after = {"node": node, "state": state, "told": list(told)}
    await audit.append(conn, who=who, action="configuration.apply", subject=f"version {version}", after=after)


async def applied_version(conn: AsyncConnection, node: str) -> int | None:
    """The version that this node applied last, or any node when this one never did; None when none did."""
    table = t.configuration_applications
    newest = (
        select(table.c.version)
        .where(table.c.state == "applied")
        .order_by((table.c.node == node).desc(), table.c.id.desc())
        .limit(1)
    )
    version: int | None = (await conn.execute(newest)).scalar()
    return version


async def newest_applied(conn: AsyncConnection) -> int | None:
    """The newest version that any node applied; None when none did."""
    table = t.configuration_applications
    version: int | None = (
        await conn.execute(select(func.max(table.c.version)).where(table.c.state == "applied"))
    ).scalar()
    return version


async def has_applied(conn: AsyncConnection, node: str) -> bool:
    """Whether this node ever applied a version."""
    table = t.configuration_applications
    mine = select(table.c.id).where(table.c.node == node, table.c.state == "applied").limit(1)
    return (await conn.execute(mine)).first() is not None


async def list_applications(conn: AsyncConnection, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest tries first: version, node, who, at, state, told."""
    table = t.configuration_applications
    columns = (table.c.version, table.c.node, table.c.who, table.c.at, table.c.state, table.c.told)
    rows = await conn.execute(select(*columns).order_by(table.c.id.desc()).limit(limit))
    return [_plain(row) for row in rows.mappings()]


async def list_versions(conn: AsyncConnection, *, limit: int = 100) -> list[dict[str, Any]]:
    """The newest versions first: id, who, at."""
    table = t.configuration_versions
    rows = select(table.c.id, table.c.who, table.c.at).order_by(table.c.id.desc()).limit(limit)
    return [_plain(row) for row in (await conn.execute(rows)).mappings()]


async def get_version(conn: AsyncConnection, version: int) -> Configuration:
    """A saved version. Raises NotFound."""
    table = t.configuration_versions
    body = (await conn.execute(select(table.c.body).where(table.c.id == version))).scalar()
    if body is None:
        raise NotFound(f"There is no version {version} of the configuration.")
    return Configuration.from_json(body)


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row by names that are nothing but text (SQLAlchemy's know about quoting, and JSON does not take them)."""
    return {str(name): value for name, value in row.items()}


async def _rows(conn: AsyncConnection, table: Any) -> list[dict[str, Any]]:
    columns = [column for column in table.c if column.name != "position"]
    return [dict(row) for row in (await conn.execute(select(*columns).order_by(table.c.position))).mappings()]


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
        (t.calendars, _numbered(raw["calendars"])),
        (t.entry_rules, _numbered(raw["entry_rules"])),
        (t.configuration, [{name: raw[name] for name in ("version", "default_queue", "surge")}]),
    ):
        if rows:
            await conn.execute(pg_insert(table), rows)


def _numbered(rows: Any) -> list[dict[str, Any]]:
    return [{**row, "position": place} for place, row in enumerate(rows)]
