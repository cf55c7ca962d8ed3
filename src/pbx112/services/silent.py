"""A silent caller is asked to press a key, by the very feature that the operator's phone has: dialplan/silent.conf."""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.errors import (
    CallNotTalking,
    CallOfAnotherNode,
    DatabaseUnavailable,
    NoSuchCall,
    NotAllowed,
    Pbx112Error,
)
from pbx112.domain.record import CallState
from pbx112.services.ports import Telephone
from pbx112.storage import audit
from pbx112.storage.calls import get_call
from pbx112.storage.engine import reading, transaction

log = structlog.get_logger(__name__)

SILENT_CODE = "*5"
"""What the operator presses; features.conf has the same."""


@dataclass(frozen=True, slots=True)
class _Talk:
    """What of a call's record is needed to find its channels."""

    linkedid: str
    operator: str


@dataclass(frozen=True, slots=True)
class SilentDesk:
    """Has the callers of this node's talks asked whether they can speak."""

    telephone: Telephone
    engine: AsyncEngine
    node: str

    async def ask(self, id_: UUID, *, who: str, only: str | None = None) -> str:
        """Have the caller asked; returns the operator in the talk. `only`: refuse unless it is this operator.

        It is started when this returns, not answered: the record's `silent_checks` tells the digits. Raises NoSuchCall,
        CallNotTalking, CallOfAnotherNode, NotAllowed, DatabaseUnavailable, and what Telephone raises.
        """
        talk = await self._talk(id_)
        if only is not None and talk.operator != only:
            raise NotAllowed("An operator may do this in the call he is in himself only.")
        result = "unknown"
        try:
            await self.telephone.press(talk.operator, talk.linkedid, SILENT_CODE)
            result = "asked"
        except Pbx112Error as error:
            result = error.slug
            raise
        finally:
            await self._audit(who, id_, {"result": result, "operator": talk.operator})
        return talk.operator

    async def _talk(self, id_: UUID) -> _Talk:
        async with reading(self.engine) as connection:
            call = await get_call(connection, id_)
        if call is None:
            raise NoSuchCall(f"There is no call {id_}.")
        if call["state"] != CallState.TALKING or call["operator"] is None:
            raise CallNotTalking(f"The call {id_} is {call['state']}; only a caller in a talk can be asked.")
        if call["direction"] != "inbound":
            raise CallNotTalking(f"The call {id_} is a call back; only a caller who called 112 can be asked.")
        if call["node"] != self.node:
            raise CallOfAnotherNode(f"The call {id_} is on the node {call['node']}; ask there.")
        return _Talk(call["linkedid"], call["operator"])

    async def _audit(self, who: str, id_: UUID, facts: dict[str, str]) -> None:
        # It is done, or refused, by now: that the database went away meanwhile must not turn the answer.
        try:
            async with transaction(self.engine) as connection:
                await audit.append(connection, who=who, action="call.silent_check", subject=str(id_), after=facts)
        except DatabaseUnavailable as error:
            log.warning(
                "A silent check is not in the audit, because the database is away; this line stands for it.",
                who=who,
                call=str(id_),
                facts=facts,
                error=str(error),
            )
