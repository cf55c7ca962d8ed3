"""Handing a caller over from a desk: the intent first, then Asterisk, once; the dialplan does the rest."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pbx112.domain import errors
from pbx112.domain.configuration import Configuration
from pbx112.domain.transfer import Move, TransferMode
from pbx112.domain.transfer_asked import START, START_SETTLES, Asked, Lately, check_move, check_start, check_talk
from pbx112.domain.transfer_asked import no_lines as no_lines_words
from pbx112.domain.transfer_asked import not_blind as not_blind_words
from pbx112.services.transfer_moves import Talk, TransferMoves
from pbx112.storage import audit
from pbx112.storage import transfer_commands as commands
from pbx112.storage.calls import get_call
from pbx112.storage.engine import reading, transaction

log = structlog.get_logger(__name__)

_WAIT_SECONDS, _LOOK_SECONDS = 8.0, 0.1
_TOLD: Mapping[str, type[errors.Pbx112Error]] = {
    kind.slug: kind
    for kind in (
        errors.AsteriskUnavailable,
        errors.NotCarriedOut,
        errors.AsteriskRefused,
        errors.OutcomeUnknown,
        errors.CallNotTalking,
        errors.TransferRefused,
        errors.BadInput,
    )
}


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for a call's transfer; `only` is the operator whose calls alone he may move."""

    call: UUID
    move: str
    who: str
    only: str | None = None
    key: str | None = None
    transfer: UUID | None = None
    agency: str | None = None
    mode: TransferMode | None = None


