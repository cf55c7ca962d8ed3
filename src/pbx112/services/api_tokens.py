"""Tokens of programs: made once, shown once, revoked; the database has their SHA-256 only."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.errors import BadInput
from pbx112.services.users import Role, is_name
from pbx112.storage import api_tokens as storage
from pbx112.storage import audit
from pbx112.storage.api_tokens import StoredToken

PREFIX = "pbx112_"
MOST_DAYS = 3650
_HINT = len(PREFIX) + 4


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made; `text` cannot be had a second time."""

    text: str
    stored: StoredToken


def token_hash(text: str) -> bytes:
    """What is stored of a token; 256 random bits need no slow hash."""
    return sha256(text.encode(errors="surrogateescape")).digest()


def public_token(token: StoredToken) -> dict[str, Any]:
    """A token as admins see it."""
    return {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "hint": token.hint,
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    }


def user_of(token: StoredToken) -> str:
    """The name that a program has in the audit: no user can be called so."""
    return f"token:{token.name}#{token.id}"


async def create_token(
    connection: AsyncConnection, name: str, role: Role, *, expires_in_days: int | None, who: str
) -> NewToken:
    """Make a token; audited, the caller commits. Raises BadInput."""
    if not is_name(name):
        raise BadInput(f"{name!r} is no name for a token: letters, digits, dot, dash, underscore; at most 40.")
    if expires_in_days is not None and not 1 <= expires_in_days <= MOST_DAYS:
        raise BadInput(f"A token is good for 1 to {MOST_DAYS} days, or without an end.")
    text = PREFIX + secrets.token_urlsafe(32)
    expires_at = None if expires_in_days is None else datetime.now(UTC) + timedelta(days=expires_in_days)
    stored = await storage.add_token(
        connection,
        name=name,
        role=role.value,
        hash_=token_hash(text),
        hint=text[:_HINT],
        who=who,
        expires_at=expires_at,
    )
    facts = {"name": name, "role": role.value, "expires_at": expires_at.isoformat() if expires_at else None}
    await audit.append(connection, who=who, action="token.create", subject=str(stored.id), after=facts)
    return NewToken(text, stored)


async def revoke_token(connection: AsyncConnection, id_: int, *, who: str) -> StoredToken:
    """Make a token void for ever; audited, the caller commits. Raises NoSuchToken."""
    revoked = await storage.revoke_token(connection, id_)
    facts = {"name": revoked.name, "role": revoked.role}
    await audit.append(connection, who=who, action="token.revoke", subject=str(id_), before=facts)
    return revoked
