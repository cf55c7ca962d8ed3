"""Commands about web users."""

import secrets
import sys
from typing import Annotated, Any

import typer

from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import local_time, show_json, show_line, show_table, word
from pbx112.services.users import (
    Role,
    change_password,
    change_rights,
    check_password,
    create_user,
    public_user,
    remove_user,
)
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import StoredUser, list_users

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
UserName = Annotated[str, typer.Argument(help="The user's name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
Generated = Annotated[bool, typer.Option("--random", help="Make a random password and print it once.")]

user_app = typer.Typer(help="Web users: add, passwords, roles, disable, remove, list.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(user_app, name="user")


@user_app.command()
def add(
    name: UserName,
    role: Annotated[Role, typer.Option(help="What the user may do.")],
    operator: Annotated[str | None, typer.Option(help="His operator account, for the role operator.")] = None,
    password_stdin: FromStdin = False,
    random: Generated = False,
) -> None:
    """Add a web user."""
    of = settings()
    password = _password(password_stdin, random)

    async def work() -> None:
        async with database(of) as engine, transaction(engine) as connection:
            await create_user(connection, name, password, role=role, operator=operator, who=who())

    run(work())
    show_line(f"User {name} ({role}) is added.")
    _tell(random, password)


@user_app.command()
def passwd(name: UserName, password_stdin: FromStdin = False, random: Generated = False) -> None:
    """Change a web user's password. Tokens given out before are void within five seconds."""
    of = settings()
    password = _password(password_stdin, random)

    async def work() -> None:
        async with database(of) as engine, transaction(engine) as connection:
            await change_password(connection, name, password, who=who())

    run(work())
    show_line(f"The password of {name} is changed.")
    _tell(random, password)


@user_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the web users."""
    of = settings()

    async def work() -> list[StoredUser]:
        async with database(of) as engine, reading(engine) as connection:
            return await list_users(connection)

    found = run(work())
    if as_json:
        show_json([public_user(user) for user in found])
        return
    rows = [
        (
            user.name,
            user.role,
            user.operator,
            word(of.lang, "yes" if user.disabled else "no"),
            local_time(user.created_at, of.timezone),
        )
        for user in found
    ]
    show_table(of.lang, ("name", "role", "operator", "disabled", "created"), rows)


@user_app.command()
def role(
    name: UserName,
    role: Annotated[Role, typer.Argument(help="What the user may do from now on.")],
    operator: Annotated[str | None, typer.Option(help="His operator account, for the role operator.")] = None,
) -> None:
    """Change a user's role; tokens he has follow within five seconds."""
    _change(name, role=role, operator=operator)
    show_line(f"User {name} has the role {role}.")


@user_app.command()
def disable(name: UserName) -> None:
    """Let a user in no more; his tokens are void within five seconds."""
    _change(name, disabled=True)
    show_line(f"User {name} is disabled.")


@user_app.command()
def enable(name: UserName) -> None:
    """Let a disabled user sign in again."""
    _change(name, disabled=False)
    show_line(f"User {name} is enabled.")


@user_app.command()
def remove(name: UserName) -> None:
    """Remove a user; his tokens are void within five seconds."""
    of = settings()

    async def work() -> None:
        async with database(of) as engine, transaction(engine) as connection:
            await remove_user(connection, name, who=who())

    run(work())
    show_line(f"User {name} is removed.")


def _change(name: str, **rights: Any) -> None:
    of = settings()

    async def work() -> None:
        async with database(of) as engine, transaction(engine) as connection:
            await change_rights(connection, name, who=who(), **rights)

    run(work())


def _password(from_stdin: bool, random: bool) -> str:
    if random:
        return secrets.token_urlsafe(15)
    password: str = (
        sys.stdin.readline().rstrip("\n")
        if from_stdin
        else typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    )
    check_password(password)
    return password


def _tell(random: bool, password: str) -> None:
    if random:
        show_line(f"Password: {password}")