@dataclass(frozen=True, slots=True)
class TransferDesk:
    """Carries out what desks ask of transfers. `lang` is the centre's: refusals are read by its operators."""

    engine: AsyncEngine
    moves: TransferMoves
    configuration: Callable[[], Configuration]
    node: str
    lang: str

    async def carry_out(self, wish: Wish) -> dict[str, Any]:
        """Do what is wished; the command as it stands then. The same key again: the same answer, and nothing is done.

        The row is committed before Asterisk is asked, and nothing is asked twice. Raises NoSuchCall, NoSuchAgency,
        NoSuchTransfer, NotAllowed, CallNotTalking, CallOfAnotherNode, TransferRefused, TransferTaken (nothing was
        tried); AsteriskUnavailable, AsteriskRefused (nothing was done); OutcomeUnknown; DatabaseUnavailable.
        """
        talk, command = await self._request(wish)
        if talk is None:
            return await self._answer_of(command)
        try:
            if wish.move == START:
                await self.moves.start(talk, command["transfer_id"], wish.mode or TransferMode.WARM, wish.agency or "")
            else:
                await self.moves.move(talk, command["transfer_id"], Move(wish.move))
        except errors.Pbx112Error as error:
            log.warning("A transfer's command was not carried out.", id=command["id"], reason=str(error))
            await self._settle(command, _state_of(error), error)
            raise
        await self._settle(command, commands.SENT, None)
        return _public({**command, "state": commands.SENT})

    async def _request(self, wish: Wish) -> tuple[Talk | None, dict[str, Any]]:
        """The intent, written down, and where; or, without a talk, what the same key asked before."""
        async with transaction(self.engine) as conn:
            now = await commands.lock(conn, wish.call)
            known = await commands.by_key(conn, wish.call, wish.who, wish.key) if wish.key else None
            if known is not None:
                _check_same(known, wish)
                return None, known
            call = await self._call(conn, wish)
            rows = await commands.lately(conn, wish.call, now, START_SETTLES)
            asked = [
                Asked(row["transfer_id"], row["move"], row["requested_by"], row["requested_at"], row["seen"])
                for row in rows
            ]
            values = self._values(wish, call, Lately(asked, now))
            command = await commands.request(conn, values, now)
            facts = {name: str(values[name]) for name in ("transfer_id", "agency", "mode", "operator") if values[name]}
            action = f"call.transfer.{wish.move}"
            await audit.append(conn, who=wish.who, action=action, subject=str(wish.call), after=facts)
        return Talk(call["linkedid"], call["operator"], wish.call), command

    def _values(self, wish: Wish, call: Mapping[str, Any], lately: Lately) -> dict[str, Any]:
        """The row of what is asked. Raises what `domain/transfer_asked.py` has against it."""
        id_ = uuid4()
        values = {
            "id": id_,
            "call_id": wish.call,
            "transfer_id": wish.transfer or id_,
            "move": str(wish.move),
            "operator": call["operator"],
            "requested_by": wish.who,
            "key": wish.key,
        }
        if wish.transfer is None:
            self._check_agency(wish)
            check_start(call["transfers"], lately, self.lang)
            return {**values, "agency": wish.agency, "mode": wish.mode, "seen": None}
        found = check_move(call["transfers"], wish.transfer, Move(wish.move), lately, self.lang)
        return {**values, "agency": found["agency"], "mode": found["mode"], "seen": str(found["state"])}

    async def _call(self, conn: AsyncConnection, wish: Wish) -> dict[str, Any]:
        call = await get_call(conn, wish.call)
        if call is None:
            raise errors.NoSuchCall(f"There is no call {wish.call}.")
        check_talk(call, self.lang)
        if wish.only is not None and call["operator"] != wish.only:
            raise errors.NotAllowed("An operator may do this in the call he is in himself only.")
        if call["node"] != self.node:
            raise errors.CallOfAnotherNode(f"The call {wish.call} is on the node {call['node']}; ask there.")
        return call

    def _check_agency(self, wish: Wish) -> None:
        agency = next((one for one in self.configuration().agencies if one.name == wish.agency), None)
        if agency is None:
            raise errors.NoSuchAgency(f"There is no agency {wish.agency}.")
        if not agency.lines:
            raise errors.TransferRefused(no_lines_words(agency.name, self.lang))
        if wish.mode is TransferMode.BLIND and not agency.blind:
            raise errors.TransferRefused(not_blind_words(agency.name, self.lang))

    async def _answer_of(self, command: dict[str, Any]) -> dict[str, Any]:
        """What was answered to this command, or is to be: the first one who asked may wait for Asterisk yet."""
        deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
        while command["state"] == commands.REQUESTED and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_LOOK_SECONDS)
            async with reading(self.engine) as conn:
                command = (
                    await commands.by_key(conn, command["call_id"], command["requested_by"], command["key"]) or command
                )
        if command["error"] is not None:
            raise _TOLD.get(command["error"], errors.OutcomeUnknown)(command["told"] or "")
        return _public(command)

    async def _settle(self, command: dict[str, Any], state: str, error: errors.Pbx112Error | None) -> None:
        # What happened has happened: a database that went away between the two steps must not hide it.
        try:
            async with transaction(self.engine) as conn:
                slug, told = (None, None) if error is None else (error.slug, str(error)[:500])
                await commands.settle(conn, command["id"], state, slug, told)
        except errors.DatabaseUnavailable as away:
            log.warning("A transfer command's state was not written.", id=command["id"], state=state, error=str(away))


def _check_same(known: Mapping[str, Any], wish: Wish) -> None:
    if wish.move == START:
        same = (known["move"], known["agency"], known["mode"]) == (START, wish.agency, wish.mode)
    else:
        same = (known["move"], known["transfer_id"]) == (wish.move, wish.transfer)
    if not same:
        raise errors.BadInput("This Idempotency-Key was used for another request; use a new one for each.")


def _state_of(error: errors.Pbx112Error) -> str:
    if isinstance(error, errors.OutcomeUnknown):
        return commands.UNKNOWN
    return commands.REFUSED if isinstance(error, errors.AsteriskRefused) else commands.NOT_SENT


def _public(command: Mapping[str, Any]) -> dict[str, Any]:
    """`id` is the transfer's, by which it stands in the call's record."""
    shown = ("call_id", "move", "agency", "mode", "operator", "requested_by", "requested_at", "state")
    return {"id": command["transfer_id"], **{name: command[name] for name in shown}}
