"""Commands about call records."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID
from zoneinfo import ZoneInfo

import typer

from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import duration, inert, local_time, show_json, show_line, show_table, word
from pbx112.cli_transfers import show_transfers
from pbx112.domain.errors import BadInput, NoSuchCall
from pbx112.domain.record import CallState, Outcome
from pbx112.services.records import RebuildResult
from pbx112.services.records import rebuild as rebuild_records
from pbx112.settings import Settings
from pbx112.storage import audit
from pbx112.storage.call_list import CallFilter, list_calls
from pbx112.storage.calls import call_events, get_call
from pbx112.storage.engine import reading, transaction
from pbx112.storage.events import Gap, gaps_between

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
_PAGE = 200
_AGO = re.compile(r"(\d{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.command()(calls)
    app.command()(call)


def calls(  # noqa: PLR0917 - options of a command, given by name
    since: Annotated[str | None, typer.Option(help="Received at or after: 2025-01-31T07:00, or 2h (ago).")] = None,
    until: Annotated[str | None, typer.Option(help="Received before; the same forms.")] = None,
    state: Annotated[CallState | None, typer.Option(help="Only calls in this state.")] = None,
    outcome: Annotated[Outcome | None, typer.Option(help="Only calls that ended like this.")] = None,
    queue: Annotated[str | None, typer.Option(help="Only calls of this queue.")] = None,
    operator: Annotated[str | None, typer.Option(help="Only calls that this operator answered.")] = None,
    number: Annotated[str | None, typer.Option(help="Only calls from this number.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most this many, the newest.")] = 50,
    as_json: Json = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Make all records anew from their events.")] = False,
    check: Annotated[bool, typer.Option("--check", help="With --rebuild: change nothing, tell differences.")] = False,
) -> None:
    """List call records, newest first."""
    of = settings()
    if check and not rebuild:
        raise BadInput("--check belongs to --rebuild.")
    if rebuild:
        _rebuild(of, check=check, as_json=as_json)
        return
    wanted = CallFilter(
        since=moment(since, of.timezone),
        until=moment(until, of.timezone),
        state=state,
        outcome=outcome,
        queue=queue,
        operator=operator,
        number=number,
    )
    found, gaps = run(_list(of, wanted, limit))
    if as_json:
        show_json(found)
    for gap in gaps:
        # Beside the list, not in it: a program reads the list.
        typer.echo(_gap_line(gap, of), err=True)
    if as_json:
        return
    columns = ("received", "number", "class", "state", "outcome", "queue", "operator", "wait", "talk", "id")
    show_table(of.lang, columns, [_row(one, of) for one in found], whole="id")


def call(
    id: Annotated[str, typer.Argument(help="The call's id, as `pbx112 calls` lists it.")],  # noqa: A002
    events: Annotated[bool, typer.Option("--events", help="Show the journal's events of the call too.")] = False,
    as_json: Json = False,
) -> None:
    """Show one call record."""
    of = settings()
    try:
        id_ = UUID(id)
    except ValueError as error:
        raise NoSuchCall(f"{id} is not a call's id; `pbx112 calls` lists them.") from error
    found, told = run(_one(of, id_, events))
    if as_json:
        show_json({**found, "events": told} if events else found)
        return
    transfers = found.pop("transfers")
    show_table(of.lang, ("field", "value"), [(name, _cell(value, of)) for name, value in found.items()])
    show_transfers(transfers, of)
    if events:
        show_line("")
        show_table(of.lang, ("at", "event", "channel", "extra"), [_event_row(one, of) for one in told])


def moment(text: str | None, zone: str) -> datetime | None:
    """A time as people write it: ISO 8601 (in the centre's zone when it has no offset), or `2h` ago."""
    if text is None:
        return None
    ago = _AGO.fullmatch(text)
    if ago:
        return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(f"{text} is not a time; write 2025-01-31, 2025-01-31T07:00 or 2h (ago).") from error
    return found if found.tzinfo else found.replace(tzinfo=ZoneInfo(zone))


async def _list(of: Settings, wanted: CallFilter, limit: int) -> tuple[list[dict[str, Any]], list[Gap]]:
    """The calls, and the gaps that touch the time they are of."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    async with database(of) as engine, reading(engine) as connection:
        while len(found) < limit:
            page = await list_calls(connection, wanted, cursor=cursor, limit=min(_PAGE, limit - len(found)))
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        oldest = found[-1]["received_at"] if found and cursor is not None else wanted.since
        return found, await gaps_between(connection, oldest, wanted.until)


async def _one(of: Settings, id_: UUID, with_events: bool) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with database(of) as engine, reading(engine) as connection:
        found = await get_call(connection, id_)
        if found is None:
            raise NoSuchCall(f"There is no call {id_}; `pbx112 calls` lists them.")
        return found, await call_events(connection, id_) if with_events else []


def _rebuild(of: Settings, *, check: bool, as_json: bool) -> None:
    async def work() -> RebuildResult:
        async with database(of) as engine:
            made = await rebuild_records(engine, of.node, check=check)
            if not check:
                facts = {"calls": made.calls, "different": len(made.different), "orphans": len(made.orphans)}
                async with transaction(engine) as connection:
                    await audit.append(connection, who=who(), action="calls.rebuild", subject=of.node, after=facts)
            return made

    result = run(work())
    if as_json:
        show_json({"calls": result.calls, "different": result.different, "orphans": result.orphans})
    else:
        for id_ in (*result.different, *result.orphans):
            show_line(str(id_))
        verb = "differ from" if check else "differed from"
        show_line(
            f"{result.calls} calls folded from their events: {len(result.different)} {verb} their record, "
            f"{len(result.orphans)} records have no events."
        )
    if check and not result.equal:
        raise typer.Exit(1)


def _gap_line(gap: Gap, of: Settings) -> str:
    since, until = (local_time(at, of.timezone) if at else "?" for at in (gap.since, gap.until))
    return f"{word(of.lang, 'gap')} {since} - {until} ({gap.node}): {inert(gap.reason)}"


def _row(one: dict[str, Any], of: Settings) -> tuple[object, ...]:
    caller = one["caller"]
    drill = f" ({word(of.lang, 'drill')})" if one["drill"] else ""
    return (
        local_time(one["received_at"], of.timezone),
        caller["number"] or caller["raw_number"],
        f"{caller['class']}{drill}",
        one["state"],
        one["outcome"],
        one["queue"],
        one["operator"],
        duration(one["wait_ms"]),
        duration(one["talk_ms"]),
        one["id"],
    )


def _cell(value: object, of: Settings) -> str:
    if isinstance(value, datetime):
        return local_time(value, of.timezone)
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_cell(part, of)}" for name, part in value.items() if part not in (None, [], ()))
    if isinstance(value, list | tuple):
        return "; ".join(_cell(part, of) for part in value) or "-"
    return inert(value)


def _event_row(one: dict[str, Any], of: Settings) -> tuple[object, ...]:
    at = one["at"]
    shown = at.astimezone(ZoneInfo(of.timezone)).strftime("%H:%M:%S.%f") if isinstance(at, datetime) else at
    return shown, one["kind"], one["channel"], _cell(one.get("extra") or {}, of)
