"""A transfer's channels are sent where transfer.conf takes over. A lost answer is looked for in the channels."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from pbx112.domain.errors import (
    AsteriskRefused,
    CallNotTalking,
    NotCarriedOut,
    OutcomeUnknown,
    Pbx112Error,
    TransferRefused,
)
from pbx112.domain.live import LiveChannel
from pbx112.domain.transfer import Move, TransferMode, transfer_id
from pbx112.domain.transfer_asked import not_now
from pbx112.services.ports import Redirection, Switchboard
from pbx112.services.transfer_channels import Pair, has_moved, left_alone, pair_of

log = structlog.get_logger(__name__)

OPERATORS, CALLERS = "transfer-op", "transfer-caller"

_PLACES = {Move.CONFERENCE: "conference", Move.COMPLETE: "handover", Move.CANCEL: "cancel"}
_MOST = 20
_LOOK_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Talk:
    """A call's linked id, the operator in it, and its id."""

    linkedid: str
    operator: str
    call: uuid.UUID


@dataclass(frozen=True, slots=True)
class TransferMoves:
    """Begins and moves transfers on this node's Asterisk; each with a deadline, and never twice.

    All raise CallNotTalking (caller and operator are not together), AsteriskUnavailable and NotCarriedOut (nothing was
    done), AsteriskRefused, OutcomeUnknown (not even the channels tell).
    """

    switchboard: Switchboard
    lang: str
    doubt_seconds: float = 5.0
    settle_seconds: float = 0.5
    """So long a move that was taken may need to show in the channels."""

    async def start(self, talk: Talk, id_: uuid.UUID, mode: TransferMode, agency: str) -> None:
        """Have the agency called. Both leave the queue's talk at once, or the operator the room of an earlier one."""
        pair = await self._pair(talk)
        operator = Redirection(pair.operator.name, OPERATORS, f"{mode}-{agency}")
        caller = Redirection(pair.caller.name, CALLERS, "hold" if mode is TransferMode.WARM else "room")
        # The journal's steps carry the service's id by this.
        await self._before(self.switchboard.set_variable(pair.operator.name, "TRANSFER_ID", str(id_)))

        async def begun(channels: tuple[LiveChannel, ...]) -> bool:
            phone = next((one for one in channels if one.name == pair.operator.name), None)
            if phone is None:
                return mode is TransferMode.BLIND and any(one.name == pair.caller.name for one in channels)
            return await self.switchboard.get_variable(phone.name, "TRANSFER") == str(id_)

        try:
            if pair.in_rooms:
                await self._sure(self.switchboard.redirect(operator), begun)
            else:
                await self._sure(self.switchboard.redirect(caller, operator), begun)
        except (AsteriskRefused, NotCarriedOut):
            await self._undo(talk, pair)
            raise

    async def move(self, talk: Talk, id_: uuid.UUID, move: Move) -> None:
        """Bring them together, hand over and let the operator go, or release the agency."""
        pair = await self._pair(talk)
        if not pair.in_rooms:
            raise CallNotTalking(not_now(talk.operator, self.lang))
        await self._before(self._choose(talk, pair, id_))

        async def moved(channels: tuple[LiveChannel, ...]) -> bool:
            return has_moved(pair, channels, move)

        await self._sure(self.switchboard.redirect(Redirection(pair.operator.name, OPERATORS, _PLACES[move])), moved)

    async def _choose(self, talk: Talk, pair: Pair, id_: uuid.UUID) -> None:
        """Name the transfer on the operator's channel, which may have called several agencies."""
        for number in range(1, _MOST + 1):
            name = await self.switchboard.get_variable(pair.operator.name, f"TRANSFER_{number}")
            if not name:
                break
            if transfer_id(talk.call, name) == id_:
                return await self.switchboard.set_variable(pair.operator.name, "WHICH", str(number))
        raise TransferRefused(not_now(talk.operator, self.lang))

    async def _pair(self, talk: Talk) -> Pair:
        try:
            channels = await self.switchboard.channels()
        except OutcomeUnknown as error:
            raise NotCarriedOut(f"{error} Nothing was done.") from error
        pair = pair_of(channels, talk.linkedid, talk.operator)
        if pair is None:
            raise CallNotTalking(not_now(talk.operator, self.lang))
        return pair

    async def _before(self, step: Awaitable[None]) -> None:
        """What changes nothing yet."""
        try:
            await step
        except (AsteriskRefused, OutcomeUnknown) as error:
            raise NotCarriedOut(f"{error} Nothing was done.") from error

    async def _sure(
        self, command: Awaitable[None], shown: Callable[[tuple[LiveChannel, ...]], Awaitable[bool]]
    ) -> None:
        """Carry it out; without an answer, the channels tell whether it was done."""
        try:
            await command
        except OutcomeUnknown as error:
            certain = await self._shown(error, shown)
            if certain is None:
                log.info("A move without an answer was made, as the channels show.", reason=str(error))
            elif certain:
                raise NotCarriedOut(f"{error} The channels show that it was not carried out; try again.") from error
            else:
                raise

    async def _shown(
        self, error: OutcomeUnknown, shown: Callable[[tuple[LiveChannel, ...]], Awaitable[bool]]
    ) -> bool | None:
        """None when the channels show the move; else whether that they do not is certain. Raises the error."""
        deadline = asyncio.get_running_loop().time() + self.settle_seconds
        always = True
        try:
            while True:
                channels, certain = await self.switchboard.channels_again(self.doubt_seconds)
                always = always and certain
                if await shown(channels):
                    return None
                if asyncio.get_running_loop().time() >= deadline:
                    return always
                await asyncio.sleep(_LOOK_SECONDS)
        except Pbx112Error:
            raise error from None

    async def _undo(self, talk: Talk, pair: Pair) -> None:
        """What was half done: no id for the next transfer, and no caller on hold whose operator was not moved."""
        try:
            channels = await self.switchboard.channels()
            if left_alone(channels, talk.linkedid, talk.operator) is not None:
                await self.switchboard.redirect(Redirection(pair.caller.name, CALLERS, "requeue"))
            else:
                await self.switchboard.set_variable(pair.operator.name, "TRANSFER_ID", "")
        except Pbx112Error as error:
            log.warning("A transfer that did not begin could not be undone.", call=talk.call, reason=str(error))
