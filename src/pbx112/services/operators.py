"""Operators' commands: log in and out of the queues, pause and come back. Each is audited."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration, Operator
from pbx112.domain.errors import BadInput, DatabaseUnavailable, NoSuchOperator, Pbx112Error
from pbx112.services.ports import LiveSource, Telephone
from pbx112.storage import audit
from pbx112.storage.engine import transaction

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class OperatorDesk:
    """Carries out commands for operators by name; `who` is the user who gave them.

    All raise NoSuchOperator, and what Telephone raises: AsteriskUnavailable, AsteriskRefused, OutcomeUnknown.
    """

    telephone: Telephone
    live: LiveSource
    configuration: Callable[[], Configuration]
    engine: AsyncEngine
    settle_seconds: float = 0.5

    async def log_in(self, name: str, *, who: str) -> None:
        """Log the operator in to each of his queues. Raises BadInput when he belongs to none."""
        operator = self._operator(name)
        if not operator.memberships:
            raise BadInput(f"Operator {name} belongs to no queue; put him into one first.")
        async with self._audited(who, "operator.login", name):
            for place in operator.memberships:
                await self.telephone.queue_add(place.queue, name, place.penalty)
        await self._settled(lambda: {place.queue for place in operator.memberships} <= self._places(name).keys())

    async def log_out(self, name: str, *, who: str) -> None:
        """Log the operator out of his queues, and of any other that he is still live in."""
        operator = self._operator(name)
        configured = [place.queue for place in operator.memberships]
        async with self._audited(who, "operator.logout", name):
            for queue in dict.fromkeys([*configured, *self._places(name)]):
                await self.telephone.queue_remove(queue, name)
        await self._settled(lambda: not self._places(name))

    async def pause(self, name: str, reason: str, *, who: str) -> None:
        """Take the operator out of the ringing in all his queues; a ring in progress goes on."""
        self._operator(name)
        async with self._audited(who, "operator.pause", name, reason):
            await self.telephone.queue_pause(name, paused=True, reason=reason)
        await self._settled(lambda: all(self._places(name).values()))

    async def unpause(self, name: str, *, who: str) -> None:
        """Put the operator back into the ringing."""
        self._operator(name)
        async with self._audited(who, "operator.unpause", name):
            await self.telephone.queue_pause(name, paused=False, reason="")
        await self._settled(lambda: not any(self._places(name).values()))

    def _places(self, name: str) -> dict[str, bool]:
        """The queues the operator is in by the live state, and whether he is paused there."""
        return {
            queue.name: member.paused
            for queue in self.live.state.queues
            for member in queue.members
            if member.operator == name
        }

    async def _settled(self, shown: Callable[[], bool]) -> None:
        # Asterisk's answer comes a moment before the event that changes the live state, and who commanded
        # wants to see the change. The command is done either way.
        deadline = asyncio.get_running_loop().time() + self.settle_seconds
        while not shown() and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(_LOOK_SECONDS)

    def _operator(self, name: str) -> Operator:
        operator = self.configuration().operator(name)
        if operator is None:
            raise NoSuchOperator(f"There is no operator {name}.")
        return operator

    @asynccontextmanager
    async def _audited(self, who: str, action: str, name: str, reason: str | None = None) -> AsyncIterator[None]:
        result = "done"
        try:
            yield
        except Pbx112Error as error:
            result = error.slug
            raise
        finally:
            await self._write_audit(who, action, name, {"result": result, "reason": reason})

    async def _write_audit(self, who: str, action: str, name: str, facts: dict[str, str | None]) -> None:
        # An operator must be able to take calls while the database is away: the log then keeps what the
        # audit could not.
        try:
            async with transaction(self.engine) as connection:
                await audit.append(connection, who=who, action=action, subject=name, after=facts)
        except DatabaseUnavailable as error:
            log.warning(
                "An operator command is not in the audit, because the database is away; this line stands for it.",
                who=who,
                action=action,
                operator=name,
                facts=facts,
                error=str(error),
            )
