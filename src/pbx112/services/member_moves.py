"""Moves the operators who are logged in to where a new configuration wants them. Nobody is logged out by it."""

from collections.abc import Awaitable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from pbx112.domain.configuration import Configuration
from pbx112.domain.demo import DRILL_ACCOUNT
from pbx112.domain.errors import AsteriskRefused, OutcomeUnknown, Pbx112Error
from pbx112.domain.live import LiveMember, LiveState
from pbx112.domain.skills import places
from pbx112.services.ports import Telephone

_LOOK_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Move:
    """One operator into a queue, out of it, or to another penalty there (`penalty` None: out)."""

    operator: str
    queue: str
    penalty: int | None
    new: bool = False
    paused: str | None = None


def moves(live: LiveState, configuration: Configuration) -> Iterator[Move]:
    """What is to be done so that everybody who is logged in is in his queues, and in no others. Joins come first."""
    here: dict[str, dict[str, LiveMember]] = {}
    for queue in live.queues:
        for member in queue.members:
            here.setdefault(member.operator, {})[queue.name] = member
    here.pop(DRILL_ACCOUNT, None)
    for name, members in here.items():
        yield from _into(name, members, _wanted(name, configuration))
    for name, members in here.items():
        wanted = _wanted(name, configuration)
        yield from (Move(name, queue, None) for queue in members if queue not in wanted)


def _wanted(name: str, configuration: Configuration) -> Mapping[str, int]:
    operator = configuration.operator(name)
    return {} if operator is None else {place.queue: place.penalty for place in places(configuration, operator)}


def _into(name: str, members: Mapping[str, LiveMember], wanted: Mapping[str, int]) -> Iterator[Move]:
    pause = next((member.paused_reason or "" for member in members.values() if member.paused), None)
    for queue, penalty in wanted.items():
        if queue not in members:
            yield Move(name, queue, penalty, new=True, paused=pause)
        elif members[queue].penalty != penalty:
            yield Move(name, queue, penalty)


async def move(telephone: Telephone, live: LiveState, configuration: Configuration) -> list[str]:
    """Carry the moves out; what could not be done is told in sentences, and done at the operator's next log-in."""
    told = []
    for one in moves(live, configuration):
        try:
            await _command(telephone, one)
        except AsteriskRefused as error:
            if one.penalty is None:  # the queue is gone, and he with it
                continue
            told.append(f"{one.operator} → {one.queue}: {error}")
        except Pbx112Error as error:
            told.append(f"{one.operator} → {one.queue}: {error}")
    with suppress(OutcomeUnknown):  # a queue that is gone tells nobody that its members are
        await telephone.look_again(_LOOK_SECONDS)
    return told


def _command(telephone: Telephone, one: Move) -> Awaitable[None]:
    if one.penalty is None:
        return telephone.queue_remove(one.queue, one.operator)
    if one.new:
        return telephone.queue_add(one.queue, one.operator, one.penalty, paused=one.paused)
    return telephone.queue_penalty(one.queue, one.operator, one.penalty)
