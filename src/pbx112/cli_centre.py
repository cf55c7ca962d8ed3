"""Commands about what the centre is made of, and the operators' commands."""

from dataclasses import asdict
from typing import Annotated, Any
from urllib.parse import quote

import typer

from pbx112.cli_session import ServiceAway, ask_service, database, run, settings
from pbx112.cli_show import note, show_json, show_line, show_table, word
from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import NotFound
from pbx112.domain.live import LiveState
from pbx112.domain.missed import REASON
from pbx112.services.live_views import operator_view, queue_view
from pbx112.settings import Settings
from pbx112.storage.configuration import load_configuration
from pbx112.storage.engine import reading

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
OperatorName = Annotated[str, typer.Argument(help="The operator's account name, such as op1.")]

operators_app = typer.Typer(
    help="List the operators and what each is doing; log one in or out, pause one.", invoke_without_command=True
)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.command()(queues)
    app.command()(agencies)
    app.command()(trunks)
    app.add_typer(operators_app, name="operators")


def queues(as_json: Json = False) -> None:
    """List the queues with their members and waiting callers."""
    of = settings()
    found = run(_live_or_configured(of, "queues"))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["name"],
            one["display_name"],
            one["strategy"],
            ", ".join(f"{member['operator']} ({member['state']})" for member in one["members"]) or "-",
            len(one["waiting"]),
        )
        for one in found
    ]
    show_table(of.lang, ("name", "display_name", "strategy", "members", "waiting"), rows)


def agencies(as_json: Json = False) -> None:
    """List the agencies and their lines."""
    of = settings()
    found = [asdict(agency) for agency in run(_configuration(of)).agencies]
    if as_json:
        show_json(found)
        return
    rows = [(one["name"], one["display_name"], ", ".join(one["lines"])) for one in found]
    show_table(of.lang, ("name", "display_name", "lines"), rows)


def trunks(as_json: Json = False) -> None:
    """List the trunks: carriers, their addresses, whether they are believed."""
    of = settings()
    found = [asdict(trunk) for trunk in run(_configuration(of)).trunks]
    if as_json:
        show_json(found)
        return
    rows = [
        (one["name"], one["display_name"], ", ".join(one["sources"]), word(of.lang, "yes" if one["trusted"] else "no"))
        for one in found
    ]
    show_table(of.lang, ("name", "display_name", "sources", "trusted"), rows)


@operators_app.callback()
def operators(context: typer.Context, as_json: Json = False) -> None:
    """List the operators and what each is doing; log one in or out, pause one."""
    if context.invoked_subcommand is not None:
        return
    of = settings()
    found = run(_live_or_configured(of, "operators"))
    if as_json:
        show_json(found)
        return
    rows = [
        (
            one["name"],
            one["display_name"],
            one["extension"],
            one["state"],
            ", ".join(one["logged_in"]) or "-",
            word(of.lang, "missed") if one["paused_reason"] == REASON else one["paused_reason"],
        )
        for one in found
    ]
    show_table(of.lang, ("name", "display_name", "extension", "state", "queues", "reason"), rows)


@operators_app.command()
def login(name: OperatorName) -> None:
    """Log an operator in to his queues."""
    _command(name, "login")


@operators_app.command()
def logout(name: OperatorName) -> None:
    """Log an operator out of all queues."""
    _command(name, "logout")


@operators_app.command()
def pause(name: OperatorName, reason: Annotated[str, typer.Option(help="Why, in a few words.")]) -> None:
    """Take an operator out of the ringing."""
    _command(name, "pause", {"reason": reason})


@operators_app.command()
def unpause(name: OperatorName) -> None:
    """Put an operator back into the ringing."""
    _command(name, "unpause")


def _command(name: str, command: str, body: dict[str, str] | None = None) -> None:
    of = settings()
    found = run(ask_service(of, "POST", f"/operators/{quote(name, safe='')}/{command}", body))
    show_line(word(of.lang, "done").format(name=found["name"], state=found["state"]))


async def _live_or_configured(of: Settings, kind: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = (await ask_service(of, "GET", f"/{kind}"))["items"]
    except ServiceAway:
        note(word(of.lang, "no_live"))
        configuration = await _configuration(of)
        if kind == "queues":
            return [queue_view(queue, LiveState(), of.node) for queue in configuration.queues]
        return [operator_view(operator, LiveState()) for operator in configuration.operators]
    return found


async def _configuration(of: Settings) -> Configuration:
    async with database(of) as engine, reading(engine) as connection:
        found = await load_configuration(connection)
    if found is None:
        raise NotFound("The database holds no centre yet; `pbx112 prepare` makes one.")
    return found
