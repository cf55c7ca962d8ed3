"""Silent callers: have one asked to press a key."""

from typing import Literal
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import call_id_in
from pbx112.api.parts import Parts
from pbx112.domain.errors import NotAllowed
from pbx112.services.silent import SilentDesk
from pbx112.services.users import Role


class SilentAsked(BaseModel):
    """The caller is being asked; the call's `silent_checks` tells what he pressed."""

    model_config = ConfigDict(extra="forbid")

    call_id: UUID
    operator: str
    state: Literal["asked"]


async def post_silent_check(id: str, parts: Parts, who: Who) -> Response:  # noqa: A002 - the public name of the path
    """Ask the caller of a talk to press a key if he cannot speak; an operator may, in his own talk."""
    id_ = call_id_in(id)
    only = who.operator if who.role is Role.OPERATOR else None
    if who.role is Role.OPERATOR and only is None:
        raise NotAllowed("This user has no operator account, and so no talk of his own.")
    operator = await SilentDesk(parts.telephone, parts.engine, parts.node).ask(id_, who=who.name, only=only)
    return answer({"call_id": id_, "operator": operator, "state": "asked"}, status=202)
