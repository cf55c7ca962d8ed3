"""Tokens of programs, over the web door."""

from datetime import datetime
from typing import Annotated

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.parts import Parts
from pbx112.api.users import refreshed
from pbx112.domain.errors import NoSuchToken
from pbx112.services.api_tokens import MOST_DAYS, create_token, public_token, revoke_token
from pbx112.services.users import Role
from pbx112.storage.api_tokens import list_tokens
from pbx112.storage.engine import reading, transaction

_LONGEST_ID = 18


class ApiToken(BaseModel):
    """A program's token; `hint` is how it begins. `last_used_at` is true to a minute or two."""

    model_config = ConfigDict(extra="forbid")

    id: int
    name: str
    role: Role
    hint: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


class NewApiToken(ApiToken):
    """The same with the token itself, which is shown this once."""

    token: str


class ApiTokenList(BaseModel):
    """All tokens, the newest first; revoked ones too."""

    model_config = ConfigDict(extra="forbid")

    items: list[ApiToken]


class TokenWish(BaseModel):
    """A token to make; without `expires_in_days` it is good until it is revoked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,39}$", examples=["wallboard"])]
    role: Role
    expires_in_days: Annotated[int | None, Field(ge=1, le=MOST_DAYS)] = None


async def post_api_token(body: TokenWish, parts: Parts, who: Who) -> Response:
    """Make a token for a program: `Authorization: Bearer pbx112_..` wherever a user's token does."""
    async with transaction(parts.engine) as connection:
        made = await create_token(connection, body.name, body.role, expires_in_days=body.expires_in_days, who=who.name)
    await refreshed(parts)
    return answer({**public_token(made.stored), "token": made.text})


async def get_api_tokens(parts: Parts) -> Response:
    """The tokens of programs."""
    async with reading(parts.engine) as connection:
        found = await list_tokens(connection)
    return answer({"items": [public_token(token) for token in found]})


async def delete_api_token(id: str, parts: Parts, who: Who) -> Response:  # noqa: A002 - the path's own word
    """Revoke a token; it is void within five seconds, here at once."""
    if not (id.isascii() and id.isdigit() and len(id) <= _LONGEST_ID):
        raise NoSuchToken("No token has this id; GET /v1/tokens lists them.")
    async with transaction(parts.engine) as connection:
        revoked = await revoke_token(connection, int(id), who=who.name)
    await refreshed(parts)
    return answer(public_token(revoked))
