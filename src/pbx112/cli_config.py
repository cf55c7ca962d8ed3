"""Commands about the configuration's versions: show, check, compare, apply, roll back. They ask the running service."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from pbx112.cli_session import ask_service, run, settings
from pbx112.cli_show import local_time, note, show_json, show_line, show_table
from pbx112.domain.errors import BadInput
from pbx112.settings import Settings

Json = Annotated[bool, typer.Option("--json", help="JSON for programs.")]

config_app = typer.Typer(
    help="The configuration: show, diff, validate, apply, rollback, versions.", no_args_is_help=True
)

_APPLY_SECONDS = 60.0


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(config_app, name="config")
    app.command()(surge)


@config_app.command()
def show(as_json: Json = False) -> None:
    """Print the whole newest version as YAML, which `config apply FILE` takes again."""
    configuration = _draft(settings())["configuration"]
    configuration.pop("version")
    if as_json:
        show_json(configuration)
    else:
        typer.echo(yaml.safe_dump(configuration, sort_keys=False, allow_unicode=True, width=120), nl=False)


@config_app.command()
def validate() -> None:
    """Say everything that keeps the newest version from being applied; exit code 1 when there is something."""
    found = run(ask_service(settings(), "POST", "/config/validate"))
    faults = found["faults"]
    for warning in found["warnings"]:
        note(warning["message"])
    for fault in faults:
        show_line(f"{fault['message']} [{fault['field']}]")
    if faults:
        raise typer.Exit(1)
    show_line("Nothing is wrong.")


@config_app.command()
def diff(as_json: Json = False) -> None:
    """Say what applying the newest version would change."""
    plan = run(ask_service(settings(), "GET", "/config/plan"))
    if as_json:
        show_json(plan)
        return
    if plan["version"] == plan["applied_version"]:
        show_line(f"Version {plan['version']} runs; there is no draft.")
        return
    show_line(f"Version {plan['applied_version']} runs, {plan['version']} is the draft:")
    for change in plan["changes"]:
        show_line(f"  {change['text']}")
    show_line(f"Asterisk's files: {', '.join(plan['files']) or '-'}")


@config_app.command()
def versions(as_json: Json = False) -> None:
    """List the versions, the newest first."""
    of = settings()
    found = run(ask_service(of, "GET", "/config/versions"))["items"]
    if as_json:
        show_json(found)
        return
    rows = [
        (one["id"], local_time(datetime.fromisoformat(one["at"]), of.timezone), one["who"], _became(one))
        for one in found
    ]
    show_table(of.lang, ("version", "at", "who", "state"), rows)


@config_app.command()
def apply(
    file: Annotated[
        Path | None, typer.Argument(help="A YAML file as `config show` prints it, or - ; without it, the draft.")
    ] = None,
) -> None:
    """Apply a file, or the draft, to Asterisk, and read it back; on any difference all stays as it was."""
    of = settings()
    version = int(_draft(of)["version"])
    if file is not None:
        version = int(run(ask_service(of, "PUT", "/config", _read(file), if_match=version))["version"])
    _tell(run(ask_service(of, "POST", "/config/apply", if_match=version, within_s=_APPLY_SECONDS)))


@config_app.command()
def rollback(version: Annotated[int, typer.Argument(help="The version to go back to.")]) -> None:
    """Make an earlier version the newest one, and apply it."""
    of = settings()
    now = int(_draft(of)["version"])
    wish = {"version": version}
    _tell(run(ask_service(of, "POST", "/config/rollback", wish, if_match=now, within_s=_APPLY_SECONDS)))


def surge(on: Annotated[str, typer.Argument(metavar="on|off", help="on or off.")]) -> None:
    """Surge mode: everybody who is logged in takes 112, no wrap-up, callers are told."""
    if on not in {"on", "off"}:
        raise BadInput("Say `pbx112 surge on` or `pbx112 surge off`.")
    _tell(run(ask_service(settings(), "POST", "/surge", {"on": on == "on"}, within_s=_APPLY_SECONDS)))


def _draft(of: Settings) -> dict[str, Any]:
    found: dict[str, Any] = run(ask_service(of, "GET", "/config"))
    return found


def _read(file: Path) -> dict[str, Any]:
    text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise BadInput(f"{file} is no YAML: {error}") from error
    if not isinstance(found, dict):
        raise BadInput(f"{file} holds no configuration; `pbx112 config show` prints one.")
    return found


def _tell(done: dict[str, Any]) -> None:
    show_line(f"Version {done['version']} is applied; {len(done['files'])} files changed.")
    for line in done["told"]:
        note(line)


def _became(version: dict[str, Any]) -> str:
    tries = [f"{one['state']} ({one['node']})" for one in version["applications"]]
    return ", ".join([*(["running"] if version["running"] else []), *tries]) or "draft"
