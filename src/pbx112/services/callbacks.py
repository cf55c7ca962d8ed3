"""An operator calls a caller back: the intent first, then Asterisk, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from pbx112.domain.callback import LEASE, RING_SECONDS, not_ready, on_the_line, refusal, still_up, taken
from pbx112.domain.configuration import Configuration, Operator
from pbx112.domain.doing import operator_state
from pbx112.domain.errors import (
    AsteriskUnavailable,
    CallbackTaken,
    CannotCallBack,
    DatabaseUnavailable,
    NoSuchOperator,
    OperatorNotReady,
)
from pbx112.domain.outbound import account_of
from pbx112.services.ports import CallbackOrder, CallPlacer, LiveSource, Telephone
from pbx112.storage import audit, callbacks
from pbx112.storage.calls import get_call
from pbx112.storage.engine import transaction

log = structlog.get_logger(__name__)

_RINGS = timedelta(seconds=RING_SECONDS + 5)
_TITLES = {"id": "Telepon balik", "en": "Call back"}


@dataclass(frozen=True, slots=True)
class CallbackDesk:
    """Calls callers back. `lang` and `timezone` are the centre's: refusals are read by its operators."""

    engine: AsyncEngine
    placer: CallPlacer
    telephone: Telephone
    live: LiveSource
    configuration: Callable[[], Configuration]
    lang: str
    timezone: str

    async def call_back(self, call: UUID, operator: str, *, who: str) -> dict[str, Any]:
        """Ring the operator's phone, and the caller of `call` when he answers; the public attempt.

        The row of the attempt is committed before Asterisk is asked, and nothing is asked twice. Raises NoSuchCall,
        NoSuchOperator, CannotCallBack, OperatorNotReady, CallbackTaken, AsteriskUnavailable (nothing was placed),
        DatabaseUnavailable (nothing was tried).
        """
        account = self._ready(operator)
        attempt = await self._request(call, operator, who)
        order = CallbackOrder(
            reference=account_of(call, attempt["id"]),
            operator=operator,
            number=attempt["number"],
            trunk=attempt["trunk"],
            title=_TITLES.get(account.language, _TITLES["en"]),
            ring_seconds=RING_SECONDS,
        )
        try:
            await self.placer.place(order)
        except BaseException as error:
            log.warning("A call back was not placed.", reference=order.reference, operator=operator, reason=str(error))
            await self._settle(attempt, callbacks.NOT_PLACED)
            raise
        await self._settle(attempt, callbacks.PLACED)
        return {**attempt, "state": callbacks.PLACED}

    def _ready(self, name: str) -> Operator:
        operator = self.configuration().operator(name)
        if operator is None:
            raise NoSuchOperator(f"There is no operator {name}.")
        if not self.telephone.connected:
            raise AsteriskUnavailable("The call was not placed: the AMI link is down, so nobody can see the phones.")
        places = [member for queue in self.live.state.queues for member in queue.members if member.operator == name]
        # Who is in no queue is not watched: Asterisk finds out, and the journal tells.
        words = not_ready(name, operator_state(places), self.lang) if places else None
        if words is not None:
            raise OperatorNotReady(words)
        return operator

    async def _request(self, call: UUID, operator: str, who: str) -> dict[str, Any]:
        async with transaction(self.engine) as conn:
            await callbacks.lock_call(conn, call)
            record = await get_call(conn, call)
            assert record is not None  # noqa: S101  (its row is locked above)
            trunk = self.configuration().trunk(record["trunk"] or "")
            words = refusal(record, trunk, self.lang)
            if words is not None:
                raise CannotCallBack(words)
            number = record["caller"]["callback_number"]
            calling = await callbacks.on_the_line(conn, number)
            if calling is not None:
                raise CannotCallBack(on_the_line(calling[0], self._local(calling[1]), self.lang))
            held = await callbacks.holder(conn, call, number, operator, rings=_RINGS)
            if held is not None:
                raise CallbackTaken(self._say(held))
            attempt = await callbacks.request(
                conn,
                uuid4(),
                call=call,
                operator=operator,
                number=number,
                trunk=record["trunk"],
                who=who,
                lease=LEASE,
            )
            facts = {"id": str(attempt["id"]), "operator": operator, "number": number, "trunk": record["trunk"]}
            await audit.append(conn, who=who, action="call.callback", subject=str(call), after=facts)
        return {name: attempt[name] for name in _PUBLIC}

    def _say(self, held: callbacks.Held) -> str:
        if held.until is None:
            return still_up(held.operator, self._local(held.since), self.lang)
        return taken(held.operator, self._local(held.until), self.lang)

    def _local(self, at: datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self.timezone)):%H:%M:%S %Z}"

    async def _settle(self, attempt: dict[str, Any], state: str) -> None:
        # What happened has happened: a database that went away between the two steps must not hide it.
        try:
            async with transaction(self.engine) as conn:
                await callbacks.settle(conn, attempt["id"], state)
        except DatabaseUnavailable as error:
            log.warning(
                "The state of a call back could not be written.", id=attempt["id"], state=state, error=str(error)
            )


_PUBLIC = ("id", "call_id", "operator", "number", "trunk", "state", "requested_at", "lease_until")
