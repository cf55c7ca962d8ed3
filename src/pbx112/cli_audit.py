"""Commands about the audit: list it, check its chain."""

import json
from typing import Annotated, Any

import typer

from pbx112.cli_session import database, run, settings
from pbx112.cli_show import local_time, show_json, show_line, show_table
from pbx112.services.audit import Head, Verdict
from pbx112.services.audit import verify as verify_chain
from pbx112.storage.audit import list_audit
from pbx112.storage.engine import reading

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]

_WIDEST = 120

audit_app = typer.Typer(help="Who did what, and whether that list is whole: `audit`, `audit verify`.")


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(audit_app, name="audit")


@audit_app.callback(invoke_without_command=True)
def list_(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Acts at most.")] = 50,
    as_json: Json = False,
) -> None:
    """List who did what, the newest first."""
    if context.invoked_subcommand is not None:
        return
    of = settings()

    async def work() -> list[dict[str, Any]]:
        async with database(of) as engine, reading(engine) as connection:
            return await list_audit(connection, limit)

    found = run(work())
    if as_json:
        show_json(found)
        return
    rows = [
        (act["position"], local_time(act["at"], of.timezone), act["who"], act["action"], act["subject"], _facts(act))
        for act in found
    ]
    show_table(of.lang, ("row", "at", "who", "action", "subject", "extra"), rows)


@audit_app.command()
def verify(
    expect: Annotated[
        str | None, typer.Option(metavar="POSITION:HASH", help="A head that was written down: the chain must have it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Hash the whole audit anew. Says which row does not fit, and exits 1; prints the head to write down."""
    of = settings()
    head = None if expect is None else Head.of(expect)

    async def work() -> Verdict:
        async with database(of) as engine:
            return await verify_chain(engine, expect=head)

    verdict = run(work())
    if as_json:
        show_json(verdict.to_json())
    else:
        before = f", and {verdict.before} rows of before the chain" if verdict.before else ""
        if verdict.whole:
            show_line(f"The audit is whole: {verdict.rows} rows{before}. Head: {verdict.head}")
        else:
            show_line(f"The audit is NOT whole. {verdict.fault} Up to row {verdict.rows} everything fits.")
    if not verdict.whole:
        raise typer.Exit(1)


def _facts(act: dict[str, Any]) -> str:
    told = " -> ".join(
        json.dumps(act[side], ensure_ascii=False, default=str) for side in ("before", "after") if act[side] is not None
    )
    return told if len(told) <= _WIDEST else f"{told[:_WIDEST]}.."
