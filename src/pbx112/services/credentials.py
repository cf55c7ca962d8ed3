"""Who may still use his token: a copy in memory of users and programs' tokens, so that no request asks the database."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import DatabaseUnavailable, NotAuthenticated
from pbx112.services.api_tokens import token_hash
from pbx112.services.users import Role
from pbx112.storage.api_tokens import StoredToken, good_tokens, note_used
from pbx112.storage.engine import reading, transaction
from pbx112.storage.users import StoredUser, list_users

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 2.0
"""A change made on another node counts here after this and the time of one small query: less than five seconds."""

USED_SECONDS = 60.0
COMMAND_LINE = "cli:"
"""How the names begin that the machine's own command line gives itself; no user can be called so."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What a user may do now."""

    role: Role
    operator: str | None


class CredentialBook:
    """Copies users and tokens every two seconds. While the database is away the last copy counts.

    Before the first copy (a service that was started while the database is away) users' tokens are believed as they
    were signed, for up to their twelve hours, and programs' tokens cannot be checked.
    """

    def __init__(
        self, engine: AsyncEngine, *, seconds: float = REFRESH_SECONDS, used_seconds: float = USED_SECONDS
    ) -> None:
        self._engine = engine
        self._seconds = seconds
        self._used_seconds = used_seconds
        self._users: dict[str, StoredUser] | None = None
        self._tokens: Mapping[bytes, StoredToken] = {}
        self._used: dict[int, datetime] = {}
        self._noted_at = 0.0

    def standing(self, name: str, epoch: int, role: Role, operator: str | None) -> Standing:
        """What the user of a bearer token may do now; `role` and `operator` are what the token says.

        Raises NotAuthenticated when he is gone or disabled, or the token's `epoch` is over.
        """
        if self._users is None or name.startswith(COMMAND_LINE):
            return Standing(role, operator)
        user = self._users.get(name)
        if user is None:
            raise NotAuthenticated("This user does not exist any more.")
        if user.disabled:
            raise NotAuthenticated("This user is disabled; an admin can enable him.")
        if epoch < user.token_epoch:
            raise NotAuthenticated("The token is void since the password or the user was changed; sign in again.")
        return Standing(Role(user.role), user.operator)

    def program(self, text: str) -> StoredToken:
        """The token of a program, noted as used now.

        Raises NotAuthenticated, and DatabaseUnavailable before the first copy.
        """
        if self._users is None:
            raise DatabaseUnavailable("Programs' tokens cannot be checked yet: the database is away.")
        found = self._tokens.get(token_hash(text))
        now = datetime.now(UTC)
        if found is None or (found.expires_at is not None and found.expires_at <= now):
            raise NotAuthenticated("The token is not known, revoked or expired; an admin can make a new one.")
        self._used[found.id] = now
        return found

    def learn(self, user: StoredUser) -> None:
        """Take in a user who was just read from the database: he signed in, and the copy may not have him yet."""
        if self._users is not None:
            self._users[user.name] = user

    async def refresh(self) -> None:
        """Copy now, as after a change made on this node. Raises DatabaseUnavailable; the last copy then counts."""
        async with reading(self._engine, snapshot=True) as connection:
            users = await list_users(connection)
            tokens = await good_tokens(connection)
        self.take(users, tokens)

    def take(self, users: Sequence[StoredUser], tokens: Sequence[StoredToken]) -> None:
        """Let these users and tokens be all there are."""
        self._users = {user.name: user for user in users}
        self._tokens = {token.hash: token for token in tokens}

    async def run(self) -> None:
        """For ever."""
        away = False
        while True:
            try:
                await self.refresh()
                await self._note_used()
                away = False
            except (DatabaseUnavailable, DBAPIError) as error:  # DBAPIError: the tables are not migrated yet
                if not away:
                    log.warning("Users and tokens are those of the last copy.", reason=str(error))
                away = True
            await asyncio.sleep(self._seconds)

    async def _note_used(self) -> None:
        now = asyncio.get_running_loop().time()
        if not self._used or (self._noted_at and now - self._noted_at < self._used_seconds):
            return
        used, self._used = self._used, {}
        self._noted_at = now
        async with transaction(self._engine) as connection:
            await note_used(connection, used)
