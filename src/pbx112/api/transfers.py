"""Handing a caller over to an agency, from the operator's desk."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import IdempotencyKey, TransferWish, call_id_in, transfer_id_in
from pbx112.api.parts import ApiParts, Parts
from pbx112.api.tokens import Identity
from pbx112.domain.errors import NotAllowed
from pbx112.domain.transfer import Move, TransferMode
from pbx112.domain.transfer_asked import START
from pbx112.services.transfer_moves import TransferMoves
from pbx112.services.transfers import TransferDesk, Wish
from pbx112.services.users import Role


class TransferCommand(BaseModel):
    """What was asked of Asterisk; `id` is the transfer, whose course the call's `transfers` tell.

    `sent`: Asterisk has taken it; `requested`: it is being asked; `unknown`: it gave no answer.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID
    call_id: UUID
    move: Literal["start", "conference", "complete", "cancel"]
    agency: str | None
    mode: TransferMode | None
    operator: str
    requested_by: str
    requested_at: datetime
    state: Literal["requested", "sent", "unknown"]


async def post_transfer(
    id: str,  # noqa: A002 - the public name of the path
    wish: TransferWish,
    parts: Parts,
    who: Who,
    key: IdempotencyKey = None,
) -> Response:
    """Have an agency called for the caller of this talk; an operator may, in the call he is in.

    One at a time: while an agency is called or briefed, no other can be. With an `Idempotency-Key`, a request that is
    repeated gets the answer of the first.
    """
    asked = Wish(call_id_in(id), START, who.name, _only(who), key, agency=wish.agency, mode=wish.mode)
    return answer(await _desk(parts).carry_out(asked), status=202)


def post_move(move: Move) -> Callable[..., Awaitable[Response]]:
    """The endpoint of a move."""

    async def endpoint(
        id: str,  # noqa: A002
        tid: str,
        parts: Parts,
        who: Who,
        key: IdempotencyKey = None,
    ) -> Response:
        asked = Wish(call_id_in(id), move, who.name, _only(who), key, transfer=transfer_id_in(tid))
        return answer(await _desk(parts).carry_out(asked), status=202)

    endpoint.__name__ = f"post_{move}"
    endpoint.__doc__ = _MEANING[move]
    return endpoint


_MEANING = {
    Move.CONFERENCE: "Bring caller, agency and operator together.",
    Move.COMPLETE: "Leave the caller with the agency; the operator's phone is free.",
    Move.CANCEL: "Release the agency, or call it no more; the operator has his caller back.",
}


def _only(who: Identity) -> str | None:
    """The operator whose calls alone this user may move; None for any."""
    if who.role is not Role.OPERATOR:
        return None
    if who.operator is None:
        raise NotAllowed("This user has no operator account, and so no talk of his own.")
    return who.operator


def _desk(parts: ApiParts) -> TransferDesk:
    moves = TransferMoves(parts.switchboard, parts.lang)
    return TransferDesk(parts.engine, moves, parts.configuration, parts.node, parts.lang)
