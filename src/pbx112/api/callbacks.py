"""Calling a caller back."""

from fastapi import Response

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import CallbackWish, call_id_in
from pbx112.api.parts import ApiParts, Parts
from pbx112.api.tokens import Identity
from pbx112.domain.errors import BadInput, NotAllowed
from pbx112.services.callbacks import CallbackDesk
from pbx112.services.users import Role


async def post_callback(
    id: str,  # noqa: A002 - the public name of the path
    parts: Parts,
    who: Who,
    wish: CallbackWish | None = None,
) -> Response:
    """Ring an operator's phone; when he answers, call the caller of this call from 112, by the trunk he came by.

    The call back becomes a record of its own (`callback_of`). Until `lease_until` no other operator can call him.
    """
    operator = _operator(who, wish)
    return answer(await _desk(parts).call_back(call_id_in(id), operator, who=who.name), status=202)


def _operator(who: Identity, wish: CallbackWish | None) -> str:
    named = wish.operator if wish is not None else None
    if who.role is Role.OPERATOR and named not in {None, who.operator}:
        raise NotAllowed("An operator may do this for himself only.")
    operator = named or who.operator
    if operator is None:
        raise BadInput('You have no phone of your own: name the operator who is to call, {"operator": "op1"}.')
    return operator


def _desk(parts: ApiParts) -> CallbackDesk:
    return CallbackDesk(
        engine=parts.engine,
        placer=parts.placer,
        telephone=parts.telephone,
        live=parts.live,
        configuration=parts.configuration,
        lang=parts.lang,
        timezone=parts.timezone,
    )
