"""Commands about web users and their tokens."""

import secrets
import sys
from datetime import timedelta
from typing import Annotated

import typer

from pbx112.api.tokens import make_token
from pbx112.bootstrap.prepare import token_secret
from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import local_time, show_json, show_line, show_table
from pbx112.domain.errors import NoSuchUser
from pbx112.services.users import Role, change_password, check_password, create_user
from pbx112.settings import Settings
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import StoredUser, get_user, list_users

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]
UserName = Annotated[str, typer.Argument(help="The user's name.")]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the first line of stdin.")]
Generated = Annotated[bool, typer.Option("--random", help="Make a random password and print it once.")]

user_app = typer.Typer(help="Web users: add, change a password, list.", no_args_is_help=True)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(user_app, name="user")
    app.command()(token)


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
    """Change a web user's password. Tokens given out before stay good until they expire."""
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
        show_json(
            [
                {"name": user.name, "role": user.role, "operator": user.operator, "created_at": user.created_at}
                for user in found
            ]
        )
        return
    rows = [(user.name, user.role, user.operator, local_time(user.created_at, of.timezone)) for user in found]
    show_table(of.lang, ("name", "role", "operator", "created"), rows)


def token(
    user: UserName,
    hours: Annotated[int, typer.Option(min=1, max=12, help="How long it is good.")] = 12,
    as_json: Json = False,
) -> None:
    """Print a bearer token for a user, for scripts: `Authorization: Bearer <token>`."""
    of = settings()
    found = run(_user(of, user))
    made = make_token(token_secret(of), found.name, Role(found.role), found.operator, lifetime=timedelta(hours=hours))
    if as_json:
        show_json({"access_token": made, "token_type": "bearer", "expires_in": hours * 3600})
    else:
        print(made)


async def _user(of: Settings, name: str) -> StoredUser:
    async with database(of) as engine, reading(engine) as connection:
        found = await get_user(connection, name)
    if found is None:
        raise NoSuchUser(f"There is no user {name}; `pbx112 user list` names them.")
    return found


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
