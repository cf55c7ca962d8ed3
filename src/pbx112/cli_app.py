"""Every command under its name."""

from typing import Annotated

import typer

import pbx112
from pbx112 import (
    cli_abandoned,
    cli_alarms,
    cli_audit,
    cli_calls,
    cli_cells,
    cli_centre,
    cli_config,
    cli_prompts,
    cli_rules,
    cli_run,
    cli_tokens,
    cli_users,
)

app = typer.Typer(
    name="pbx112",
    help="The telephony service of the emergency number 112, beside Asterisk.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pbx112 {pbx112.__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """The telephony service of the emergency number 112, beside Asterisk."""


ROOMS = (
    cli_run,
    cli_calls,
    cli_centre,
    cli_config,
    cli_prompts,
    cli_users,
    cli_tokens,
    cli_audit,
    cli_abandoned,
    cli_alarms,
    cli_rules,
    cli_cells,
)
for room in ROOMS:
    room.add_to(app)
