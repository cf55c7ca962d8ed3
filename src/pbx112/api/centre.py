"""What the centre is made of: queues, operators, agencies, trunks; and the operators' commands."""

from dataclasses import asdict

from fastapi import Response

from pbx112.api.access import Who
from pbx112.api.answers import answer
from pbx112.api.inputs import Pause
from pbx112.api.parts import ApiParts, Parts
from pbx112.domain.errors import NoSuchAgency, NoSuchOperator, NoSuchQueue, NoSuchTrunk
from pbx112.services.live_views import operator_view, queue_view
from pbx112.services.operators import OperatorDesk


async def get_queues(parts: Parts) -> Response:
    """All queues: configuration, members logged in, callers waiting."""
    live = parts.live.state
    return answer({"items": [queue_view(queue, live, parts.node) for queue in parts.configuration().queues]})


async def get_queue(name: str, parts: Parts) -> Response:
    """One queue: configuration, members logged in, callers waiting."""
    queue = parts.configuration().queue(name)
    if queue is None:
        raise NoSuchQueue("There is no queue of this name; GET /v1/queues lists them.")
    return answer(queue_view(queue, parts.live.state, parts.node))


async def get_operators(parts: Parts) -> Response:
    """All operators: configuration and what each is doing now."""
    live = parts.live.state
    return answer({"items": [operator_view(operator, live) for operator in parts.configuration().operators]})


async def get_operator(name: str, parts: Parts) -> Response:
    """One operator: configuration and what he is doing now."""
    return _operator(parts, name)


async def get_agencies(parts: Parts) -> Response:
    """All agencies and their lines in ringing order."""
    return answer({"items": [asdict(agency) for agency in parts.configuration().agencies]})


async def get_agency(name: str, parts: Parts) -> Response:
    """One agency and its lines in ringing order."""
    agency = next((agency for agency in parts.configuration().agencies if agency.name == name), None)
    if agency is None:
        raise NoSuchAgency("There is no agency of this name; GET /v1/agencies lists them.")
    return answer(asdict(agency))


async def get_trunks(parts: Parts) -> Response:
    """All trunks: the carriers, where their calls come from, and whether their word on a caller is believed."""
    return answer({"items": [asdict(trunk) for trunk in parts.configuration().trunks]})


async def get_trunk(name: str, parts: Parts) -> Response:
    """One trunk."""
    trunk = parts.configuration().trunk(name)
    if trunk is None:
        raise NoSuchTrunk("There is no trunk of this name; GET /v1/trunks lists them.")
    return answer(asdict(trunk))


async def login(name: str, parts: Parts, who: Who) -> Response:
    """Log an operator in to each of his queues."""
    await _desk(parts).log_in(name, who=who.name)
    return _operator(parts, name)


async def logout(name: str, parts: Parts, who: Who) -> Response:
    """Log an operator out of all queues."""
    await _desk(parts).log_out(name, who=who.name)
    return _operator(parts, name)


async def pause(name: str, why: Pause, parts: Parts, who: Who) -> Response:
    """Take an operator out of the ringing; a ring in progress goes on."""
    await _desk(parts).pause(name, why.reason, who=who.name)
    return _operator(parts, name)


async def unpause(name: str, parts: Parts, who: Who) -> Response:
    """Put an operator back into the ringing."""
    await _desk(parts).unpause(name, who=who.name)
    return _operator(parts, name)


def _desk(parts: ApiParts) -> OperatorDesk:
    return OperatorDesk(parts.telephone, parts.live, parts.configuration, parts.engine)


def _operator(parts: ApiParts, name: str) -> Response:
    operator = parts.configuration().operator(name)
    if operator is None:
        raise NoSuchOperator("There is no operator of this name; GET /v1/operators lists them.")
    return answer(operator_view(operator, parts.live.state))
