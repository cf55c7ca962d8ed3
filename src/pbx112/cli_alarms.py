"""The command that shows what is wrong now."""

from datetime import datetime
from typing import Annotated

import typer

from pbx112.cli_session import ask_service, run, settings
from pbx112.cli_show import local_time, show_json, show_table


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.command()(alarms)


def alarms(
    as_json: Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")] = False,
) -> None:
    """List what the running service finds wrong now: critical alarms first, then the oldest first."""
    of = settings()
    found = run(ask_service(of, "GET", "/alarms"))
    if as_json:
        show_json(found)
        return
    rows = [
        (one["level"], local_time(datetime.fromisoformat(one["since"]), of.timezone), one["text"])
        for one in found["items"]
    ]
    show_table(of.lang, ("level", "since", "text"), rows, whole="since")
