"""Commands about tokens: those of programs, and one for a user's own scripts."""

from datetime import timedelta
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pbx112.api.tokens import make_token
from pbx112.bootstrap.prepare import token_secret
from pbx112.cli_session import database, run, settings, who
from pbx112.cli_show import local_time, show_json, show_line, show_table
from pbx112.services.api_tokens import MOST_DAYS, NewToken, create_token, public_token, revoke_token
from pbx112.services.users import Role, the_user
from pbx112.storage.api_tokens import StoredToken, list_tokens
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import StoredUser

Json = Annotated[bool, typer.Option("--json", help="JSON for programs instead of a table.")]


class _UserByDefault(TyperGroup):
    """`pbx112 token NAME` is `pbx112 token user NAME`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command of this name; a name that is no command is a user's."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["user", *args]
        return super().resolve_command(ctx, args)


token_app = typer.Typer(
    cls=_UserByDefault,
    help="Tokens for programs: create, list, revoke. `pbx112 token NAME` prints one for a user, good for hours.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Put this file's commands under `app`."""
    app.add_typer(token_app, name="token")


@token_app.command()
def create(
    name: Annotated[str, typer.Argument(help="What the token is for, as wallboard.")],
    role: Annotated[Role, typer.Option(help="What the program may do.")],
    days: Annotated[
        int | None, typer.Option(min=1, max=MOST_DAYS, help="How long it is good; else without end.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a token for a program and print it; it cannot be shown again."""
    of = settings()

    async def work() -> NewToken:
        async with database(of) as engine, transaction(engine) as connection:
            return await create_token(connection, name, role, expires_in_days=days, who=who())

    made = run(work())
    if as_json:
        show_json({**public_token(made.stored), "token": made.text})
    else:
        print(made.text)


@token_app.command("list")
def list_(as_json: Json = False) -> None:
    """List the programs' tokens, revoked ones too."""
    of = settings()

    async def work() -> list[StoredToken]:
        async with database(of) as engine, reading(engine) as connection:
            return await list_tokens(connection)

    found = run(work())
    if as_json:
        show_json([public_token(token) for token in found])
        return
    rows = [
        (
            token.id,
            token.name,
            token.role,
            f"{token.hint}..",
            *(
                local_time(at, of.timezone)
                for at in (token.created_at, token.last_used_at, token.expires_at, token.revoked_at)
            ),
        )
        for token in found
    ]
    show_table(of.lang, ("id", "name", "role", "token", "created", "last_used", "expires", "revoked"), rows)


@token_app.command()
def revoke(id: Annotated[int, typer.Argument(min=1, max=2**63 - 1, help="Its id, as list shows it.")]) -> None:  # noqa: A002
    """Make a program's token void, within five seconds."""
    of = settings()

    async def work() -> StoredToken:
        async with database(of) as engine, transaction(engine) as connection:
            return await revoke_token(connection, id, who=who())

    show_line(f"The token {run(work()).name} is revoked.")


@token_app.command()
def user(
    name: Annotated[str, typer.Argument(help="The user's name.")],
    hours: Annotated[int, typer.Option(min=1, max=12, help="How long it is good.")] = 12,
    as_json: Json = False,
) -> None:
    """Print a bearer token for a user, for his scripts: `Authorization: Bearer <token>`."""
    of = settings()

    async def work() -> StoredUser:
        async with database(of) as engine, reading(engine) as connection:
            return await the_user(connection, name)

    found = run(work())
    made = make_token(
        token_secret(of),
        found.name,
        Role(found.role),
        found.operator,
        lifetime=timedelta(hours=hours),
        epoch=found.token_epoch,
    )
    if as_json:
        show_json({"access_token": made, "token_type": "bearer", "expires_in": hours * 3600})
    else:
        print(made)
