"""Commands that run, prepare and examine the system.

Each imports what it runs when it runs: the quick commands must not pay for the large ones.
"""

# ruff: noqa: PLC0415

import os
from dataclasses import asdict
from typing import Annotated

import typer

from pbx112.bootstrap.applied import migration_url
from pbx112.cli_session import run, settings
from pbx112.cli_show import note, show_json, show_line, show_table

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    for command in (up, serve, asterisk, setup, prepare, migrate, doctor, drill):
        app.command()(command)


def up(
    no_self_check: Annotated[bool, typer.Option("--no-self-check", help="Do not place the drill call.")] = False,
) -> None:
    """Run everything in the foreground: PostgreSQL, Asterisk, the service; Ctrl-C stops it all (make run)."""
    from pbx112.bootstrap.up import up as run_all

    code = run(run_all(settings(), self_check=not no_self_check))
    if code:
        raise typer.Exit(code)


def serve() -> None:
    """Run the service beside an Asterisk that runs already."""
    from pbx112.bootstrap.serve import serve_until_told

    serve_until_told()


def asterisk() -> None:
    """Run Asterisk in the foreground on the prepared files (what the systemd unit starts)."""
    from pbx112.bootstrap.prepare import asterisk_argv

    argv = [*asterisk_argv(settings()), "-f"]
    os.execv(argv[0], argv)  # noqa: S606  # this process becomes Asterisk


def setup() -> None:
    """Fetch and make what the machine lacks: Asterisk, tools, prompts."""
    from pbx112.bootstrap.prepare import setup as fetch_missing

    run(fetch_missing(settings(), note))


def prepare() -> None:
    """Migrate the database, make a first configuration where there is none, render Asterisk's files."""
    from pbx112.bootstrap.prepare import prepare as prepare_system

    prepared = run(prepare_system(settings(), note))
    show_line(f"Configuration {prepared.configuration.version} stands ready; {len(prepared.changed)} files changed.")


def migrate(
    check: Annotated[bool, typer.Option("--check", help="Only compare the database with this version.")] = False,
) -> None:
    """Bring the database to this version's tables."""
    from pbx112.storage.migrate import check_migrations, current_revision
    from pbx112.storage.migrate import migrate as migrate_database

    of = settings()
    url, folder = migration_url(of), of.home / "migrations"
    if check:
        differences = run(check_migrations(url, migrations=folder))
        for difference in differences:
            show_line(difference)
        if differences:
            raise typer.Exit(1)
        show_line("The database has exactly this version's tables.")
        return
    run(migrate_database(url, migrations=folder))
    show_line(f"The database is at revision {run(current_revision(url))}.")


def doctor(as_json: Json = False) -> None:
    """Check every part, and say what to do about each fault; exit code 1 when there is one."""
    from pbx112.bootstrap.doctor import doctor as examine

    of = settings()
    checks = run(examine(of))
    if as_json:
        show_json([asdict(check) for check in checks])
    else:
        rows = [("OK" if check.ok else "!!", check.name, check.detail, check.remedy or "") for check in checks]
        show_table(of.lang, ("state", "part", "detail", "remedy"), rows)
    if not all(check.ok for check in checks):
        raise typer.Exit(1)


def drill(as_json: Json = False) -> None:
    """Place one drill call against the running system and print its record."""
    from pbx112.bootstrap.drill import drill as place_drill

    outcome = run(place_drill(settings(), note if as_json else show_line))
    if as_json:
        show_json(outcome.record)
    if not outcome.result.passed:
        raise typer.Exit(1)
