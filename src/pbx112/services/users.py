"""Users of the web door: roles and passwords, and who administers them. Signing in is in `sign_in.py`."""

import asyncio
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy.ext.asyncio import AsyncConnection

from pbx112.domain.configuration import Configuration
from pbx112.domain.errors import BadInput, LastAdmin, NoSuchUser
from pbx112.storage import audit
from pbx112.storage import users as storage
from pbx112.storage.users import REMOVED, StoredUser, add_user, get_user, removed_users, set_password_hash

PASSWORD_LENGTHS = (8, 256)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
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


def is_name(text: str) -> bool:
    """True when a user may be called so."""
    return _NAME.fullmatch(text) is not None


def public_user(user: StoredUser) -> dict[str, Any]:
    """A user as everybody may see him: without his password's hash."""
    return {"name": user.name, "created_at": user.created_at, **_rights(user)}


async def the_user(connection: AsyncConnection, name: str, *, lock: bool = False) -> StoredUser:
    """The user of this name. Raises NoSuchUser, also for what can be no name."""
    found = await get_user(connection, name, lock=lock) if is_name(name) else None
    if found is None:
        raise NoSuchUser(f"There is no user {name}.")
    return found


async def create_user(
    connection: AsyncConnection,
    name: str,
    password: str,
    *,
    role: Role,
    operator: str | None,
    who: str,
    disabled: bool = False,
) -> None:
    """Add a user and write the audit; the caller commits. Raises BadInput, also when the name is taken."""
    if not is_name(name):
        raise BadInput(f"{name!r} is no user name: letters, digits, dot, dash, underscore; at most 40.")
    _check_rights(role, operator)
    check_password(password)
    if await get_user(connection, name) is not None:
        raise BadInput(f"There is a user {name} already.")
    await _add(connection, name, password, role=role, operator=operator, who=who, disabled=disabled)


async def save_user(
    connection: AsyncConnection,
    name: str,
    *,
    role: Role,
    operator: str | None,
    disabled: bool,
    password: str | None,
    who: str,
) -> StoredUser:
    """Make the user so, or add him; a new one needs a password, for another one it is optional. The caller commits.

    Raises BadInput, LastAdmin.
    """
    known = await get_user(connection, name) if is_name(name) else None
    if known is not None:
        if password is not None:
            check_password(password)
        await change_rights(connection, name, role=role, operator=operator, disabled=disabled, who=who)
        if password is not None:
            await change_password(connection, name, password, who=who)
    elif password is None:
        raise BadInput(f"There is no user {name} yet; a new user needs a password.")
    else:
        await create_user(connection, name, password, role=role, operator=operator, who=who, disabled=disabled)
    return await the_user(connection, name)


async def change_rights(
    connection: AsyncConnection,
    name: str,
    *,
    who: str,
    role: Role | None = None,
    operator: str | None = None,
    disabled: bool | None = None,
) -> None:
    """Change a user's role with its operator account, or disable and enable him; None of role and disabled stays.

    Tokens he has follow within seconds; a disabled user's are void for ever. Audited, the caller commits.
    Raises NoSuchUser, BadInput, LastAdmin.
    """
    admins = await storage.lock_enabled_admins(connection)  # before his own row: always in the same order
    before = await the_user(connection, name, lock=True)
    wanted_role, wanted_operator = (Role(before.role), before.operator) if role is None else (role, operator)
    wanted_disabled = before.disabled if disabled is None else disabled
    _check_rights(wanted_role, wanted_operator)
    after = {"role": wanted_role.value, "operator": wanted_operator, "disabled": wanted_disabled}
    if after == _rights(before):
        return
    if wanted_role is not Role.ADMIN or wanted_disabled:
        _check_other_admins(admins, name)
    await storage.set_rights(
        connection, name, role=wanted_role.value, operator=wanted_operator, disabled=wanted_disabled
    )
    await audit.append(connection, who=who, action="user.change", subject=name, before=_rights(before), after=after)


async def remove_user(connection: AsyncConnection, name: str, *, who: str) -> StoredUser:
    """Remove a user, and give what he was; audited, the caller commits. Raises NoSuchUser, LastAdmin."""
    admins = await storage.lock_enabled_admins(connection)
    before = await the_user(connection, name, lock=True)
    _check_other_admins(admins, name)
    await storage.remove_user(connection, name)
    await audit.append(connection, who=who, action=REMOVED, subject=name, before=_rights(before))
    return before


async def change_password(connection: AsyncConnection, name: str, password: str, *, who: str) -> None:
    """Set a user's password, which makes his tokens void, and write the audit; the caller commits.

    Raises NoSuchUser, BadInput.
    """
    check_password(password)
    await the_user(connection, name)
    await set_password_hash(connection, name, await asyncio.to_thread(hash_password, password))
    await audit.append(connection, who=who, action="user.password", subject=name)


async def ensure_users(
    connection: AsyncConnection, configuration: Configuration, secret_for: Callable[[str], str]
) -> list[str]:
    """Add `admin`, `supervisor`, `auditor` and one user for each operator, where missing; the caller commits.

    Who was removed stays away. `secret_for(name)` gives the first password. Returns the names that were added.
    """
    wanted: list[tuple[str, Role, str | None]] = [(name, Role(name), None) for name in CENTRE_USERS]
    wanted += [(operator.name, Role.OPERATOR, operator.name) for operator in configuration.operators]
    added = []
    removed = await removed_users(connection)
    for name, role, operator in wanted:
        if name not in removed and await get_user(connection, name) is None:
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


def _rights(user: StoredUser) -> dict[str, Any]:
    return {"role": user.role, "operator": user.operator, "disabled": user.disabled}


def _check_rights(role: Role, operator: str | None) -> None:
    if role is Role.OPERATOR and operator is None:
        raise BadInput("A user with the role operator needs the name of his operator account.")
    if operator is not None and not is_name(operator):
        raise BadInput("The operator account is no name: letters, digits, dot, dash, underscore; at most 40.")


def _check_other_admins(admins: set[str], name: str) -> None:
    if admins == {name}:
        raise LastAdmin(f"{name} is the last admin who can sign in: make another user an admin first.")


async def _add(
    connection: AsyncConnection,
    name: str,
    password: str,
    *,
    role: Role,
    operator: str | None,
    who: str,
    disabled: bool = False,
) -> None:
    user = StoredUser(name, role.value, await asyncio.to_thread(hash_password, password), operator, disabled=disabled)
    await add_user(connection, user)
    await audit.append(connection, who=who, action="user.add", subject=name, after=_rights(user))
