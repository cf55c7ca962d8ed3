"""Users of the web door, over the web door."""

import contextlib
from datetime import datetime
from typing import Annotated

from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import storable
from pbx112.api.parts import ApiParts, Parts
from pbx112.api.sign_in import sign_in_of, source_of
from pbx112.domain.errors import BadInput, DatabaseUnavailable, NotAuthenticated
from pbx112.services.users import (
    PASSWORD_LENGTHS,
    Role,
    change_password,
    check_password,
    public_user,
    remove_user,
    save_user,
    the_user,
)
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import list_users

_Password = Annotated[
    str, Field(min_length=PASSWORD_LENGTHS[0], max_length=PASSWORD_LENGTHS[1]), AfterValidator(storable)
]


class User(BaseModel):
    """Somebody who may sign in, unless he is disabled; `operator` is the operator account he works with."""

    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role
    operator: str | None
    disabled: bool
    created_at: datetime


class UserList(BaseModel):
    """All users by name."""

    model_config = ConfigDict(extra="forbid")

    items: list[User]


class UserEdit(BaseModel):
    """What a user shall be, whole. A new user needs a password; another one keeps his when none is sent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    role: Role
    operator: Annotated[str | None, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$")] = None
    disabled: bool = False
    password: _Password | None = None


class NewPassword(BaseModel):
    """A new password. Whoever changes his own proves the old one; an admin need not, for others."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    password: _Password
    old_password: Annotated[str | None, Field(max_length=PASSWORD_LENGTHS[1]), AfterValidator(storable)] = None


async def get_users(parts: Parts) -> Response:
    """All users."""
    async with reading(parts.engine) as connection:
        found = await list_users(connection)
    return answer({"items": [public_user(user) for user in found]})


async def get_user(name: str, parts: Parts) -> Response:
    """One user."""
    async with reading(parts.engine) as connection:
        return answer(public_user(await the_user(connection, name)))


async def put_user(name: str, body: UserEdit, parts: Parts, who: Who) -> Response:
    """Add a user, or change one: role, operator account, disabled, password. His tokens follow within five seconds.

    The last admin who can sign in stays one.
    """
    async with transaction(parts.engine) as connection:
        saved = await save_user(connection, name, **body.model_dump(), who=who.name)
    await refreshed(parts)
    return answer(public_user(saved))


async def delete_user(name: str, parts: Parts, who: Who) -> Response:
    """Remove a user, and give what he was. His tokens are void within five seconds."""
    async with transaction(parts.engine) as connection:
        removed = await remove_user(connection, name, who=who.name)
    await refreshed(parts)
    return answer(public_user(removed))


async def post_password(request: Request, name: str, body: NewPassword, parts: Parts, who: Who) -> Response:
    """Change a password; all tokens of that user are void within five seconds, his own of this request too."""
    if who.name == name:
        await _prove(request, name, body.old_password)
    check_password(body.password)
    async with transaction(parts.engine) as connection:
        await change_password(connection, name, body.password, who=who.name)
        changed = await the_user(connection, name)
    await refreshed(parts)
    return answer(public_user(changed))


async def refreshed(parts: ApiParts) -> None:
    """Let a change count on this node at once; when the database has just gone away, it counts when it is back."""
    with contextlib.suppress(DatabaseUnavailable):
        await parts.credentials.refresh()


async def _prove(request: Request, name: str, old: str | None) -> None:
    # By the way of signing in: whoever has found a token must not be able to guess the password quickly.
    try:
        await sign_in_of(request).check(name, old or "", source=source_of(request))
    except NotAuthenticated as error:
        raise BadInput("To change your own password send the right old one as old_password.") from error
