"""Operators' commands: log in and out of the queues, pause and come back. Each is audited."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.configuration import Configuration, Operator
from pbx112.domain.errors import (
    BadInput,
    DatabaseUnavailable,
    NoSuchOperator,
    NotCarriedOut,
    OutcomeUnknown,
    Pbx112Error,
)
from pbx112.domain.live import LiveMember
from pbx112.domain.skills import places
from pbx112.services.ports import LiveSource, Telephone
from pbx112.storage import audit
from pbx112.storage.engine import transaction

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 0.02
_NOT_DONE = "The queues, listed since, show that the command was not carried out; try again."


@dataclass(frozen=True, slots=True)
class OperatorDesk:
    """Carries out commands for operators by name; `who` is the user who gave them.

    All raise NoSuchOperator, and what Telephone raises: AsteriskUnavailable, AsteriskRefused, OutcomeUnknown. A command
    that Asterisk did not answer is looked for in its queues, listed anew: it was done, or it was not
    (NotCarriedOut), or nothing can be told (OutcomeUnknown). It is never sent again.
    """

    telephone: Telephone
    live: LiveSource
    configuration: Callable[[], Configuration]
    engine: AsyncEngine
    settle_seconds: float = 0.5
    doubt_seconds: float = 5.0
    """So long who commanded waits for the list; the longest answer is this and the command's own deadline."""

    async def log_in(self, name: str, *, who: str) -> None:
        """Log the operator in to each of his queues. Raises BadInput when he belongs to none."""
        joins = places(self.configuration(), self._operator(name))
        if not joins:
            raise BadInput(f"Operator {name} belongs to no queue; put him into one first.")
        async with self._audited(who, "operator.login", name):
            for place in joins:
                await self._sure(
                    self.telephone.queue_add(place.queue, name, place.penalty),
                    partial(self._is_in, place.queue, name),
                )
        await self._settled(lambda: {place.queue for place in joins} <= self._places(name).keys())

    async def log_out(self, name: str, *, who: str) -> None:
        """Log the operator out of his queues, and of any other that he is still live in."""
        operator = self._operator(name)
        configured = [place.queue for place in operator.memberships]
        async with self._audited(who, "operator.logout", name):
            for queue in dict.fromkeys([*configured, *self._places(name)]):
                await self._sure(
                    self.telephone.queue_remove(queue, name),
                    partial(self._is_out, queue, name),
                )
        await self._settled(lambda: not self._places(name))

    async def pause(self, name: str, reason: str, *, who: str) -> None:
        """Take the operator out of the ringing in all his queues; a ring in progress goes on."""
        self._operator(name)
        async with self._audited(who, "operator.pause", name, reason):
            await self._sure(
                self.telephone.queue_pause(name, paused=True, reason=reason),
                lambda: self._all(name, lambda member: member.paused and (member.paused_reason or "") == reason),
            )
        await self._settled(lambda: all(member.paused for member in self._places(name).values()))

    async def unpause(self, name: str, *, who: str) -> None:
        """Put the operator back into the ringing."""
        self._operator(name)
        async with self._audited(who, "operator.unpause", name):
            await self._sure(
                self.telephone.queue_pause(name, paused=False, reason=""),
                lambda: self._all(name, lambda member: not member.paused),
            )
        await self._settled(lambda: not any(member.paused for member in self._places(name).values()))

    def _places(self, name: str) -> dict[str, LiveMember]:
        """The queues the operator is in by the live state, and what he is there."""
        return {
            queue.name: member
            for queue in self.live.state.queues
            for member in queue.members
            if member.operator == name
        }

    def _is_in(self, queue: str, name: str) -> bool:
        return queue in self._places(name)

    def _is_out(self, queue: str, name: str) -> bool:
        return queue not in self._places(name)

    def _all(self, name: str, so: Callable[[LiveMember], bool]) -> bool:
        places = self._places(name)
        return bool(places) and all(so(member) for member in places.values())

    async def _sure(self, command: Awaitable[None], shown: Callable[[], bool]) -> None:
        """Carry a command out; without an answer, the queues tell whether it was done. Raises as the class says."""
        try:
            await command
        except OutcomeUnknown as error:
            try:
                certain = await self.telephone.look_again(self.doubt_seconds)
            except OutcomeUnknown:
                raise error from None
            if shown():
                log.info("A command without an answer was carried out, as the queues show.", reason=str(error))
            elif certain:
                raise NotCarriedOut(f"{error} {_NOT_DONE}") from error
            else:
                raise

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
