"""The command `pbx112`: one sentence for each error, exit code 0 only on success, `--json` for programs."""

import os
import re
import sys
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

import pbx112
from pbx112 import cli_abandoned, cli_calls, cli_cells, cli_centre, cli_rules, cli_run, cli_users
from pbx112.cli_show import complain
from pbx112.domain.errors import Pbx112Error

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


for room in (cli_run, cli_calls, cli_centre, cli_users, cli_abandoned, cli_rules, cli_cells):
    room.add_to(app)


def main() -> None:
    """Run the command line; every failure is one sentence on stderr and an exit code of its own."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read the output has had enough (`pbx112 calls | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception as error:
        complain(_sentence(error))
        sys.exit(1)


def _sentence(error: BaseException) -> str:
    if os.environ.get("PBX112_TRACE"):
        raise error
    if isinstance(error, BaseExceptionGroup):
        return _sentence(error.exceptions[0])
    if isinstance(error, Pbx112Error):
        return str(error) or (type(error).__doc__ or error.slug)
    if isinstance(error, ValidationError):
        faults = [f"PBX112_{'.'.join(map(str, one['loc'])).upper()}: {one['msg']}" for one in error.errors()]
        return f"The environment cannot be used: {'; '.join(faults)}."
    if isinstance(error, SettingsError):
        field = re.search(r'field "(\w+)"', str(error))
        name = f"PBX112_{field[1].upper()}" if field else str(error)
        return f"The environment cannot be used: the value of {name} cannot be read."
    if isinstance(error, OSError):
        return f"{error}."
    return f"pbx112 made a mistake ({type(error).__name__}: {error}). Set PBX112_TRACE=1 to see where."
