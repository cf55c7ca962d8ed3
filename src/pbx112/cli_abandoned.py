"""Commands about abandoned callers."""

from typing import Annotated, Any

import typer

from pbx112.cli_session import database, run, settings
from pbx112.cli_show import duration, local_time, show_json, show_line, show_table, word
from pbx112.domain.demo import DEMO_CENTRE
from pbx112.services.abandoned import abandoned_list
from pbx112.settings import Settings
from pbx112.storage.configuration import load_configuration
from pbx112.storage.engine import reading


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.command()(abandoned)


def abandoned(
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most this many callers of each kind.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")] = False,
) -> None:
    """List callers who left before an operator was reached, and whom nobody has reached since."""
    of = settings()
    found = run(_read(of, limit))
    if as_json:
        show_json(found)
        return
    columns = ("number", "class", "calls", "received", "wait", "worked_by", "id")
    rows = [_row(item, of) for item in found["items"]]
    show_table(of.lang, columns, rows, whole="id")
    for group in found["groups"]:
        show_line("")
        show_line(f"{word(of.lang, 'cannot_call_back')}: {group['caller_class']}, {group['callers']}")
        show_table(of.lang, columns, [_row(item, of) for item in group["items"]], whole="id")


async def _read(of: Settings, limit: int) -> dict[str, Any]:
    async with database(of) as engine, reading(engine) as connection:
        configuration = await load_configuration(connection)
        return await abandoned_list(connection, configuration or DEMO_CENTRE, lang=of.lang, limit=limit)


def _row(item: dict[str, Any], of: Settings) -> tuple[object, ...]:
    caller = item["caller"]
    return (
        caller["number"] or caller["imei"] or caller["raw_number"],
        caller["class"],
        item["count"],
        local_time(item["last_at"], of.timezone),
        duration(item["longest_wait_ms"]),
        ", ".join(dict.fromkeys(attempt["operator"] for attempt in item["attempts"])) or None,
        item["call_id"],
    )
