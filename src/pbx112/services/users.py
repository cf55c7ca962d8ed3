"""Users of the web door: roles, passwords, signing in."""

import asyncio
import re
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from enum import StrEnum

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import BadInput, NoSuchUser, NotAuthenticated, Overloaded
from pbx112.storage import audit
from pbx112.storage.engine import reading
from pbx112.storage.users import StoredUser, add_user, get_user, set_password_hash

PASSWORD_LENGTHS = (8, 256)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_FORGET_SECONDS = 600.0
_SLOT_DEADLINE = 5.0
_REMEMBERED_NAMES = 1000
_HASHER = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
"""argon2id by OWASP's smallest profile: Asterisk on the same processors comes first."""


class Role(StrEnum):
    """What a user may do; the table of routes says it in full."""

    OPERATOR = "operator"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"
    AUDITOR = "auditor"


CENTRE_USERS = (Role.ADMIN.value, Role.SUPERVISOR.value, Role.AUDITOR.value)
"""The users that every centre begins with, beside one for each operator; each is named for its role."""


def hash_password(password: str) -> str:
    """The argon2id hash; some 20 ms of CPU, so call it in a thread."""
    return _HASHER.hash(password)


def password_matches(stored: str, password: str) -> bool:
    """True when the password belongs to the hash; as long as `hash_password`."""
    try:
        return _HASHER.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


async def create_user(
    connection: AsyncConnection, name: str, password: str, *, role: Role, operator: str | None, who: str
) -> None:
    """Add a user and write the audit; the caller commits. Raises BadInput, also when the name is taken."""
    if not _NAME.fullmatch(name):
        raise BadInput(f"{name!r} is no user name: letters, digits, dot, dash, underscore; at most 40.")
    if role is Role.OPERATOR and operator is None:
        raise BadInput("A user with the role operator needs the name of his operator account.")
    check_password(password)
    if await get_user(connection, name) is not None:
        raise BadInput(f"There is a user {name} already.")
    await _add(connection, name, password, role=role, operator=operator, who=who)


async def change_password(connection: AsyncConnection, name: str, password: str, *, who: str) -> None:
    """Set a user's password and write the audit; the caller commits. Raises NoSuchUser, BadInput."""
    check_password(password)
    if await get_user(connection, name) is None:
        raise NoSuchUser(f"There is no user {name}.")
    await set_password_hash(connection, name, await asyncio.to_thread(hash_password, password))
    await audit.append(connection, who=who, action="user.password", subject=name)


async def ensure_users(
    connection: AsyncConnection, configuration: Configuration, secret_for: Callable[[str], str]
) -> list[str]:
    """Add `admin`, `supervisor`, `auditor` and one user for each operator, where missing; the caller commits.

    `secret_for(name)` gives the first password. Returns the names that were added.
    """
    wanted: list[tuple[str, Role, str | None]] = [(name, Role(name), None) for name in CENTRE_USERS]
    wanted += [(operator.name, Role.OPERATOR, operator.name) for operator in configuration.operators]
    added = []
    for name, role, operator in wanted:
        if await get_user(connection, name) is None:
            await _add(connection, name, secret_for(name), role=role, operator=operator, who="setup")
            added.append(name)
    return added


async def reset_passwords(connection: AsyncConnection, passwords: Mapping[str, str]) -> None:
    """Give each of these users this password, where it is another one; the caller commits."""
    for name, password in passwords.items():
        user = await get_user(connection, name)
        if user is None or await asyncio.to_thread(password_matches, user.password_hash, password):
            continue
        await set_password_hash(connection, name, await asyncio.to_thread(hash_password, password))
        await audit.append(connection, who="setup", action="user.password", subject=name)


def check_password(password: str) -> None:
    """Raises BadInput for a password that is too short or too long."""
    shortest, longest = PASSWORD_LENGTHS
    if not shortest <= len(password) <= longest:
        raise BadInput(f"A password has {shortest} to {longest} characters.")


async def _add(
    connection: AsyncConnection, name: str, password: str, *, role: Role, operator: str | None, who: str
) -> None:
    hashed = await asyncio.to_thread(hash_password, password)
    await add_user(connection, StoredUser(name, role.value, hashed, operator, datetime.now(UTC)))
    await audit.append(connection, who=who, action="user.add", subject=name, after={"role": role, "operator": operator})


class SignIn:
    """Checks names and passwords: few at a time, in equal time for unknown names, slower after failures.

    A name is never locked: an attacker who knows `op1` must not be able to keep him from his work.
    """

    def __init__(
        self, engine: AsyncEngine, *, at_once: int = 2, waiting: int = 8, first_delay: float = 0.25, most: float = 4.0
    ) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(at_once)
        self._waiting: Counter[str] = Counter()
        self._most_waiting = waiting
        self._first_delay = first_delay
        self._most_delay = most
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._nobody = hash_password("a password that no user has")

    async def check(self, name: str, password: str) -> StoredUser:
        """The user with this name and password.

        Raises NotAuthenticated (the same for an unknown name), Overloaded, DatabaseUnavailable.
        """
        async with self._turn(name):
            async with reading(self._engine) as connection:
                user = await get_user(connection, name) if _NAME.fullmatch(name) else None
            stored = user.password_hash if user else self._nobody
            matches = await self._matches(stored, password)
            if user is None or not matches:
                self._failed(name)
                raise NotAuthenticated("The name or the password is wrong.")
        self._failures.pop(name, None)
        return user

    def delay_for(self, name: str) -> float:
        """Seconds that the next attempt for this name waits."""
        count, at = self._failures.get(name, (0, 0.0))
        if count == 0 or time.monotonic() - at > _FORGET_SECONDS:
            return 0.0
        return min(self._first_delay * float(2 ** (count - 1)), self._most_delay)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        # The bound is for each name: a flood of one name must not keep the others out.
        if self._waiting[name] >= self._most_waiting:
            raise Overloaded("Too many sign-ins with this name at once; try again in a moment.")
        self._waiting[name] += 1
        try:
            await asyncio.sleep(self.delay_for(name))
            yield
        finally:
            self._waiting[name] -= 1
            if self._waiting[name] == 0:
                del self._waiting[name]

    async def _matches(self, stored: str, password: str) -> bool:
        try:
            async with asyncio.timeout(_SLOT_DEADLINE):
                await self._slots.acquire()
        except TimeoutError as error:
            raise Overloaded("Too many sign-ins at once; try again in a moment.") from error
        try:
            return await asyncio.to_thread(password_matches, stored, password)
        finally:
            self._slots.release()

    def _failed(self, name: str) -> None:
        count, _ = self._failures.pop(name, (0, 0.0))
        self._failures[name] = (min(count + 1, 16), time.monotonic())
        if len(self._failures) > _REMEMBERED_NAMES:
            self._failures.popitem(last=False)
