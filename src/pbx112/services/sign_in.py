"""Signing in with a name and a password: slower after failures, and never locked."""

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import NotAuthenticated, Overloaded
from pbx112.services.users import hash_password, is_name, password_matches
from pbx112.storage.engine import reading
from pbx112.storage.users import StoredUser, get_user

_FORGET_SECONDS = 600.0
_SLOT_DEADLINE = 5.0
_REMEMBERED = 1000
_FREE_FAILURES = 20
"""So many wrong passwords in ten minutes an address has for nothing: a whole centre may sit behind it."""
_SOURCE_DELAY = 1.0


@dataclass(slots=True)
class _Lane:
    """Attempts of one address follow each other; `users` counts those in it."""

    one: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0


class SignIn:
    """Checks names and passwords: few at a time, in equal time for unknown names, slower after failures.

    A name is never locked: an attacker who knows `op1` must not be able to keep him from his work. Whoever fails makes
    the next attempts for that name wait, 4 s at most, wherever they come from; an address with many failures makes
    its own wait a second. What is refused in a flood (429) is refused to the address that the flood comes from. The
    last resort is the machine itself: `pbx112 user passwd` and `pbx112 token` ask for no password.
    """

    def __init__(
        self, engine: AsyncEngine, *, at_once: int = 2, waiting: int = 8, first_delay: float = 0.25, most: float = 4.0
    ) -> None:
        self._engine = engine
        self._slots = asyncio.Semaphore(at_once)
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._most_waiting = waiting
        self._first_delay = first_delay
        self._most_delay = most
        self._names = _Failures()
        self._sources = _Failures()
        self._lanes: dict[str, _Lane] = {}
        self._nobody = hash_password("a password that no user has")

    async def check(self, name: str, password: str, *, source: str = "") -> StoredUser:
        """The user with this name and password, who may sign in; `source` is the address he comes from.

        Raises NotAuthenticated (the same for an unknown name), Overloaded, DatabaseUnavailable.
        """
        async with self._turn(name, source):
            async with reading(self._engine) as connection:
                user = await get_user(connection, name) if is_name(name) else None
            stored = user.password_hash if user else self._nobody
            matches = await self._matches(stored, password, source)
            if user is None or not matches:
                self._names.add(name)
                self._sources.add(source)
                raise NotAuthenticated("The name or the password is wrong.")
        self._names.forget(name)
        if user.disabled:
            raise NotAuthenticated("This user is disabled; an admin can enable him.")
        return user

    def delay_for(self, name: str, source: str = "") -> float:
        """Seconds that the next attempt for this name, from this address, waits."""
        failed = self._names.count(name)
        of_name = min(self._first_delay * float(2 ** (failed - 1)), self._most_delay) if failed else 0.0
        crowd = self._sources.count(source) > _FREE_FAILURES
        return max(of_name, min(_SOURCE_DELAY, self._most_delay) if crowd else 0.0)

    @asynccontextmanager
    async def _turn(self, name: str, source: str) -> AsyncIterator[None]:
        # The bound is for each name from each address: a flood must not keep the others out.
        key = (name, source)
        if self._waiting[key] >= self._most_waiting:
            raise Overloaded("Too many sign-ins with this name at once; try again in a moment.")
        self._waiting[key] += 1
        try:
            await asyncio.sleep(self.delay_for(name, source))
            yield
        finally:
            self._waiting[key] -= 1
            if self._waiting[key] == 0:
                del self._waiting[key]

    async def _matches(self, stored: str, password: str, source: str) -> bool:
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(_SLOT_DEADLINE):
                    # One address has one attempt at a time in the common line, however many it sends.
                    await held.enter_async_context(self._lane(source))
                    await held.enter_async_context(self._slots)
            except TimeoutError as error:
                raise Overloaded("Too many sign-ins at once; try again in a moment.") from error
            return await asyncio.to_thread(password_matches, stored, password)

    @asynccontextmanager
    async def _lane(self, source: str) -> AsyncIterator[None]:
        lane = self._lanes.setdefault(source, _Lane())
        lane.users += 1
        try:
            async with lane.one:
                yield
        finally:
            lane.users -= 1
            if lane.users == 0:
                del self._lanes[source]


class _Failures:
    """How often something failed in the last ten minutes; the longest untouched are forgotten when there are many."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def count(self, key: str) -> int:
        count, at = self._found.get(key, (0, 0.0))
        return 0 if time.monotonic() - at > _FORGET_SECONDS else count

    def add(self, key: str) -> None:
        count = self.count(key)
        self._found.pop(key, None)
        self._found[key] = (min(count + 1, 64), time.monotonic())
        if len(self._found) > _REMEMBERED:
            self._found.popitem(last=False)

    def forget(self, key: str) -> None:
        self._found.pop(key, None)
