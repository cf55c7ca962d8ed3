"""Commands about the admin's rules, and what they make of a caller."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pbx112.api.inputs import number_in
from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import local_time, show_json, show_line, show_table, word
from pbx112.domain.errors import BadInput
from pbx112.domain.rules import Rules
from pbx112.services.nuisance import caller_score
from pbx112.services.rules import change_rules
from pbx112.settings import Settings
from pbx112.storage.engine import reading, transaction
from pbx112.storage.rules import StoredRules, load

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]

rules_app = typer.Typer(help="The rules of linking calls and of nuisance callers: show, set.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(rules_app, name="rules")
    app.command()(caller)


@rules_app.command()
def show(as_json: Json = False) -> None:
    """Show the rules; version 0 are the defaults."""
    of = settings()

    async def work() -> StoredRules:
        async with database(of) as engine, reading(engine) as connection:
            return await load(connection)

    _show(of, run(work()), as_json)


@rules_app.command("set")
def set_(
    changes: Annotated[list[str], typer.Argument(metavar="RULE=VALUE ...", help="As nuisance.reorder=true.")],
    as_json: Json = False,
) -> None:
    """Change rules by their names, all or none; `pbx112 rules show` names them."""
    of = settings()

    async def work() -> StoredRules:
        async with database(of) as engine, transaction(engine) as connection:
            stored = await load(connection)
            rules = changed(stored.rules, changes)
            return await change_rules(connection, rules, expected_version=stored.version, who=who())

    _show(of, run(work()), as_json)


def caller(number: Annotated[str, typer.Argument(help="+6281.. or 081..")], as_json: Json = False) -> None:
    """Show a caller's nuisance score and what it is made of."""
    of = settings()
    key = number_in(number)

    async def work() -> dict[str, Any]:
        async with database(of) as engine, reading(engine) as connection:
            return await caller_score(connection, key, datetime.now(UTC))

    found = run(work())
    if as_json:
        show_json(found)
        return
    warned = word(of.lang, "yes" if found["warned"] else "no")
    facts = [("number", found["number"]), ("score", f"{found['score']:.2f}"), ("threshold", f"{found['threshold']:g}")]
    marks = [
        (local_time(mark["at"], of.timezone), f"{mark['disposition']} {mark['weight_now']:+.2f} ({mark['call_id']})")
        for mark in found["marks"]
    ]
    show_table(of.lang, ("field", "value"), [*facts, ("warned", warned), *marks])


def changed(rules: Rules, changes: list[str]) -> Rules:
    """The rules after changes as people write them: `nuisance.weights.prank=4`. Raises BadInput."""
    raw = rules.to_json()
    for change in changes:
        name, equals, value = change.partition("=")
        *groups, last = name.strip().split(".")
        group: Any = raw
        for step in groups:
            group = group.get(step) if isinstance(group, dict) else None
        if not equals or not isinstance(group, dict) or isinstance(group.get(last, {}), dict):
            raise BadInput(f"{change} changes no rule; write RULE=VALUE with a name that `pbx112 rules show` gives.")
        group[last] = _value(value.strip())
    return Rules.from_json(raw, whole=True)


def _value(text: str) -> Any:
    """A JSON value, or else the text as it is: the rule's own check then says what it must be."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def _show(of: Settings, stored: StoredRules, as_json: bool) -> None:
    if as_json:
        show_json(stored.to_json())
        return
    show_table(of.lang, ("field", "value"), _rows(stored.to_json()))
    if not stored.rules.nuisance.reorder:
        show_line("Nuisance callers are only warned of; nuisance.reorder=true lets them queue behind others.")


def _rows(group: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in group.items():
        if isinstance(value, dict):
            yield from _rows(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", json.dumps(value)
